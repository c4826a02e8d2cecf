"""Erasure-coded policies: what goes in comes out, with any m of k + m devices lost; fragments that
were damaged or missed are made again; writes that were cut off hide nothing."""
import hashlib
import itertools
import os
import shutil
import threading

import pytest

from conftest import Cloud, User, free_port, wait_for
from test_durability import Writer
from test_durability import check as check_writers
from test_hostile import write_conf
from test_hung import StuckDisk, timed

EC42 = "policy = 2 ec42 gilded type=ec k=4 m=2"
SIZES = [0, 1, 63, 64, 65, 255, 4096, 100000, 131072, 131073, 1 << 20, (1 << 20) + 1, (4 << 20) - 1, 4 << 20,
         (4 << 20) + 1, 5 << 20, (8 << 20) + 4321]


def data(name, size):
    """Bytes that only a name gives, with no period that fragments could hide behind."""
    seed = hashlib.sha512(name.encode()).digest()
    blocks = (hashlib.sha512(seed + i.to_bytes(4, "big")).digest() for i in range(size // 64 + 1))
    return b"".join(blocks)[:size]


def start(devices=8, replicas=3, lines=(EC42,), conf=None):
    cloud = Cloud(devices=devices, replicas=replicas, conf=dict(conf or {}, cluster=list(lines)))
    cloud.up()
    user = User(cloud, "test:tester", "testing")
    assert user.request("PUT", "/e", headers={"X-Storage-Policy": lines[0].split()[3]}).status_code == 201
    return cloud, user


@pytest.fixture(scope="module", params=["local", "wire"])
def ec(request):
    conf = {}
    if request.param == "wire":
        conf["wire"] = ["port = %d" % free_port(), "loopback = yes", "key = k " + "5" * 64]
    cloud, user = start(conf=conf)
    yield cloud, user
    cloud.close()


def put(user, name, body, **headers):
    r = user.request("PUT", "/e/" + name, data=body, headers=headers)
    assert r.status_code == 201, (name, r.status_code, r.text)
    assert r.headers["Etag"] == hashlib.md5(body).hexdigest()


def check(user, name, body):
    r = user.request("GET", "/e/" + name)
    assert r.status_code == 200, (name, r.status_code)
    assert r.content == body, name
    assert r.headers["Etag"] == hashlib.md5(body).hexdigest()
    assert int(r.headers["Content-Length"]) == len(body)


def check_ranges(user, name, body):
    n = len(body)
    for a, b in ((0, 0), (n // 2, n // 2 + 70), (n // 3, n - 1), (n - 3, n - 1), (n // 4 - 2, n // 4 + 2)):
        if 0 <= a <= b < n:
            r = user.request("GET", "/e/" + name, headers={"Range": "bytes=%d-%d" % (a, b)})
            assert r.status_code == 206 and r.content == body[a:b + 1], (name, a, b)


def test_sizes_and_ranges(ec):
    _, user = ec
    for size in SIZES:
        put(user, "s%d" % size, data("s", size))
    for size in SIZES:
        body = data("s", size)
        check(user, "s%d" % size, body)
        check_ranges(user, "s%d" % size, body)
        r = user.request("HEAD", "/e/s%d" % size)
        assert r.status_code == 200 and int(r.headers["Content-Length"]) == size
    listed = {o["name"]: o for o in user.request("GET", "/e?format=json").json()}
    for size in SIZES:
        assert listed["s%d" % size]["bytes"] == size
        assert listed["s%d" % size]["hash"] == hashlib.md5(data("s", size)).hexdigest()


def test_without_a_length(ec):
    _, user = ec
    body = data("chunked", 9000000)
    r = user.request("PUT", "/e/chunked", data=(body[i:i + 77777] for i in range(0, len(body), 77777)))
    assert r.status_code == 201
    check(user, "chunked", body)


def test_a_large_one_by_the_client(ec, tmp_path):
    _, user = ec
    body = data("large", 1 << 20) * 100
    (tmp_path / "large").write_bytes(body)
    user.swift("upload", "e", "large", cwd=tmp_path)
    user.swift("download", "e", "large", "-o", "back", cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == body
    user.swift("delete", "e", "large")
    assert user.request("GET", "/e/large").status_code == 404


def test_overwrite_post_delete(ec):
    _, user = ec
    for size in (100, 700000, 6000000):
        put(user, "o", data("first", size))
        put(user, "o", data("second", size + 1), **{"X-Object-Meta-A": "1"})
        check(user, "o", data("second", size + 1))
        r = user.request("POST", "/e/o", headers={"X-Object-Meta-B": "2"})
        assert r.status_code == 202
        r = user.request("GET", "/e/o")
        assert r.content == data("second", size + 1)
        assert r.headers["X-Object-Meta-B"] == "2" and "X-Object-Meta-A" not in r.headers
        assert not any(h.lower().startswith("x-backend") for h in r.headers)
        assert user.request("PUT", "/e/o", data=b"x", headers={"If-None-Match": "*"}).status_code == 412
        assert user.request("PUT", "/e/o", data=b"x", headers={"Etag": "0" * 32}).status_code == 422
        check(user, "o", data("second", size + 1))
        assert user.request("DELETE", "/e/o").status_code == 204
        assert user.request("GET", "/e/o").status_code == 404
        assert user.request("DELETE", "/e/o").status_code == 404
        assert user.request("PUT", "/e/o", data=b"x", headers={"If-None-Match": "*"}).status_code == 201
        check(user, "o", b"x")


def test_copies_and_segments(ec):
    _, user = ec
    assert user.request("PUT", "/plain").status_code == 201
    body = data("copied", 7000001)
    put(user, "from", body)
    for to in ("e/copy", "plain/copy", "e/back"):
        source = "/plain/copy" if to == "e/back" else "/e/from"
        r = user.request("PUT", "/" + to, headers={"X-Copy-From": source})
        assert r.status_code == 201, r.text
        assert user.request("GET", "/" + to).content == body
    r = user.request("COPY", "/e/from", headers={"Destination": "e/part", "Range": "bytes=100-5000000"})
    assert r.status_code == 201
    check(user, "part", body[100:5000001])
    parts = [data("seg%d" % i, 1500000 + i) for i in range(4)]
    for i, part in enumerate(parts):
        put(user, "dlo/%d" % i, part)
    r = user.request("PUT", "/e/whole", headers={"X-Object-Manifest": "e/dlo/"})
    assert r.status_code == 201
    whole = b"".join(parts)
    assert user.request("GET", "/e/whole").content == whole
    r = user.request("GET", "/e/whole", headers={"Range": "bytes=1400000-4600000"})
    assert r.status_code == 206 and r.content == whole[1400000:4600001]


def test_info_names_it(ec):
    cloud, user = ec
    policies = user.request("GET", storage=cloud.url + "/info").json()["swift"]["policies"]
    assert {"name": "ec42", "aliases": "ec42, gilded"} in policies
    r = user.request("HEAD", "/e")
    assert r.headers["X-Storage-Policy"] == "ec42"
    assert user.request("PUT", "/g", headers={"X-Storage-Policy": "gilded"}).status_code == 201


def test_containers_are_counted_by_policy(ec):
    cloud, user = ec

    policies = user.request("GET", storage=cloud.url + "/info").json()["swift"]["policies"]
    first = next(p["name"] for p in policies if p.get("default"))

    def counts():
        h = user.request("HEAD").headers
        return [int(h.get("X-Account-Storage-Policy-%s-Container-Count" % name, 0)) for name in ("ec42", first)]

    ec42, other = counts()
    for n in range(3):
        assert user.request("PUT", "/count%d" % n, headers={"X-Storage-Policy": "ec42" if n else first}).status_code == 201
    assert counts() == [ec42 + 2, other + 1]
    cloud.kill_node()
    assert counts() == [ec42 + 2, other + 1]
    for n in range(2):
        assert user.request("DELETE", "/count%d" % n).status_code == 204
    assert counts() == [ec42 + 1, other]
    assert int(user.request("HEAD").headers["X-Account-Container-Count"]) == ec42 + 1 + other


@pytest.mark.parametrize("line,says", [
    ("policy = 2 e type=ec k=4", "k=1 to 15 and m=1 to 8"),
    ("policy = 2 e type=ec k=12 m=5", "at most 16 together"),
    ("policy = 2 e type=ec k=x m=2", "knows type=, k= and m="),
    ("policy = 2 e type=raid", "type=replication or type=ec"),
    ("policy = 2 e k=4 m=2", "only with type=ec"),
    ("policy = 2 e size=4", "knows type=, k= and m="),
    ("policy = 2 k=4", "a name behind its index"),
    ("policy = 0 e", "of its own"),
])
def test_a_mistake_is_named(ec, tmp_path, line, says):
    cloud, _ = ec
    conf = tmp_path / "cairn.conf"
    text = open(cloud.state + "/cairn.conf").read()
    conf.write_text(text.replace(EC42, line))
    out = cloud.cairn("node", "--check", "--config", str(conf), check=False)
    assert out.returncode != 0 and says in out.stdout and str(conf) in out.stdout, out.stdout


# --- devices that are lost ---

def hide(cloud, device):
    path = "%s/devices/d%d" % (cloud.state, device)
    os.rename(path, path + ".away")
    open(path, "w").close()  # where a folder is wanted: the device cannot be opened


def bring_back(cloud, device):
    path = "%s/devices/d%d" % (cloud.state, device)
    os.unlink(path)
    os.rename(path + ".away", path)


def wipe(cloud, device):
    shutil.rmtree("%s/devices/d%d" % (cloud.state, device))


def test_any_two_of_six_lost():
    cloud, user = start(devices=6, replicas=5)
    try:
        bodies = {"l%d" % size: data("l%d" % size, size) for size in (0, 5, 70000, 1 << 20, 9500001)}
        for name, body in bodies.items():
            put(user, name, body)
        put(user, "gone", b"gone")
        assert user.request("DELETE", "/e/gone").status_code == 204
        cloud.down()
        for pair in itertools.combinations(range(6), 2):
            for device in pair:
                hide(cloud, device)
            cloud.up()
            user = User(cloud, "test:tester", "testing")
            for name, body in bodies.items():
                check(user, name, body)
                check_ranges(user, name, body)
            # Four of six cannot make a write durable on k + 1.
            assert user.request("PUT", "/e/new", data=b"new").status_code == 503
            cloud.down()
            for device in pair:
                bring_back(cloud, device)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("GET", "/e/gone").status_code == 404
        for name, body in bodies.items():
            check(user, name, body)
    finally:
        cloud.close()


# --- fragments that were damaged, or never came ---

def test_a_damaged_fragment_is_made_again():
    """Found by a read, which is answered all the same, and by the scrub."""
    cloud, user = start(devices=6)
    try:
        marks = {"small": (os.urandom(24), 20000), "large": (os.urandom(24), 6000000)}
        bodies = {name: mark + data(name, size) for name, (mark, size) in marks.items()}
        for name, body in bodies.items():
            put(user, name, body)
            assert user.request("POST", "/e/" + name, headers={"X-Object-Meta-A": "1"}).status_code == 202
        cloud.down()
        paths = {name: flip(cloud, 6, bodies[name][:4000]) for name in bodies}
        with open(cloud.state + "/cairn.conf", "a") as f:
            f.write("\n[devices]\nscrub_rate = 64M\nscrub_pause = 1\n")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        for name, body in bodies.items():
            check(user, name, body)
        for name, path in paths.items():
            wait_for(lambda: open(path, "rb").read().count(bodies[name][:4000]) >= 1, 30)
        for name, body in bodies.items():
            check(user, name, body)
            r = user.request("HEAD", "/e/" + name)
            assert r.headers["X-Object-Meta-A"] == "1"
    finally:
        cloud.close()


def flip(cloud, devices, head):
    """Changes a byte in every copy on the one device that has the fragment which begins so."""
    for n in range(devices):
        path = "%s/devices/d%d/data" % (cloud.state, n)
        found = open(path, "rb").read()
        at = found.find(head)
        if at < 0:
            continue
        with open(path, "r+b") as f:
            while at >= 0:
                f.seek(at + 100)
                f.write(b"\0" if found[at + 100] else b"\1")
                at = found.find(head, at + 1)
        return path
    raise AssertionError("no fragment")


def test_a_wiped_device_is_filled_again():
    cloud, user = start(devices=6, replicas=5, lines=(EC42,))
    try:
        bodies = {"w%d" % size: data("w%d" % size, size) for size in (0, 5, 70000, 1 << 20, 9500001)}
        for name, body in bodies.items():
            put(user, name, body)
        put(user, "posted", b"posted")
        assert user.request("POST", "/e/posted", headers={"X-Object-Meta-A": "1"}).status_code == 202
        put(user, "gone", b"gone")
        assert user.request("DELETE", "/e/gone").status_code == 204
        wait_for(lambda: sum(cloud.metric("cairn_device_unsettled")) == 0, 30)
        cloud.down()
        wipe(cloud, 1)
        wipe(cloud, 4)
        with open(cloud.state + "/cairn.conf", "a") as f:
            f.write("\n[devices]\nreplicate_pause = 1\n")
        cloud.up()
        count = len(bodies) + 2
        wait_for(lambda: min(cloud.metric("cairn_device_objects")) >= count, 60)
        wait_for(lambda: sum(cloud.metric("cairn_device_filling")) == 0, 60)
        # Full strength again: two others may go.
        cloud.down()
        hide(cloud, 0)
        hide(cloud, 3)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        for name, body in bodies.items():
            check(user, name, body)
        assert user.request("GET", "/e/posted").headers["X-Object-Meta-A"] == "1"
    finally:
        cloud.close()


def test_kill_under_load():
    """Killed between the fragments and their COMMIT, too: what was acknowledged is read, and what was
    not is one of what may be."""
    cloud, user = start(devices=6)
    try:
        writers = [None] * 6
        for _ in range(int(os.environ.get("KILL_ROUNDS", "3"))):
            writers = [Writer(User(cloud, "test:tester", "testing"), "e", n, before)
                       for n, before in enumerate(writers)]
            [w.start() for w in writers]
            threading.Event().wait(1.0)
            cloud.kill_node()
            for w in writers:
                w.stop = True
            [w.join(60) for w in writers]
            check_writers(user, "e", writers)
    finally:
        cloud.close()


def test_space():
    """In 4+2, 1 MiB takes at most 1.6 MiB."""
    cloud, user = start(devices=6)
    try:
        before = sum(cloud.metric("cairn_device_live_bytes"))
        for i in range(24):
            put(user, "m%d" % i, data("m", 1 << 20))
        wait_for(lambda: sum(cloud.metric("cairn_device_unsettled")) == 0, 30)
        took = sum(cloud.metric("cairn_device_live_bytes")) - before
        assert took < 24 * 1.6 * (1 << 20), took / 24 / (1 << 20)
    finally:
        cloud.close()


def test_two_of_six_hang():
    """Disks that end no operation: clients wait a little at first, then not at all."""
    cloud = Cloud(devices=6, replicas=5)
    disks = []
    try:
        for i in (0, 1):
            disks.append(StuckDisk(cloud, i))
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = 256M\n[cluster]\npolicy = 0 p\n%s\n[devices]" % EC42)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("PUT", "/e", headers={"X-Storage-Policy": "ec42"}).status_code == 201
        bodies = {"h%d" % i: data("h%d" % i, size) for i, size in enumerate([0, 700, 70000, 1 << 20, 6000001] * 3)}
        for name, body in bodies.items():
            put(user, name, body)
        [disk.hang() for disk in disks]
        for name, body in bodies.items():
            r, took = timed(user.request, "GET", "/e/" + name)
            assert r.status_code == 200 and r.content == body and took < 12, (name, r.status_code, took)
        wait_for(lambda: sum(cloud.metric("cairn_device_up")) == 4, 30)
        for name, body in bodies.items():
            r, took = timed(user.request, "GET", "/e/" + name)
            assert r.status_code == 200 and r.content == body and took < 2, (name, r.status_code, took)
        r, took = timed(user.request, "PUT", "/e/new", data=b"new")
        assert r.status_code == 503 and took < 2
        disks[0].go_on()
        wait_for(lambda: sum(cloud.metric("cairn_device_up")) == 5, 30)
        put(user, "new", data("new", 5000000))
        disks[1].go_on()
        wait_for(lambda: sum(cloud.metric("cairn_device_up")) == 6, 30)
        check(user, "new", data("new", 5000000))
    finally:
        for disk in disks:
            disk.go_on()
        cloud.cairn("down", "--state", cloud.state, check=False)
        for disk in disks:
            disk.close()
        cloud.close()


def test_up_with_a_coded_policy(tmp_path):
    cloud = Cloud(devices=6)
    try:
        out = cloud.cairn("up", "--state", cloud.state, "--port", str(cloud.port), "--devices", "6", "--ec", "4+2")
        user = User(cloud, "test:tester", "testing")
        assert user.request("PUT", "/e", headers={"X-Storage-Policy": "ec"}).status_code == 201, out.stdout
        put(user, "o", data("o", 3000000))
        check(user, "o", data("o", 3000000))
        for bad in ("4", "4+", "0+2", "12+5", "4+9", "8+4"):
            assert cloud.cairn("up", "--state", str(tmp_path / "v"), "--devices", "6", "--ec", bad,
                               check=False).returncode == 2
    finally:
        cloud.close()


def test_what_is_brought_keeps_its_time(ec):
    cloud, user = ec
    admin = User(cloud, "admin:admin", "admin")
    stamp = {"X-Cairn-Timestamp": "1600000000.12345"}
    for size in 100, 100000, 5 << 20:
        path, body = "/e/brought-%d" % size, data("brought", size)
        assert admin.request("PUT", path, user.storage, headers=stamp, data=body).status_code == 201
        check(user, path[3:], body)
        assert user.request("HEAD", path).headers["X-Timestamp"] == stamp["X-Cairn-Timestamp"]
        assert admin.request("PUT", path, user.storage, headers=stamp, data=b"x" * size).status_code == 202
        check(user, path[3:], body)
        put(user, path[3:], body[::-1])
        assert admin.request("PUT", path, user.storage, headers=stamp, data=body).status_code == 202
        check(user, path[3:], body[::-1])


def test_of_those_who_bring_the_same_one_is_first(ec):
    cloud, user = ec
    bringers = [User(cloud, "admin:admin", "admin") for _ in range(3)]
    for n in range(24):
        bodies = [data("bringer %d" % i, (100, 100000)[n % 2]) for i in range(len(bringers))]
        told = [0] * len(bringers)

        def bring(i, n=n, bodies=bodies, told=told):
            told[i] = bringers[i].request("PUT", "/e/same%d" % n, user.storage, data=bodies[i],
                                          headers={"X-Cairn-Timestamp": "1600000000.00000"}).status_code

        threads = [threading.Thread(target=bring, args=(i,)) for i in range(len(bringers))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(told) == [201, 202, 202], told
        check(user, "same%d" % n, bodies[told.index(201)])
