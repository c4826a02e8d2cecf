"""A device that comes back empty does not say "there is nothing" until the others have filled it."""
import os
import shutil

import pytest

from conftest import Cloud, wait_for
from test_repair import folder, login


def set_aside(cloud, device):
    os.rename(folder(cloud, device), folder(cloud, device) + ".away")
    open(folder(cloud, device), "w").close()


def take_back(cloud, device):
    os.remove(folder(cloud, device))
    os.rename(folder(cloud, device) + ".away", folder(cloud, device))


def changed(cloud, *changes):
    """The cloud after something was done to its devices while it was down."""
    cloud.down()
    for change, device in changes:
        change(cloud, device)
    cloud.up()
    return login(cloud)


def wipe(cloud, device):
    shutil.rmtree(folder(cloud, device))


@pytest.fixture
def cloud():
    """Every device has everything."""
    cloud = Cloud(devices=3, conf={"devices": ["replicate_pause = 0"]})
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


def filling(cloud):
    return cloud.metric("cairn_device_filling")


def statuses(user):
    requests = [("GET", "/c/changed", {}), ("HEAD", "/c/only", {}), ("GET", "/c/deleted", {}), ("GET", "/c", {}),
                ("HEAD", "/only", {}), ("POST", "/c/changed", {"X-Object-Meta-A": "b"}), ("DELETE", "/only", {}),
                ("PUT", "/c/only", {"If-None-Match": "*"}), ("GET", "", {})]
    return [user.request(method, path, headers=headers).status_code for method, path, headers in requests]


def test_what_it_held_is_missed(cloud):
    """Of three devices one is empty, one has what was before, and who knows it all is away."""
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    assert user.request("PUT", "/c/changed", data=b"old").status_code == 201
    assert user.request("PUT", "/c/deleted", data=b"old").status_code == 201
    assert filling(cloud) == [0, 0, 0]
    user = changed(cloud, (set_aside, 2))
    assert user.request("PUT", "/c/changed", data=b"new").status_code == 201
    assert user.request("PUT", "/c/only", data=b"new").status_code == 201
    assert user.request("DELETE", "/c/deleted").status_code == 204
    assert user.request("PUT", "/only").status_code == 201
    user = changed(cloud, (take_back, 2), (set_aside, 1), (wipe, 0))
    assert filling(cloud)[0] == 1
    assert statuses(user) == [503] * 9
    # Also when the one that was behind has brought it what it has, and after a restart.
    wait_for(lambda: cloud.metric("cairn_device_objects")[0] > 0)
    user = changed(cloud)
    wait_for(lambda: cloud.metric("cairn_replicate_rounds")[0] > 1)
    assert filling(cloud)[0] == 1
    assert statuses(user) == [503] * 9
    assert "filling" in cloud.cairn("status", "--state", cloud.state).stdout
    user = changed(cloud, (take_back, 1))
    wait_for(lambda: filling(cloud) == [0, 0, 0])
    assert user.request("GET", "/c/changed").content == b"new"
    assert user.request("GET", "/c/only").content == b"new"
    assert user.request("GET", "/c/deleted").status_code == 404
    assert user.request("GET", "").text.split() == ["c", "only"]
    assert user.request("GET", "/c").text.split() == ["changed", "only"]
    # Now it knows all by itself.
    user = changed(cloud, (set_aside, 1))
    assert filling(cloud) == [0, 0, 0]
    assert user.request("GET", "/c/changed").content == b"new"
    assert user.request("GET", "/c").text.split() == ["changed", "only"]


def test_one_empty_disk_costs_nobody_anything(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    bodies = {"o%d" % i: os.urandom(1000) for i in range(50)}
    for name, body in bodies.items():
        assert user.request("PUT", "/c/" + name, data=body).status_code == 201
    # One that is brought as a body, and metadata that are.
    user = changed(cloud, (set_aside, 2))
    assert user.request("POST", "/c/o0", headers={"X-Object-Meta-A": "b"}).status_code == 202
    user = changed(cloud, (take_back, 2), (wipe, 1))
    for i, (name, body) in enumerate(bodies.items()):
        assert user.request("GET", "/c/" + name).content == body
        assert user.request("PUT", "/c/%d" % i, data=body).status_code == 201
        assert user.request("DELETE", "/c/%d" % i).status_code == 204
    wait_for(lambda: filling(cloud) == [0, 0, 0])


def test_two_empty_disks_do_not_vouch_for_each_other(cloud):
    """More than is promised: what only these two had is gone. Who runs the cloud may say so."""
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    assert user.request("PUT", "/c/o", data=b"x").status_code == 201
    user = changed(cloud, (wipe, 0), (wipe, 1))
    wait_for(lambda: cloud.metric("cairn_device_objects")[:2] == [1, 1])
    wait_for(lambda: min(cloud.metric("cairn_replicate_rounds")) > 3)
    assert filling(cloud) == [1, 1, 0]
    assert user.request("GET", "/c/o").status_code == 503
    cloud.down()
    os.remove(cloud.state + "/known/d0")
    cloud.up()
    wait_for(lambda: filling(cloud) == [0, 0, 0])
    assert login(cloud).request("GET", "/c/o").content == b"x"


def test_a_first_start_that_dies_half_way_is_no_loss():
    """All devices are new, and the start ends when only the first of the two notes about them could be written."""
    cloud = Cloud(devices=3, conf={"devices": ["replicate_pause = 0"]})
    cloud.refuses = True
    obstacles = [folder(cloud, d) + "/uuid.new" for d in range(3)]
    try:
        for path in obstacles:
            os.makedirs(path)
        assert cloud.cairn("up", "--state", cloud.state, "--port", str(cloud.port), "--devices", "3", check=False).returncode
        cloud.down()
        for path in obstacles:
            os.rmdir(path)
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        assert user.request("GET", "/c").status_code == 204
        assert filling(cloud) == [0, 0, 0]
    finally:
        cloud.close()
