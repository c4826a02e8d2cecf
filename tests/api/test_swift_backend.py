"""Real Swift: its storage servers behind our proxy, with Swift's own proxy beside it to say what is
there; and its accounts brought into a Cairn cloud."""
import contextlib
import glob
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
import requests

from conftest import CAIRN, Cloud, User, free_port, wait_for
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from swift_servers import SwiftServers  # noqa: E402


class Api:
    """An account by one proxy's eyes."""

    def __init__(self, url, account="AUTH_test", user="admin:admin", key="admin"):
        r = requests.get(url + "/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key})
        assert r.status_code == 200, r.text
        self.url = "%s/v1/%s" % (url, account)
        self.session = requests.Session()
        self.session.headers["X-Auth-Token"] = r.headers["X-Auth-Token"]

    def __call__(self, method, path="", status=None, **kw):
        r = self.session.request(method, self.url + path, timeout=120, **kw)
        assert status is None or r.status_code == status, (method, path, r.status_code, r.text[:500])
        return r

    def names(self, path_="", **params):
        return [row.get("name", row.get("subdir")) for row in
                self("GET", path_, params=dict(params, format="json")).json()]


@pytest.fixture(scope="module")
def servers():
    rig = SwiftServers()
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def url(servers):
    return servers.cairn(CAIRN)


@pytest.fixture(scope="module")
def swift_url(servers):
    return servers.proxy()


@pytest.fixture
def ours(url):
    return Api(url)


@pytest.fixture
def swifts(swift_url):
    return Api(swift_url)


@pytest.fixture
def container(ours):
    name = "/c-%s" % os.urandom(6).hex()
    ours("PUT", name, 201)
    return name


def test_what_we_write_swift_reads(ours, swifts, container):
    ours("PUT", container + "/o", 201, data=b"hello", headers={
        "Content-Type": "text/plain", "X-Object-Meta-Color": "red", "Cache-Control": "no-store"})
    for api in ours, swifts:
        r = api("GET", container + "/o", 200)
        assert r.content == b"hello" and r.headers["Etag"] == hashlib.md5(b"hello").hexdigest()
        assert r.headers["Content-Type"] == "text/plain"
        assert r.headers["X-Object-Meta-Color"] == "red"
    a, b = (api("GET", container, params={"format": "json"}).json() for api in (ours, swifts))
    assert a == b and a[0]["bytes"] == 5
    assert swifts("HEAD", container).headers["X-Container-Object-Count"] == "1"


def test_what_swift_writes_we_read(ours, swifts, container):
    body = os.urandom(2500000)
    swifts("PUT", container + "/big", 201, data=body, headers={"X-Object-Meta-A": "1"})
    r = ours("GET", container + "/big", 200)
    assert r.content == body and r.headers["X-Object-Meta-A"] == "1"
    assert r.headers["X-Timestamp"] == swifts("HEAD", container + "/big").headers["X-Timestamp"]
    assert ours.names(container) == ["big"]


def test_ranges(ours, container):
    body = os.urandom(3 << 20)
    ours("PUT", container + "/big", 201, data=body)
    for header, want in (("bytes=0-0", body[:1]), ("bytes=1000000-2200000", body[1000000:2200001]),
                         ("bytes=-5", body[-5:]), ("bytes=3145727-", body[-1:])):
        r = ours("GET", container + "/big", 206, headers={"Range": header})
        assert r.content == want, header
    r = ours("GET", container + "/big", 206, headers={"Range": "bytes=2000000-2000009,5-9"})
    assert body[2000000:2000010] in r.content and body[5:10] in r.content
    ours("GET", container + "/big", 416, headers={"Range": "bytes=3145728-"})
    ours("PUT", container + "/none", 201, data=b"")
    assert ours("GET", container + "/none", 200).content == b""
    ours("GET", container + "/none", 200, headers={"Range": "bytes=0-5"})


def test_names_that_need_care(ours, swifts, container):
    names = ["a b", "\u00e9/\u2603", "%41", "q?x=1&y#z", "dir//", "+"]
    for name in names:
        ours("PUT", container + "/" + requests.utils.quote(name), 201, data=name.encode())
    assert ours.names(container) == swifts.names(container) == sorted(names, key=str.encode)
    for name in names:
        r = swifts("GET", container + "/" + requests.utils.quote(name), 200)
        assert r.content == name.encode()
    # As it is: most libraries would clean that path.
    host, path = ours.url.split("://")[1].split("/", 1)
    c = http.client.HTTPConnection(host)
    for method, status in ("PUT", 201), ("GET", 200), ("DELETE", 204):
        c.request(method, "/" + path + container + "/a/../b/./c", b"" if method == "PUT" else None,
                  {"X-Auth-Token": ours.session.headers["X-Auth-Token"]})
        r = c.getresponse()
        assert r.status == status, r.read()
        r.read()
        if method == "GET":
            assert "a/../b/./c" in swifts.names(container)


def test_listings(ours, swifts, container):
    for name in "a", "b/1", "b/2", "c", "d/1":
        ours("PUT", container + "/" + requests.utils.quote(name), 201, data=b"x")
    for params in ({}, {"limit": 2}, {"marker": "b/1"}, {"end_marker": "c"}, {"prefix": "b/"},
                   {"delimiter": "/"}, {"reverse": "true"}, {"path": "b"}, {"path": ""},
                   {"prefix": "b", "delimiter": "/"}):
        assert ours.names(container, **params) == swifts.names(container, **params), params
    assert container[1:] in ours.names(prefix="c-")


def test_posts_copies_and_deletes(ours, swifts, container):
    ours("PUT", container + "/o", 201, data=b"abc", headers={"X-Object-Meta-Old": "1"})
    ours("POST", container + "/o", 202, headers={"X-Object-Meta-New": "2"})
    for api in ours, swifts:
        h = api("HEAD", container + "/o", 200).headers
        assert h["X-Object-Meta-New"] == "2" and "X-Object-Meta-Old" not in h
    body = os.urandom(1500000)
    ours("PUT", container + "/big", 201, data=body)
    ours("COPY", container + "/big", 201, headers={"Destination": container + "/copy"})
    assert swifts("GET", container + "/copy", 200).content == body
    ours("DELETE", container, 409)
    for name in "o", "big", "copy":
        ours("DELETE", container + "/" + name, 204)
        ours("GET", container + "/" + name, 404)
        ours("DELETE", container + "/" + name, 404)
    assert ours.names(container) == []
    ours("DELETE", container, 204)
    for api in ours, swifts:
        api("HEAD", container, 404)
    ours("PUT", container + "/ghost", 404, data=b"x")


def test_metadata_of_containers_and_accounts(ours, swifts, container):
    ours("POST", container, 204, headers={"X-Container-Meta-A": "1", "X-Container-Read": ".r:*"})
    assert swifts("HEAD", container).headers["X-Container-Meta-A"] == "1"
    assert requests.get(ours.url + container + "/x").status_code == 404  # readable by all
    ours("POST", container, 204, headers={"X-Remove-Container-Meta-A": "x", "X-Container-Read": ""})
    assert "X-Container-Meta-A" not in swifts("HEAD", container).headers
    assert requests.get(ours.url + container + "/x").status_code == 401
    ours("POST", "", 204, headers={"X-Account-Meta-B": "2"})
    assert swifts("HEAD").headers["X-Account-Meta-B"] == "2"


def test_access(url, ours, container):
    plain = Api(url, user="test:tester3", key="testing3")
    plain("GET", container, 403)
    ours("POST", container, 204, headers={"X-Container-Read": "test:tester3"})
    plain("GET", container, 204)
    plain("PUT", container + "/o", 403, data=b"")


def test_policies(ours, swifts):
    name = "/silver-%s" % os.urandom(4).hex()
    ours("PUT", name, 201, headers={"X-Storage-Policy": "silver"})
    assert ours("HEAD", name).headers["X-Storage-Policy"] == "silver"
    wait_for(lambda: int(ours("HEAD", "").headers.get("X-Account-Storage-Policy-silver-Container-Count", 0)) > 0)
    ours("PUT", name + "/o", 201, data=b"s")
    assert swifts("GET", name + "/o", 200).content == b"s"
    ours("PUT", "/x", 400, headers={"X-Storage-Policy": "bronze"})


def test_conditions_and_checks(ours, container):
    ours("PUT", container + "/o", 201, data=b"1", headers={"If-None-Match": "*"})
    ours("PUT", container + "/o", 412, data=b"2", headers={"If-None-Match": "*"})
    ours("PUT", container + "/o", 412, data=os.urandom(1 << 20), headers={"If-None-Match": "*"})
    assert ours("GET", container + "/o", 200).content == b"1"
    ours("GET", container + "/o", 304, headers={"If-None-Match": hashlib.md5(b"1").hexdigest()})
    for size in 10, 1 << 20:
        ours("PUT", container + "/bad", 422, data=os.urandom(size), headers={"Etag": "0" * 32})
        ours("GET", container + "/bad", 404)


def test_an_upload_that_is_cut_leaves_nothing(ours, swifts, container, url):
    host, path = ours.url.split("://")[1].split("/", 1)
    head = "PUT /%s%s/cut HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((host.split(":")[0], int(host.split(":")[1]))) as s:
        s.sendall((head % (path, container, ours.session.headers["X-Auth-Token"], 2 << 20)).encode())
        s.sendall(os.urandom(1 << 20))  # the first piece: it is on its way to the servers
        wait_for(lambda: metric(url, "cairn_swift_uploads") == 3 and metric(url, "cairn_swift_open") == 0)
    wait_for(lambda: metric(url, "cairn_swift_uploads") == 0)
    for api in ours, swifts:
        api("GET", container + "/cut", 404)
    assert ours.names(container) == []


def metric(url, name):
    text = requests.get(url + "/metrics", timeout=10).text
    return sum(float(v) for v in re.findall(r"^%s(?:\{[^}]*\})? (\S+)$" % name, text, re.M))


def test_a_reader_that_goes_away_lets_go(ours, container, url):
    ours("PUT", container + "/big", 201, data=os.urandom(24 << 20))
    r = ours("GET", container + "/big", 200, stream=True)
    next(r.iter_content(1000))
    wait_for(lambda: metric(url, "cairn_swift_downloads") > 0)
    r.close()
    wait_for(lambda: metric(url, "cairn_swift_downloads") == 0)


def test_expiry_is_swifts_business(servers, ours, swifts, container):
    at = int(time.time()) + 86400
    ours("PUT", container + "/o", 201, data=b"x", headers={"X-Delete-At": str(at)})
    assert swifts("HEAD", container + "/o").headers["X-Delete-At"] == str(at)
    entry = "%d-AUTH_test%s/o" % (at, container)
    found = servers.python("""
import json, sys
from swift.common.direct_client import direct_get_container
from swift.common.ring import Ring
from swift.common.utils import get_expirer_container
where = get_expirer_container(int(sys.argv[2]), 86400, "AUTH_test", sys.argv[3], "o")
part, nodes = Ring(sys.argv[1], ring_name="container").get_nodes(".expiring_objects", where)
print(json.dumps([row["name"] for node in nodes for row in
                  direct_get_container(node, part, ".expiring_objects", where)[1]]))
""", str(at), container[1:])
    assert found.count(entry) == 3


def test_large_objects_of_swift_are_read(ours, swifts, container):
    swifts("PUT", container + "/seg", 201, data=b"segment")
    swifts("PUT", container + "/slo?multipart-manifest=put", 201,
           data=json.dumps([{"path": container + "/seg"}]))
    r = ours("GET", container + "/slo", 200)
    assert r.content == b"segment" and r.headers["Etag"] == swifts("HEAD", container + "/slo", 200).headers["Etag"]
    assert ours("GET", container + "/slo?multipart-manifest=get", 200).json()[0]["name"]
    swifts("PUT", container + "/dlo", 201, headers={"X-Object-Manifest": container[1:] + "/seg"})
    assert ours("GET", container + "/dlo", 200).content == b"segment"


def test_one_node_down(servers, ours, swifts, url):
    name = "/down-%s" % os.urandom(4).hex()
    ours("PUT", name, 201)
    ours("PUT", name + "/before", 201, data=b"b")
    for kind in "account", "container", "object":
        servers.kill(kind, 0)
    try:
        for i in range(12):
            ours("PUT", "%s/o%02d" % (name, i), 201, data=os.urandom(10))
        body = os.urandom(1200000)
        ours("PUT", name + "/big", 201, data=body)
        assert ours("GET", name + "/big", 200).content == body
        ours("DELETE", name + "/o00", 204)
        ours("GET", name + "/o00", 404)
        want = ["before", "big"] + ["o%02d" % i for i in range(1, 12)]
        assert ours.names(name) == want
        # What the node missed stands in elsewhere.
        wait_for(lambda: metric(url, "cairn_handoffs") > 0)
        for kind in "account", "container":
            servers.start_again(kind, 0)
        servers.kill("object", 1)
        # Two of the three servers of some of these are away.
        lonely = {n: ours("PUT", name + "/x" + n, data=b"x").status_code for n in "abcdefghijklmnopqrstuvwx"}
        assert set(lonely.values()) == {201, 503}
        refused = ["x" + n for n in lonely if lonely[n] == 503]
        want += ["x" + n for n in lonely if lonely[n] == 201]
    finally:
        for kind in "account", "container", "object":
            for n in 0, 1:
                if (kind, n) not in servers.processes:
                    servers.start_again(kind, n)
    # What was missed: a read repairs objects, Swift's updaters and replicators the listings.
    assert ours("GET", name + "/big", 200).content == body
    ours("GET", name + "/o00", 404)
    servers.daemon("object", "updater")
    servers.daemon("container", "replicator")
    # What was refused for want of a majority may be there or not: one server had taken it.
    for api in ours, swifts:
        assert [n for n in api.names(name) if n not in refused] == want


def test_a_changed_ring_is_used(servers, ours, container):
    path = servers.dir + "/object.ring.gz"
    seen = servers.log().count("info ring path=")
    os.utime(path, (1, 1))
    servers.processes["cairn"].send_signal(signal.SIGHUP)
    wait_for(lambda: servers.log().count("info ring path=") > seen)
    with open(path, "rb") as f:
        good = f.read()
    try:
        with open(path, "wb") as f:
            f.write(good[:100])
        servers.processes["cairn"].send_signal(signal.SIGHUP)
        wait_for(lambda: "ring-refused" in servers.log())
        ours("PUT", container + "/o", 201, data=b"by the ring before")
    finally:
        with open(path, "wb") as f:
            f.write(good)


def test_conf_that_does_not_fit(servers, tmp_path):
    def check(text, *words):
        path = tmp_path / "cairn.conf"
        path.write_text(text)
        out = subprocess.run([CAIRN, "node", "--config", str(path), "--check"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert out.returncode == 2 and str(path) in out.stdout, out.stdout
        for word in words:
            assert word in out.stdout
    head = "[node]\nroles = proxy\n"
    swift = "[swift]\ndir = %s\n" % servers.dir
    check("[node]\nroles = proxy storage\n[devices]\ndevice = d1\n" + swift, ":6: [swift] dir")
    check(head + swift + "[cluster]\nhash_suffix = x\n", ":6: [cluster] hash_suffix")
    check(head + swift + "[cluster]\npolicy = 0 gold\n", ":6: [cluster] policy")
    check(head + swift + "[wire]\nport = 6000\nkey = k1 0123456789abcdef\n", ":6: [wire] port")
    check(head + swift + "[encryption]\nenabled = yes\n", ":6: [encryption] enabled: not with [swift] dir")
    check(head + "[swift]\ndir = /nonexistent\n", ":4: [swift] dir")
    bad = tmp_path / "swift.conf"
    bad.write_text("[swift-hash]\nswift_hash_path_suffix = a\nwhat is this\n")
    path = tmp_path / "c2.conf"
    path.write_text(head + "[swift]\ndir = %s\n" % tmp_path)
    out = subprocess.run([CAIRN, "node", "--config", str(path), "--check"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert out.returncode == 2 and str(bad) + ":3:" in out.stdout


# --- migrate ---

@pytest.fixture(scope="module")
def cairn_cloud():
    cloud = Cloud(wire=False)
    cloud.up()
    yield cloud
    cloud.close()


class Migration:
    def __init__(self, folder, source, target, account):
        self.path, self.account = str(folder / "migrate.conf"), account
        with open(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            for side, url in (("from", source), ("to", target)):
                f.write("[%s]\nauth = %s/auth/v1.0\nuser = admin:admin\nkey = admin\n" % (side, url))
            f.write("[migrate]\naccount = %s\npolicy = gold Policy-0\npolicy = silver Policy-0\n"
                    "jobs = 4\n" % account)

    def start(self, *args):
        return subprocess.Popen([CAIRN, "migrate", "--config", self.path] + list(args), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __call__(self, *args, code=0):
        process = self.start("--quiet", *args)
        out = process.communicate(timeout=300)[0]
        assert process.returncode == code, out
        return out


@pytest.fixture
def migration(tmp_path, swift_url, cairn_cloud):
    account = "AUTH_m%s" % os.urandom(4).hex()
    source = Api(swift_url, account)
    source("PUT", "", 201)
    m = Migration(tmp_path, swift_url, cairn_cloud.url, account)
    m.source, m.target = source, Api(cairn_cloud.url, account)
    return m


KEPT = re.compile(r"(?i)^(x-(object|container|account)-meta-.*|x-container-(read|write)|"
                  r"x-account-access-control|content-type|content-disposition|content-encoding|"
                  r"cache-control|x-delete-at|x-object-manifest)$")


def kept(response):
    return {k.lower(): v for k, v in response.headers.items() if KEPT.match(k)}


def everything(api, large=()):
    """All that there is to compare, times and bodies and metadata. `large`: of these only the body."""
    out = {"": kept(api("HEAD"))}
    for c in api.names():
        path = "/" + requests.utils.quote(c)
        h = api("HEAD", path)
        out[c] = (kept(h), h.headers["X-Container-Object-Count"],
                  not large and h.headers["X-Container-Bytes-Used"])
        for row in api("GET", path, params={"format": "json"}).json():
            name = path + "/" + requests.utils.quote(row["name"])
            r = api("GET", name, 200)
            if row["name"] in large:
                out[c, row["name"]] = (r.content, row["bytes"], row["last_modified"])
                continue
            out[c, row["name"]] = (r.content, kept(r), r.headers["X-Timestamp"],
                                   r.headers["Last-Modified"], r.headers["Etag"],
                                   row["last_modified"], row["bytes"], row["hash"])
    return out


def fill(source, count=120):
    source("POST", "", headers={"X-Account-Meta-Owner": "me", "X-Account-Access-Control":
                                json.dumps({"read-only": ["test:tester3"]})})
    source("PUT", "/plain", 201, headers={"X-Container-Read": ".r:*,.rlistings",
                                          "X-Container-Write": "test:tester3",
                                          "X-Container-Meta-A": "\u00e9".encode()})
    source("PUT", "/%C3%A9%20silver", 201, headers={"X-Storage-Policy": "silver"})
    source("PUT", "/empty", 201)
    for i in range(count):
        source("PUT", "/plain/o%03d" % i, 201, data=b"x" * i * 37, headers={
            "Content-Type": "text/x-%d" % (i % 3), "X-Object-Meta-N": str(i)})
    source("POST", "/plain/o007", 202, headers={"X-Object-Meta-New": "1", "Content-Type": "a/b"})
    source("PUT", "/plain/big", 201, data=os.urandom(5000000),
           headers={"Content-Disposition": "attachment", "Content-Encoding": "raw"})
    source("PUT", "/%C3%A9%20silver/dir/a%3Fb%25%20%E2%98%83", 201, data=b"zz")
    source("PUT", "/plain/later", 201, data=b"e", headers={"X-Delete-After": "86400"})
    for n in "1", "2":
        source("PUT", "/plain/seg/" + n, 201, data=b"part" + n.encode())
    source("PUT", "/plain/dlo", 201, headers={"X-Object-Manifest": "plain/seg/"})
    source("PUT", "/plain/slo?multipart-manifest=put", 201, headers={"X-Object-Meta-S": "1"},
           data=json.dumps([{"path": "/plain/seg/1"}, {"path": "/plain/seg/2"}]))


def test_an_account_is_brought_whole(migration):
    fill(migration.source)
    out = migration("--dry-run")
    assert "to copy: 127 objects" in out and migration.target.names() == []
    out = migration()
    assert "copied: 127 objects" in out and "slo" in out and "one object now" in out
    assert everything(migration.source, ["slo"]) == everything(migration.target, ["slo"])
    assert "copied: 0 objects (0 B), 127 the same" in migration()
    assert "verified: 127 objects the same" in migration("--verify")


def test_interrupted_and_taken_up_again(migration):
    fill(migration.source, 250)
    for how in signal.SIGKILL, signal.SIGINT:
        process = migration.start("--quiet")
        had = len(migration.target.names("/plain")) if migration.target.names() else 0
        wait_for(lambda: "plain" in migration.target.names() and
                 len(migration.target.names("/plain")) > had + 20)
        process.send_signal(how)
        out = process.communicate(timeout=60)[0]
        if how == signal.SIGINT:
            assert process.returncode == 3 and "STOPPED" in out
    assert len(migration.target.names("/plain")) < 257
    out = migration()
    same = int(re.search(r"(\d+) the same", out).group(1))
    assert same >= 40 and "failed" not in out
    assert everything(migration.source, ["slo"]) == everything(migration.target, ["slo"])


def test_catching_up_with_a_source_that_is_written_to(migration):
    source, target = migration.source, migration.target
    fill(source, 20)
    migration()
    source("PUT", "/plain/o001", 201, data=b"newer")
    source("POST", "/plain/o002", 202, headers={"X-Object-Meta-Changed": "yes"})
    source("DELETE", "/plain/o003", 204)
    source("POST", "/plain", 204, headers={"X-Remove-Container-Meta-A": "x",
                                           "X-Container-Meta-B": "2"})
    source("DELETE", "/empty", 204)
    source("PUT", "/new", 201)
    source("PUT", "/new/o", 201, data=b"n")
    # What a client wrote at the destination since is the later write.
    target("PUT", "/plain/o004", 201, data=b"destination's own")
    out = migration("--verify", code=1)
    for words in ('o001": differs', 'o002": differs', "only at the destination",
                  'new": is not at the destination', 'plain": metadata differs'):
        assert words in out, out
    out = migration()
    assert "copied: 3 objects" in out and "1 newer at the destination" in out
    assert target("GET", "/plain/o004", 200).content == b"destination's own"
    assert target("GET", "/plain/o001", 200).content == b"newer"
    target("GET", "/plain/o003", 200)
    out = migration("--delete")
    assert "2 deleted" in out  # the object and the container
    target("GET", "/plain/o003", 404)
    target("HEAD", "/empty", 404)
    source("PUT", "/plain/o004", 201, data=b"source again")
    migration()
    assert everything(source, ["slo"]) == everything(target, ["slo"])
    migration("--verify")


def test_what_a_listing_of_the_source_has_forgotten_is_not_deleted(servers, migration):
    source, target = migration.source, migration.target
    source("PUT", "/c", 201)
    for name in "kept", "gone":
        source("PUT", "/c/" + name, 201, data=b"x")
    migration()
    source("DELETE", "/c/gone", 204)
    assert source.names("/c") == ["kept"]
    rows = 0
    for path in glob.glob(servers.dir + "/devices*/*/containers/*/*/*/*.db"):
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            if db.execute("SELECT account FROM container_stat").fetchone() == (migration.account,):
                db.create_function("chexor", 3, lambda *_: "0" * 32)
                rows += db.execute("DELETE FROM object WHERE name = 'kept'").rowcount
    assert rows == 3 and source.names("/c") == []
    out = migration("--delete")
    assert "1 deleted" in out and 'kept": is at the source' in out
    assert target("GET", "/c/kept", 200).content == b"x"
    target("GET", "/c/gone", 404)


def test_a_replica_of_the_source_that_lags_is_not_taken_for_it(migration, servers):
    source, target, names = migration.source, migration.target, ["o%d" % i for i in range(24)]
    source("PUT", "/c", 201)
    for name in names[:16]:
        source("PUT", "/c/" + name, 201, data=b"old")
    servers.kill("object", 1)
    for name in names:
        source("PUT", "/c/" + name, 201, data=b"new")
    servers.start_again("object", 1)
    assert "copied: 24 objects" in migration()
    for name in names:
        assert target("GET", "/c/" + name, 200).content == b"new"


def test_progress_and_eta(migration):
    fill(migration.source, 60)
    process = migration.start()
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 0 and "copied: 67 objects" in out


def test_what_migrate_refuses(migration, tmp_path, swift_url):
    def refused(text, *words, mode=0o600, code=2):
        path = tmp_path / ("bad-%s.conf" % os.urandom(3).hex())
        path.write_text(text)
        path.chmod(mode)
        out = subprocess.run([CAIRN, "migrate", "--config", str(path)], text=True, timeout=60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert out.returncode == code, out.stdout
        for word in words:
            assert word in out.stdout, out.stdout
    good = open(migration.path).read()
    refused("[from]\nwhat = 1\n", ":2:", "what")
    refused(good.replace("user = admin:admin\n", "", 1), "[from] auth wants user and key")
    refused(good, "chmod", mode=0o644)
    refused(good.replace("account = ", "jobs = 0\n#"), ":10:")
    refused(good.replace("key = admin", "key = wrong", 1), "[from] auth", "401", code=1)
    # The destination's user may not say when objects were written.
    migration.source("PUT", "/c", 201)
    migration.source("PUT", "/c/o", 201, data=b"x")
    account = migration.account
    text = good.replace("[to]\n", "[to]\n#").replace(account, account + " AUTH_test")
    at = text.index("[to]")
    text = text[:at] + text[at:].replace("#auth", "auth").replace(
        "admin:admin", "test:tester").replace("key = admin", "key = testing")
    refused(text, 'c/o": the destination says 403', code=1)


def test_times_may_be_set_by_reseller_administrators_alone(cairn_cloud):
    admin = Api(cairn_cloud.url)
    tester = User(cairn_cloud, "test:tester", "testing")
    name = "/t-%s" % os.urandom(4).hex()
    admin("PUT", name, 201)
    stamp = {"X-Cairn-Timestamp": "1600000000.12345"}
    assert tester.request("PUT", name + "/o", headers=stamp, data=b"x").status_code == 403
    admin("PUT", name + "/o", 400, headers={"X-Cairn-Timestamp": "yesterday"}, data=b"x")
    for size in 10, 1 << 20:
        admin("PUT", name + "/o%d" % size, 201, headers=stamp, data=b"x" * size)
        h = admin("HEAD", name + "/o%d" % size, 200).headers
        assert h["X-Timestamp"] == "1600000000.12345"
        # The same again, and an older one, are not written.
        admin("PUT", name + "/o%d" % size, 202, headers=stamp, data=b"y" * size)
        assert admin("GET", name + "/o%d" % size).content == b"x" * size
    row = admin("GET", name, params={"format": "json"}).json()[0]
    assert row["last_modified"] == "2020-09-13T12:26:40.123450"
    admin("PUT", name + "/o10", 201, data=b"now")
    admin("DELETE", name + "/o10", 409, headers=stamp)
    admin("GET", name + "/o10", 200)
