"""Bad input, bad clients and bad disks: the service answers as Swift does, and stays."""
import hashlib
import io
import os
import re
import resource
import signal
import socket
import subprocess
import tarfile
import time

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for

MB = 1 << 20


def raw(cloud, data, ends=False):
    """Sends bytes as they are; the status of the answer, or None when there was none."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as s:
        try:
            s.sendall(data)
            if ends:
                s.shutdown(socket.SHUT_WR)
            head = s.recv(65536)
        except OSError:
            return None
    return int(head.split()[1]) if head.startswith(b"HTTP/1.") else None


def alive(cloud):
    return requests.get(cloud.url + "/healthcheck", timeout=20).status_code == 200


# --- limits of Swift's API ---

def meta(count=1, name=10, value=10, kind="Object"):
    return {"X-%s-Meta-%s%d" % (kind, "n" * (name - len(str(i))), i): "v" * value for i in range(count)}


LIMITS = [
    ("PUT", "/%(c)s/" + "o" * 1024, {}, 201), ("PUT", "/%(c)s/" + "o" * 1025, {}, 400),
    ("PUT", "/" + "c" * 257, {}, 400),
    ("PUT", "/%(c)s/a", meta(name=128), 201), ("PUT", "/%(c)s/a", meta(name=129), 400),
    ("PUT", "/%(c)s/a", meta(value=256), 201), ("PUT", "/%(c)s/a", meta(value=257), 400),
    ("PUT", "/%(c)s/a", meta(count=90), 201), ("PUT", "/%(c)s/a", meta(count=91), 400),
    ("PUT", "/%(c)s/a", meta(16, 2, 254), 201),
    ("PUT", "/%(c)s/a", dict(meta(16, 2, 254), **{"X-Object-Meta-z": ""}), 400),
    ("POST", "/%(c)s", meta(name=129, kind="Container"), 400),
    ("POST", "/%(c)s", meta(value=257, kind="Container"), 400),
    ("POST", "/%(c)s", meta(count=91, kind="Container"), 400),
    ("POST", "", meta(value=257, kind="Account"), 400),
    ("GET", "/%(c)s?limit=10000", {}, 204), ("GET", "/%(c)s?limit=10001", {}, 412),
    ("GET", "?limit=10001", {}, 412),
    ("PUT", "/%(c)s/a", {"X-Delete-At": "1000"}, 400), ("PUT", "/%(c)s/a", {"X-Delete-At": "soon"}, 400),
    ("PUT", "/%(c)s/a", {"X-Delete-After": "-1"}, 400),
    ("GET", "/%(c)s/%%ff", {}, 412), ("GET", "/%(c)s/a%%00b", {}, 412), ("PUT", "/%%ed%%a0%%80", {}, 412),
    ("GET", "/%(c)s?prefix=%%ff", {}, 400),
    ("GET", "/%(c)s%%2Fnone", {}, 404),
]


@pytest.mark.parametrize("method,path,headers,status", LIMITS,
                         ids=["%d-%s" % (i, c[0]) for i, c in enumerate(LIMITS)])
def test_limit(tester, container, method, path, headers, status):
    r = tester.request(method, path % {"c": container}, headers=headers,
                       data=b"" if method == "PUT" else None)
    assert r.status_code == status, r.text


def test_slash_in_a_name_cuts_the_path(tester, container):
    """Percent-encoded or not, as in Swift: no container has a slash in its name."""
    assert tester.request("PUT", "/%s%%2Fa%%2Fb" % container, data=b"x").status_code == 201
    assert tester.request("GET", "/%s/a/b" % container).content == b"x"
    assert [o["name"] for o in tester.request("GET", "/%s?format=json" % container).json()] == ["a/b"]


def test_short_paths_and_methods(cloud, tester, container):
    get = tester.session.get
    assert get(cloud.url + "/v1").status_code == 412
    # What is none of Swift's is S3's.
    assert "ListAllMyBucketsResult" in get(cloud.url + "/").text
    assert "InvalidBucketName" in get(cloud.url + "/v2/a").text
    for path in ("", "/" + container, "/%s/o" % container):
        r = tester.request("PATCH", path)
        assert r.status_code == 405 and "PUT" in r.headers["Allow"]
    assert tester.request("COPY", "/" + container).status_code == 405


def test_too_large(cloud, tester, container):
    path = tester.storage[len(cloud.url):] + "/%s/big" % container
    head = "PUT %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n" % (path, tester.token)
    assert raw(cloud, (head + "Content-Length: 5368709123\r\n\r\n").encode()) == 413
    assert raw(cloud, (head + "Content-Length: 99999999999999999999\r\n\r\n").encode()) in (400, 413)
    assert raw(cloud, (head + "Content-Length: -1\r\n\r\n").encode()) == 400


def test_range_that_is_none(tester, container):
    """Whatever a Range or If-Range is, the body is whole or the part it names."""
    url, body = "/%s/small" % container, b"0123456789" * 10
    tester.request("PUT", url, data=body)
    for text in ("bytes=5--3", "bytes=0-18446744073709551615", "bytes=0-99999999999999999999", "Bytes=0-99",
                 "bytes=+1-5", "lines=1-2", "bytes= 0 - 99"):
        r = tester.request("GET", url, headers={"Range": text})
        assert r.status_code in (200, 206) and r.content == body, text
    r = tester.request("GET", url, headers={"Range": "bytes=5-9", "If-Range": "x"})
    assert r.status_code == 200 and r.content == body
    for text in ("garbage", "bytes=9-5"):
        r = tester.request("PUT", url + "-copy", data=b"", headers={
            "X-Copy-From": url, "Range": text})
        assert r.status_code == 201
        assert tester.request("GET", url + "-copy").content == body, text


# --- clients ---

def test_header_flood(cloud):
    line = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n"
    for flood in (b"".join(b"X-H%d: v\r\n" % i for i in range(20000)), b"X-Long: " + b"v" * 200000 + b"\r\n",
                  b"X" * 200000):
        assert raw(cloud, line + flood + b"\r\n") in (431, 400, 413, None)
    assert raw(cloud, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n") in (414, 431, 400, None)
    assert raw(cloud, b"\x16\x03\x01\x02\x00\x01\x00\x01" * 100, ends=True) in (400, None)
    assert alive(cloud)
    # One that is only just too long is told so.
    assert raw(cloud, line + b"X-Long: " + b"v" * 33000 + b"\r\n\r\n") in (431, 400)


def test_many_connections(cloud, tester, container):
    """Thousands that say nothing, hundreds that never finish a request or a body."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = int(os.environ.get("IDLE_CONNECTIONS", "10000")) if hard >= 11000 else 2000
    path = tester.storage[len(cloud.url):] + "/%s/slow" % container
    put = ("PUT %s-%%d HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 1000000\r\n\r\n" %
           (path, tester.token)).encode()
    open_ones = []
    try:
        for i in range(idle + 200):
            s = socket.create_connection(("127.0.0.1", cloud.port), timeout=20)
            open_ones.append(s)
            if i < 100:
                s.sendall(b"GET /healthcheck HTTP/1.1\r\nX-Slow")
            elif i < 200:
                s.sendall(put % i)
        for s in open_ones[:100]:
            s.sendall(b"-er")
        for s in open_ones[100:200]:
            s.sendall(b"x" * 100)
        assert alive(cloud)
        for i in range(50):
            assert tester.request("PUT", "/%s/o%d" % (container, i), data=b"x").status_code == 201
        for s in open_ones[:100]:
            s.sendall(b": x\r\nHost: x\r\n\r\n")
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for s in open_ones:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert alive(cloud)
    listed = tester.request("GET", "/%s?prefix=slow" % container)
    assert listed.text == ""


@pytest.mark.parametrize("when", ["in the body", "in the headers", "between requests"])
def test_a_client_that_leaves_is_let_go_at_once(cloud, tester, container, when):
    """Its last bytes and its end arrive together, as on a busy machine: the node is halted meanwhile."""
    path = tester.storage[len(cloud.url):] + "/%s/half" % container
    put = ("PUT %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 100000\r\n\r\n" %
           (path, tester.token)).encode()
    first, last = {"in the body": (put + b"x" * 1000, b"y" * 5000),
                   "in the headers": (put[:50], put[50:80]),
                   "between requests": (b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n", b"GET")}[when]
    folder = "/proc/%d/fd" % cloud.node_pid()

    def sockets():
        found = 0
        for fd in os.listdir(folder):
            try:
                found += os.readlink(folder + "/" + fd).startswith("socket:")
            except FileNotFoundError:
                pass
        return found
    open_ones = [socket.create_connection(("127.0.0.1", cloud.port), timeout=20) for _ in range(20)]
    for s in open_ones:
        s.sendall(first)
        if when == "between requests":
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
    wait_for(lambda: sockets() >= 20)
    before = sockets() - 20
    os.kill(cloud.node_pid(), signal.SIGSTOP)
    try:
        for s in open_ones:
            s.sendall(last)
            s.close()
    finally:
        os.kill(cloud.node_pid(), signal.SIGCONT)
    wait_for(lambda: sockets() <= before + 2, 10)


def test_readers_that_stop(cloud, tester, container):
    """Clients that ask for a large object and go away, or read nothing."""
    body = os.urandom(1 << 20) * 8
    assert tester.request("PUT", "/%s/big" % container, data=body).status_code == 201
    path = tester.storage[len(cloud.url):] + "/%s/big" % container
    get = ("GET %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n\r\n" % (path, tester.token)).encode()
    held = []
    for i in range(60):
        s = socket.create_connection(("127.0.0.1", cloud.port), timeout=20)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(get)
        if i % 2:
            s.recv(1000)
            s.close()
        else:
            held.append(s)
    assert tester.request("GET", "/%s/big" % container).content == body
    for s in held:
        s.close()
    assert tester.request("GET", "/%s/big" % container).content == body


def pss_mib(cloud):
    with open("/proc/%d/smaps_rollup" % cloud.node_pid()) as f:
        return int(re.search(r"Pss:\s+(\d+)", f.read()).group(1)) >> 10


@pytest.mark.parametrize("direction", ["up", "down"])
def test_memory_of_stalled_bodies(direction):
    """Hundreds of clients stop in the middle of a body: memory stays bounded, others are served."""
    cloud = Cloud(devices=3, conf={"http": ["body_bytes = 32M"]})
    stalled = []
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("PUT", "/m").status_code == 201
        for i in range(20):
            assert user.request("PUT", "/m/o%d" % i, data=os.urandom(6 * MB)).status_code == 201
        path = user.storage[len(cloud.url):]
        head = "%s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + user.token + "\r\n%s\r\n"
        for i in range(400):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", cloud.port))
            stalled.append(s)
            if direction == "down":
                s.sendall((head % ("GET %s/m/o%d" % (path, i % 20), "")).encode())
                continue
            s.sendall((head % ("PUT %s/m/s%d" % (path, i), "Content-Length: 1048576\r\n")).encode())
            s.setblocking(False)
            try:
                s.send(bytes(MB // 2))
            except BlockingIOError:
                pass
        time.sleep(1)
        if not os.environ.get("SAN"):
            assert pss_mib(cloud) < 160
        start = time.monotonic()
        body = os.urandom(MB)
        assert user.request("PUT", "/m/ok", data=body).status_code == 201
        assert user.request("GET", "/m/ok").content == body
        assert user.request("PUT", "/m/small", data=b"x").status_code == 201
        assert time.monotonic() - start < 25
        if not os.environ.get("SAN"):
            assert pss_mib(cloud) < 160
    finally:
        for s in stalled:
            s.close()
        cloud.close()


def test_memory_of_stalled_listings():
    """Hundreds of clients ask for a long listing and do not read it: the next ones wait, memory stays bounded."""
    cloud = Cloud(devices=3, conf={"http": ["body_bytes = 32M"], "devices": ["page_bytes = 0"]})
    stalled = []
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as t:
            for i in range(10000):
                t.addfile(tarfile.TarInfo("m/%05d-%s" % (i, "n" * 200)))
        r = user.request("PUT", "?extract-archive=tar", data=tar.getvalue(), headers={"Accept": "application/json"})
        assert r.json()["Number Files Created"] == 10000, r.text
        wait_for(lambda: user.request("HEAD", "/m").headers["X-Container-Object-Count"] == "10000")
        before = pss_mib(cloud)
        path = user.storage[len(cloud.url):]
        for i in range(200):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", cloud.port))
            stalled.append(s)
            s.sendall(("GET %s/m?format=json&i=%d HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n\r\n"
                       % (path, i, user.token)).encode())
        time.sleep(3)
        if not os.environ.get("SAN"):
            assert pss_mib(cloud) < before + 120, before
        # Short ones are answered meanwhile, and the long one once who does not read has been closed.
        assert len(user.request("GET", "/m?format=json&limit=5").json()) == 5
        wait_for(lambda: len(user.request("GET", "/m?format=json").content) > 2 * MB, 60)
        if not os.environ.get("SAN"):
            assert pss_mib(cloud) < before + 120, before
    finally:
        for s in stalled:
            s.close()
        cloud.close()


# --- disks ---

class Mounts:
    """A file system of its own for devices of a cloud that has not started yet."""

    def __init__(self):
        self.where = []

    def tmpfs(self, cloud, device, size):
        path = os.path.join(cloud.state, "devices", "d%d" % device)
        os.makedirs(path)
        self.mount(["-t", "tmpfs", "-o", "size=%d" % size, "none", path], path)
        return path

    def ext4(self, cloud, device, size):
        path, image = os.path.join(cloud.state, "devices", "d%d" % device), cloud.dir + "/d%d.img" % device
        os.makedirs(path)
        with open(image, "wb") as f:
            f.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        self.mount(["-o", "loop", image, path], path)
        return path

    def mount(self, args, path):
        done = subprocess.run(["mount"] + args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            pytest.skip("cannot mount here: " + done.stdout.strip())
        self.where.append(path)

    def close(self):
        for path in self.where:
            subprocess.run(["umount", "-l", path], check=False)
            os.removedirs(path)  # the cloud has ended, and could not remove what was mounted


@pytest.fixture
def mounts():
    m = Mounts()
    yield m
    m.close()


def write_conf(cloud, extra):
    """The configuration as `up` writes it, before the first start, with more in [devices]."""
    os.makedirs(cloud.state, exist_ok=True)
    with open(cloud.state + "/cairn.conf", "w") as f:
        f.write("[node]\nstate_dir = %s\nport = %d\n[cluster]\nreplicas = %d\nhash_suffix = s\n[devices]\n%s\n%s\n"
                "[auth]\nv1_auth = yes\nuser = test:tester testing .admin\n" %
                (cloud.state, cloud.port, cloud.replicas, extra,
                 "\n".join("device = d%d" % i for i in range(cloud.devices))))


def fill(user, container, size, most):
    """Puts objects until one is refused; name -> MD5 of what was acknowledged, and the refusals."""
    stored, refused = {}, []
    for i in range(most):
        body = os.urandom(16) + bytes(size - 16)
        r = user.request("PUT", "/%s/o%d" % (container, i), data=body)
        if r.status_code == 201:
            stored["o%d" % i] = hashlib.md5(body).hexdigest()
        else:
            refused.append(r.status_code)
            if len(refused) == 5:
                break
    return stored, refused


def reads_back(user, container, stored):
    for name, digest in stored.items():
        r = user.request("GET", "/%s/%s" % (container, name))
        assert r.status_code == 200 and hashlib.md5(r.content).hexdigest() == digest, (name, r.status_code)


@pytest.mark.parametrize("most", [48, 256], ids=["by-its-size", "by-its-file-system"])
def test_full_devices(mounts, most):
    """All devices fill up: 507, what was acknowledged is there, deletes make room again."""
    cloud = Cloud(devices=3)
    try:
        for i in range(3):
            mounts.tmpfs(cloud, i, 64 * MB)
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = %dM" % most)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/full")
        stored, refused = fill(user, "full", MB, 200)
        assert len(stored) > 10 and refused and set(refused) <= {507}, (len(stored), refused)
        reads_back(user, "full", stored)
        small, refused = fill(user, "full", 20000, 20000 if os.environ.get("LONG") else 20)
        stored.update(small)
        gone = list(stored)[:len(stored) * 3 // 4]
        for name in gone:
            assert user.request("DELETE", "/full/" + name).status_code == 204
            del stored[name]
        reads_back(user, "full", stored)

        def room():
            return user.request("PUT", "/full/again", data=b"y" * MB).status_code == 201
        wait_for(room, 30)
        reads_back(user, "full", stored)
        cloud.kill_node()
        reads_back(User(cloud, "test:tester", "testing"), "full", stored)
    finally:
        cloud.close()


def test_full_file_system(mounts):
    """Others fill the file systems under the devices: no false answer, and all is well when they
    give the space back."""
    cloud = Cloud(devices=3)
    try:
        paths = [mounts.tmpfs(cloud, i, 64 * MB) for i in range(3)]
        write_conf(cloud, "unit_bytes = 4M")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/fs")
        user.request("PUT", "/small")
        stored, refused = fill(user, "fs", 300000, 5)
        small, more = fill(user, "small", 20000, 100)
        assert not refused and not more
        # Until what deletes and compaction need is written ahead of use.
        wait_for(lambda: min(os.stat(path + "/data").st_blocks * 512 for path in paths) > 17 * MB)
        for path in paths:
            with open(path + "/ballast", "wb") as f:
                try:
                    while True:
                        f.write(bytes(MB))
                        f.flush()
                except OSError:
                    pass
        for i in range(60):
            body = os.urandom(16) + bytes(MB)
            r = user.request("PUT", "/fs/b%d" % i, data=body)
            assert r.status_code in (201, 503, 507)
            if r.status_code == 201:
                stored["b%d" % i] = hashlib.md5(body).hexdigest()
        assert r.status_code != 201
        reads_back(user, "fs", stored)
        # What deletes and compaction need was written ahead: it is there.
        for name in small:
            assert user.request("DELETE", "/small/" + name).status_code == 204
            assert user.request("GET", "/small/" + name).status_code == 404
        wait_for(lambda: user.request("PUT", "/fs/room", data=b"y" * MB).status_code == 201, 60)
        reads_back(user, "fs", stored)
        for path in paths:
            os.unlink(path + "/ballast")
        wait_for(lambda: user.request("PUT", "/fs/again", data=b"y" * MB).status_code == 201, 30)
        wait_for(lambda: user.request("DELETE", "/fs/b0").status_code in (204, 404), 30)
        stored.pop("b0", None)
        reads_back(user, "fs", stored)
        cloud.kill_node()
        reads_back(User(cloud, "test:tester", "testing"), "fs", stored)
    finally:
        cloud.close()


def test_one_full_device(mounts):
    """One device of three fills up: the other two carry on, and nothing acknowledged is lost."""
    cloud = Cloud(devices=3)
    try:
        mounts.tmpfs(cloud, 0, 32 * MB)
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = 256M")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/one")
        stored, refused = fill(user, "one", MB, 60)
        assert not refused and len(stored) == 60
        reads_back(user, "one", stored)
        for name in list(stored)[:10]:
            assert user.request("DELETE", "/one/" + name).status_code == 204
            assert user.request("GET", "/one/" + name).status_code == 404
            del stored[name]
        cloud.kill_node()
        user = User(cloud, "test:tester", "testing")
        reads_back(user, "one", stored)
        assert user.request("PUT", "/one/after", data=b"x").status_code == 201
    finally:
        cloud.close()


def test_read_only_device(mounts):
    """A file system that turns read-only under a device: writes go on through the other two."""
    cloud = Cloud(devices=3)
    try:
        path = mounts.ext4(cloud, 1, 160 * MB)
        write_conf(cloud, "unit_bytes = 4M\ndevice_bytes = 100M")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/ro")
        stored, refused = fill(user, "ro", 200000, 10)
        assert not refused
        # What an ext4 with errors=remount-ro does: no write passes from now on.
        subprocess.run(["mount", "-o", "remount,abort", path], stderr=subprocess.DEVNULL, check=False)
        more, refused = fill(user, "ro", 300000, 20)
        assert not refused and len(more) == 20
        stored.update(more)
        reads_back(user, "ro", stored)
        for name in list(stored)[:5]:
            assert user.request("DELETE", "/ro/" + name).status_code == 204
            del stored[name]
        reads_back(user, "ro", stored)
        assert {o["name"] for o in user.request("GET", "/ro?format=json").json()} == set(stored)
    finally:
        cloud.close()


def test_two_of_four_devices_gone():
    """Without a majority the answer is 503, never 404 for what is there."""
    cloud = Cloud(devices=4)
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/gone")
        stored, refused = fill(user, "gone", 3000, 60)
        assert not refused
        cloud.down()
        for i in (1, 2):
            os.rename(cloud.state + "/devices/d%d" % i, cloud.dir + "/d%d" % i)
            with open(cloud.state + "/devices/d%d" % i, "w"):
                pass
        cloud.up()
        codes = []
        for _ in range(2):
            r = requests.get(cloud.url + "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
            assert r.status_code == 200
        for name, digest in stored.items():
            r = user.request("GET", "/gone/" + name)
            codes.append(r.status_code)
            assert r.status_code == 503 or hashlib.md5(r.content).hexdigest() == digest, (name, r.status_code)
            r = user.request("PUT", "/gone/" + name + "-new", data=b"x")
            assert r.status_code in (201, 503)
            if r.status_code == 201:
                stored_new = user.request("GET", "/gone/" + name + "-new")
                assert stored_new.status_code == 200
        assert 503 in codes
        cloud.down()
        for i in (1, 2):
            os.unlink(cloud.state + "/devices/d%d" % i)
            os.rename(cloud.dir + "/d%d" % i, cloud.state + "/devices/d%d" % i)
        cloud.up()
        reads_back(user, "gone", stored)
    finally:
        cloud.close()


def test_kill_while_starting():
    """Killed again and again before it is up, the node still comes up whole."""
    cloud = Cloud()
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/kill")
        stored, _ = fill(user, "kill", 5000, 40)
        for i in range(4):
            pid = cloud.node_pid()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda old=pid: cloud.node_pid() != old)
            time.sleep(0.02 * i)
        cloud.wait_serving()
        reads_back(user, "kill", stored)
        assert user.request("PUT", "/kill/after", data=b"x").status_code == 201
    finally:
        cloud.close()


def test_stops_when_told(cloud):
    """SIGTERM to the node lets it end by itself: the log says so."""
    own = Cloud()
    try:
        own.up()
        own.down()
        assert "stopping" in own.log()
    finally:
        own.close()


# --- configuration ---

GOOD = "[node]\nstate_dir = %s\n[cluster]\nreplicas = 1\nhash_suffix = s\n[devices]\ndevice = d0\n"
BAD = [
    ("[node]\nport = many\n", ":2:"), ("[node]\nport = 70000\n", ":2:"), ("[nod]\n", ":1:"),
    ("[node]\n\nprot = 1\n", ":3:"), ("port = 1\n", ":1:"), ("[node]\nport\n", ":2:"), ("[node\n", ":1:"),
    ("[node]\nport = 1\nport = 2\n", ":3:"), ("[node]\nbind_ip = " + "x" * 5000 + "\n", ":2:"),
    ("[node]\nport\0 = 1\n", ":2:"), ("[auth]\nv1_auth = perhaps\n", ":2:"),
    ("\x7fELF\x02\x01\x01\0\0\0", ":1:"), ("[cluster]\nmax_file_size = 99999999999999999999\n", ":2:"),
]


@pytest.mark.parametrize("text,where", BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_configuration(tmp_path, text, where):
    path = tmp_path / "cairn.conf"
    path.write_bytes(text.encode("latin-1"))
    for more in (["--check"], []):
        out = subprocess.run([CAIRN, "node", "--config", str(path)] + more, timeout=20, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert out.returncode == 2 and str(path) + where in out.stdout, out.stdout


def test_good_configuration(tmp_path):
    path = tmp_path / "cairn.conf"
    path.write_text(GOOD % tmp_path)

    def check(where):
        return subprocess.run([CAIRN, "node", "--check", "--config", str(where)], timeout=20,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    assert check(path) == 0
    assert check(tmp_path) == 2  # a folder
    assert check(tmp_path / "none") == 2
    path.write_text("[node]\nstate_dir = %s\n" % tmp_path)
    assert check(path) == 2  # no device


# --- TLS ---

def test_tls(tmp_path):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cloud = Cloud(devices=1, replicas=1)
    node = None
    try:
        write_conf(cloud, "")
        conf = cloud.state + "/cairn.conf"
        text = open(conf).read()
        with open(conf, "w") as f:
            f.write(text + "[http]\ntls_cert = %s\ntls_key = %s\n" % (cert, key))
        url = "https://127.0.0.1:%d" % cloud.port
        with open(str(tmp_path / "log"), "w") as log:
            node = subprocess.Popen([CAIRN, "node", "--config", conf], stdout=log, stderr=log)
        session = requests.Session()
        session.verify, session.trust_env = cert, False

        def up():
            try:
                return session.get(url + "/healthcheck", timeout=2).status_code == 200
            except requests.RequestException:
                assert node.poll() is None
                return False
        wait_for(up, 30)
        r = session.get(url + "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
        storage = r.headers["X-Storage-Url"]
        assert r.status_code == 200 and storage.startswith(url + "/v1/")
        session.headers["X-Auth-Token"] = r.headers["X-Auth-Token"]
        body = os.urandom(3 * MB)
        assert session.put(storage + "/t").status_code == 201
        assert session.put(storage + "/t/o", data=body).status_code == 201
        assert session.get(storage + "/t/o").content == body
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url + "/healthcheck", timeout=5)
        # A client that speaks plain HTTP to it gets no answer, and harms nobody.
        with pytest.raises(requests.RequestException):
            requests.get("http://127.0.0.1:%d/healthcheck" % cloud.port, timeout=5)
        assert session.get(url + "/healthcheck").status_code == 200
    finally:
        if node:
            node.send_signal(signal.SIGTERM)
            assert node.wait(30) == 0
        cloud.close()


# --- up and down ---

def test_down_is_quick_and_ends_nobody_else():
    cloud = Cloud()
    other = subprocess.Popen(["sleep", "600"])
    try:
        cloud.up()
        assert "running" in cloud.cairn("status", "--state", cloud.state, check=False).stdout
        start = time.monotonic()
        assert "has stopped" in cloud.cairn("down", "--state", cloud.state).stdout
        assert time.monotonic() - start < (5 if os.environ.get("SAN") else 0.8)
        # A supervisor that was killed leaves its file, and its pid goes to somebody else.
        for name in ("supervisor", "node"):
            with open("%s/run/%s.pid" % (cloud.state, name), "w") as f:
                f.write("%d\n" % other.pid)
        assert "not running" in cloud.cairn("down", "--state", cloud.state).stdout
        assert other.poll() is None
        cloud.up()
        with open(cloud.state + "/run/supervisor.pid") as f:
            assert int(f.read()) != other.pid
        assert "runs already" in cloud.up()
    finally:
        other.kill()
        other.wait()
        cloud.close()
