"""Rings that live together: a newer one comes into use beside the one there is, without a restart
where it names no device that is not there, and everything stays readable and writable."""
import os
import signal
import subprocess

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for


def ring(path, *args, codes=(0, 1)):
    out = subprocess.run([CAIRN, "ring", path] + list(args), timeout=60, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert out.returncode in codes, out.stdout
    return out.stdout


def ring_path(cloud, name):
    return cloud.state + "/ring/%s.ring.gz" % name


def builder(cloud, name):
    """The builder of the ring in use."""
    path = cloud.dir + "/%s.builder" % name
    if not os.path.exists(path):
        ring(ring_path(cloud, name), "write_builder", "0")
        made = [f for f in os.listdir(cloud.state + "/ring") if f.endswith(".builder")]
        os.rename(cloud.state + "/ring/" + made[0], path)
    return path


def give_ring(cloud, name):
    os.replace(cloud.dir + "/%s.ring.gz" % name, ring_path(cloud, name))


def ring_metric(cloud, which, name):
    for line in requests.get(cloud.url + "/metrics", timeout=10).text.splitlines():
        if line.startswith('cairn_ring_%s{ring="%s"} ' % (which, name)):
            return int(line.split()[1])


NAMES = ["account", "container", "object"]


@pytest.fixture
def grown():
    c = Cloud()
    c.up()
    yield c
    c.close()


def fill(user, container, count, first=0):
    assert user.request("PUT", "/" + container).status_code in (201, 202)
    for i in range(first, count):
        r = user.request("PUT", "/%s/o%d" % (container, i), data=b"body %d" % i)
        assert r.status_code == 201


def check(user, container, count, gone=()):
    for i in range(count):
        r = user.request("GET", "/%s/o%d" % (container, i))
        if i in gone:
            assert r.status_code == 404
        else:
            assert (r.status_code, r.content) == (200, b"body %d" % i)
    names = user.request("GET", "/" + container).text.split()
    assert names == sorted("o%d" % i for i in range(count) if i not in gone)


def test_a_device_more(grown):
    user = User(grown, "test:tester", "testing")
    fill(user, "c", 60)
    versions = {}
    for name in NAMES:
        path = builder(grown, name)
        address = ring(path).split("127.0.0.1:")[1].split()[0]
        ring(path, "add", "r1z1-127.0.0.1:%s/d4" % address, "100")
        ring(path, "rebalance", "--force")
        versions[name] = int(ring(path, "version").split()[-1])
        give_ring(grown, name)
    grown.set_conf({"devices": ["device = d4"]})
    for name in NAMES:
        assert ring_metric(grown, "version", name) == versions[name]
        assert ring_metric(grown, "oldest", name) < versions[name]
    user = User(grown, "test:tester", "testing")
    check(user, "c", 60)
    fill(user, "c", 120, first=60)
    for i in range(0, 120, 10):
        assert user.request("DELETE", "/c/o%d" % i).status_code == 204
    check(user, "c", 120, gone=range(0, 120, 10))
    grown.kill_node()
    assert ring_metric(grown, "oldest", "object") < versions["object"]
    check(user, "c", 120, gone=range(0, 120, 10))


def test_a_newer_ring_needs_no_restart(grown):
    user = User(grown, "test:tester", "testing")
    fill(user, "c", 30)
    path = builder(grown, "object")
    search = "d0"
    ring(path, "set_weight", search, "10")
    ring(path, "rebalance", "--force")
    version = int(ring(path, "version").split()[-1])
    pid = grown.node_pid()
    give_ring(grown, "object")
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: ring_metric(grown, "version", "object") == version)
    assert grown.node_pid() == pid
    check(user, "c", 30)
    fill(user, "c", 60, first=30)
    check(user, "c", 60)


def test_another_ring_of_the_same_version_is_refused(grown):
    user = User(grown, "test:tester", "testing")
    fill(user, "c", 5)
    before = ring_metric(grown, "version", "object")
    path = grown.dir + "/other.builder"
    ring(path, "create", "6", "3", "0")
    address = ring(builder(grown, "object")).split("127.0.0.1:")[1].split()[0]
    for i in range(4):
        ring(path, "add", "r1z1-127.0.0.1:%s/d%d" % (address, i), "100")
    ring(path, "rebalance")
    while int(ring(path, "version").split()[-1]) < before:
        ring(path, "set_weight", "d0", "99")
        ring(path, "rebalance", "--force")
    os.replace(grown.dir + "/other.ring.gz", ring_path(grown, "object"))
    os.kill(grown.node_pid(), signal.SIGHUP)
    wait_for(lambda: "ring-refused" in grown.log())
    assert ring_metric(grown, "version", "object") == before
    check(user, "c", 5)


def test_a_ring_with_an_unknown_device_is_refused_and_says_what_to_do(grown):
    user = User(grown, "test:tester", "testing")
    fill(user, "c", 5)
    before = ring_metric(grown, "version", "object")
    path = builder(grown, "object")
    address = ring(path).split("127.0.0.1:")[1].split()[0]
    ring(path, "add", "r1z1-127.0.0.1:%s/nobody" % address, "100")
    ring(path, "rebalance", "--force")
    give_ring(grown, "object")
    os.kill(grown.node_pid(), signal.SIGHUP)
    wait_for(lambda: "ring-refused" in grown.log())
    assert "nobody" in grown.log() and "[devices]" in grown.log()
    assert ring_metric(grown, "version", "object") == before
    check(user, "c", 5)
