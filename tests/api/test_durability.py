"""Everything acknowledged is there after kill -9, listed and correct; nothing half-written is."""
import hashlib
import os
import threading

import pytest
import requests

from conftest import Cloud, User, wait_for


class Writer(threading.Thread):
    """Puts, overwrites and deletes under its own prefix and remembers what was acknowledged."""

    def __init__(self, user, container, n, before=None):
        super().__init__(daemon=True)
        self.user, self.container, self.n = user, container, n
        # What the writer before it left: that may still be there.
        self.sure, self.maybe, self.stop = before.sure if before else {}, {}, False

    def run(self):
        i = 0
        while not self.stop:
            name = "%d/%d" % (self.n, i % 50)
            size = (0, 100, 5000, 300000, 1200000)[i % 5] if i % 17 == 0 else 700
            body = None if i % 7 == 6 else os.urandom(16) + b"x" * size
            self.maybe.setdefault(name, []).append(body and hashlib.md5(body).hexdigest())
            try:
                r = self.user.request("DELETE" if body is None else "PUT", "/%s/%s" % (self.container, name),
                                      data=body)
                if r.status_code in (201, 204, 404):
                    self.sure[name] = body and hashlib.md5(body).hexdigest()
                    self.maybe[name] = []
            except requests.RequestException:
                self.user.session = requests.Session()
            i += 1


def check(user, container, writers):
    listed = {o["name"]: o["hash"] for o in user.request("GET", "/%s?format=json" % container).json()}
    for w in writers:
        for name in set(w.sure) | set(w.maybe):
            r = user.request("GET", "/%s/%s" % (container, name))
            got = hashlib.md5(r.content).hexdigest() if r.status_code == 200 else None
            assert r.status_code in (200, 404)
            may = [w.sure.get(name)] + w.maybe.get(name, [])
            assert got in may, (name, got, may)
            if len(may) == 1:
                assert listed.get(name) == got, (name, listed.get(name), got)
            w.sure[name], w.maybe[name] = got, []


def test_kill_under_load():
    cloud = Cloud()
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/kill")
        writers = [None] * 6
        for _ in range(int(os.environ.get("KILL_ROUNDS", "4"))):
            writers = [Writer(User(cloud, "test:tester", "testing"), "kill", n, before)
                       for n, before in enumerate(writers)]
            [w.start() for w in writers]
            threading.Event().wait(1.0)
            cloud.kill_node()
            for w in writers:
                w.stop = True
            [w.join(60) for w in writers]
            check(user, "kill", writers)
    finally:
        cloud.close()


def flip_on_one(cloud, mark, at=100):
    """Changes a byte of the last copy of the object that begins with mark; the file it is in."""
    for n in range(4):
        path = "%s/devices/d%d/data" % (cloud.state, n)
        found = open(path, "rb").read().rfind(mark)
        if found < 0:
            continue
        with open(path, "r+b") as f:
            f.seek(found + at)
            f.write(b"1")
        return path
    raise AssertionError("no copy")


def test_a_flipped_byte_is_served_from_elsewhere_and_repaired():
    cloud = Cloud()
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/flip")
        mark = os.urandom(24)
        body = mark + b"0" * 5000
        assert user.request("PUT", "/flip/o", data=body).status_code == 201
        cloud.down()
        flip_on_one(cloud, mark)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        for _ in range(6):
            assert user.request("GET", "/flip/o").content == body
    finally:
        cloud.close()


def test_a_record_that_is_damaged_before_a_start_is_fetched_again():
    """In a unit that was still open: what follows it is kept, and the record itself comes back."""
    cloud = Cloud()
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/open")
        bodies = {"o%d" % i: os.urandom(3000) for i in range(20)}
        for name, body in bodies.items():
            assert user.request("PUT", "/open/" + name, data=body).status_code == 201
        cloud.down()
        for n in range(4):
            path = "%s/devices/d%d/data" % (cloud.state, n)
            names = open(path, "rb").read().find(b"AUTH_test\0open\0o3\0")
            if names >= 0:
                break
        with open(path, "r+b") as f:
            f.seek(names + 2)
            f.write(b"x")
        before = open(path, "rb").read().count(bodies["o3"])
        cloud.up()
        wait_for(lambda: " mend " in cloud.log(), 20)
        assert "err=OK" in [line for line in cloud.log().splitlines() if " mend " in line][-1]
        assert open(path, "rb").read().count(bodies["o3"]) == before + 1
        user = User(cloud, "test:tester", "testing")
        for name, body in bodies.items():
            assert user.request("GET", "/open/" + name).content == body
    finally:
        cloud.close()


@pytest.mark.parametrize("size", [5000, 3000000])
def test_what_nobody_reads_is_found_by_the_scrub_and_repaired(size):
    """Also when its metadata were changed after its body came."""
    cloud = Cloud(conf={"devices": ["scrub_rate = 64M", "scrub_pause = 1"]})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/flip")
        mark = os.urandom(24)
        body = mark + b"0" * size
        assert user.request("PUT", "/flip/o", data=body).status_code == 201
        r = user.request("POST", "/flip/o", headers={"X-Object-Meta-Colour": "red"})
        assert r.status_code == 202
        path = flip_on_one(cloud, mark)
        damaged = open(path, "rb").read().count(body[:4000])
        wait_for(lambda: " mend " in cloud.log(), 20)
        assert open(path, "rb").read().count(body[:4000]) == damaged + 1
        assert "err=OK" in [line for line in cloud.log().splitlines() if "mend" in line][-1]
        for _ in range(6):
            r = user.request("GET", "/flip/o")
            assert r.content == body and r.headers["X-Object-Meta-Colour"] == "red"
    finally:
        cloud.close()


def spoil(path, mark):
    with open(path, "r+b") as f:
        at = f.read().rfind(mark)
        assert at >= 0
        f.seek(at + 100)
        byte = f.read(1)[0]
        f.seek(at + 100)
        f.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("ranges", [None, "bytes=4500000-,10-3000000"], ids=["whole", "ranges"])
def test_a_download_goes_on_from_another_replica(ranges):
    """Each replica of a large object is bad somewhere else: none of them could send it alone."""
    cloud = Cloud(devices=3)
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/mid")
        marks = [os.urandom(24) for _ in range(6)]
        body = b"".join(m + os.urandom((1 << 20) - 24) for m in marks)
        assert user.request("PUT", "/mid/o", data=body).status_code == 201
        cloud.down()
        for n, mark in zip(range(3), marks[2:]):
            spoil("%s/devices/d%d/data" % (cloud.state, n), mark)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        r = user.request("GET", "/mid/o", headers={"Range": ranges} if ranges else {})
        assert len(r.content) == int(r.headers["Content-Length"])
        if ranges:
            assert body[4500000:] in r.content and body[10:3000001] in r.content
        else:
            assert r.content == body
    finally:
        cloud.close()
