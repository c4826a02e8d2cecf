"""Container sync with a real Swift: what we send it takes, and what it sends we take."""
import os
import sys

import pytest
import requests

from conftest import Cloud, User, wait_for
from test_container_sync import REALM_KEY
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from swift_servers import SwiftServers  # noqa: E402

KEY = "key of the container"
SYNC = """[filter:container_sync]
use = egg:swift#container_sync
current = //test/swift
"""


class SwiftUser:
    def __init__(self, url):
        r = requests.get(url + "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
        self.storage = r.headers["X-Storage-Url"]
        self.session = requests.Session()
        self.session.headers["X-Auth-Token"] = r.headers["X-Auth-Token"]

    def request(self, method, path, **kw):
        return self.session.request(method, self.storage + path, timeout=60, **kw)


@pytest.fixture(scope="module")
def rig():
    servers, cloud = SwiftServers(nodes=1, replicas=1), Cloud(devices=3)
    try:
        cloud.up()
        path = servers.dir + "/container-sync-realms.conf"
        with open(path, "w") as f:
            f.write("[TEST]\nkey = %s\ncluster_cairn = %s/v1/\n" % (REALM_KEY, cloud.url))
        url = servers.proxy(auth="container_sync tempauth", sections=SYNC)
        with open(path, "a") as f:
            f.write("cluster_swift = %s/v1/\n" % url)
        servers.stop(("container", 0))
        servers.start_again("container", 0)  # which looks for realms when it starts
        cloud.set_conf({"container_sync": ["realms = " + path, "current = //test/cairn", "interval = 1"]})
        yield servers, cloud, url
    finally:
        cloud.close()
        servers.close()


@pytest.fixture(scope="module")
def users(rig):
    return User(rig[1], "test:tester", "testing"), SwiftUser(rig[2])


def account(user):
    return user.storage.rsplit("/", 1)[1]


def container(user, name, to=None):
    headers = {"X-Container-Sync-Key": KEY}
    if to:
        headers["X-Container-Sync-To"] = to
    r = user.request("PUT", "/" + name, headers=headers)
    assert r.status_code in (201, 202), r.text


def write(user, name, large):
    """Three objects, and one that is gone again."""
    for path, data in ("a%20name", b"first"), ("\u2603", b""), ("large", large), ("gone", b"x"):
        r = user.request("PUT", "/%s/%s" % (name, path), data=data,
                         headers={"X-Object-Meta-Colour": "blue", "Content-Type": "text/x-it"})
        assert r.status_code == 201, r.text
    assert user.request("DELETE", "/%s/gone" % name).status_code == 204


def same(one, other, name):
    for path in "a%20name", "\u2603", "large":
        a, b = (u.request("GET", "/%s/%s" % (name, path)) for u in (one, other))
        assert (a.status_code, b.status_code) == (200, 200) and a.content == b.content
        for header in "Etag", "Content-Type", "X-Object-Meta-Colour", "X-Timestamp":
            assert a.headers[header] == b.headers[header], header
    assert other.request("HEAD", "/%s/gone" % name).status_code == 404


def test_swift_takes_what_we_send(users):
    ours, swifts = users
    name, large = "from-us", os.urandom(3 << 20)
    container(swifts, name)
    container(ours, name, "//TEST/swift/%s/%s" % (account(swifts), name))
    write(ours, name, large)
    wait_for(lambda: len(swifts.request("GET", "/" + name).text.splitlines()) == 3)
    same(ours, swifts, name)
    assert ours.request("DELETE", "/%s/large" % name).status_code == 204
    wait_for(lambda: swifts.request("HEAD", "/%s/large" % name).status_code == 404)


def test_we_take_what_swift_sends(rig, users):
    ours, swifts = users
    name, large = "from-swift", os.urandom(3 << 20)
    container(ours, name)
    container(swifts, name, "//TEST/cairn/%s/%s" % (account(ours), name))
    write(swifts, name, large)
    rig[0].daemon("container", "sync")
    assert sorted(ours.request("GET", "/" + name).text.splitlines()) == ["a name", "large", "\u2603"]
    same(swifts, ours, name)
    assert swifts.request("DELETE", "/%s/large" % name).status_code == 204
    rig[0].daemon("container", "sync")
    assert ours.request("HEAD", "/%s/large" % name).status_code == 404


def test_a_wrong_key_changes_nothing(rig, users):
    ours, swifts = users
    for user in users:
        container(user, "keys")
    assert ours.request("POST", "/keys", headers={"X-Container-Sync-Key": "another"}).status_code == 204
    assert swifts.request("POST", "/keys", headers={
        "X-Container-Sync-To": "//TEST/cairn/%s/keys" % account(ours)}).status_code == 204
    assert swifts.request("PUT", "/keys/o", data=b"x").status_code == 201
    rig[0].daemon("container", "sync")
    assert ours.request("GET", "/keys").status_code == 204
