"""What a peer may say to a node's wire port, by raw sockets: who is not of the cluster is turned
away, with one line in the log, and nobody else notices."""
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for

HELLO, CHALLENGE, PROOF, WELCOME, REFUSE, PING, CALL, ANSWER, ASK, TOLD = range(1, 11)


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc_table()


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 0xff]
    return crc ^ 0xffffffff


def frame(type_, head=b"", body=b"", seq=0, salt=0, version=0, stream=0, head_len=None,
          magic=b"CRW1"):
    h = struct.pack("<4sBBHIIIQI", magic, version, type_, 0, stream,
                    len(head) if head_len is None else head_len, len(body), seq,
                    crc32c(body, crc32c(head, salt)) if body else crc32c(head, salt))
    return h + struct.pack("<I", crc32c(h, salt)) + head + body


class Peer:
    """Speaks the hello as a node does, or nearly."""
    addresses = iter("127.0.1.%d" % n for n in range(1, 255))

    def __init__(self, cloud):
        self.cloud, self.ip = cloud, next(Peer.addresses)
        conf = open(cloud.state + "/cairn.conf").read()
        self.key_id, secret = re.search(r"^key = (\S+) (\S+)$", conf, re.M).groups()
        self.secret = secret.encode()
        suffix = re.search(r"^hash_suffix = (\S+)$", conf, re.M).group(1).encode()
        self.cluster = hashlib.sha256(b"cairn cluster" + b"\0" + suffix + b"\0").digest()[:16]
        self.versions = (1, 2)
        self.seq = self.salt = self.version = 0
        self.sock = socket.create_connection(("127.0.0.1", cloud.wire_port), timeout=20,
                                             source_address=(self.ip, 0))

    def send(self, type_, head=b"", **kw):
        data = frame(type_, head, seq=self.seq, salt=self.salt, version=self.version, **kw)
        self.sock.sendall(data)
        self.seq += 1
        return data

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        h = self.read(36)
        head_len, body_len = struct.unpack("<II", h[12:20])
        return h[5], self.read(head_len), self.read(body_len)

    def mac(self, purpose, transcript):
        return hmac.new(self.secret, purpose.ljust(32, b"\0") + transcript,
                        hashlib.sha256).digest()

    def hello(self):
        self.said = struct.pack("<HH", *self.versions) + self.cluster + os.urandom(32) + \
            bytes([len(self.key_id)]) + self.key_id.encode()
        self.send(HELLO, self.said)
        type_, head, _ = self.receive()
        if type_ == REFUSE:
            return struct.unpack("<H", head)[0]
        assert type_ == CHALLENGE
        self.said += head[:34]
        self.good = hmac.compare_digest(self.mac(b"cairn wire server", self.said), head[34:])
        self.agreed = head[0]
        return 0

    def prove(self):
        self.send(PROOF, self.mac(b"cairn wire client", self.said))
        salts = self.mac(b"cairn wire session", self.said)
        self.salt, self.seq, self.version = struct.unpack("<I", salts[:4])[0], 0, self.agreed
        type_, head, _ = self.receive()
        assert type_ == WELCOME
        return head

    def ended(self):
        """The node closes, whatever else it says before."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def lines(self):
        return re.findall(r"wire-refused peer=%s (.*)" % re.escape(self.ip), self.cloud.log())

    def told(self, why):
        wait_for(lambda: self.lines(), 10)
        assert len(self.lines()) == 1 and why in self.lines()[0]
        assert requests.get(self.cloud.url + "/healthcheck", timeout=10).text == "OK"


@pytest.fixture(scope="module")
def wired():
    cloud = Cloud(wire=True)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


@pytest.fixture
def peer(wired):
    p = Peer(wired)
    yield p
    p.sock.close()


def test_a_node_is_welcome(peer):
    assert peer.hello() == 0 and peer.good and peer.agreed == 2
    head = peer.prove()
    assert head[8:].split(b"\0")[:-1] == [b"d0", b"d1", b"d2", b"d3"]
    assert struct.unpack("<Q", head[:8])[0] >= 1 << 20
    peer.send(PING)
    peer.send(ASK, struct.pack("<I", 0xffffff), stream=5)
    type_, head, _ = peer.receive()
    while type_ == PING:
        type_, head, _ = peer.receive()
    assert type_ == TOLD and struct.unpack("<H", head)[0] != 0
    assert peer.lines() == []


def test_the_version_before_is_spoken(peer):
    peer.versions = (0, 1)
    assert peer.hello() == 0 and peer.agreed == 1
    peer.prove()
    assert peer.lines() == []


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
    b"\0" * 100,
    os.urandom(4096),
    frame(HELLO, magic=b"CRW2"),
    frame(HELLO, b"x" * 20),
    frame(CALL, b"x" * 20),
    frame(HELLO, head_len=1 << 30),
    frame(HELLO, b"x" * 600),
    frame(HELLO, seq=1),
    frame(WELCOME),
    frame(PING),
])
def test_nonsense(peer, data):
    peer.sock.sendall(data)
    assert peer.ended()
    peer.told("does not speak as a node does")


def test_the_wrong_key(peer):
    peer.secret = b"x" * 32
    assert peer.hello() == 0 and not peer.good
    peer.send(PROOF, peer.mac(b"cairn wire client", peer.said))
    assert peer.ended()
    peer.told("wrong key")


def test_a_key_that_nobody_knows(peer):
    peer.key_id = "k9"
    assert peer.hello() == 3 and peer.ended()
    peer.told("wrong key")


def test_another_version(peer):
    peer.versions = (100, 109)
    assert peer.hello() == 1 and peer.ended()
    peer.told("no version in common")


def test_another_cluster(peer):
    peer.cluster = b"c" * 16
    assert peer.hello() == 2 and peer.ended()
    peer.told("another cluster")


def test_a_proof_that_was_heard_before(wired, peer):
    peer.hello()
    peer.prove()
    proof = peer.mac(b"cairn wire client", peer.said)
    again = Peer(wired)
    again.sock.sendall(frame(HELLO, peer.said[:-34]))
    assert again.receive()[0] == CHALLENGE
    again.seq = 1
    again.send(PROOF, proof)
    assert again.ended()
    again.told("wrong key")


def test_frames_of_a_session(wired):
    """Replayed, of another session, cut off, too long, of a wrong version, changed on the way."""
    def peer():
        p = Peer(wired)
        p.hello()
        p.prove()
        return p

    for spoil in ("replay", "foreign", "oversize", "skip", "version", "flip", "call"):
        p, other = peer(), peer()
        good = p.send(PING)
        if spoil == "replay":
            p.sock.sendall(good)
        elif spoil == "foreign":
            p.sock.sendall(other.send(PING)[:0] + frame(PING, seq=1, salt=other.salt, version=2))
        elif spoil == "oversize":
            p.send(CALL, b"x", head_len=(64 << 20) + 1)
        elif spoil == "skip":
            p.seq += 1
            p.send(PING)
        elif spoil == "version":
            p.version = 1
            p.send(PING)
        elif spoil == "flip":
            data = bytearray(frame(ASK, b"\1\0\0\0hello", seq=1, salt=p.salt, version=2))
            data[-1] ^= 4
            p.sock.sendall(data)
        elif spoil == "call":
            p.send(CALL, os.urandom(200), stream=9)
        assert p.ended()
        p.told("does not speak as a node does")
        other.send(PING)  # the other one lives
        other.send(ASK, struct.pack("<I", 0xffffff), stream=5)
        while other.receive()[0] != TOLD:
            pass
        other.sock.close()
        p.sock.close()
    cut = peer()
    cut.sock.sendall(frame(CALL, b"x" * 5000, seq=0, salt=cut.salt, version=2)[:3000])
    cut.sock.close()
    assert requests.get(wired.url + "/healthcheck", timeout=10).text == "OK"


def test_repeated_refusals_are_one_line(wired):
    ip = next(Peer.addresses)
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", wired.wire_port), timeout=20,
                                     source_address=(ip, 0))
        s.sendall(b"garbage" * 20)
        while s.recv(100):
            pass
        s.close()
    # A line of each loop that met it.
    assert 1 <= len(re.findall(r"wire-refused peer=%s " % re.escape(ip), wired.log())) <= \
        os.cpu_count()


def test_many_who_say_nothing(wired):
    """They hold little, push each other out, and a node still gets in; so do clients."""
    ip = next(Peer.addresses)
    socks = [socket.create_connection(("127.0.0.1", wired.wire_port), timeout=20,
                                      source_address=(ip, 0)) for _ in range(300)]
    p = Peer(wired)
    assert p.hello() == 0
    p.prove()
    user = User(wired, "test:tester", "testing")
    assert user.request("PUT", "/silent").status_code in (201, 202)
    assert user.request("PUT", "/silent/o", data=b"x" * 300000).status_code == 201
    assert user.request("GET", "/silent/o").content == b"x" * 300000
    end = time.monotonic() + 15  # those that were not pushed out are closed after 5 s
    for s in socks:
        s.settimeout(max(0.1, end - time.monotonic()))
        assert s.recv(1) == b""
        s.close()


def call(device, op, key, length):
    """A call of an object operation that has nothing but a key and how much it wants."""
    return struct.pack("<IQ4B16s3I4QIQ16s4Q3I5IIBI2B", device, 0, op, 2, 0, 0, key, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                       b"", 0, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % pid).read()).group(1)) << 10


def test_a_peer_that_asks_and_does_not_read(wired, peer):
    user = User(wired, "test:tester", "testing")
    user.request("PUT", "/deaf")
    suffix = re.search(r"^hash_suffix = (\S+)$", open(wired.state + "/cairn.conf").read(), re.M).group(1)
    path = user.storage[user.storage.index("/v1/") + 3:] + "/deaf/o%d"
    peer.hello()
    peer.prove()
    found = []  # more than is cached
    for n in range(40):
        assert user.request("PUT", "/deaf/o%d" % n, data=os.urandom(1 << 20)).status_code == 201
        key = hashlib.md5((path % n + suffix).encode()).digest()
        for device in range(4):
            peer.send(CALL, call(device, 6, key, 1 << 20), stream=n * 4 + device + 1)
            type_, head, body = peer.receive()
            while type_ != ANSWER:
                type_, head, body = peer.receive()
            if head[:2] == b"\0\0":
                assert len(body) == 1 << 20
                found.append((device, key))
    assert len(found) >= 80  # two of three answer for a PUT; the third may not have it yet
    found = (found * 2)[:120]
    burst = b"".join(frame(CALL, call(device, 6, key, 1 << 20), seq=peer.seq + n, salt=peer.salt, version=2,
                           stream=1000 + n) for n, (device, key) in enumerate(found * 30))
    before = rss(wired.node_pid())
    peer.sock.settimeout(3)
    try:
        peer.sock.sendall(burst)
    except socket.timeout:
        pass  # it reads no more
    most, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        most = max(most, rss(wired.node_pid()) - before)
        time.sleep(0.01)
    assert most < 160 << 20
    works = user.request("GET", "/deaf/o0")
    assert works.status_code == 200 and len(works.content) == 1 << 20


def check(path):
    out = subprocess.run([CAIRN, "node", "--config", str(path), "--check"], timeout=60, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return out.returncode, out.stdout


CONF = "[node]\nstate_dir = %s\n[wire]\n%s\n[cluster]\nhash_suffix = s\n[devices]\ndevice = d0\n"


@pytest.mark.parametrize("lines,line,says", [
    ("port = 6200", 4, "port without key"),
    ("port = 6200\nkey = k1 short", 5, "key wants lines"),
    ("port = 6200\nkey = k1", 5, "key wants lines"),
    ("loopback = yes", 4, "loopback wants a port"),
    ("ip = here", 4, "ip must be"),
    ("tls_cert = /nowhere", 4, "go together"),
    ("tls_cert = /nowhere\ntls_key = /nowhere", 4, "PEM files"),
])
def test_a_mistake_is_named(tmp_path, lines, line, says):
    path = tmp_path / "cairn.conf"
    path.write_text(CONF % (tmp_path, lines))
    path.chmod(0o600)
    code, out = check(path)
    assert code == 2 and says in out and "%s:%d: " % (path, line) in out


def test_a_key_for_everybody_to_read_is_refused(tmp_path):
    path = tmp_path / "cairn.conf"
    path.write_text(CONF % (tmp_path, "port = 6200\nkey = k1 0123456789abcdef"))
    path.chmod(0o644)
    code, out = check(path)
    assert code == 2 and "%s:5: " % path in out and "chmod" in out
    path.chmod(0o640)
    assert check(path)[0] == 0


def test_the_first_start_makes_the_key(wired):
    path = wired.state + "/cairn.conf"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert re.search(r"^key = k1 [0-9a-f]{64}$", open(path).read(), re.M)


def tls_files(tmp_path, name, ca):
    def openssl(*args):
        subprocess.run(["openssl"] + [str(a) for a in args], check=True, cwd=tmp_path,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not (tmp_path / (ca + ".pem")).exists():
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", ca + ".key", "-out", ca + ".pem", "-subj", "/CN=" + ca, "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key",
            "-CAcreateserial", "-out", name + ".pem", "-days", "2")


def test_tls(tmp_path):
    tls_files(tmp_path, "node", "ca")
    lines = ["tls_cert = %s/node.pem" % tmp_path, "tls_key = %s/node.key" % tmp_path,
             "tls_ca = %s/ca.pem" % tmp_path]
    cloud = Cloud(wire=True, conf={"wire": lines})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("PUT", "/c").status_code == 201
        for size in (0, 10, 4096, 300000, 5 << 20):
            body = os.urandom(size)
            assert user.request("PUT", "/c/%d" % size, data=body).status_code == 201
            assert user.request("GET", "/c/%d" % size).content == body
        wait_for(lambda: sum(cloud.metric("cairn_wire_calls")) > 0)  # told once a second
        plain = Peer(cloud)
        plain.sock.sendall(frame(HELLO, b"x" * 53))
        assert plain.ended()
        plain.told("wrong key")
        # Nobody without a certificate of this CA.
        out = subprocess.run(["openssl", "s_client", "-connect",
                              "127.0.0.1:%d" % cloud.wire_port, "-tls1_3"], input="", text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        assert "Verify return code" in out.stdout
        assert requests.get(cloud.url + "/healthcheck", timeout=10).text == "OK"
    finally:
        cloud.close()


class Node(Cloud):
    """One process of several, with rings that name their devices by wire."""

    def __init__(self, roles, shared):
        super().__init__(wire=False)
        os.makedirs(self.state + "/ring")
        stores = "storage" in roles
        with open(os.open(self.state + "/cairn.conf", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("[node]\nstate_dir = %s\nport = %d\nroles = %s\n[wire]\nport = %d\nkey = %s\n"
                    "[cluster]\nhash_suffix = split\n%s[auth]\nv1_auth = yes\n"
                    "user = test:tester testing .admin\n" %
                    (self.state, self.port, roles, self.wire_port, shared,
                     "[devices]\ndevice = d0\nunit_bytes = 4M\ndevice_bytes = 512M\n" if stores else ""))


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A proxy, and three processes with a device each."""
    folder = tmp_path_factory.mktemp("rings")
    key = "k1 " + os.urandom(32).hex()
    proxy = Node("proxy", key)
    stores = [Node("storage", key) for _ in range(3)]

    def ring(name, *args):
        path = str(folder / (name + ".builder"))
        out = subprocess.run([CAIRN, "ring", path] + [str(a) for a in args], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert out.returncode in (0, 1), out.stdout
    for name in ("account", "container", "object"):
        ring(name, "create", 6, 3, 0)
        for i, store in enumerate(stores):
            ring(name, "add", "r1z%d-127.0.0.1:%d/d0" % (i + 1, store.wire_port), 100)
        ring(name, "rebalance")
        for node in [proxy] + stores:
            shutil.copy(folder / (name + ".ring.gz"), node.state + "/ring/")
    try:
        for node in stores + [proxy]:
            node.up()
        wait_for(lambda: requests.get(proxy.url + "/auth/v1.0", timeout=20, headers={
            "X-Auth-User": "test:tester", "X-Auth-Key": "testing"}).status_code == 200)
        yield proxy, stores, User(proxy, "test:tester", "testing")
    finally:
        for node in [proxy] + stores:
            node.close()


def works(user, name, within=20):
    """PUT, GET and listing, each answered rightly, the slowest in that many seconds."""
    def reached():
        """A process that was started again may be without its connections for a moment."""
        user.session = requests.Session()
        return user.request("PUT", "/split/ready", data=b"").status_code == 201
    wait_for(lambda: all([reached() for _ in range(8)]), within)
    assert user.request("DELETE", "/split/ready").status_code == 204
    slowest = 0
    for size in (0, 100, 5000, 300000, 3 << 20):
        body = os.urandom(size)
        start = time.monotonic()
        assert user.request("PUT", "/split/%s-%d" % (name, size), data=body).status_code == 201
        r = user.request("GET", "/split/%s-%d" % (name, size))
        assert r.status_code == 200 and r.content == body
        slowest = max(slowest, time.monotonic() - start)
    listed = user.request("GET", "/split?prefix=%s-" % name).text.split()
    assert len(listed) == 5
    assert slowest < within, slowest


def test_proxy_and_storage_are_processes(split):
    proxy, stores, user = split
    assert user.request("PUT", "/split").status_code == 201
    works(user, "all")
    for s in stores:
        wait_for(lambda: sum(s.metric("cairn_wire_served_calls")) > 0)
    assert proxy.metric("cairn_device_objects") == []


def test_a_storage_process_that_dies(split):
    proxy, stores, user = split
    user.request("PUT", "/split")
    stores[0].kill_node()
    works(user, "killed")
    stores[1].down()
    works(user, "down")
    stores[2].down()
    for method, data in (("PUT", b"x"), ("GET", None)):
        assert user.request(method, "/split/down-100", data=data).status_code == 503
    stores[1].up()
    stores[2].up()
    wait_for(lambda: user.request("GET", "/split/down-100").status_code == 200, 15)
    works(user, "up")


def test_a_storage_process_that_stops_speaking(split):
    """Its machine takes bytes and answers nothing: it is known after 5 s."""
    proxy, stores, user = split
    user.request("PUT", "/split")
    works(user, "before")
    pid = stores[0].node_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        works(user, "silent")
        wait_for(lambda: re.search(r"wire-down .*port=%d err=DEADLINE" % stores[0].wire_port,
                                   proxy.log()), 15)
        works(user, "known", within=2)
        ups = len(re.findall(r"wire-up .*port=%d" % stores[0].wire_port, proxy.log()))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: len(re.findall(r"wire-up .*port=%d" % stores[0].wire_port,
                                    proxy.log())) > ups, 15)
    works(user, "again")


def test_the_proxy_dies(split):
    proxy, stores, user = split
    user.request("PUT", "/split")
    works(user, "first")
    pids = [s.node_pid() for s in stores]
    proxy.kill_node()
    works(user, "second")
    assert user.request("GET", "/split/first-5000").status_code == 200
    assert pids == [s.node_pid() for s in stores]
