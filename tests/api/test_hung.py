"""Disks that hang: no operation on them ends, and no error comes either."""
import concurrent.futures
import os
import signal
import subprocess
import time

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for
from test_hostile import write_conf

MB = 1 << 20


def unmount(folder):
    """What a process had open is let go a little after its end; another mount namespace may keep it."""
    for _ in range(100):
        if not os.path.ismount(folder) or subprocess.run(["umount", folder], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.02)
    subprocess.run(["umount", "-l", folder], check=False, stderr=subprocess.DEVNULL)


class StuckDisk:
    """A disk that can be made to hang, with a file system that is the folder of a device."""

    def __init__(self, cloud, device):
        self.commit = None
        self.folder = os.path.join(cloud.state, "devices", "d%d" % device)
        self.mount = os.path.join(cloud.dir, "stuck%d" % device)
        image = os.path.join(cloud.dir, "image%d" % device)
        os.makedirs(self.folder)
        os.makedirs(self.mount)
        with open(image, "wb") as f:
            f.truncate(320 * MB)
        program = os.path.join(os.path.dirname(CAIRN), "tests", "api", "stuck_fs")
        self.process = subprocess.Popen([program, image, self.mount], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        disk = self.mount + "/disk"
        wait_for(lambda: os.path.exists(disk) or self.process.poll() is not None, 10)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        done = subprocess.run(["mount", "-o", "loop", disk, self.folder], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            self.close()
            pytest.skip("cannot mount here: " + done.stdout.strip())

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def hang_in_commit(self):
        """As hang(), in the middle of a commit of the file system's journal."""
        self.hang()
        self.commit = subprocess.Popen(["sync", "-f", self.folder])

        def sleeps():
            with open("/proc/%d/stat" % self.commit.pid) as f:
                return f.read().rsplit(")", 1)[1].split()[0] == "D"
        wait_for(sleeps, 10)

    def close(self):
        self.go_on()
        if self.commit:
            self.commit.wait(60)
        for folder in (self.folder, self.mount):
            unmount(folder)
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def hung_cloud():
    """Three replicas on three devices, of which the first two can hang."""
    cloud = Cloud(devices=3)
    disks = []
    try:
        for i in (0, 1):
            disks.append(StuckDisk(cloud, i))
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = 256M")
        cloud.up()
        yield cloud, User(cloud, "test:tester", "testing"), disks
    finally:
        for disk in disks:
            disk.go_on()
        cloud.cairn("down", "--state", cloud.state, check=False)
        for disk in disks:
            disk.close()
        cloud.close()


def timed(call, *args, **kw):
    start = time.monotonic()
    r = call(*args, **kw)
    return r, time.monotonic() - start


def test_one_of_three_hangs(hung_cloud):
    cloud, user, (disk, _) = hung_cloud
    request = user.request
    assert request("PUT", "/c").status_code == 201
    bodies = {"o%d" % i: os.urandom(3000) for i in range(30)}
    bodies.update({"big%d" % i: os.urandom(3 * MB + i) for i in range(12)})
    for name, body in bodies.items():
        assert request("PUT", "/c/" + name, data=body).status_code == 201
    disk.hang()
    # At first nobody knows: clients wait a little where an answer of that device was counted on.
    for name, body in bodies.items():
        r, took = timed(request, "GET", "/c/" + name)
        assert r.status_code == 200 and r.content == body and took < 9, (name, r.status_code, took)
    r, took = timed(request, "PUT", "/c/new", data=os.urandom(5 * MB))
    assert r.status_code == 201 and took < 9, took
    # Then it is known, and costs nothing any more.
    steps = [("PUT", "/c/small", b"x", 201), ("GET", "/c/small", None, 200), ("HEAD", "/c/o1", None, 200),
             ("POST", "/c/o1", None, 202), ("PUT", "/c/large", os.urandom(5 * MB), 201),
             ("GET", "/c/large", None, 200), ("GET", "/c", None, 200), ("GET", "", None, 200),
             ("HEAD", "/c", None, 204), ("POST", "/c", None, 204), ("PUT", "/d", None, 201),
             ("GET", "/d", None, 204), ("DELETE", "/d", None, 204), ("DELETE", "/c/o2", None, 204),
             ("DELETE", "/c/none", None, 404), ("POST", "", None, 204)]
    for method, path, data, status in steps:
        r, took = timed(request, method, path, data=data)
        assert r.status_code == status and took < 2, (method, path, r.status_code, took)
    del bodies["o2"]
    for name, body in bodies.items():
        r, took = timed(request, "GET", "/c/" + name)
        assert r.status_code == 200 and r.content == body and took < 2, (name, took)
    assert cloud.metric("cairn_device_up") == [0, 1, 1]
    # It comes back by itself, and all that was asked of it is answered rightly again.
    disk.go_on()
    wait_for(lambda: cloud.metric("cairn_device_up") == [1, 1, 1], 20)
    for name, body in bodies.items():
        assert request("GET", "/c/" + name).content == body
    assert request("GET", "/c/o2").status_code == 404


def test_a_read_asks_elsewhere_soon(hung_cloud):
    """It has seen how long reads take, and does not wait for the disk that takes much longer."""
    cloud, user, (disk, _) = hung_cloud

    def get(path, **kw):  # by a new connection: any of the loops, and so any of the devices first
        user.session = requests.Session()
        return user.request("GET", path, **kw)
    assert user.request("PUT", "/c").status_code == 201
    bodies = {"big%d" % i: os.urandom(3 * MB + i) for i in range(40)}  # more than is cached
    for name, body in bodies.items():
        assert user.request("PUT", "/c/" + name, data=body).status_code == 201
    for _ in range(6):
        for name in bodies:
            assert get("/c/" + name, headers={"Range": "bytes=0-99"}).status_code == 206
    for _ in range(300):  # what makes up for extra requests so far
        assert get("/c/big0", headers={"Range": "bytes=0-0"}).status_code == 206
    disk.hang()
    waited = []
    for name, body in bodies.items():
        r, took = timed(get, "/c/" + name)
        assert r.status_code == 200 and r.content == body, name
        waited.append(took)
    assert sorted(waited)[len(waited) // 2] < 1.5, waited
    assert sum(cloud.metric("cairn_hedged_reads")) >= 1


def test_two_of_three_hang(hung_cloud):
    cloud, user, disks = hung_cloud
    assert user.request("PUT", "/c").status_code == 201
    body = os.urandom(2 * MB)
    assert user.request("PUT", "/c/o", data=body).status_code == 201
    assert user.request("PUT", "/c/x", data=b"x").status_code == 201
    for disk in disks:
        disk.hang_in_commit()

    def put(i):
        own = User(cloud, "test:tester", "testing")
        return timed(own.request, "PUT", "/c/n%d" % i, data=b"x" * (1000 + 100000 * i))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for r, took in pool.map(put, range(16)):
            assert r.status_code == 503 and took < 15, (r.status_code, took)
    for method, path in (("PUT", "/c/n"), ("GET", "/c/o"), ("GET", "/c"), ("DELETE", "/c/x"), ("PUT", "/e"),
                         ("POST", "/c/x")):
        r, took = timed(user.request, method, path)
        assert r.status_code == 503 and took < 2, (method, path, r.status_code, took)
    for disk in disks:
        disk.go_on()
    wait_for(lambda: cloud.metric("cairn_device_up") == [1, 1, 1], 20)
    # What was refused may have happened or not (x, the n's); all else is as it was.
    assert user.request("GET", "/c/o").content == body
    assert user.request("PUT", "/c/after", data=b"x").status_code == 201


def test_a_start_does_not_wait_for_a_disk_that_hangs(hung_cloud):
    cloud, user, (disk, _) = hung_cloud
    assert user.request("PUT", "/c").status_code == 201
    assert user.request("PUT", "/c/o", data=b"x" * 5000).status_code == 201
    cloud.down()
    disk.hang()
    cloud.up()
    user = User(cloud, "test:tester", "testing")
    assert cloud.metric("cairn_device_up") == [0, 1, 1]
    assert user.request("GET", "/c/o").content == b"x" * 5000
    assert user.request("PUT", "/c/p", data=b"y").status_code == 201
    disk.go_on()
    wait_for(lambda: cloud.metric("cairn_device_up") == [1, 1, 1], 20)
    assert user.request("GET", "/c/p").content == b"y"


def listed(user, path):
    r = user.request("GET", path + "?format=json")
    assert r.status_code == 200, r.status_code
    return [o["name"] for o in r.json()]


def test_a_replica_that_missed_changes_shows_no_ghosts(hung_cloud):
    """It was away while names were deleted and made; then it is one of two that answer."""
    cloud, user, (late, other) = hung_cloud
    assert user.request("PUT", "/c").status_code == 201
    for i in range(20):
        assert user.request("PUT", "/c/o%02d" % i, data=b"x").status_code == 201
    assert user.request("PUT", "/gone").status_code == 201
    late.hang()
    user.request("PUT", "/c/o00", data=b"x")
    wait_for(lambda: cloud.metric("cairn_device_up") == [0, 1, 1], 20)
    for i in range(5, 15):
        assert user.request("DELETE", "/c/o%02d" % i).status_code == 204
    for i in range(3):
        assert user.request("PUT", "/c/n%d" % i, data=b"y").status_code == 201
    assert user.request("DELETE", "/gone").status_code == 204
    names = ["n0", "n1", "n2"] + ["o%02d" % i for i in range(20) if not 5 <= i < 15]
    assert listed(user, "/c") == names
    late.go_on()
    wait_for(lambda: cloud.metric("cairn_device_up") == [1, 1, 1], 20)
    assert listed(user, "/c") == names
    other.hang()
    user.request("PUT", "/c/o00", data=b"x")
    wait_for(lambda: cloud.metric("cairn_device_up") == [1, 0, 1], 20)
    assert listed(user, "/c") == names
    assert [o["name"] for o in user.request("GET", "/c?format=json&limit=4&reverse=true").json()] == names[:-5:-1]
    assert [o["name"] for o in user.request("GET", "/c?format=json&limit=4&marker=o01").json()] == names[5:9]
    assert user.request("GET", "/gone").status_code == 404
    assert listed(user, "") == ["c"]
