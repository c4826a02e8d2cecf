"""A device that left the rings comes back with what it had, at another place of its partitions: it has
all keys, with the right times, but the fragments are not those that are wanted of it there."""
import os
import re
import signal

import pytest

from conftest import Cloud, wait_for
from test_ec import data
from test_repair import bring_back, login, take_away, wait_equal
from test_rings import builder, give_ring, ring, ring_metric

DEVICES, BACK = 4, "d3"
K, M = 2, 1
SIZES = [0, 700, 50000, 300000, 5000001]  # inline, one piece, several


@pytest.fixture
def cloud():
    policy = "policy = 2 ec type=ec k=%d m=%d" % (K, M)
    cloud = Cloud(devices=DEVICES, replicas=3, conf={"cluster": [policy], "devices": ["replicate_pause = 0"]})
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


def ring_names(cloud):
    return sorted(f.split(".")[0] for f in os.listdir(cloud.state + "/ring") if f.endswith(".ring.gz"))


def change_rings(cloud, *args):
    """All of them, and the node has adopted them. Tells their versions."""
    versions = {}
    for name in ring_names(cloud):
        ring(builder(cloud, name), *args)
        ring(builder(cloud, name), "rebalance", "--force")
        versions[name] = int(ring(builder(cloud, name), "version").split()[-1])
        give_ring(cloud, name)
    os.kill(cloud.node_pid(), signal.SIGHUP)
    wait_for(lambda: all(ring_metric(cloud, "version", name) == v for name, v in versions.items()))
    return versions


def wait_settled(cloud, versions):
    """Only these rings count, and nothing is left to bring or to forget."""
    for name, version in versions.items():
        wait_for(lambda: ring_metric(cloud, "oldest", name) == version)
    wait_equal(cloud)
    for metric in ("differences", "lagging", "waiting", "to_forget"):
        wait_for(lambda: sum(cloud.metric("cairn_replicate_" + metric)) == 0)
    wait_equal(cloud)


def slots(cloud, name):
    """[(device, index of the fragment that it holds or None)] of the newest ring's primaries, in its order."""
    out = cloud.cairn("audit", "--state", cloud.state, "AUTH_test/e/" + name, check=False).stdout
    lines = re.findall(r"^primary +\S+/(d\d) (.*)$", out, re.M)[:K + M]  # those of older rings follow
    found = [(device, re.search(r" fragment (\d+) of ", rest)) for device, rest in lines]
    return [(device, int(index[1]) if index else None) for device, index in found]


def all_slots(cloud, bodies):
    return {name: slots(cloud, name) for name in bodies}


def misplaced(held):
    return {name: at for name, at in held.items() if [index for _, index in at] != list(range(K + M))}


def place(at, device):
    devices = [d for d, _ in at]
    return devices.index(device) if device in devices else None


def unreadable(cloud, bodies):
    """Who cannot be read while one device, whichever, is away, and what became of it."""
    found = []
    for device in range(DEVICES):
        take_away(cloud, device)
        user = login(cloud)
        for name, body in bodies.items():
            r = user.request("GET", "/e/" + name)
            if r.status_code != 200 or r.content != body:
                cut = r.status_code == 200 and body.startswith(r.content)
                found.append((name, "without d%d" % device, r.status_code, "cut" if cut else "other"))
        bring_back(cloud, device)
    return found


def removed_and_added(cloud, bodies):
    """It is away meanwhile, and others take its places."""
    address = ring(builder(cloud, "object")).split("127.0.0.1:")[1].split()[0]
    take_away(cloud, int(BACK[1:]))
    change_rings(cloud, "remove", BACK)
    wait_for(lambda: misplaced(all_slots(cloud, bodies)) == {})
    assert all(place(at, BACK) is None for at in all_slots(cloud, bodies).values())
    versions = change_rings(cloud, "add", "r1z1-127.0.0.1:%s/%s" % (address, BACK), "100")
    bring_back(cloud, int(BACK[1:]))
    return versions


def drained_and_wanted_again(cloud, _):
    """It is there all the time. Another one is not, so that nothing settles before it is wanted again."""
    take_away(cloud, 0)
    change_rings(cloud, "set_weight", BACK, "0")
    versions = change_rings(cloud, "set_weight", BACK, "100")
    bring_back(cloud, 0)
    return versions


@pytest.mark.parametrize("leave_and_return", [removed_and_added, drained_and_wanted_again])
def test_a_device_that_comes_back_elsewhere_holds_what_belongs_there(cloud, leave_and_return):
    user = login(cloud)
    assert user.request("PUT", "/e", headers={"X-Storage-Policy": "ec"}).status_code == 201
    bodies = {"o%02d" % i: data("o%02d" % i, SIZES[i % len(SIZES)]) for i in range(50)}
    for name, body in bodies.items():
        assert user.request("PUT", "/e/" + name, data=body).status_code == 201
    wait_equal(cloud)
    first = all_slots(cloud, bodies)
    assert misplaced(first) == {}

    wait_settled(cloud, leave_and_return(cloud, bodies))
    last = all_slots(cloud, bodies)
    places = [(place(first[name], BACK), place(last[name], BACK)) for name in bodies]
    elsewhere = sum(None not in (old, new) and old != new for old, new in places)
    assert elsewhere >= len(bodies) / 10
    wrong, lost = misplaced(last), unreadable(cloud, bodies)
    assert (wrong, lost) == ({}, []), "%d of %d came back elsewhere; %d misplaced, %d reads failed" % (
        elsewhere, len(bodies), len(wrong), len(lost))
