"""Many objects in one request."""
import concurrent.futures
import gzip
import http.client
import io
import json
import os
import tarfile
import threading
import time
import urllib.parse

import pytest
import requests

from conftest import Cloud, User


def bulk_delete(user, lines, method="POST", query="", **headers):
    h = {"Content-Type": "text/plain", "Accept": "application/json"}
    h.update({k.replace("_", "-"): v for k, v in headers.items()})
    body = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    return user.request(method, "?bulk-delete" + query, data=body, headers=h)


def told(r):
    assert r.status_code == 200, r.text
    return json.loads(r.text)


def names(user, container):
    return user.request("GET", "/" + container).text.split("\n")[:-1]


def test_objects_and_then_containers(tester, container):
    lines = [container]
    for i in range(300):
        name = "o/\u00e9 %d" % i
        tester.request("PUT", "/%s/%s" % (container, urllib.parse.quote(name)), data=b"x")
        lines.append("/%s/%s" % (container, urllib.parse.quote(name)))
    r = told(bulk_delete(tester, lines + ["", "/%s/none" % container, "/no-such/o"]))
    assert r == {"Response Status": "200 OK", "Response Body": "", "Number Deleted": 301, "Number Not Found": 2,
                 "Errors": []}
    assert tester.request("HEAD", "/" + container).status_code == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_fails_is_told(tester, container, method):
    tester.request("PUT", "/%s/a" % container, data=b"x")
    r = told(bulk_delete(tester, [container, "%s/%%ff" % container, "%s/%%00" % container], method))
    assert r["Response Status"] == "400 Bad Request" and r["Number Deleted"] == 0
    assert sorted(r["Errors"]) == sorted([[container, "409 Conflict"], ["%s/%%FF" % container, "412 Precondition Failed"],
                                          ["%s/" % container, "412 Precondition Failed"]])
    r = bulk_delete(tester, ["%s/%%ff&" % container], method, Accept="text/xml")
    assert r.text == ("<delete>\n<number_deleted>0</number_deleted>\n<number_not_found>0</number_not_found>\n"
                      "<response_body></response_body>\n<response_status>400 Bad Request</response_status>\n<errors>\n"
                      "<object><name>%s/%%FF%%26</name><status>412 Precondition Failed</status></object>\n"
                      "</errors>\n</delete>\n" % container)
    r = bulk_delete(tester, ["%s/%%ff" % container], method, Accept="")
    assert r.text == ("Number Deleted: 0\nNumber Not Found: 0\nResponse Body: \nResponse Status: 400 Bad Request\n"
                      "Errors:\n%s/%%FF, 412 Precondition Failed\n" % container)


def test_bodies_that_cannot_be_worked_on(tester, container):
    assert told(bulk_delete(tester, b""))["Response Body"] == "Invalid bulk delete."
    r = told(bulk_delete(tester, b"\n" * 10001))
    assert (r["Response Status"], r["Response Body"]) == ("413 Request Entity Too Large",
                                                          "Maximum Bulk Deletes: 10000 per request")
    r = told(bulk_delete(tester, b"x" * 3000))
    assert (r["Response Status"], r["Response Body"]) == ("400 Bad Request", "Invalid File Name")
    assert told(bulk_delete(tester, b"x", Content_Type="application/json"))["Response Status"] == "406 Not Acceptable"
    assert "406 Not Acceptable" in bulk_delete(tester, b"x", Accept="image/png").text
    r = told(bulk_delete(tester, ["%s/%%ff%d" % (container, i) for i in range(1500)]))
    assert r["Response Body"] == "Max delete failures exceeded" and 1000 <= len(r["Errors"]) < 1100


def test_rights_are_those_of_each_container(cloud, tester, container):
    other = User(cloud, "test:tester3", "testing3")
    closed = container + "-closed"
    tester.request("PUT", "/" + closed)
    tester.request("POST", "/" + container, headers={"X-Container-Write": "test:tester3"})
    for c in container, closed:
        tester.request("PUT", "/%s/o" % c, data=b"x")
    r = told(bulk_delete(other, ["%s/o" % container, "%s/o" % closed]))
    assert r["Number Deleted"] == 1 and r["Errors"] == [["%s/o" % closed, "403 Forbidden"]]
    assert names(tester, container) == [] and names(tester, closed) == ["o"]
    assert requests.post(tester.storage + "?bulk-delete", data="%s/o" % closed,
                         headers={"Content-Type": "text/plain"}).status_code == 401


def test_a_body_without_a_length(tester, container):
    tester.request("PUT", "/%s/o" % container, data=b"x")
    r = tester.request("POST", "?bulk-delete", data=iter([b"%s/" % container.encode(), b"o\n"]),
                       headers={"Accept": "application/json"})
    assert told(r)["Number Deleted"] == 1
    assert names(tester, container) == []


# --- uploads ---

def archive(files, kind="", **options):
    """files: (name, bytes) or TarInfo, or (TarInfo, bytes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + kind, **options) as tar:
        for name, body in files:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(body) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def upload(user, path, data, kind="tar", accept="application/json", **headers):
    return user.request("PUT", "%s?extract-archive=%s" % (path, kind), data=data,
                        headers=dict({"Accept": accept}, **headers))


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", ".tar.gz."])
def test_files_become_objects(tester, container, kind):
    files = [("d%d/f%03d" % (i % 3, i), os.urandom(i * 37 % 5000)) for i in range(200)]
    files += [("./dot/x", b"dot"), ("/slash", b"slash"), ("large", os.urandom((3 << 20) + 5)),
              ("middle", os.urandom(300000)), ("empty", b"")]
    r = upload(tester, "/" + container, archive(files, kind.strip(".")[4:]), kind)
    assert told(r) == {"Response Status": "201 Created", "Response Body": "", "Number Files Created": 205, "Errors": []}
    for name, body in files:
        name = name[2:] if name.startswith("./") else name.lstrip("/")
        assert tester.request("GET", "/%s/%s" % (container, name)).content == body, name
    assert len(names(tester, container)) == 205


def test_containers_are_made(tester, container):
    made = [container + "-%d" % i for i in range(5)]
    files = [("%s/o/%d" % (c, i), c.encode()) for i in range(20) for c in made] + [("base-level", b"x")]
    assert told(upload(tester, "", archive(files)))["Number Files Created"] == 100
    for c in made:
        assert len(names(tester, c)) == 20
    r = upload(tester, "/%s/pre/fix//" % container, archive([("a/b", b"1")]))
    assert told(r)["Number Files Created"] == 1 and names(tester, container) == ["pre/fix/a/b"]


def test_headers_and_attributes(tester, container):
    info = tarfile.TarInfo("attributes")
    info.pax_headers = {"SCHILY.xattr.user.mime_type": "food/diet", "SCHILY.xattr.user.meta.lunch": "sundowner",
                        "SCHILY.xattr.user.other": "x", "SCHILY.xattr.user.meta.caf\u00e9": "no",
                        "SCHILY.xattr.user.meta.uml": "\u00e9"}
    r = upload(tester, "/" + container, archive([(info, b"x"), ("t.html", b"y")], format=tarfile.PAX_FORMAT),
               **{"X-Object-Meta-All": "1", "X-Delete-After": "1000", "X-Container-Meta-No": "1"})
    assert told(r)["Number Files Created"] == 2
    r = tester.request("HEAD", "/%s/attributes" % container)
    assert r.headers["Content-Type"] == "food/diet" and r.headers["X-Object-Meta-Lunch"] == "sundowner"
    assert r.headers["X-Object-Meta-All"] == "1" and r.headers["X-Delete-At"]
    assert r.headers["X-Object-Meta-Uml"].encode("latin1").decode() == "\u00e9"
    assert tester.request("HEAD", "/%s/t.html" % container).headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_of_any_kind(tester, container, form):
    kinds = ["\u00e9\u4e2d\U0001f600", "a b?#&%2F", "x" * 300, "../up", "a/../../b", "..", "~/.ssh/x", "//a//b"]
    r = upload(tester, "/" + container, archive([(n, n.encode()) for n in kinds], format=form))
    assert told(r)["Number Files Created"] == len(kinds)
    wanted = sorted(n.lstrip("/") for n in kinds)
    assert sorted(names(tester, container)) == sorted(wanted, key=lambda n: n.encode())
    rows = tester.request("GET", "/%s?format=json" % container).json()
    assert {row["name"]: row["bytes"] for row in rows} == {n.lstrip("/"): len(n.encode()) for n in kinds}
    # Without a container they would be names of containers: ".." is none of ours.
    r = told(upload(tester, "", archive([("../" + container + "/x", b"1")])))
    assert r["Number Files Created"] in (0, 1)
    assert "x" not in names(tester, container)


def test_only_files_count(tester, container):
    files = [("f", b"1")]
    for kind, name in ((tarfile.DIRTYPE, "dir/"), (tarfile.SYMTYPE, "sym"), (tarfile.LNKTYPE, "hard"),
                       (tarfile.CHRTYPE, "chr"), (tarfile.FIFOTYPE, "fifo")):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        files.append((info, b""))
    assert told(upload(tester, "/" + container, archive(files)))["Number Files Created"] == 1
    assert names(tester, container) == ["f"]


def test_the_last_of_a_name_counts(tester, container):
    files = [("same", b"%d" % i) for i in range(100)]
    assert told(upload(tester, "/" + container, archive(files)))["Number Files Created"] == 100
    assert tester.request("GET", "/%s/same" % container).content == b"99"


def test_what_cannot_be_stored_is_told(tester, container):
    files = [("ok", b"1"), ("y" * 1025, b"2"), ("bad\udcff", b"3")]
    r = told(upload(tester, "/" + container, archive(files)))
    assert r["Response Status"] == "400 Bad Request" and r["Number Files Created"] == 1
    assert sorted(r["Errors"]) == [["%s/bad%%FF" % container, "412 Precondition Failed"],
                                   ["%s/%s" % (container, "y" * 1025), "400 Bad Request"]]
    r = upload(tester, "", archive([("c" * 257 + "/o", b"1")]), accept="text/plain")
    assert r.text == ("Number Files Created: 0\nResponse Body: \nResponse Status: 400 Bad Request\nErrors:\n"
                      "/v1/AUTH_test/%s, 400 Bad Request\n%s/o, 404 Not Found\n" % ("c" * 257, "c" * 257))
    r = told(upload(tester, "/" + container, archive([("z" * 1025 + str(i), b"") for i in range(1100)])))
    assert 1000 <= len(r["Errors"]) < 1100


@pytest.mark.parametrize("data,kind,text", [
    (b"", "tar", "empty file"),
    (b"x" * 2000, "tar", ""),
    (b"\0" * 10240, "tar", "No Valid Files"),
    (archive([]), "tar", "No Valid Files"),
    (archive([("a", b"1")]), "tar.gz", "not a gzip file"),
    (archive([("a", b"1")], "gz"), "tar.bz2", "not a bzip2 file"),
    (archive([("a", b"1")], "gz"), "tar", ""),
    (archive([("a", os.urandom(900000))], "gz")[:500000], "tar.gz", ""),
    (archive([("a", b"1" * 100000)])[:50000], "tar", ""),
    (b"\x1f\x8b" + b"\xff" * 1000, "tar.gz", ""),
])
def test_archives_that_are_none(tester, container, data, kind, text):
    r = told(upload(tester, "/" + container, data, kind))
    assert r["Response Status"] == "400 Bad Request" and r["Number Files Created"] == 0
    assert r["Response Body"].startswith("Invalid Tar File: ") and text in r["Response Body"]
    assert names(tester, container) == []


def test_refusals(tester, container):
    r = upload(tester, "/" + container, b"x", "zip")
    assert r.status_code == 400 and r.text == "Unsupported archive format"
    assert "406 Not Acceptable" in upload(tester, "/" + container, b"x", accept="image/png").text
    assert requests.put(tester.storage + "/%s?extract-archive=tar" % container, data=b"x").status_code == 401


def test_rights_of_an_upload(cloud, tester, container):
    other = User(cloud, "test:tester3", "testing3")
    closed = container + "-closed"
    tester.request("PUT", "/" + closed)
    tester.request("POST", "/" + container, headers={"X-Container-Write": "test:tester3"})
    files = [("%s/a" % container, b"1"), ("%s/b" % closed, b"2"), ("%s-new/c" % container, b"3"),
             ("%s/d" % container, b"4")]
    r = told(upload(other, "", archive(files)))
    assert r["Number Files Created"] == 2
    assert [e for e in r["Errors"] if e[0] == "%s/b" % closed] == [["%s/b" % closed, "403 Forbidden"]]
    assert names(tester, container) == ["a", "d"] and names(tester, closed) == []
    assert tester.request("HEAD", "/%s-new" % container).status_code == 404


def test_bombs_are_bounded(tester, container):
    zeros = gzip.compress(archive([("z%d" % i, b"\0" * (16 << 20)) for i in range(16)]), 9)
    assert len(zeros) < 300000
    r = told(upload(tester, "/" + container, zeros, "tar.gz"))
    assert r["Response Status"] == "400 Bad Request" and "expands too much" in r["Response Body"]
    assert r["Number Files Created"] < 8


def test_uploads_of_many_clients(tester, container):
    data = archive([("f%03d" % i, os.urandom(3000)) for i in range(300)])

    def one(n):
        return told(upload(tester, "/%s/%d" % (container, n), data))["Number Files Created"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [300] * 8
    assert len(names(tester, container)) == 2400


def test_who_goes_away_leaves_nothing_behind(tester, container):
    data = archive([("a", os.urandom(1 << 20)), ("b", os.urandom(4 << 20))])
    for cut in (100, 600, 700000, 3 << 20):
        client = http.client.HTTPConnection("127.0.0.1", tester.cloud.port)
        client.putrequest("PUT", "/v1/AUTH_test/%s?extract-archive=tar" % container)
        client.putheader("X-Auth-Token", tester.token)
        client.putheader("Content-Length", str(len(data)))
        client.endheaders()
        client.send(data[:cut])
        client.close()
    assert told(upload(tester, "/" + container, data))["Number Files Created"] == 2
    assert set(names(tester, container)) == {"a", "b"}


def test_other_limits():
    """And who waits hears that the work goes on."""
    cloud = Cloud(devices=3, wire=False, conf={"bulk": ["max_deletes_per_request = 1000000", "yield_frequency = 1",
                                                        "delete_concurrency = 1", "max_containers_per_extraction = 2"]})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/c")
        r = told(upload(user, "", archive([("new%d/o" % i, b"x") for i in range(5)])))
        assert (r["Response Status"], r["Response Body"]) == ("400 Bad Request",
                                                              "More than 2 containers to create from tar.")
        assert user.request("HEAD", "/new4").status_code == 404
        r = bulk_delete(user, ["c/none-%d" % i for i in range(15000)], Accept="application/xml")
        assert r.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n') and "Content-Length" not in r.headers
        assert "\r\n\r\n<delete>\n<number_deleted>0</number_deleted>\n<number_not_found>15000<" in r.text
    finally:
        cloud.close()


def test_containers_that_are_empty_in_a_moment():
    cloud = Cloud(devices=3, conf={"bulk": ["delete_container_retry_count = 2"]})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        for name in "soon", "never":
            user.request("PUT", "/" + name)
            user.request("PUT", "/%s/o" % name, data=b"x")
        timer = threading.Timer(0.5, lambda: user.request("DELETE", "/soon/o"))
        timer.start()
        begin = time.monotonic()
        r = told(bulk_delete(User(cloud, "test:tester", "testing"), ["soon", "never"]))
        assert r["Number Deleted"] == 1 and r["Errors"] == [["never", "409 Conflict"]]
        assert 3.7 < time.monotonic() - begin < 20  # 1.5 s, and 2.25
        timer.join()
        assert user.request("HEAD", "/soon").status_code == 404 and user.request("HEAD", "/never").status_code == 204
        # Who goes away meanwhile leaves no trial behind.
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.post(user.storage + "?bulk-delete", data="never", headers={"X-Auth-Token": user.token}, timeout=0.7)
        assert user.request("HEAD", "/never").status_code == 204
    finally:
        cloud.close()
