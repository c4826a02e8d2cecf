"""The Swift API as clients see it: what Swift's own suite does not ask, or asks less sharply."""
import concurrent.futures
import hashlib
import json
import os
import socket
import threading
import time

import pytest
import requests

from conftest import User


def names(user, container, query=""):
    r = user.request("GET", "/%s%s" % (container, query))
    assert r.status_code in (200, 204), r.text
    return r.text.splitlines()


def test_a_file_goes_in_and_comes_out(tester, container):
    for size in (0, 1, 4096, 65536, 262144, 262145, 1 << 20, (1 << 20) + 1, 5 << 20):
        body = os.urandom(size)
        path = "/%s/o%d" % (container, size)
        r = tester.request("PUT", path, data=body, headers={"X-Object-Meta-Color": "blue"})
        assert r.status_code == 201 and r.headers["Etag"] == hashlib.md5(body).hexdigest()
        r = tester.request("GET", path)
        assert r.content == body and r.headers["X-Object-Meta-Color"] == "blue"
        assert int(tester.request("HEAD", path).headers["Content-Length"]) == size
        if size > 10:
            r = tester.request("GET", path, headers={"Range": "bytes=%d-" % (size - 7)})
            assert r.status_code == 206 and r.content == body[-7:]
    r = tester.request("HEAD", "/" + container)
    assert r.headers["X-Container-Object-Count"] == "9"


def test_chunked_upload(tester, container):
    pieces = [os.urandom(n) for n in (1, 70000, 300000, 900000)]
    r = tester.request("PUT", "/%s/o" % container, data=iter(pieces))
    assert r.status_code == 201
    assert tester.request("GET", "/%s/o" % container).content == b"".join(pieces)


@pytest.mark.parametrize("size", [262144, 262145, (1 << 20), (3 << 20) + 1])
def test_copies_from_the_cache(tester, container, size):
    """What was read once is handed on from the cache, which keeps it at any address."""
    body = os.urandom(size)
    tester.request("PUT", "/%s/o" % container, data=body)
    for i in range(3):
        r = tester.request("COPY", "/%s/o" % container, headers={"Destination": "%s/d" % container})
        assert r.status_code == 201
        assert tester.request("GET", "/%s/o" % container).content == body
        assert tester.request("GET", "/%s/d" % container).content == body
    assert 'cairn_device_up{device="0"} 1' in requests.get(tester.cloud.url + "/metrics").text


def test_names_of_any_kind(tester, container):
    from urllib.parse import quote
    kinds = ["a b", "%2F", "..", "a/../b", "\u00e9\u4e2d\U0001f600", "x" * 1024, "?#&=+;", "a//b", '"<>\'']
    for name in kinds:
        # requests would fold "..": targets are sent as they are
        data = raw(tester.cloud, b"PUT /v1/AUTH_test/%s/%s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n"
                   b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (
                       container.encode(), quote(name, safe="").encode(), tester.token.encode(),
                       len(name.encode()), name.encode()))
        assert data.startswith(b"HTTP/1.1 201 "), name
    r = tester.request("GET", "/%s?format=json" % container)
    assert [o["name"] for o in r.json()] == sorted(kinds, key=lambda n: n.encode())
    for name in kinds:
        data = raw(tester.cloud, "GET /v1/AUTH_test/%s/%s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n"
                   "Connection: close\r\n\r\n" % (container, quote(name, safe=""), tester.token))
        assert data.split(b"\r\n\r\n", 1)[1] == name.encode(), name
    assert tester.request("PUT", "/%s/%s" % (container, "x" * 1025), data=b"").status_code == 400


def test_a_wrong_etag_stores_nothing(tester, container):
    for size in (10, 2 << 20):
        r = tester.request("PUT", "/%s/o" % container, data=b"x" * size, headers={"Etag": "0" * 32})
        assert r.status_code == 422
        assert tester.request("GET", "/%s/o" % container).status_code == 404
    assert names(tester, container) == []


def test_a_truncated_upload_stores_nothing(cloud, tester, container):
    for length, sent in ((1000, 500), (3 << 20, 2 << 20)):
        s = socket.create_connection(("127.0.0.1", cloud.port))
        s.sendall(("PUT /v1/AUTH_test/%s/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n"
                   "Content-Length: %d\r\n\r\n" % (container, tester.token, length)).encode())
        s.sendall(b"y" * sent)
        s.close()
    assert tester.request("GET", "/%s/o" % container).status_code == 404
    assert names(tester, container) == []


def test_a_refused_upload_is_answered(cloud, container):
    s = socket.create_connection(("127.0.0.1", cloud.port))
    s.sendall(("PUT /v1/AUTH_test/%s/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: AUTH_tkbad\r\n"
               "Content-Length: %d\r\n\r\n" % (container, 1 << 20)).encode())
    s.sendall(b"z" * (1 << 20))
    assert s.recv(4096).startswith(b"HTTP/1.1 401 ")
    s.close()


def raw(cloud, text, wait=True):
    s = socket.create_connection(("127.0.0.1", cloud.port))
    s.settimeout(20)
    s.sendall(text if isinstance(text, bytes) else text.encode())
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                break
            data += more
            if not wait:
                break
    except socket.timeout:
        pass
    s.close()
    return data


@pytest.mark.parametrize("headers,status", [
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
    ("Content-Length: 5\r\nContent-Length: 0\r\n", 400),
    ("Content-Length: +5\r\n", 400),
    ("Content-Length : 5\r\n", 400),
    ("Transfer-Encoding: xchunked\r\n", 501),
    ("Transfer-Encoding: gzip, chunked\r\n", 501),
    ("Transfer-Encoding: identity\r\n", 501),
    ("Host: b\r\n", 400),
])
def test_what_two_parsers_read_differently_is_refused(cloud, headers, status):
    data = raw(cloud, "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: a\r\n%s\r\nhelloGET / HTTP/1.1\r\n\r\n" % headers)
    assert data.startswith(b"HTTP/1.1 %d " % status), data[:200]
    assert data.count(b"HTTP/1.1 ") == data.count(b"HTTP/1.1 %d " % status)


def test_bad_chunk_sizes_are_refused(cloud, tester, container):
    for size in ("x", "-1", "fffffffffffffffff"):
        data = raw(cloud, "PUT /v1/AUTH_test/%s/o HTTP/1.1\r\nHost: a\r\nX-Auth-Token: %s\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n%s\r\nhello\r\n0\r\n\r\n"
                   % (container, tester.token, size))
        assert data.startswith(b"HTTP/1.1 4") or data == b"", data[:100]
    assert tester.request("GET", "/%s/o" % container).status_code == 404


def test_exactly_one_of_many_creates(cloud, tester, container):
    rounds = int(os.environ.get("ABSENT_ROUNDS", "10"))
    users = [User(cloud, "test:tester", "testing") for _ in range(64)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for n in range(rounds):
            def put(user):
                return user.request("PUT", "/%s/one%d" % (container, n), data=b"x",
                                    headers={"If-None-Match": "*"}).status_code
            codes = sorted(pool.map(put, users))
            assert codes == [201] + [412] * 63


def test_conditional_reads(tester, container):
    path = "/%s/o" % container
    etag = tester.request("PUT", path, data=b"abc").headers["Etag"]
    modified = tester.request("HEAD", path).headers["Last-Modified"]
    cases = [({"If-Match": etag}, 200), ({"If-Match": '"%s"' % etag}, 200), ({"If-Match": "x"}, 412),
             ({"If-None-Match": etag}, 304), ({"If-None-Match": "*"}, 304), ({"If-None-Match": "x"}, 200),
             ({"If-Modified-Since": modified}, 304), ({"If-Unmodified-Since": modified}, 200),
             ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:01 GMT"}, 200),
             ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:01 GMT"}, 412)]
    for headers, status in cases:
        for method in ("GET", "HEAD"):
            assert tester.request(method, path, headers=headers).status_code == status, headers


def test_many_ranges_come_as_parts(tester, container):
    body = bytes(range(256)) * 40
    tester.request("PUT", "/%s/o" % container, data=body)
    r = tester.request("GET", "/%s/o" % container, headers={"Range": "bytes=0-9,100-109,-5"})
    assert r.status_code == 206 and r.headers["Content-Type"].startswith("multipart/byteranges;boundary=")
    for start, end in ((0, 9), (100, 109), (10235, 10239)):
        assert b"Content-Range: bytes %d-%d/10240\r\n\r\n%s\r\n" % (start, end, body[start:end + 1]) in r.content
    r = tester.request("GET", "/%s/o" % container, headers={"Range": "bytes=10240-"})
    assert r.status_code == 416 and r.headers["Content-Range"] == "bytes */10240"


def test_listings(tester, container):
    for name in ("a/1", "a/2", "a/b/3", "b", "c--x", "c--y", "d"):
        tester.request("PUT", "/%s/%s" % (container, name), data=b"")
    cases = [("", ["a/1", "a/2", "a/b/3", "b", "c--x", "c--y", "d"]), ("?limit=2", ["a/1", "a/2"]),
             ("?marker=b", ["c--x", "c--y", "d"]), ("?end_marker=b", ["a/1", "a/2", "a/b/3"]),
             ("?prefix=a/", ["a/1", "a/2", "a/b/3"]), ("?delimiter=/", ["a/", "b", "c--x", "c--y", "d"]),
             ("?prefix=a/&delimiter=/", ["a/1", "a/2", "a/b/"]), ("?delimiter=--", ["a/1", "a/2", "a/b/3", "b", "c--", "d"]),
             ("?path=a", ["a/1", "a/2"]), ("?path=", ["b", "c--x", "c--y", "d"]),
             ("?reverse=on", ["d", "c--y", "c--x", "b", "a/b/3", "a/2", "a/1"]),
             ("?reverse=on&delimiter=/", ["d", "c--y", "c--x", "b", "a/"])]
    for query, wanted in cases:
        assert names(tester, container, query) == wanted, query
    rows = tester.request("GET", "/%s?format=json&prefix=a/&delimiter=/" % container).json()
    assert rows[2] == {"subdir": "a/b/"} and rows[0]["hash"] == hashlib.md5(b"").hexdigest()
    xml = tester.request("GET", "/%s?format=xml" % container).text
    assert xml.startswith('<?xml version="1.0" encoding="UTF-8"?>') and "<name>c--x</name>" in xml
    assert tester.request("GET", "/%s?limit=10001" % container).status_code == 412


def test_a_container_with_objects_stays(tester, container):
    tester.request("PUT", "/%s/o" % container, data=b"x")
    assert tester.request("DELETE", "/" + container).status_code == 409
    assert tester.request("DELETE", "/%s/o" % container).status_code == 204
    assert tester.request("DELETE", "/%s/o" % container).status_code == 404
    assert tester.request("DELETE", "/" + container).status_code == 204
    assert tester.request("GET", "/" + container).status_code == 404
    assert tester.request("PUT", "/%s/o" % container, data=b"x").status_code == 404


def test_copies(tester, container):
    body = os.urandom(3 << 20)
    tester.request("PUT", "/%s/a" % container, data=body, headers={"X-Object-Meta-A": "1", "Content-Type": "x/y"})
    r = tester.request("COPY", "/%s/a" % container, headers={"Destination": "%s/b" % container})
    assert r.status_code == 201 and r.headers["X-Copied-From"] == "%s/a" % container
    r = tester.request("PUT", "/%s/c" % container,
                       headers={"X-Copy-From": "/%s/b" % container, "X-Object-Meta-B": "2"})
    assert r.status_code == 201
    r = tester.request("GET", "/%s/c" % container)
    assert r.content == body and r.headers["X-Object-Meta-A"] == "1" and r.headers["X-Object-Meta-B"] == "2"
    assert r.headers["Content-Type"] == "x/y"


def test_expired_objects_go(tester, container):
    from conftest import wait_for
    tester.request("PUT", "/%s/o" % container, data=b"x", headers={"X-Delete-After": "2"})
    assert tester.request("GET", "/%s/o" % container).status_code == 200
    wait_for(lambda: tester.request("GET", "/%s/o" % container).status_code == 404, 20)
    wait_for(lambda: names(tester, container) == [], 30)


def test_delete_of_what_expires(tester, container):
    from conftest import wait_for
    path = "/%s/o" % container
    tester.request("PUT", path, data=b"x", headers={"X-Delete-After": "1000"})
    assert tester.request("DELETE", path).status_code == 204
    assert tester.request("DELETE", path).status_code == 404
    # Past its time it is gone, whether or not somebody has cleared it away.
    tester.request("PUT", path, data=b"x", headers={"X-Delete-After": "1"})
    wait_for(lambda: tester.request("HEAD", path).status_code == 404, 20)
    assert tester.request("DELETE", path).status_code == 404


def test_what_was_written_meanwhile_outlives_the_expiry_of_what_it_replaced(cloud, tester, container):
    """A deletion that follows a read stands just behind what was read, not behind what it never saw."""
    from conftest import wait_for
    admin = User(cloud, "admin:admin", "admin")
    later = {}
    for name in ("swept", "asked"):
        path = "/%s/%s" % (container, name)
        r = tester.request("PUT", path, data=b"old", headers={"X-Delete-After": "2" if name == "swept" else "1000"})
        head = tester.request("HEAD", path).headers
        later[name] = "%.5f" % (float(head["X-Timestamp"]) + 0.5)
        if name == "asked":
            assert tester.request("DELETE", path, headers={"X-If-Delete-At": head["X-Delete-At"]}).status_code == 204
    wait_for(lambda: names(tester, container) == [], 30)
    for name, stamp in later.items():
        r = admin.request("PUT", "/%s/%s" % (container, name), storage=tester.storage, data=b"new",
                          headers={"X-Cairn-Timestamp": stamp})
        assert r.status_code == 201
        assert tester.request("GET", "/%s/%s" % (container, name)).content == b"new"
    assert sorted(names(tester, container)) == ["asked", "swept"]


def test_totals_of_the_account_follow(cloud):
    from conftest import wait_for
    user = User(cloud, "test4:tester4", "testing4")
    user.request("PUT", "/t1")
    for n in range(5):
        user.request("PUT", "/t1/%d" % n, data=b"12345")

    def settled():
        h = user.request("HEAD").headers
        return (h["X-Account-Container-Count"], h["X-Account-Object-Count"],
                h["X-Account-Bytes-Used"]) == ("1", "5", "25")
    wait_for(settled, 15)


def test_parallel_writers_and_exact_counts(cloud, tester, container):
    from conftest import wait_for

    def work(n):
        user = User(cloud, "test:tester", "testing")
        for i in range(40):
            assert user.request("PUT", "/%s/%d-%d" % (container, n, i % 20), data=b"x" * i).status_code in (201, 202)
        for i in range(5):
            assert user.request("DELETE", "/%s/%d-%d" % (container, n, i)).status_code == 204
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    listed = tester.request("GET", "/%s?format=json" % container).json()
    head = tester.request("HEAD", "/" + container).headers
    assert len(listed) == 8 * 15 == int(head["X-Container-Object-Count"])
    assert sum(o["bytes"] for o in listed) == 8 * sum(range(25, 40)) == int(head["X-Container-Bytes-Used"])
    wait_for(lambda: sum(cloud.metric("cairn_device_unsettled")) == 0)


def test_public_paths(cloud):
    assert requests.get(cloud.url + "/healthcheck").text == "OK"
    info = requests.get(cloud.url + "/info").json()
    assert info["swift"]["max_object_name_length"] == 1024 and info["tempauth"]
    assert "allow-access-from" in requests.get(cloud.url + "/crossdomain.xml").text
    assert "cairn_device_up" in requests.get(cloud.url + "/metrics").text


def test_bulk_delete(cloud, tester, container):
    for n in range(30):
        tester.request("PUT", "/%s/a b%d" % (container, n), data=b"x")
    tester.request("PUT", "/%s-empty" % container)
    other = User(cloud, "test:tester3", "testing3")
    lines = ["/%s/a%%20b%d" % (container, n) for n in range(30)] + ["%s/none" % container, "", container + "-empty", "nobody/x"]
    r = other.request("POST", "?bulk-delete", storage=tester.storage, data="\n".join(lines[:3]),
                      headers={"Content-Type": "text/plain", "Accept": "application/json"})
    assert r.status_code == 200 and r.json()["Number Deleted"] == 0
    assert [e[1] for e in r.json()["Errors"]] == ["403 Forbidden"] * 3
    r = tester.request("DELETE", "?bulk-delete", data="\n".join(lines),
                       headers={"Content-Type": "text/plain", "Accept": "application/json"})
    assert r.status_code == 200, r.text
    assert (r.json()["Number Deleted"], r.json()["Number Not Found"]) == (31, 2)
    assert r.json()["Response Status"] == "200 OK" and r.json()["Errors"] == []
    assert names(tester, container) == []
    assert tester.request("HEAD", "/%s-empty" % container).status_code == 404
    r = tester.request("POST", "?bulk-delete", data="", headers={"Content-Type": "text/plain"})
    assert "Response Status: 400 Bad Request" in r.text


def test_metadata_without_a_value(tester, container):
    """An object keeps it; from a container or account it is gone."""
    path = "/" + container + "/o"
    assert tester.request("PUT", path, headers={"X-Object-Meta-Blank": "", "X-Object-Meta-A": "b"}).status_code == 201
    r = tester.request("GET", path)
    assert r.headers["X-Object-Meta-Blank"] == "" and r.headers["X-Object-Meta-A"] == "b"
    assert tester.request("POST", path, headers={"X-Object-Meta-Other": ""}).status_code == 202
    r = tester.request("HEAD", path)
    assert r.headers["X-Object-Meta-Other"] == "" and "X-Object-Meta-Blank" not in r.headers
    assert tester.request("POST", "/" + container, headers={"X-Container-Meta-Blank": ""}).status_code == 204
    assert "X-Container-Meta-Blank" not in tester.request("HEAD", "/" + container).headers


def test_underscores_in_names_of_metadata(tester, container):
    """Are hyphens, as in Swift."""
    path = "/" + container + "/o"
    assert tester.request("PUT", path, headers={"X-Object-Meta-a_b": "c"}).status_code == 201
    assert tester.request("HEAD", path).headers["X-Object-Meta-A-B"] == "c"
    tester.request("POST", "/" + container, headers={"X-Container-Meta-a_b": "c"})
    assert tester.request("HEAD", "/" + container).headers["X-Container-Meta-A-B"] == "c"
    tester.request("POST", "/" + container, headers={"X-Remove-Container-Meta-a_b": "x"})
    assert "X-Container-Meta-A-B" not in tester.request("HEAD", "/" + container).headers


def test_an_account_that_is_not_there_yet(cloud):
    admin = User(cloud, "admin:admin", "admin")
    r = admin.request("HEAD", "", storage="%s/v1/AUTH_not_there_yet" % cloud.url)
    assert r.status_code == 204 and abs(float(r.headers["X-Timestamp"]) - time.time()) < 60
