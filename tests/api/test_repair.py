"""Replicas that were away or are new are made equal by the others, and nothing deleted comes back."""
import os
import re
import shutil
import signal
import time

import pytest

import devlog
from conftest import Cloud, User, wait_for
from test_rings import NAMES, builder, give_ring, ring, ring_metric

FAST = {"devices": ["replicate_pause = 0"]}


def folder(cloud, device):
    return "%s/devices/d%d" % (cloud.state, device)


def take_away(cloud, device):
    """The cloud goes on without it; its disk is as it was."""
    cloud.down()
    os.rename(folder(cloud, device), folder(cloud, device) + ".away")
    open(folder(cloud, device), "w").close()
    cloud.up()


def bring_back(cloud, device):
    cloud.down()
    os.remove(folder(cloud, device))
    os.rename(folder(cloud, device) + ".away", folder(cloud, device))
    cloud.up()


def wipe(cloud, device):
    cloud.down()
    shutil.rmtree(folder(cloud, device))
    os.mkdir(folder(cloud, device))
    cloud.up()


def wait_equal(cloud, seconds=60):
    """Until every device has had a round, begun after now, in which it found nothing to do."""
    now = time.time()
    try:
        wait_for(lambda: min(cloud.metric("cairn_replicate_equal_seconds")) > now, seconds)
    except AssertionError:
        print("\n".join(cloud.log().splitlines()[-30:]))
        raise


def all_equal(cloud, replicas=3):
    """By what lies on the disks. Tells how many keys there are."""
    devices = [devlog.objects(folder(cloud, n) + "/data") for n in range(cloud.devices)]
    keys = set().union(*devices)
    for key in keys:
        held = [d[key].content() for d in devices if key in d and not d[key].forgotten]
        assert len(held) == replicas, (key, len(held))
        assert held.count(held[0]) == len(held), (key, held)
    return len(keys)


def login(cloud):
    return User(cloud, "test:tester", "testing")


def read_all(user, bodies, colours, gone):
    for name, body in bodies.items():
        r = user.request("GET", "/c/" + name)
        assert r.status_code == 200 and r.content == body, (name, r.status_code)
        assert r.headers.get("X-Object-Meta-Colour") == colours.get(name), name
    for name in gone:
        assert user.request("GET", "/c/" + name).status_code == 404, name


@pytest.fixture
def cloud():
    cloud = Cloud(devices=4, conf=FAST)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


def test_a_device_that_was_away_catches_up(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    sizes = [0, 10, 3000, 300000, 2500000]
    bodies = {"o%02d" % i: os.urandom(sizes[i % 5]) for i in range(60)}
    colours, gone = {}, []
    for name, body in bodies.items():
        assert user.request("PUT", "/c/" + name, data=body).status_code == 201
    for away in (1, 2):
        take_away(cloud, away)
        user = login(cloud)
        for i in range(10 * away, 10 * away + 20):
            name = "o%02d" % i
            if i % 4 == 0:
                assert user.request("DELETE", "/c/" + name).status_code in (204, 404)
                bodies.pop(name, None)
                gone.append(name)
            elif i % 4 == 1 and name in bodies:
                colours[name] = "red%d" % away
                r = user.request("POST", "/c/" + name, headers={"X-Object-Meta-Colour": colours[name]})
                assert r.status_code == 202
            else:
                bodies[name] = os.urandom(sizes[(i + away) % 5])
                colours.pop(name, None)
                assert user.request("PUT", "/c/" + name, data=bodies[name]).status_code == 201
            bodies["n%d-%d" % (away, i)] = b"new"
            assert user.request("PUT", "/c/n%d-%d" % (away, i), data=b"new").status_code == 201
        bring_back(cloud, away)
        user = login(cloud)
        wait_equal(cloud)
    assert all_equal(cloud) >= 100
    read_all(user, bodies, colours, gone)
    assert sum(cloud.metric("cairn_replicate_push_errors")) == 0


def test_a_new_disk_is_filled_by_the_others(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    bodies = {"o%03d" % i: os.urandom(200 + 40000 * (i % 10 == 0)) for i in range(300)}
    for name, body in bodies.items():
        assert user.request("PUT", "/c/" + name, data=body).status_code == 201
    bodies["big"] = os.urandom(5 << 20)
    assert user.request("PUT", "/c/big", data=bodies["big"]).status_code == 201
    gone = ["o%03d" % i for i in range(0, 300, 7)]
    for name in gone:
        assert user.request("DELETE", "/c/" + name).status_code == 204
        del bodies[name]
    colours = {"o001": "blue", "big": "green"}
    for name, colour in colours.items():
        assert user.request("POST", "/c/" + name, headers={"X-Object-Meta-Colour": colour}).status_code == 202
    wait_equal(cloud)
    before = all_equal(cloud)
    wipe(cloud, 3)
    user = login(cloud)
    wait_equal(cloud)
    assert all_equal(cloud) == before
    databases_equal(cloud)
    read_all(user, bodies, colours, gone)


def test_a_round_with_nothing_to_do_pushes_nothing(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    for i in range(50):
        assert user.request("PUT", "/c/o%d" % i, data=b"x").status_code == 201
    wait_equal(cloud)
    pushed, rounds = cloud.metric("cairn_replicate_pushed"), cloud.metric("cairn_replicate_rounds")
    wait_for(lambda: all(a > b + 3 for a, b in zip(cloud.metric("cairn_replicate_rounds"), rounds)))
    assert cloud.metric("cairn_replicate_pushed") == pushed


def listed(user, path):
    r = user.request("GET", path + "?format=json")
    assert r.status_code in (200, 204), r.status_code
    return [(o["name"], o.get("bytes"), o.get("count")) for o in r.json()] if r.status_code == 200 else []


def databases_differ(cloud):
    """By what lies on the disks: the first account or container whose replicas are not alike, or None."""
    for role in (1, 2):
        devices = [devlog.databases(folder(cloud, n) + "/data", role) for n in range(cloud.devices)]
        for name in set().union(*devices):
            held = [d[name].content() for d in devices if name in d]
            if len(held) != cloud.replicas or held.count(held[0]) != len(held):
                return name, held
    return None


def databases_equal(cloud):
    """The node itself writes a little after each start: its own hidden container, and totals."""
    end = time.monotonic() + 30
    while databases_differ(cloud):
        assert time.monotonic() < end, databases_differ(cloud)
        time.sleep(0.5)


def test_containers_that_missed_changes_catch_up():
    cloud = Cloud(devices=3, conf=FAST)
    try:
        cloud.up()
        user = login(cloud)
        for name in ("c", "old", "colour"):
            assert user.request("PUT", "/" + name).status_code == 201
        for i in range(300):
            assert user.request("PUT", "/c/o%03d" % i, data=b"x" * i).status_code == 201
        wait_equal(cloud)
        take_away(cloud, 1)
        user = login(cloud)
        for i in range(0, 300, 3):
            assert user.request("DELETE", "/c/o%03d" % i).status_code == 204
        for i in range(50):
            assert user.request("PUT", "/c/n%03d" % i, data=b"yy").status_code == 201
        assert user.request("PUT", "/new", headers={"X-Container-Meta-A": "1"}).status_code == 201
        assert user.request("PUT", "/new/o", data=b"new").status_code == 201
        assert user.request("DELETE", "/old").status_code == 204
        assert user.request("POST", "/colour", headers={"X-Container-Meta-Colour": "red"}).status_code == 204
        names = sorted(["n%03d" % i for i in range(50)] + ["o%03d" % i for i in range(300) if i % 3])
        assert [o[0] for o in listed(user, "/c")] == names
        bring_back(cloud, 1)
        wait_equal(cloud)
        assert sum(cloud.metric("cairn_replicate_push_errors")) == 0
        databases_equal(cloud)
        user = login(cloud)
        assert user.request("GET", "/old").status_code == 404
        assert sorted(o[0] for o in listed(user, "")) == ["c", "colour", "new"]
    finally:
        cloud.close()


def test_of_a_large_container_only_what_differs_travels():
    cloud = Cloud(devices=3, conf=FAST)
    try:
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        for i in range(1500):
            assert user.request("PUT", "/c/o%04d" % i, data=b"").status_code == 201
        wait_equal(cloud)
        take_away(cloud, 1)
        user = login(cloud)
        assert user.request("DELETE", "/c/o0700").status_code == 204
        assert user.request("PUT", "/c/o0900", data=b"new").status_code == 201
        bring_back(cloud, 1)
        wait_equal(cloud)
        # Two objects to one device by either of two; their rows, and the account's, both ways.
        assert sum(cloud.metric("cairn_replicate_pushed")) < 40
        databases_equal(cloud)
        assert all_equal(cloud) == 1500
    finally:
        cloud.close()


def test_a_write_that_a_primary_misses_is_handed_off_and_comes_home():
    cloud = Cloud(devices=4, conf=FAST)
    try:
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        for i in range(20):
            assert user.request("PUT", "/c/o%02d" % i, data=b"old").status_code == 201
        wait_equal(cloud)
        take_away(cloud, 0)
        user = login(cloud)
        bodies = {"n%02d" % i: os.urandom(100 + 100000 * (i % 7)) for i in range(30)}
        for name, body in bodies.items():
            assert user.request("PUT", "/c/" + name, data=body).status_code == 201
        gone = ["o%02d" % i for i in range(0, 20, 2)]
        for name in gone:
            assert user.request("DELETE", "/c/" + name).status_code == 204
        # Three copies of all there is, though one of the four is away and has a part of the primaries.
        missed = cloud.metric("cairn_handoffs")
        assert sum(missed) > 0

        def three_of_each():
            held = {}
            for n in (1, 2, 3):
                for key, version in devlog.objects(folder(cloud, n) + "/data").items():
                    if not version.forgotten and version.object.startswith("n"):
                        held[key] = held.get(key, 0) + 1
            return len(held) == 30 and set(held.values()) == {3}
        wait_for(three_of_each, 20)
        bring_back(cloud, 0)
        user = login(cloud)
        wait_equal(cloud)
        assert all_equal(cloud) == 50
        bodies.update({"o%02d" % i: b"old" for i in range(1, 20, 2)})
        read_all(user, bodies, {}, gone)
    finally:
        cloud.close()


def test_a_device_that_a_new_ring_leaves_out_hands_all_off_and_forgets_it(cloud):
    user = login(cloud)
    bodies = {}
    for c in range(8):
        assert user.request("PUT", "/c%d" % c, headers={"X-Container-Meta-A": str(c)}).status_code == 201
        for i in range(12):
            bodies["/c%d/o%d" % (c, i)] = os.urandom(10 + 200000 * (i == 5))
    for path, body in bodies.items():
        assert user.request("PUT", path, data=body).status_code == 201
    for path in list(bodies)[::9]:
        assert user.request("DELETE", path).status_code == 204
        del bodies[path]
    wait_equal(cloud)
    held = devlog.objects(folder(cloud, 3) + "/data")
    assert len(held) > 40 and devlog.databases(folder(cloud, 3) + "/data", 1)
    versions = {}
    for name in NAMES:
        path = builder(cloud, name)
        ring(path, "set_weight", "d3", "0")
        ring(path, "rebalance", "--force")
        versions[name] = int(ring(path, "version").split()[-1])
        give_ring(cloud, name)
    os.kill(cloud.node_pid(), signal.SIGHUP)
    wait_for(lambda: all(ring_metric(cloud, "version", name) == versions[name] for name in NAMES))
    wait_equal(cloud)
    # When the old rings count no more, nothing of all this is its own.
    if any(ring_metric(cloud, "oldest", name) < versions[name] for name in NAMES):
        cloud.down()
        for name in NAMES:
            for f in os.listdir(cloud.state + "/ring/live"):
                if f.startswith(name + "-") and f != "%s-%d.ring.gz" % (name, versions[name]):
                    os.remove(cloud.state + "/ring/live/" + f)
        cloud.up()
    wait_equal(cloud)
    wait_equal(cloud)
    assert all(v.forgotten for v in devlog.objects(folder(cloud, 3) + "/data").values())
    for role in (1, 2):
        assert not devlog.databases(folder(cloud, 3) + "/data", role), role
    assert all_equal(cloud) == 8 * 12
    cloud.kill_node()
    wait_equal(cloud)
    assert all_equal(cloud) == 8 * 12
    user = login(cloud)
    for path, body in bodies.items():
        assert user.request("GET", path).content == body
    for c in range(8):
        names = sorted(p.split("/")[2] for p in bodies if p.startswith("/c%d/" % c))
        assert [o[0] for o in listed(user, "/c%d" % c)] == names
    assert len(listed(user, "")) == 8


def test_a_disk_that_hung_catches_up_and_brings_nothing_back():
    from test_hung import StuckDisk
    from test_hostile import write_conf
    cloud = Cloud(devices=3)
    disk = None
    try:
        disk = StuckDisk(cloud, 0)
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = 256M\nreplicate_pause = 0")
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        bodies = {"o%02d" % i: os.urandom(2000) for i in range(40)}
        for name, body in bodies.items():
            assert user.request("PUT", "/c/" + name, data=body).status_code == 201
        wait_equal(cloud)
        disk.hang()
        gone, colours = [], {}
        for i, name in enumerate(sorted(bodies)):
            if i % 4 == 0:
                assert user.request("DELETE", "/c/" + name).status_code == 204
                gone.append(name)
                del bodies[name]
            elif i % 4 == 1:
                colours[name] = "red"
                assert user.request("POST", "/c/" + name, headers={"X-Object-Meta-Colour": "red"}).status_code == 202
            elif i % 4 == 2:
                bodies[name] = os.urandom(3000)
                assert user.request("PUT", "/c/" + name, data=bodies[name]).status_code == 201
        wait_for(lambda: cloud.metric("cairn_device_up") == [0, 1, 1], 20)
        disk.go_on()
        wait_for(lambda: cloud.metric("cairn_device_up") == [1, 1, 1], 20)
        wait_equal(cloud)
        assert all_equal(cloud) == 40
        read_all(user, bodies, colours, gone)
    finally:
        if disk:
            disk.go_on()
        cloud.cairn("down", "--state", cloud.state, check=False)
        if disk:
            disk.close()
        cloud.close()


def primaries(cloud, name):
    out = cloud.cairn("audit", "--state", cloud.state, name).stdout
    return [int(n) for n in re.findall(r"^primary +\S+/d(\d+) ", out, re.M)]


def away(cloud, devices):
    cloud.down()
    for d in devices:
        os.rename(folder(cloud, d), folder(cloud, d) + ".away")
        open(folder(cloud, d), "w").close()
    cloud.up()


def back(cloud, devices):
    cloud.down()
    for d in devices:
        os.remove(folder(cloud, d))
        os.rename(folder(cloud, d) + ".away", folder(cloud, d))
    cloud.up()


@pytest.mark.parametrize("what,brings", [("put", "read"), ("put", "replication"), ("delete", "replication")])
def test_the_row_of_what_one_device_has_outlives_that_device(what, brings):
    """A write that was answered with 503 is on one device, its row nowhere yet. Once others have the
    object they have what is due to its container too."""
    # By wire the newest version would be asked for first, and nothing written without a majority.
    cloud = Cloud(devices=6, wire=False, conf={"devices": ["replicate_pause = %d" % (3600 if brings == "read" else 1)]})
    try:
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        needed = [set(primaries(cloud, n)) for n in ("AUTH_test", "AUTH_test/c")]
        name = lost = None
        for i in range(1000):
            has = primaries(cloud, "AUTH_test/c/o%d" % i)
            gone = [g for g in ((has[1:], has[0]), (has[::2], has[1]), (has[:2], has[2]))
                    if all(len(n - set(g[0])) >= 2 for n in needed)]
            if gone:
                name, (gone, lost) = "o%d" % i, gone[0]
                break
        if what == "delete":
            assert user.request("PUT", "/c/" + name, data=b"x").status_code == 201
        away(cloud, gone)
        user = login(cloud)

        def recorded():
            assert user.request(what.upper(), "/c/" + name, data=b"x").status_code == 503
            line = re.search(r"^primary +\S+/d%d .*" % lost,
                             cloud.cairn("audit", "--state", cloud.state, "AUTH_test/c/" + name).stdout, re.M)
            return "nothing" not in line.group(0) and ("deleted" in line.group(0)) == (what == "delete")
        wait_for(recorded, 10)
        status = 404 if what == "delete" else 200
        if brings == "read":
            back(cloud, gone[:1])  # no majority without the one that has it
            user = login(cloud)
            assert user.request("GET", "/c/" + name).status_code == status
            back(cloud, gone[1:])
        else:
            back(cloud, gone)
            wait_for(lambda: sum(cloud.metric("cairn_replicate_pushed")) >= 2, 12)
        wipe(cloud, lost)
        user = login(cloud)
        assert user.request("GET", "/c/" + name).status_code == status
        expected = [] if what == "delete" else [name]
        wait_for(lambda: user.request("GET", "/c").text.split() == expected, 40)
    finally:
        cloud.close()
