"""Containers that keep what was there before: in the hidden way, and in the older, visible ones."""
import concurrent.futures
import io
import json
import os
import signal
import tarfile
import urllib.parse

import pytest
import requests

from conftest import Cloud, User, wait_for

MARKER = "application/x-deleted;swift_versions_deleted=1"


def rows(user, container, query=""):
    r = user.request("GET", "/%s?format=json&%s" % (container, query))
    assert r.status_code == 200, r.text
    return json.loads(r.text)


def versions(user, container, query=""):
    return rows(user, container, "versions&" + query)


def put(user, path, body=b"", **headers):
    r = user.request("PUT", path, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert r.status_code == 201, (r.status_code, r.text)
    return r.headers.get("X-Object-Version-Id")


@pytest.fixture
def versioned(tester):
    name = "v-%s" % os.urandom(6).hex()
    assert tester.request("PUT", "/" + name, headers={"X-Versions-Enabled": "true"}).status_code == 201
    return name


def test_each_put_is_kept(tester, versioned):
    path, bodies, ids = "/%s/a/o.html" % versioned, [b"one", b"two" * 100000, b""], []
    for body in bodies:
        ids.append(put(tester, path, body, X_Object_Meta_N=str(len(ids))))
    assert ids == sorted(set(ids))
    r = tester.request("GET", path)
    assert r.content == b"" and r.headers["X-Object-Version-Id"] == ids[2]
    assert r.headers["Content-Location"].endswith("/%s/a/o.html?version-id=%s" % (versioned, ids[2]))
    assert r.headers["Content-Type"] == "text/html"
    for i, id in enumerate(ids):
        r = tester.request("GET", "%s?version-id=%s" % (path, id))
        assert r.content == bodies[i] and r.headers["X-Object-Version-Id"] == id
        assert r.headers["X-Object-Meta-N"] == str(i) and "Content-Location" not in r.headers
        assert int(tester.request("HEAD", "%s?version-id=%s" % (path, id)).headers["Content-Length"]) == len(bodies[i])
    found = versions(tester, versioned)
    assert [v["version_id"] for v in found] == ids[::-1] and {v["name"] for v in found} == {"a/o.html"}
    assert [v["is_latest"] for v in found] == [True, False, False]
    assert [v["bytes"] for v in found] == [0, 300000, 3]
    row, = rows(tester, versioned)
    assert row["version_symlink"] and row["bytes"] == 0 and row["content_type"] == "text/html"
    r = tester.request("HEAD", "/" + versioned)
    assert r.headers["X-Container-Object-Count"] == "1" and int(r.headers["X-Container-Bytes-Used"]) == 300003
    assert r.headers["X-Versions-Enabled"] == "True"


def test_a_delete_is_a_version_too(tester, versioned):
    path = "/%s/o" % versioned
    id = put(tester, path, b"body")
    r = tester.request("DELETE", path)
    gone = r.headers["X-Object-Version-Id"]
    assert r.status_code == 204 and gone > id
    assert tester.request("GET", path).status_code == 404
    for method in ("GET", "HEAD"):
        r = tester.request(method, "%s?version-id=%s" % (path, gone))
        assert r.status_code == 404 and r.headers["X-Object-Version-Id"] == gone
        assert r.headers["Content-Type"] == MARKER
    first, second = versions(tester, versioned)
    assert first["content_type"] == MARKER and first["is_latest"] and not second["is_latest"]
    # What is not there can be deleted: that, too, is remembered.
    r = tester.request("DELETE", "/%s/none" % versioned)
    assert r.status_code == 404 and r.headers["X-Object-Version-Id"]
    # Deleting the mark alone brings nothing back; to name a version does.
    assert tester.request("DELETE", "%s?version-id=%s" % (path, gone)).status_code == 204
    assert tester.request("GET", path).status_code == 404
    r = tester.request("PUT", "%s?version-id=%s" % (path, id))
    assert r.status_code == 201 and r.headers["X-Object-Version-Id"] == id
    assert tester.request("GET", path).content == b"body"


def test_versions_are_deleted_one_by_one(tester, versioned):
    path = "/%s/o" % versioned
    ids = [put(tester, path, b"%d" % i) for i in range(3)]
    r = tester.request("DELETE", "%s?version-id=%s" % (path, ids[0]))
    assert r.status_code == 204 and r.headers["X-Object-Current-Version-Id"] == ids[2]
    assert tester.request("GET", path).content == b"2"
    r = tester.request("DELETE", "%s?version-id=%s" % (path, ids[2]))  # the current one
    assert r.status_code == 204 and r.headers["X-Object-Current-Version-Id"] == "null"
    assert tester.request("GET", path).status_code == 404
    assert [v["version_id"] for v in versions(tester, versioned)] == [ids[1]]
    assert tester.request("DELETE", "/" + versioned).status_code == 409
    assert tester.request("DELETE", "%s?version-id=%s" % (path, ids[1])).status_code == 204
    assert tester.request("DELETE", "/" + versioned).status_code == 204
    assert tester.request("HEAD", "/" + versioned).status_code == 404
    # A container of that name later has no versions.
    assert tester.request("PUT", "/" + versioned).status_code == 201
    assert put(tester, path, b"x") is None


def test_what_was_there_before_becomes_a_version(tester, container):
    path = "/%s/o" % container
    put(tester, path, b"before", X_Object_Meta_Color="blue")
    assert tester.request("POST", "/" + container, headers={"X-Versions-Enabled": "true"}).status_code == 204
    assert versions(tester, container)[0]["version_id"] == "null"
    assert tester.request("GET", path).headers["X-Object-Version-Id"] == "null"
    assert tester.request("GET", path + "?version-id=null").content == b"before"
    id = put(tester, path, b"after")
    found = versions(tester, container)
    assert [v["bytes"] for v in found] == [5, 6] and found[0]["version_id"] == id
    r = tester.request("GET", "%s?version-id=%s" % (path, found[1]["version_id"]))
    assert r.content == b"before" and r.headers["X-Object-Meta-Color"] == "blue"
    assert tester.request("GET", path + "?version-id=null").status_code == 404
    # Suspended: a plain object takes the link's place, the versions stay.
    assert tester.request("POST", "/" + container, headers={"X-Versions-Enabled": "false"}).status_code == 204
    assert put(tester, path, b"plain") is None
    found = versions(tester, container)
    assert [v["version_id"] for v in found] == ["null", id, found[2]["version_id"]]
    assert [v["is_latest"] for v in found] == [True, False, False]
    assert tester.request("DELETE", path).headers.get("X-Object-Version-Id") is None
    assert len(versions(tester, container)) == 2


def test_listings_go_page_by_page(tester, versioned):
    names, all = ["a", "a!", "a\x01", "a\x01\x01b", "a/b", "aa", "b", "ü"], []
    for name in names:
        for i in range(3):
            put(tester, "/%s/%s" % (versioned, urllib.parse.quote(name)), b"%d" % i)
    whole = versions(tester, versioned)
    assert [v["name"] for v in whole] == [n for n in sorted(names, key=str.encode) for _ in range(3)]
    at = ""
    while True:
        page = versions(tester, versioned, "limit=2" + at)
        if not page:
            break
        all += page
        at = "&marker=%s&version_marker=%s" % (urllib.parse.quote(page[-1]["name"]), page[-1]["version_id"])
    assert [(v["name"], v["version_id"]) for v in all] == [(v["name"], v["version_id"]) for v in whole]
    assert {v["name"] for v in versions(tester, versioned, "prefix=a%01")} == {"a\x01", "a\x01\x01b"}
    assert {v.get("subdir") or v["name"] for v in versions(tester, versioned, "delimiter=/&prefix=a")} == {
        "a", "a!", "a\x01", "a\x01\x01b", "a/", "aa"}
    assert len(versions(tester, versioned, "marker=aa")) == 6
    for query, status in (("version_marker=1", 400), ("marker=a&version_marker=x", 400), ("delimiter=1", 400),
                          ("delimiter=%01", 400), ("format=xml", 406), ("format=plain", 406), ("limit=100000", 412)):
        r = tester.request("GET", "/%s?versions&%s" % (versioned, query))
        assert r.status_code == status, (query, r.status_code)


def test_bad_version_ids_are_refused(tester, container, versioned):
    path = "/%s/o" % versioned
    put(tester, path, b"body")
    for id in ("x", "-1", "99999999999", "1.2.3", "%00", "%FF", "../x", "null%00"):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            r = tester.request(method, "%s?version-id=%s" % (path, id))
            assert r.status_code in (400, 404), (method, id, r.status_code)
    assert tester.request("GET", path + "?version-id=1234567890.00000").status_code == 404
    assert tester.request("PUT", path + "?version-id=1234567890.00000").status_code == 404
    assert tester.request("PUT", path + "?version-id=null").status_code == 400
    assert tester.request("POST", path + "?version-id=null").status_code == 400
    assert tester.request("PUT", path + "?version-id=1", data=b"x").status_code == 400
    put(tester, "/%s/o" % container)
    assert tester.request("GET", "/%s/o?version-id=1" % container).status_code == 400
    assert tester.request("GET", "/%s/o?version-id=null" % container).status_code == 200
    assert len(versions(tester, versioned)) == 1


def test_nobody_names_what_is_hidden(cloud, tester, versioned):
    hidden = "%FFversions%FF" + versioned
    id = put(tester, "/%s/o" % versioned, b"body")
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        for path in ("/" + hidden, "/%s/o" % hidden):
            assert tester.request(method, path).status_code == 412, (method, path)
    o = "/%s/x" % versioned
    for headers in ({"X-Copy-From": hidden + "/o"}, {"X-Object-Manifest": hidden + "/"},
                    {"X-Symlink-Target": hidden + "/o"}):
        assert tester.request("PUT", o, headers=headers).status_code in (400, 412), headers
    assert tester.request("COPY", "/%s/o" % versioned, headers={"Destination": hidden + "/o"}).status_code == 412
    for header in ("X-Versions-Location", "X-History-Location"):
        assert tester.request("PUT", "/%s-2" % versioned, headers={header: hidden}).status_code == 412
    r = tester.request("POST", "?bulk-delete", data=hidden + "/o\n" + hidden + "\n",
                       headers={"Content-Type": "text/plain", "Accept": "application/json"})
    assert r.json()["Number Deleted"] == 0
    for query in ("", "?reverse=1", "?format=json", "?prefix=&limit=10000", "?end_marker=~", "?marker=z"):
        r = tester.request("GET", query)
        assert "versions" + versioned not in r.text and b"\xff" not in r.content, query
    # Totals follow.
    wait_for(lambda: [(r["bytes"], r["count"]) for r in json.loads(
        tester.request("GET", "?format=json&prefix=" + versioned).text)] == [(4, 1)])
    assert [v["version_id"] for v in versions(tester, versioned)] == [id]


def test_bulk_makes_versions_too(tester, versioned):
    put(tester, "/%s/a" % versioned, b"old")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("%s/a" % versioned, "%s/b" % versioned, "\xffversions\xff%s/x" % versioned):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"new"))
    r = tester.request("PUT", "?extract-archive=tar", data=tar.getvalue(), headers={"Accept": "application/json"})
    assert r.json()["Number Files Created"] == 2 and len(r.json()["Errors"]) == 1, r.text
    assert [(v["name"], v["is_latest"]) for v in versions(tester, versioned)] == [("a", True), ("a", False), ("b", True)]
    r = tester.request("POST", "?bulk-delete", data="/%s/a\n/%s/b\n" % (versioned, versioned),
                       headers={"Content-Type": "text/plain", "Accept": "application/json"})
    assert r.json()["Number Deleted"] == 2, r.text
    assert len(versions(tester, versioned)) == 5 and rows(tester, versioned) == []


def test_rights(cloud, tester, versioned):
    plain, path = User(cloud, "test:tester3", "testing3"), "/%s/o" % versioned
    id = put(tester, path, b"one")
    storage = tester.storage
    assert plain.request("GET", path, storage=storage).status_code == 403
    tester.request("POST", "/" + versioned, headers={"X-Container-Read": "test:tester3",
                                                     "X-Container-Write": "test:tester3"})
    assert plain.request("GET", path, storage=storage).content == b"one"
    r = plain.request("PUT", path, storage=storage, data=b"two")
    assert r.status_code == 201 and r.headers["X-Object-Version-Id"] > id
    for method in ("GET", "HEAD", "DELETE"):  # by its id it is for owners
        assert plain.request(method, "%s?version-id=%s" % (path, id), storage=storage).status_code == 403
    assert plain.request("COPY", "%s?version-id=%s" % (path, id), storage=storage,
                         headers={"Destination": versioned + "/c"}).status_code == 403
    # A copy into it is as much as its source is.
    tester.request("PUT", "/%s-s" % versioned)
    put(tester, "/%s-s/secret" % versioned, b"secret")
    r = plain.request("PUT", path, storage=storage, headers={"X-Copy-From": versioned + "-s/secret"})
    assert r.status_code == 403
    assert tester.request("GET", path).content == b"two"
    assert len(versions(tester, versioned)) == 2


def test_copies(tester, container, versioned):
    put(tester, "/%s/s" % container, b"source", X_Object_Meta_Color="blue")
    path = "/%s/o" % versioned
    r = tester.request("COPY", "/%s/s" % container, headers={"Destination": versioned + "/o"})
    first = r.headers["X-Object-Version-Id"]
    assert r.status_code == 201 and r.headers["X-Copied-From"] == container + "/s"
    r = tester.request("PUT", path, headers={"X-Copy-From": container + "/s", "X-Object-Meta-More": "x"})
    assert r.status_code == 201 and r.headers["X-Object-Version-Id"] > first
    r = tester.request("GET", path)
    assert r.content == b"source" and r.headers["X-Object-Meta-Color"] == "blue" and r.headers["X-Object-Meta-More"] == "x"
    put(tester, path, b"new")
    r = tester.request("COPY", "%s?version-id=%s" % (path, first), headers={"Destination": container + "/old"})
    assert r.status_code == 201 and r.headers["X-Copied-From"] == versioned + "/o"
    assert tester.request("GET", "/%s/old" % container).content == b"source"
    assert tester.request("COPY", path, headers={"Destination": "none/x"}).status_code == 404
    assert tester.request("COPY", "/%s/none" % container, headers={"Destination": versioned + "/n"}).status_code == 404
    assert len(versions(tester, versioned)) == 3


def test_posts_go_to_the_version(tester, versioned):
    path = "/%s/o" % versioned
    id = put(tester, path, b"body", X_Object_Meta_Color="blue")
    r = tester.request("POST", path, headers={"X-Object-Meta-Color": "red"}, allow_redirects=False)
    assert r.status_code == 202
    for query in ("", "?version-id=" + id):
        assert tester.request("HEAD", path + query).headers["X-Object-Meta-Color"] == "red"
    assert len(versions(tester, versioned)) == 1


def test_conditions(tester, versioned):
    path = "/%s/o" % versioned
    id = put(tester, path, b"body", If_None_Match="*")
    assert tester.request("PUT", path, data=b"x", headers={"If-None-Match": "*"}).status_code == 412
    assert tester.request("PUT", path, data=b"x", headers={"Etag": "0" * 32}).status_code == 422
    assert [v["version_id"] for v in versions(tester, versioned)] == [id]
    assert tester.request("PUT", path, data=b"x", headers={"X-Delete-At": "1"}).status_code == 400
    assert tester.request("GET", path, headers={"If-None-Match": "841a2d689ad86bd1611447453c22c6fc"}).status_code == 304


def test_no_version_is_lost_in_a_race(cloud, versioned):
    users = [User(cloud, "test:tester", "testing") for _ in range(8)]
    path = "/%s/o" % versioned

    def write(n):
        return put(users[n % 8], path, b"%d" % n), b"%d" % n

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        written = dict(pool.map(write, range(96)))
    assert len(written) == 96
    found = versions(users[0], versioned)
    assert {v["version_id"] for v in found} == set(written) and sum(v["is_latest"] for v in found) == 1
    for id, body in written.items():
        assert users[0].request("GET", "%s?version-id=%s" % (path, id)).content == body
    r = users[0].request("GET", path)
    assert written[r.headers["X-Object-Version-Id"]] == r.content


def test_only_one_of_many_is_first(cloud, versioned):
    users = [User(cloud, "test:tester", "testing") for _ in range(8)]
    path = "/%s/o" % versioned

    def write(user):
        return user.request("PUT", path, data=b"x", headers={"If-None-Match": "*"}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(write, users * 3))
    assert answers.count(201) == 1 and set(answers) <= {201, 412, 503}
    assert len(versions(users[0], versioned)) == 1


def test_deletes_race_with_puts(cloud, versioned):
    users = [User(cloud, "test:tester", "testing") for _ in range(8)]
    path, ids = "/%s/o" % versioned, []

    def work(n):
        if n % 3 == 2:
            r = users[n % 8].request("DELETE", path)
            assert r.status_code in (204, 404)
            return r.headers["X-Object-Version-Id"]
        return put(users[n % 8], path, b"%d" % n)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(work, range(60)))
    found = versions(users[0], versioned)
    assert {v["version_id"] for v in found} == set(ids) and len(found) == 60
    assert sum(v["is_latest"] for v in found) == 1
    # All of them go, in whatever order; then the container does.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        gone = list(pool.map(lambda v: users[hash(v) % 8].request("DELETE", "%s?version-id=%s" % (path, v)).status_code,
                             ids))
    assert set(gone) == {204}
    assert versions(users[0], versioned) == [] and rows(users[0], versioned) == []
    assert users[0].request("DELETE", "/" + versioned).status_code == 204


def test_versions_survive_a_crash():
    cloud = Cloud()
    cloud.up()
    try:
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/v", headers={"X-Versions-Enabled": "true"})
        ids, n = {}, 0
        for round in range(3):
            for _ in range(20):
                n += 1
                ids[put(user, "/v/o", b"%d" % n)] = b"%d" % n
            os.kill(cloud.node_pid(), signal.SIGKILL)
            cloud.wait_serving()
        found = {v["version_id"]: v for v in versions(user, "v")}
        assert set(ids) <= set(found)
        r = user.request("GET", "/v/o")
        assert r.content == b"%d" % n and found[r.headers["X-Object-Version-Id"]]["is_latest"]
    finally:
        cloud.close()


def test_quotas_count_versions(tester, versioned):
    tester.request("POST", "/" + versioned, headers={"X-Container-Meta-Quota-Bytes": "10"})
    path = "/%s/o" % versioned
    put(tester, path, b"12345")
    put(tester, path, b"12345")
    assert tester.request("PUT", path, data=b"1").status_code == 413
    assert len(versions(tester, versioned)) == 2
    tester.request("POST", "/" + versioned, headers={"X-Versions-Enabled": "false"})
    assert tester.request("PUT", path, data=b"1").status_code == 413
    assert len(versions(tester, versioned)) == 2


def test_one_way_at_a_time(tester, container):
    for header in ("X-Versions-Location", "X-History-Location"):
        name = "%s-%s" % (container, header[2])
        assert tester.request("PUT", "/" + name, headers={header: "old"}).status_code == 201
        assert tester.request("HEAD", "/" + name).headers[header] == "old"
        r = tester.request("POST", "/" + name, headers={"X-Versions-Enabled": "true"})
        assert r.status_code == 400 and "legacy" in r.text
    r = tester.request("PUT", "/" + container, headers={"X-Versions-Location": "a", "X-History-Location": "b"})
    assert r.status_code == 400
    assert tester.request("PUT", "/" + container, headers={"X-Versions-Location": "a/b"}).status_code == 412
    tester.request("POST", "/" + container, headers={"X-Container-Sync-To": "//x/y/z/c", "X-Container-Sync-Key": "k"})
    r = tester.request("POST", "/" + container, headers={"X-Versions-Enabled": "true"})
    assert r.status_code in (400, 412) or "X-Container-Sync-To" not in tester.request("HEAD", "/" + container).headers


def test_a_stack(tester, container):
    old, path = container + "-old", "/%s/o" % container
    tester.request("PUT", "/" + old)
    tester.request("POST", "/" + container, headers={"X-Versions-Location": old})
    for i in range(3):
        put(tester, path, b"%d" % i, X_Object_Meta_N=str(i))
    kept = [r["name"] for r in rows(tester, old)]
    assert len(kept) == 2 and all(k.startswith("001o/") for k in kept)
    for i in (1, 0):
        assert tester.request("DELETE", path).status_code == 204
        r = tester.request("GET", path)
        assert r.content == b"%d" % i and r.headers["X-Object-Meta-N"] == str(i)
    assert tester.request("DELETE", path).status_code == 204
    assert tester.request("GET", path).status_code == 404 and rows(tester, old) == []
    assert tester.request("DELETE", path).status_code == 404
    # Without the container for the copies nothing is overwritten.
    put(tester, path, b"kept")
    tester.request("DELETE", "/" + old)
    assert tester.request("PUT", path, data=b"lost").status_code == 412
    assert tester.request("GET", path).content == b"kept"
    assert tester.request("COPY", path, headers={"Destination": container + "/o"}).status_code == 412
    tester.request("POST", "/" + container, headers={"X-Remove-Versions-Location": "x"})
    assert "X-Versions-Location" not in tester.request("HEAD", "/" + container).headers
    put(tester, path, b"new")


def test_a_history(tester, container):
    old, path = container + "-old", "/%s/o" % container
    tester.request("PUT", "/" + old)
    tester.request("POST", "/" + container, headers={"X-History-Location": old})
    put(tester, path, b"1")
    put(tester, path, b"2")
    assert tester.request("DELETE", path).status_code == 204
    assert tester.request("GET", path).status_code == 404
    kept = rows(tester, old)
    assert [k["content_type"] for k in kept][2:] == [MARKER] and len(kept) == 3
    assert [tester.request("GET", "/%s/%s" % (old, k["name"])).content for k in kept] == [b"1", b"2", b""]
    # As a stack, its DELETE brings back what is under the mark.
    tester.request("POST", "/" + container, headers={"X-Versions-Location": old})
    assert tester.request("DELETE", path).status_code == 204
    assert tester.request("GET", path).content == b"2"
    assert len(rows(tester, old)) == 1


def test_no_copy_is_lost_in_a_race(cloud, tester, container):
    old, path = container + "-old", "/%s/o" % container
    users = [User(cloud, "test:tester", "testing") for _ in range(8)]
    tester.request("PUT", "/" + old)
    tester.request("POST", "/" + container, headers={"X-History-Location": old})
    for n in range(10):
        put(tester, path, b"%d" % n)
    assert len(rows(tester, old)) == 9
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: put(users[n % 8], path, b"x%d" % n), range(40)))
    kept = rows(tester, old)
    assert len({k["name"] for k in kept}) == len(kept) >= 10


def test_info(cloud):
    info = requests.get(cloud.url + "/info").json()
    assert info["object_versioning"] == {}
    assert info["versioned_writes"] == {"allowed_flags": ["x-versions-location", "x-history-location"]}
