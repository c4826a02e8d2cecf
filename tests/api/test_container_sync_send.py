"""Container sync, the sending side: what changes in a synced container is brought to the other cluster."""
import hashlib
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from conftest import Cloud, User, wait_for
from test_container_sync import realms

KEY = "kéy of the container"


@pytest.fixture(scope="module")
def pair():
    both = [Cloud(devices=3), Cloud(devices=3)]
    try:
        for cloud in both:
            cloud.up()
            path = realms(cloud.dir + "/realms.conf", one=both[0], two=both[1])
            cloud.set_conf({"container_sync": ["realms = " + path, "allowed_sync_hosts = 127.0.0.1", "interval = 2",
                                               "conn_timeout = 2"]})
        yield both
    finally:
        for cloud in both:
            cloud.close()


@pytest.fixture(scope="module")
def users(pair):
    return [User(cloud, "test:tester", "testing") for cloud in pair]


def realm_path(cluster, name):
    return "//test/%s/AUTH_test/%s" % (cluster, name)


def make(user, name, to=None, key=KEY):
    headers = {"X-Container-Sync-Key": key.encode()}
    if to:
        headers["X-Container-Sync-To"] = to
    assert user.request("PUT", "/" + name, headers=headers).status_code in (201, 202)


@pytest.fixture
def place(users):
    """A container of both clouds, synced from the first to the second."""
    name = "c-" + os.urandom(5).hex()
    make(users[1], name)
    make(users[0], name, realm_path("two", name))
    return name


def put(user, path, data, **headers):
    r = user.request("PUT", path, data=data, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert r.status_code == 201, r.text
    return r


def body(user, path, **kw):
    r = user.request("GET", path, **kw)
    return r.content if r.status_code == 200 else None


def stamp(user, path):
    return user.request("HEAD", path).headers.get("X-Timestamp")


def names(user, container):
    return user.request("GET", "/" + container).text.split()


def is_quiet(cloud):
    """Nothing is left to be brought."""
    return cloud.metric("cairn_container_sync_pending") == [0]


def test_put_overwrite_post_and_delete_are_brought(pair, users, place):
    here, there = users
    path = "/%s/p%%C3%%A4th/to%%20an%%20object%%2541" % place
    put(here, path, b"first", Content_Type="text/x-it; charset=utf-8", X_Object_Meta_Colour="blue",
        Content_Disposition="attachment")
    wait_for(lambda: body(there, path) == b"first")
    r = there.request("GET", path)
    assert r.headers["Content-Type"] == "text/x-it; charset=utf-8" and r.headers["X-Object-Meta-Colour"] == "blue"
    assert r.headers["Content-Disposition"] == "attachment"
    assert r.headers["X-Timestamp"] == stamp(here, path)
    put(here, path, b"second!")
    wait_for(lambda: body(there, path) == b"second!")
    assert here.request("POST", path, headers={"X-Object-Meta-Colour": "red"}).status_code == 202
    wait_for(lambda: there.request("HEAD", path).headers.get("X-Object-Meta-Colour") == "red")
    assert stamp(there, path) == stamp(here, path)
    assert here.request("DELETE", path).status_code == 204
    wait_for(lambda: there.request("HEAD", path).status_code == 404)


def test_what_was_there_before_is_brought_too(pair, users):
    here, there = users
    name = "c-" + os.urandom(5).hex()
    make(here, name)
    for i in range(30):
        put(here, "/%s/o%02d" % (name, i), b"x" * i)
    make(there, name)
    make(here, name, realm_path("two", name))
    wait_for(lambda: len(names(there, name)) == 30)
    assert body(there, "/%s/o29" % name) == b"x" * 29


def test_large_bodies(users, place):
    here, there = users
    data = os.urandom(5 << 20) + b"end"
    put(here, "/%s/large" % place, data)
    put(here, "/%s/empty" % place, b"")
    wait_for(lambda: body(there, "/%s/large" % place) == data)
    wait_for(lambda: body(there, "/%s/empty" % place) == b"")


def test_manifests_and_links_are_brought_as_they_are(users, place):
    here, there = users
    put(here, "/%s/seg/1" % place, b"one")
    put(here, "/%s/seg/2" % place, b"two")
    manifest = [{"path": "/%s/seg/%d" % (place, i)} for i in (1, 2)]
    put(here, "/%s/slo?multipart-manifest=put" % place, json.dumps(manifest), X_Object_Meta_A="b")
    put(here, "/%s/dlo" % place, b"", X_Object_Manifest=place + "/seg/")
    put(here, "/%s/link" % place, b"", X_Symlink_Target=place + "/slo")
    put(here, "/%s/fixed" % place, b"", X_Symlink_Target=place + "/seg/1",
        X_Symlink_Target_Etag=hashlib.md5(b"one").hexdigest())
    for name in "slo", "dlo", "link":
        wait_for(lambda: body(there, "/%s/%s" % (place, name)) == b"onetwo")
    wait_for(lambda: body(there, "/%s/fixed" % place) == b"one")
    r = there.request("HEAD", "/%s/slo" % place)
    assert r.headers["X-Static-Large-Object"] == "True" and r.headers["X-Object-Meta-A"] == "b"
    assert r.headers["Etag"] == here.request("HEAD", "/%s/slo" % place).headers["Etag"]
    assert there.request("HEAD", "/%s/dlo" % place).headers["X-Object-Manifest"] == place + "/seg/"
    assert there.request("HEAD", "/%s/link?symlink=get" % place).headers["X-Symlink-Target"] == place + "/slo"
    put(here, "/%s/slo" % place, b"no manifest")
    wait_for(lambda: body(there, "/%s/link" % place) == b"no manifest")


def test_both_ways(pair, users):
    name = "c-" + os.urandom(5).hex()
    for user, other in zip(users, ("two", "one")):
        make(user, name, realm_path(other, name))
    put(users[0], "/%s/a" % name, b"of one")
    put(users[1], "/%s/b" % name, b"of two")
    put(users[0], "/%s/both" % name, b"earlier")
    put(users[1], "/%s/both" % name, b"later")
    for user in users:
        wait_for(lambda: [body(user, "/%s/%s" % (name, n)) for n in ("a", "b", "both")] ==
                 [b"of one", b"of two", b"later"])
    users[1].request("DELETE", "/%s/a" % name)
    users[0].request("DELETE", "/%s/b" % name)
    for user in users:
        wait_for(lambda: names(user, name) == ["both"])


# A process of its own: Swift's modules, where another test has loaded them, leave this one's threads to eventlet.
PEER = """
import http.server, json, sys, time
stored = {}

class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, **headers):
        print(json.dumps([time.monotonic(), self.command, self.path, dict(self.headers), status]), file=log, flush=True)
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self):
        at = stored.get(self.path.split("?")[0])
        if self.headers["X-Container-Sync-Key"] != "secret":
            self.answer(401)
        elif at:
            self.answer(200, X_Timestamp=at)
        else:
            self.answer(404)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["X-Container-Sync-Key"] != "secret":
            self.answer(401)
        elif "huge" in self.path:
            self.answer(413)
        else:
            stored[self.path] = self.headers["X-Timestamp"]
            self.answer(201)

    def do_DELETE(self):
        self.answer(204)

    def log_message(self, *args):
        pass

log = open(sys.argv[1], "w")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Peer:
    """Another cluster, that knows keys alone."""

    def __init__(self, folder):
        self.path = str(folder / "seen")
        self.process = subprocess.Popen([sys.executable, "-c", PEER, self.path], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def seen(self):
        """[when, method, path, headers, status] of each request."""
        with open(self.path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def has(self, path):
        return any(s[1] == "PUT" and s[2] == path and s[4] == 201 for s in self.seen())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_plain_urls_carry_the_key(pair, users, tmp_path):
    """And what is refused, is tried again, at intervals."""
    peer = Peer(tmp_path)
    user, name = users[0], "c-" + os.urandom(5).hex()
    url = "http://127.0.0.1:%d/v1/AUTH_x/there" % peer.port
    try:
        make(user, name, url, key="wrong")
        put(user, "/%s/o" % name, b"body")
        wait_for(lambda: len(peer.seen()) >= 6)
        seen = peer.seen()
        assert [s[1] for s in seen[:6]] == ["HEAD", "PUT"] * 3 and seen[0][2] == "/v1/AUTH_x/there/o?symlink=get"
        assert seen[4][0] - seen[0][0] > 2.5
        assert 'container="AUTH_test/%s"' % name in pair[0].log() and "PUT: 401" in pair[0].log()
        assert "wrong" not in pair[0].log()
        assert user.request("POST", "/" + name, headers={"X-Container-Sync-Key": "secret"}).status_code == 204
        wait_for(lambda: peer.has("/v1/AUTH_x/there/o"))
        request = [s for s in peer.seen() if s[1] == "PUT" and s[2] == "/v1/AUTH_x/there/o"][-1]
        assert request[3]["X-Timestamp"] == stamp(user, "/%s/o" % name)
        assert request[3]["Etag"] == hashlib.md5(b"body").hexdigest()
        assert "X-Container-Sync-Auth" not in request[3]
        # One that the other side does not want holds up no other.
        put(user, "/%s/huge" % name, b"x")
        put(user, "/%s/later" % name, b"y")
        wait_for(lambda: peer.has("/v1/AUTH_x/there/later"))
        wait_for(lambda: len([s for s in peer.seen() if s[1] == "PUT" and "huge" in s[2]]) == 2)
        times = [s[0] for s in peer.seen() if s[1] == "PUT" and "huge" in s[2]]
        assert times[1] - times[0] > 1.5
        user.request("DELETE", "/%s/o" % name)
        wait_for(lambda: any(s[1] == "DELETE" and s[2] == "/v1/AUTH_x/there/o" for s in peer.seen()))
        # Not synced any more: nothing is brought.
        assert user.request("POST", "/" + name, headers={"X-Container-Sync-To": ""}).status_code == 204
        put(user, "/%s/after" % name, b"z")
        time.sleep(2)
        assert not any("after" in s[2] for s in peer.seen())
    finally:
        peer.close()


def test_a_cluster_that_is_away_holds_up_no_other_and_misses_nothing(pair, users, place):
    here, there = users
    away = socket.socket()
    away.bind(("127.0.0.1", 0))
    away.listen(0)  # takes connections, and never answers
    names_away = ["away-%d-%s" % (i, os.urandom(4).hex()) for i in range(3)]
    for name in names_away:
        make(here, name, "http://127.0.0.1:%d/v1/a/c" % away.getsockname()[1])
        for i in range(10):
            put(here, "/%s/o%d" % (name, i), b"x")
    put(here, "/%s/meanwhile" % place, b"here it is")
    wait_for(lambda: body(there, "/%s/meanwhile" % place) == b"here it is", 30)
    away.close()
    # The other one goes down, and comes back.
    pair[1].down()
    for i in range(20):
        put(here, "/%s/o%d" % (place, i), b"%d" % i)
    here.request("DELETE", "/%s/meanwhile" % place)
    wait_for(lambda: pair[0].metric("cairn_container_sync_failing_containers")[0] >= 1)
    pair[1].up()
    there = User(pair[1], "test:tester", "testing")
    wait_for(lambda: sorted(names(there, place)) == sorted("o%d" % i for i in range(20)))
    for name in names_away:
        here.request("POST", "/" + name, headers={"X-Container-Sync-To": ""})


@pytest.mark.parametrize("which", [0, 1])
def test_a_node_that_dies_in_the_midst_loses_nothing(pair, users, place, which):
    here, there = users
    for i in range(120):
        put(here, "/%s/o%03d" % (place, i), b"%d" % i * 1000)
        if i == 60:
            pair[which].kill_node()
    for i in range(0, 120, 3):
        assert here.request("DELETE", "/%s/o%03d" % (place, i)).status_code == 204
    left = ["o%03d" % i for i in range(120) if i % 3]
    wait_for(lambda: names(there, place) == left, 90)
    assert body(there, "/%s/o100" % place) == b"100" * 1000


def test_without_the_key_it_waits_for_it(users, pair):
    here, there = users
    name = "c-" + os.urandom(5).hex()
    make(there, name)
    assert here.request("PUT", "/" + name, headers={"X-Container-Sync-To": realm_path("two", name)}).status_code == 201
    put(here, "/%s/o" % name, b"x")
    wait_for(lambda: "no X-Container-Sync-Key" in pair[0].log())
    make(here, name)
    wait_for(lambda: body(there, "/%s/o" % name) == b"x")


def test_nothing_stays_queued(pair):
    for cloud in pair:
        wait_for(lambda: is_quiet(cloud))
