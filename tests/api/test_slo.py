"""Static and dynamic large objects."""
import base64
import hashlib
import http.client
import json
import os
import re
import time
import urllib.parse

import pytest
import requests

from conftest import Cloud, User, wait_for

MIB = 1 << 20


def md5(data):
    return hashlib.md5(data).hexdigest()


def put_segments(user, container, sizes, prefix="s"):
    """Objects of random bytes and the manifest that names them."""
    bodies, manifest = [], []
    for i, size in enumerate(sizes):
        body = os.urandom(size)
        name = "%s%03d" % (prefix, i)
        path = "/%s/%s" % (container, urllib.parse.quote(name))
        assert user.request("PUT", path, data=body).status_code == 201
        bodies.append(body)
        manifest.append({"path": "/%s/%s" % (container, name), "etag": md5(body), "size_bytes": size})
    return bodies, manifest


def put_slo(user, container, name, manifest, query="", **headers):
    return user.request("PUT", "/%s/%s?multipart-manifest=put%s" % (container, name, query),
                        data=manifest if isinstance(manifest, (str, bytes)) else json.dumps(manifest), headers=headers)


def slo_etag(*parts):
    return md5("".join(parts).encode())


def get(user, container, name, query="", **headers):
    return user.request("GET", "/%s/%s%s" % (container, name, query), headers={k.replace("_", "-"): v
                                                                                for k, v in headers.items()})


@pytest.mark.parametrize("sizes", [[1], [10, 20, 30], [MIB, 3 * MIB + 7, 5], [70000] * 40, [2 * MIB] * 3])
def test_segments_are_one_object(tester, container, sizes):
    bodies, manifest = put_segments(tester, container, sizes)
    whole = b"".join(bodies)
    etag = slo_etag(*(m["etag"] for m in manifest))
    r = put_slo(tester, container, "slo", manifest, Content_Type="x/y")
    assert r.status_code == 201, r.text
    assert r.headers["Etag"] == '"%s"' % etag
    r = get(tester, container, "slo")
    assert r.status_code == 200 and r.content == whole
    assert r.headers["Etag"] == '"%s"' % etag and r.headers["X-Static-Large-Object"] == "True"
    r = tester.request("HEAD", "/%s/slo" % container)
    assert int(r.headers["Content-Length"]) == len(whole) and r.headers["Etag"] == '"%s"' % etag
    assert "swift_bytes" not in r.headers["Content-Type"]
    raw = get(tester, container, "slo", "?multipart-manifest=get")
    assert raw.headers["Content-Type"] == "application/json; charset=utf-8"
    assert raw.headers["Etag"] == md5(raw.content) == r.headers["X-Manifest-Etag"]
    assert [(s["name"], s["hash"], s["bytes"]) for s in raw.json()] == \
        [(m["path"], m["etag"], m["size_bytes"]) for m in manifest]


def test_ranges_of_the_whole(tester, container):
    bodies, manifest = put_segments(tester, container, [1000, 70000, 1, MIB + 5, 300])
    whole = b"".join(bodies)
    assert put_slo(tester, container, "slo", manifest).status_code == 201
    for a, b in ((0, 0), (0, 999), (999, 1000), (500, 71500), (71000, 71000), (71001, len(whole) - 1), (5, 10 ** 9)):
        r = get(tester, container, "slo", Range="bytes=%d-%d" % (a, b))
        assert r.status_code == 206 and r.content == whole[a:b + 1], (a, b)
        assert r.headers["Content-Range"] == "bytes %d-%d/%d" % (a, min(b, len(whole) - 1), len(whole))
    r = get(tester, container, "slo", Range="bytes=-400")
    assert r.status_code == 206 and r.content == whole[-400:]
    r = get(tester, container, "slo", Range="bytes=%d-" % len(whole))
    assert r.status_code == 416 and r.headers["Content-Range"] == "bytes */%d" % len(whole)
    r = get(tester, container, "slo", Range="bytes=100-2000,70990-71010,0-3")
    assert r.status_code == 206
    boundary = re.match(r"multipart/byteranges; ?boundary=(\S+)", r.headers["Content-Type"]).group(1)
    parts = r.content.split(b"--" + boundary.encode())[1:-1]
    assert [p.split(b"\r\n\r\n", 1)[1][:-2] for p in parts] == [whole[100:2001], whole[70990:71011], whole[:4]]


def test_ranges_of_segments_and_inline_data(tester, container):
    bodies, manifest = put_segments(tester, container, [1000, MIB])
    text = base64.b64encode(b"between").decode()
    parts = [{"path": manifest[0]["path"], "range": "10-19"}, {"data": text},
             {"path": manifest[1]["path"], "range": "-100"}, {"path": manifest[0]["path"], "range": "990-"},
             {"path": manifest[0]["path"], "range": "0-999"}]
    r = put_slo(tester, container, "slo", parts)
    assert r.status_code == 201, r.text
    whole = bodies[0][10:20] + b"between" + bodies[1][-100:] + bodies[0][990:] + bodies[0]
    assert get(tester, container, "slo").content == whole
    for a in range(0, 140, 7):
        assert get(tester, container, "slo", Range="bytes=%d-%d" % (a, a + 30)).content == whole[a:a + 31]
    e0, e1 = manifest[0]["etag"], manifest[1]["etag"]
    assert r.headers["Etag"] == '"%s"' % slo_etag("%s:10-19;" % e0, md5(b"between"),
                                                  "%s:%d-%d;" % (e1, MIB - 100, MIB - 1), "%s:990-999;" % e0, e0)
    kept = get(tester, container, "slo", "?multipart-manifest=get").json()
    assert [s.get("range") for s in kept] == ["10-19", None, "%d-%d" % (MIB - 100, MIB - 1), "990-999", None]
    assert kept[1] == {"data": text}
    again = get(tester, container, "slo", "?multipart-manifest=get&format=raw")
    assert again.headers["Etag"] == md5(again.content)
    assert put_slo(tester, container, "again", again.content).headers["Etag"] == r.headers["Etag"]


def test_manifests_in_manifests(tester, container):
    bodies, manifest = put_segments(tester, container, [100, 200, 300])
    assert put_slo(tester, container, "inner", manifest).status_code == 201
    inner = b"".join(bodies)
    outer = [{"path": manifest[1]["path"]}, {"path": "/%s/inner" % container, "range": "50-349"},
             {"path": "/%s/inner" % container}]
    assert put_slo(tester, container, "outer", outer).status_code == 201
    whole = bodies[1] + inner[50:350] + inner
    assert get(tester, container, "outer").content == whole
    kept = get(tester, container, "outer", "?multipart-manifest=get").json()
    assert [s.get("sub_slo") for s in kept] == [None, True, True]
    assert put_slo(tester, container, "top", [{"path": "/%s/outer" % container, "range": "220-699"},
                                              {"data": base64.b64encode(b"x" * 9).decode()}]).status_code == 201
    top = whole[220:700] + b"x" * 9
    assert get(tester, container, "top").content == top
    for a in range(0, len(top), 23):
        assert get(tester, container, "top", Range="bytes=%d-%d" % (a, a + 99)).content == top[a:a + 100]
    r = get(tester, container, "top", Range="bytes=400-450,10-40")
    assert top[400:451] in r.content and top[10:41] in r.content


def test_no_more_than_ten_manifests_deep(tester, container):
    bodies, manifest = put_segments(tester, container, [10])
    for i in range(11):
        assert put_slo(tester, container, "d%d" % i, manifest).status_code == 201
        manifest = [{"path": "/%s/d%d" % (container, i)}]
    assert get(tester, container, "d9").content == bodies[0]
    assert get(tester, container, "d10").status_code == 409


def test_loops_end(tester, container):
    bodies, manifest = put_segments(tester, container, [10])
    assert put_slo(tester, container, "a", manifest).status_code == 201
    assert put_slo(tester, container, "b", [{"path": "/%s/a" % container}]).status_code == 201
    # "a" now names "b", which names "a".
    assert put_slo(tester, container, "a", [{"path": "/%s/b" % container}]).status_code == 201
    assert get(tester, container, "a").status_code == 409
    assert get(tester, container, "b").status_code == 409


def test_conditions_are_about_the_whole(tester, container):
    _, manifest = put_segments(tester, container, [10, 20])
    etag = put_slo(tester, container, "slo", manifest).headers["Etag"].strip('"')
    kept = tester.request("HEAD", "/%s/slo" % container).headers["X-Manifest-Etag"]
    for method in ("GET", "HEAD"):
        def ask(**headers):
            return tester.request(method, "/%s/slo" % container,
                                  headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert ask(If_Match=etag).status_code == 200
        assert ask(If_Match=kept).status_code == 412
        r = ask(If_None_Match='"%s"' % etag)
        assert r.status_code == 304 and r.headers["Etag"] == '"%s"' % etag
        assert ask(If_None_Match=kept).status_code == 200


def test_parts_by_number(tester, container):
    bodies, manifest = put_segments(tester, container, [10, MIB + 9, 30])
    put_slo(tester, container, "slo", manifest)
    size = sum(map(len, bodies))
    start = 0
    for i, body in enumerate(bodies):
        for method in ("GET", "HEAD"):
            r = tester.request(method, "/%s/slo?part-number=%d" % (container, i + 1))
            assert r.status_code == 206 and r.headers["X-Parts-Count"] == "3"
            assert r.headers["Content-Range"] == "bytes %d-%d/%d" % (start, start + len(body) - 1, size)
            assert int(r.headers["Content-Length"]) == len(body)
            assert method == "HEAD" or r.content == body
        start += len(body)
    r = get(tester, container, "slo", "?part-number=4")
    assert r.status_code == 416 and r.headers["Content-Range"] == "bytes */%d" % size
    assert r.text == "The requested part number is not satisfiable"
    for bad in ("0", "-1", "x", "1.5", ""):
        r = get(tester, container, "slo", "?part-number=" + bad)
        assert r.status_code == 400 and r.text == "Part number must be an integer greater than 0", bad
    r = get(tester, container, "slo", "?part-number=1", Range="bytes=0-1")
    assert r.status_code == 400 and r.text == "Range requests are not supported with part number queries"
    assert get(tester, container, "s000", "?part-number=0").content == bodies[0]


def test_what_became_of_the_segments(tester, container):
    """Missing or changed ones: an error before the first byte; later ones cut the answer short."""
    bodies, manifest = put_segments(tester, container, [MIB] * 6)
    put_slo(tester, container, "slo", manifest)
    tester.request("PUT", "/%s/s005" % container, data=os.urandom(MIB))
    assert tester.request("GET", "/%s/slo" % container, stream=True).headers["Content-Length"] == str(6 * MIB)
    with pytest.raises((requests.RequestException, AssertionError)):
        assert len(get(tester, container, "slo").content) == 6 * MIB
    assert get(tester, container, "slo", Range="bytes=%d-" % (5 * MIB)).status_code == 409
    assert get(tester, container, "slo", Range="bytes=0-%d" % (5 * MIB - 1)).content == b"".join(bodies[:5])
    tester.request("DELETE", "/%s/s000" % container)
    r = get(tester, container, "slo")
    assert r.status_code == 409 and "conflict" in r.text
    assert tester.request("HEAD", "/%s/slo" % container).status_code == 200


FAULTS = [
    ("", "Manifest must be valid JSON.\n"),
    ("{", "Manifest must be valid JSON.\n"),
    ("[" * 100000, "Manifest must be valid JSON.\n"),
    ("{}", "Manifest must be a list.\n"),
    ([1, "x"], "Index 0: not a JSON object\nIndex 1: not a JSON object\n"),
    ([{"foo": 1}], "Index 0: expected keys to include one of 'data' or 'path'\n"),
    ([{"path": "/c/o", "foo": 1, "baz": 2}], 'Index 0: extraneous keys "baz", "foo"\n'),
    ([{"path": "/c/o", "data": "eA=="}], 'Index 0: extraneous keys "path"\nInline data segments require at least '
     'one object-backed segment.\n'),
    ([{"path": 7}], 'Index 0: "path" must be a string\n'),
    ([{"path": "/c/o", "etag": 7}], 'Index 0: "etag" must be a string or null (if provided)\n'),
    ([{"path": "/nope/"}], "Index 0: path does not refer to an object. Path must be of the form /container/object.\n"),
    ([{"path": "/c/o", "size_bytes": "x"}], "Index 0: invalid size_bytes\n"),
    ([{"path": "/c/o", "size_bytes": 0}, {"path": "/c/o"}], "Index 0: too small; each segment must be at least 1 byte.\n"),
    ([{"path": "/c/o", "range": "x"}], "Index 0: invalid range\n"),
    ([{"path": "/c/o", "range": "4-3"}], "Index 0: invalid range\n"),
    ([{"path": "/c/o", "range": "-"}], "Index 0: invalid range\n"),
    ([{"path": "/c/o", "range": "0-1,3-4"}], "Index 0: multiple ranges (only one allowed)\n"),
    ([{"path": "/c/o", "range": "9-", "size_bytes": 5}], "Index 0: unsatisfiable range\n"),
    ([{"path": "/c/o", "range": "-0", "size_bytes": 5}], "Index 0: unsatisfiable range\n"),
    ([{"path": "/c/o"}, {"data": "!!"}], "Index 1: data must be valid base64\n"),
    ([{"path": "/c/o"}, {"data": "eA"}], "Index 1: data must be valid base64\n"),
    ([{"path": "/c/o"}, {"data": 5}], "Index 1: data must be valid base64\n"),
    ([{"path": "/c/o"}, {"data": ""}], "Index 1: too small; each segment must be at least 1 byte.\n"),
    ([{"data": "eA=="}], "Inline data segments require at least one object-backed segment.\n"),
]


@pytest.mark.parametrize("manifest,text", FAULTS)
def test_malformed_manifests(tester, container, manifest, text):
    r = put_slo(tester, container, "slo", manifest)
    assert r.status_code == 400 and r.text == text
    assert tester.request("HEAD", "/%s/slo" % container).status_code == 404


def test_a_manifest_cannot_name_itself(tester, container):
    r = put_slo(tester, container, "sl o", [{"path": "/%s/sl o" % container}])
    assert r.status_code == 400 and r.text == "Index 0: manifest must not include itself as a segment\n"


def test_how_large_a_manifest_may_be(tester, container):
    _, manifest = put_segments(tester, container, [5])
    r = put_slo(tester, container, "slo", manifest * 1001)
    assert r.status_code == 413 and r.text == "Number of object-backed segments must be <= 1000"
    client = http.client.HTTPConnection("127.0.0.1", tester.cloud.port)
    client.putrequest("PUT", "/v1/AUTH_test/%s/slo?multipart-manifest=put" % container)
    for name, value in (("X-Auth-Token", tester.token), ("Content-Length", (8 << 20) + 1), ("Expect", "100-continue")):
        client.putheader(name, value)
    client.endheaders()
    r = client.getresponse()
    assert r.status == 413 and r.read() == b"Manifest File > %d bytes" % (8 << 20)
    assert put_slo(tester, container, "slo", b"[" + b"0," * (2 << 20) + b"0]").status_code == 413
    assert put_slo(tester, container, "slo", manifest * 1000).status_code == 201
    assert len(get(tester, container, "slo").content) == 5000
    assert put_slo(tester, container, "empty", []).status_code == 201
    r = get(tester, container, "empty")
    assert r.status_code == 200 and r.content == b"" and r.headers["Etag"] == '"%s"' % md5(b"")


def test_what_objects_must_be(tester, container):
    _, manifest = put_segments(tester, container, [5, 0, 7])
    bad = [dict(manifest[0], etag="0" * 32), {"path": manifest[1]["path"]}, dict(manifest[2], size_bytes=8),
           {"path": "/%s/no&ne" % container}, {"path": manifest[0]["path"], "range": "5-"}, manifest[0]]
    errors = [["/%s/s000" % container, "Etag Mismatch"],
              ["/%s/s001" % container, "Too small; each segment must be at least 1 byte."],
              ["/%s/s002" % container, "Size Mismatch"], ["/%s/no%%26ne" % container, "404 Not Found"],
              ["/%s/s000" % container, "Unsatisfiable Range"]]
    r = put_slo(tester, container, "slo", bad)
    assert r.status_code == 400 and r.headers["Content-Type"].startswith("text/plain")
    assert r.text == "Errors:\n" + "".join("%s, %s\n" % tuple(e) for e in errors)
    r = put_slo(tester, container, "slo", bad, Accept="application/json")
    assert r.status_code == 400 and r.json() == {"Errors": errors}
    r = put_slo(tester, container, "slo", bad, Accept="application/xml")
    assert r.text.startswith("<upload>\n<errors>\n<object><name>/%s/s000</name><status>Etag Mismatch" % container)
    assert put_slo(tester, container, "slo", [manifest[0], {"path": manifest[1]["path"]}]).status_code == 201
    assert put_slo(tester, container, "slo", [manifest[0]], Etag="0" * 32).status_code == 422
    good = slo_etag(manifest[0]["etag"])
    assert put_slo(tester, container, "slo", [manifest[0]], Etag='"%s"' % good).status_code == 201


def test_heartbeat(tester, container):
    _, manifest = put_segments(tester, container, [5, 6])
    r = put_slo(tester, container, "slo", manifest, "&heartbeat=on", Accept="application/json")
    assert r.status_code == 202
    told = json.loads(r.text)
    assert told["Response Status"] == "201 Created" and told["Errors"] == [] and told["Response Body"] == ""
    assert told["Etag"] == '"%s"' % slo_etag(*(m["etag"] for m in manifest)) and told["Last Modified"]
    r = put_slo(tester, container, "slo", [dict(manifest[0], size_bytes=9)], "&heartbeat=on")
    assert r.status_code == 202 and r.text == (
        " \r\n\r\nResponse Body: Bad Request\nThe server could not comply with the request since it is either malformed "
        "or otherwise incorrect.\nResponse Status: 400 Bad Request\nErrors:\n/%s/s000, Size Mismatch\n" % container)


def test_listings_and_posts(tester, container):
    bodies, manifest = put_segments(tester, container, [1000, 2000])
    etag = put_slo(tester, container, "slo", manifest, **{"Content-Type": "video/x; a=b", "X-Object-Meta-A": "1"}
                   ).headers["Etag"]

    def row():
        rows = tester.request("GET", "/%s?format=json&prefix=slo" % container).json()
        return {k: rows[0].get(k) for k in ("bytes", "content_type", "slo_etag", "hash")}
    kept = get(tester, container, "slo", "?multipart-manifest=get")
    assert row() == {"bytes": 3000, "content_type": "video/x; a=b", "slo_etag": etag, "hash": md5(kept.content)}
    used = int(tester.request("HEAD", "/" + container).headers["X-Container-Bytes-Used"])
    assert used == 3000 + len(kept.content)
    assert tester.request("POST", "/%s/slo" % container, headers={
        "Content-Type": "text/z", "X-Object-Meta-B": "2"}).status_code == 202
    assert row() == {"bytes": 3000, "content_type": "text/z", "slo_etag": etag, "hash": md5(kept.content)}
    r = get(tester, container, "slo")
    assert r.content == b"".join(bodies) and r.headers["Content-Type"] == "text/z"
    assert "X-Object-Meta-A" not in r.headers and r.headers["X-Object-Meta-B"] == "2"
    assert r.headers["X-Static-Large-Object"] == "True"
    for method in ("PUT", "POST"):
        r = tester.request(method, "/%s/s000" % container, headers={"X-Static-Large-Object": "True"})
        assert r.status_code == 400 and "reserved header" in r.text


def test_segments_by_the_rights_of_who_asks(cloud, tester, container):
    other = User(cloud, "test:tester3", "testing3")
    hidden = container + "-hidden"
    tester.request("PUT", "/" + hidden)
    bodies, manifest = put_segments(tester, hidden, [10, 20])
    assert put_slo(tester, container, "slo", manifest).status_code == 201
    tester.request("POST", "/" + container, headers={"X-Container-Read": "test:tester3"})
    assert get(other, container, "slo").status_code == 409
    tester.request("POST", "/" + hidden, headers={"X-Container-Read": "test:tester3"})
    assert get(other, container, "slo").content == b"".join(bodies)
    tester.request("POST", "/" + container, headers={"X-Container-Write": "test:tester3"})
    tester.request("POST", "/" + hidden, headers={"X-Container-Read": ""})
    r = put_slo(other, container, "mine", manifest)
    assert r.status_code == 400 and "403 Forbidden" in r.text
    for query in ("?multipart-manifest=get", ""):
        assert other.request("GET", "/%s/s000%s" % (hidden, query)).status_code == 403


def test_segments_that_are_links(tester, container):
    bodies, manifest = put_segments(tester, container, [10, 20])
    tester.request("PUT", "/%s/link" % container, headers={"X-Symlink-Target": "%s/s001" % container})
    assert put_slo(tester, container, "slo", [manifest[0], {"path": "/%s/link" % container}]).status_code == 201
    assert get(tester, container, "slo").content == b"".join(bodies)
    tester.request("PUT", "/%s/to-slo" % container, headers={"X-Symlink-Target": "%s/slo" % container})
    assert get(tester, container, "to-slo").content == b"".join(bodies)
    assert get(tester, container, "to-slo", Range="bytes=5-14").content == b"".join(bodies)[5:15]


def test_copies_are_of_the_bytes(tester, container):
    bodies, manifest = put_segments(tester, container, [10, MIB, 300000])
    put_slo(tester, container, "slo", manifest, **{"X-Object-Meta-A": "1"})
    r = tester.request("COPY", "/%s/slo" % container, headers={"Destination": "%s/copy" % container})
    assert r.status_code == 201
    r = get(tester, container, "copy")
    assert r.content == b"".join(bodies) and r.headers["X-Object-Meta-A"] == "1"
    assert "X-Static-Large-Object" not in r.headers and r.headers["Etag"] == md5(r.content)
    row = tester.request("GET", "/%s?format=json&prefix=copy" % container).json()[0]
    assert row["bytes"] == len(r.content) and row["hash"] == md5(r.content) and "slo_etag" not in row


def names(user, container):
    return user.request("GET", "/" + container).text.split()


def delete_slo(user, container, name, query="", **headers):
    return user.request("DELETE", "/%s/%s?multipart-manifest=delete%s" % (container, name, query), headers=headers)


def test_delete_takes_the_segments_along(tester, container):
    _, manifest = put_segments(tester, container, [1] * 70)
    put_slo(tester, container, "inner", manifest[:40] + [manifest[0]])
    put_slo(tester, container, "slo", manifest[40:] + [{"path": "/%s/inner" % container}])
    r = delete_slo(tester, container, "slo", Accept="application/json")
    # The segment that is named twice is gone the second time.
    assert r.status_code == 200 and json.loads(r.text) == {
        "Response Status": "200 OK", "Response Body": "", "Number Deleted": 72, "Number Not Found": 1, "Errors": []} \
        or json.loads(r.text)["Number Deleted"] == 73
    assert names(tester, container) == []
    r = delete_slo(tester, container, "slo")
    assert r.status_code == 200 and "Number Not Found: 1\n" in r.text and "Response Status: 200 OK\n" in r.text
    tester.request("PUT", "/%s/plain" % container, data=b"x")
    r = delete_slo(tester, container, "plain")
    assert r.text == ("Number Deleted: 0\nNumber Not Found: 0\nResponse Body: \nResponse Status: 400 Bad Request\n"
                      "Errors:\n/%s/plain, Not an SLO manifest\n" % container)
    assert names(tester, container) == ["plain"]
    put_slo(tester, container, "slo", [{"path": "/%s/plain" % container}])
    assert tester.request("DELETE", "/%s/slo" % container).status_code == 204
    assert names(tester, container) == ["plain"]


def test_delete_of_a_loop_ends(tester, container):
    _, manifest = put_segments(tester, container, [10])
    put_slo(tester, container, "a", manifest)
    put_slo(tester, container, "b", [{"path": "/%s/a" % container}])
    put_slo(tester, container, "a", [{"path": "/%s/b" % container}] * 2)
    assert delete_slo(tester, container, "a").status_code == 200
    assert set(names(tester, container)) <= {"s000", "a", "b"}


def test_delete_behind_the_answer(tester, container, expirer):
    _, manifest = put_segments(tester, container, [1] * 30)
    put_slo(tester, container, "slo", manifest)
    r = delete_slo(tester, container, "slo", "&async=yes")
    assert r.status_code == 204
    assert tester.request("HEAD", "/%s/slo" % container).status_code == 404
    wait_for(lambda: names(tester, container) == [], 30)
    # What is put again afterwards stays.
    _, manifest = put_segments(tester, container, [1, 2])
    put_slo(tester, container, "inner", manifest)
    other = container + "-other"
    tester.request("PUT", "/" + other)
    put_segments(tester, other, [1])
    put_slo(tester, container, "two", manifest + [{"path": "/%s/s000" % other}])
    r = delete_slo(tester, container, "two", "&async=yes")
    assert r.status_code == 400 and r.text == ('All segments must be in one container. Found segments in "%s", "%s"'
                                               % (container, other))
    put_slo(tester, container, "outer", [{"path": "/%s/inner" % container}])
    r = delete_slo(tester, container, "outer", "&async=yes")
    assert r.status_code == 400 and r.text == "No segments may be large objects."
    assert delete_slo(tester, container, "s000", "&async=yes").text == "Not an SLO manifest"
    assert delete_slo(tester, container, "none", "&async=yes").status_code == 404


@pytest.fixture(scope="module")
def expirer(cloud, tester):
    """Its queue is there: a second after the cloud's first start it may not be."""
    tester.request("PUT", "/queue")
    _, manifest = put_segments(tester, "queue", [1])
    put_slo(tester, "queue", "slo", manifest)
    wait_for(lambda: delete_slo(tester, "queue", "slo", "&async=yes").status_code == 204)


def test_segments_stay_when_their_manifest_does(tester, container, expirer):
    """Its DELETE fails once they have been left to be deleted: there is nowhere to keep what it was."""
    _, manifest = put_segments(tester, container, [1] * 5)
    kept = container + "-kept"
    assert tester.request("PUT", "/" + kept, headers={"X-History-Location": container + "-none"}).status_code == 201
    put_slo(tester, kept, "slo", manifest)
    assert delete_slo(tester, kept, "slo", "&async=yes").status_code == 412
    assert tester.request("GET", "/%s/slo" % kept).status_code == 200
    # What is left to be deleted behind it goes: so would these have.
    assert tester.request("PUT", "/%s-later" % container).status_code == 201
    _, later = put_segments(tester, container + "-later", [1])
    put_slo(tester, container, "later", later)
    assert delete_slo(tester, container, "later", "&async=yes").status_code == 204
    wait_for(lambda: names(tester, container + "-later") == [], 30)
    assert len(names(tester, container)) == 5 and tester.request("GET", "/%s/slo" % kept).status_code == 200


def test_a_version_of_a_manifest_is_deleted_behind_the_answer(tester, container, expirer):
    versions = {}
    assert tester.request("PUT", "/" + container, headers={"X-Versions-Enabled": "true"}).status_code == 202
    for name in ("old", "new"):
        assert tester.request("PUT", "/%s-%s" % (container, name)).status_code == 201
        _, manifest = put_segments(tester, "%s-%s" % (container, name), [3, 4])
        put_slo(tester, container, "slo", manifest)
        versions[name] = tester.request("HEAD", "/%s/slo" % container).headers["X-Object-Version-Id"]
    assert delete_slo(tester, container, "slo", "&async=yes&version-id=" + versions["old"]).status_code == 204
    wait_for(lambda: names(tester, container + "-old") == [], 30)
    assert tester.request("GET", "/%s/slo?version-id=%s" % (container, versions["old"])).status_code == 404
    r = tester.request("GET", "/%s/slo" % container)
    assert r.status_code == 200 and r.headers["X-Object-Version-Id"] == versions["new"] and len(r.content) == 7
    assert delete_slo(tester, container, "slo", "&async=yes&version-id=" + versions["new"]).status_code == 204
    wait_for(lambda: names(tester, container + "-new") == [], 30)
    assert tester.request("GET", "/%s/slo" % container).status_code == 404


def test_a_manifest_is_copied(tester, container):
    bodies, manifest = put_segments(tester, container, [10, 20])
    etag = put_slo(tester, container, "slo", manifest, **{"X-Object-Meta-A": "1", "Content-Type": "a/b"}).headers["Etag"]
    r = tester.request("COPY", "/%s/slo?multipart-manifest=get" % container,
                       headers={"Destination": "%s/copy" % container, "X-Object-Meta-B": "2"})
    assert r.status_code == 201 and r.headers["Etag"] == etag
    assert r.headers["X-Copied-From"] == container + "/slo" and r.headers["X-Copied-From-Account"] == "AUTH_test"
    r = tester.request("PUT", "/%s/copy2?multipart-manifest=get" % container,
                       headers={"X-Copy-From": "/%s/slo" % container, "X-Fresh-Metadata": "yes"}, data=b"")
    assert r.status_code == 201, r.text
    for name, metadata in (("copy", ("1", "2")), ("copy2", (None, None))):
        r = get(tester, container, name)
        assert r.content == b"".join(bodies) and r.headers["Etag"] == etag
        assert r.headers["X-Static-Large-Object"] == "True" and r.headers["Content-Type"] == "a/b"
        assert (r.headers.get("X-Object-Meta-A"), r.headers.get("X-Object-Meta-B")) == metadata
    tester.request("DELETE", "/%s/s001" % container)
    r = tester.request("COPY", "/%s/slo?multipart-manifest=get" % container, headers={"Destination": container + "/x"})
    assert r.status_code == 400 and "404 Not Found" in r.text
    r = tester.request("COPY", "/%s/s000?multipart-manifest=get" % container, headers={"Destination": container + "/y"})
    assert r.status_code == 201 and get(tester, container, "y").content == bodies[0]
    assert tester.request("COPY", "/%s/slo" % container, headers={"Destination": container + "/z"}).status_code >= 400


def test_expiry_of_manifests_and_segments(tester, container):
    bodies, manifest = put_segments(tester, container, [10])
    put_slo(tester, container, "slo", manifest, **{"X-Delete-After": "1000"})
    at = tester.request("HEAD", "/%s/slo" % container).headers["X-Delete-At"]
    assert abs(int(at) - time.time() - 1000) < 60
    tester.request("POST", "/%s/s000" % container, headers={"X-Delete-After": "1"})
    time.sleep(2.1)
    assert get(tester, container, "slo").status_code == 409


def test_the_swift_client(tester, container, tmp_path):
    body = os.urandom(5 * MIB + 77)
    (tmp_path / "big").write_bytes(body)
    for i, flags in enumerate((["--use-slo", "-S", "1M"], ["--use-slo", "-S", "1M", "--changed"], ["-S", "1500K"])):
        tester.swift("upload", *flags, container, "big", cwd=str(tmp_path))
        stat = tester.swift("stat", container, "big").stdout
        assert "Content Length: %d" % len(body) in stat
        assert (("Manifest" in stat) if i == 2 else ("X-Static-Large-Object: True" in stat)), stat
        tester.swift("download", container, "big", "-o", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == body
    tester.swift("upload", "--use-slo", "-S", "1M", container, "big", cwd=str(tmp_path))
    assert names(tester, container) == ["big"] and len(names(tester, container + "_segments")) == 6
    tester.swift("delete", container, "big")
    assert names(tester, container) == [] and names(tester, container + "_segments") == []
    for i in range(25):
        tester.request("PUT", "/%s/o%d" % (container, i), data=b"x")
    tester.swift("delete", container)
    assert tester.request("HEAD", "/" + container).status_code == 404


def test_dynamic_ones(tester, container):
    bodies, manifest = put_segments(tester, container, [10, 0, 300000, 20], "d/x?")
    for bad in ("c", "c/", "/p", "c/p?", "c/p&q", "c//p"):
        r = tester.request("PUT", "/%s/dlo" % container, headers={"X-Object-Manifest": bad})
        assert r.status_code == 400 and r.text == "X-Object-Manifest must be in the format container/prefix", bad
    assert tester.request("PUT", "/%s/dlo" % container,
                          headers={"X-Object-Manifest": container + "/d/x%3F"}).status_code == 201
    whole = b"".join(bodies)
    for method in ("GET", "HEAD"):
        r = tester.request(method, "/%s/dlo" % container)
        assert r.status_code == 200 and int(r.headers["Content-Length"]) == len(whole)
        assert r.headers["Etag"] == '"%s"' % slo_etag(*(m["etag"] for m in manifest))
        assert method == "HEAD" or r.content == whole
    assert get(tester, container, "dlo", Range="bytes=5-300015").content == whole[5:300016]
    assert get(tester, container, "dlo", "?multipart-manifest=get").content == b""
    tester.request("DELETE", "/%s/d/x%%3F000" % container)
    assert get(tester, container, "dlo").content == whole[10:]
    tester.request("PUT", "/%s/gone" % container, headers={"X-Object-Manifest": container + "-none/x"})
    assert get(tester, container, "gone").status_code == 404
    tester.request("PUT", "/%s/nothing" % container, headers={"X-Object-Manifest": container + "/none"})
    r = get(tester, container, "nothing")
    assert r.status_code == 200 and r.content == b""


def test_what_info_says(tester):
    info = requests.get(tester.cloud.url + "/info").json()
    assert info["slo"] == {"max_manifest_segments": 1000, "max_manifest_size": 8 << 20, "yield_frequency": 10,
                           "min_segment_size": 1, "allow_async_delete": True}
    assert info["bulk_delete"] == {"max_deletes_per_request": 10000, "max_failed_deletes": 1000}


def test_of_objects_in_fragments_and_sealed():
    cloud = Cloud(devices=4, wire=False, conf={"cluster": ["policy = 2 ec type=ec k=2 m=1"], "encryption": ["enabled = yes"]})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("PUT", "/c", headers={"X-Storage-Policy": "ec"}).status_code == 201
        bodies, manifest = put_segments(user, "c", [10, 2 * MIB + 5, 70000, 300000])
        whole = b"".join(bodies)
        etag = put_slo(user, "c", "slo", manifest).headers["Etag"]
        assert get(user, "c", "slo").content == whole
        for a in range(0, len(whole), 333333):
            assert get(user, "c", "slo", Range="bytes=%d-%d" % (a, a + 100000)).content == whole[a:a + 100001]
        row = user.request("GET", "/c?format=json&prefix=slo").json()[0]
        assert row["bytes"] == len(whole) and row["slo_etag"] == etag
        assert row["hash"] == md5(get(user, "c", "slo", "?multipart-manifest=get").content)
        assert "Number Deleted: 5" in delete_slo(user, "c", "slo").text
    finally:
        cloud.close()
