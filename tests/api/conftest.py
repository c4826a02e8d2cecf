"""The clouds that the API tests of a run share, and small helpers around them."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib

import pytest
import requests

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAIRN = os.environ.get("CAIRN") or os.path.join(TOP, os.environ.get("B", "build"), "cairn")

# A node that is told to stop ends without freeing what lives as long as it does (devices, caches,
# rings, loops): all that hangs from its one struct node. What hangs from nothing is a leak, and
# fails the run as everything does that the sanitizers of a binary built with SAN= find.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def by_wire(name):
    """Half of all clouds reach their own devices by the nodes' protocol: which, their test's name
    says, or CAIRN_WIRE=0 or 1 for all."""
    return bool(int(os.environ.get("CAIRN_WIRE", zlib.crc32(name.encode()) & 1)))


class Cloud:
    """A one-machine cloud in a folder of its own."""

    def __init__(self, devices=4, replicas=3, conf=None, wire=None, identity=False):
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
        self.wire = by_wire(test.split("/")[-1]) if wire is None else wire
        self.dir = tempfile.mkdtemp(prefix="cairn-api-")
        self.state = os.path.join(self.dir, "var")
        self.port, self.wire_port = free_port(), free_port()
        self.identity_port = free_port() if identity else 0
        self.devices, self.replicas, self.conf = devices, replicas, conf or {}
        self.refuses = False  # a daemon is to end by itself: nobody dies but by the test's hand
        self.url = "http://127.0.0.1:%d" % self.port

    def cairn(self, *args, check=True):
        return subprocess.run([CAIRN] + list(args), check=check, timeout=120, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def up(self):
        out = self.cairn("up", "--state", self.state, "--port", str(self.port),
                         "--devices", str(self.devices), "--replicas", str(self.replicas),
                         *(["--wire", str(self.wire_port)] if self.wire else []),
                         *(["--identity", str(self.identity_port)] if self.identity_port else []),
                         check=False)
        assert out.returncode == 0, out.stdout
        if self.conf and not os.path.exists(self.state + "/conf-set"):
            self.set_conf(self.conf)
        return out.stdout

    def set_conf(self, values):
        """values: {"section": ["key = value", ...]}; takes effect by a restart."""
        path = self.state + "/cairn.conf"
        text = open(path).read()
        for section, lines in values.items():
            new = "[%s]\n%s\n" % (section, "\n".join(lines))
            if section == "domain_remap":  # of which there is one
                text = text.replace("storage_domain = example.net\n", "")
            if "[%s]\n" % section in text:
                text = text.replace("[%s]\n" % section, new)
            else:
                text += new
        open(path, "w").write(text)
        open(self.state + "/conf-set", "w").close()
        self.down()
        self.up()

    def down(self):
        self.cairn("down", "--state", self.state)

    def pid(self, daemon):
        with open(self.state + "/run/%s.pid" % daemon) as f:
            return int(f.read())

    def node_pid(self):
        return self.pid("node")

    def openrc(self):
        """The environment after `. openrc`, and nothing of the caller's cloud in it."""
        env = {k: v for k, v in os.environ.items() if k[:3] not in ("OS_", "ST_")}
        out = subprocess.run(["/bin/sh", "-c", '. "$0"; env -0', self.state + "/openrc"], env=env, check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return dict(line.split("=", 1) for line in out.split("\0") if line)

    def kill_node(self):
        """kill -9; the supervisor starts it again."""
        pid = self.node_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.node_pid() != pid)
        self.wait_serving()

    def wait_serving(self):
        def serving():
            try:
                return requests.get(self.url + "/healthcheck", timeout=1).status_code == 200
            except requests.RequestException:
                return False
        wait_for(serving)

    def log(self):
        with open(self.state + "/log/node.log", errors="replace") as f:
            return f.read()

    def metric(self, name):
        text = requests.get(self.url + "/metrics", timeout=10).text
        return [float(v) for v in re.findall(r"^%s(?:\{[^}]*\})? (\S+)$" % name, text, re.M)]

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.cairn("down", "--state", self.state, check=False)
        log = "".join(open(self.state + "/log/" + name, errors="replace").read()
                      for name in ("node.log", "identity.log") if os.path.exists(self.state + "/log/" + name))
        shutil.rmtree(self.dir, ignore_errors=True)
        # Of a binary built with SAN=: whatever its sanitizers found while it ran or stopped.
        wrong = r"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed|died daemon=\w+ pid=\d+ signal=(?![09] )"
        found = re.search(wrong + ("" if self.refuses else r"|died .* exit=[1-9]"), log)
        assert not found, log[max(0, found.start() - 500):found.start() + 6000]


def wait_for(what, seconds=60):
    """What it says, when that is not false or None any more."""
    end = time.monotonic() + seconds
    while not (said := what()):
        assert time.monotonic() < end, "waited %d s" % seconds
        time.sleep(0.02)
    return said


class User:
    """A v1 auth login with requests under it."""

    def __init__(self, cloud, name, key):
        self.cloud, self.name, self.key = cloud, name, key
        r = requests.get(cloud.url + "/auth/v1.0", headers={"X-Auth-User": name, "X-Auth-Key": key})
        assert r.status_code == 200, r.text
        self.token, self.storage = r.headers["X-Auth-Token"], r.headers["X-Storage-Url"]
        self.session = requests.Session()

    def request(self, method, path="", storage=None, token=True, headers=None, **kw):
        h = {"X-Auth-Token": self.token} if token else {}
        h.update(headers or {})
        return self.session.request(method, (storage or self.storage) + path, headers=h,
                                    timeout=120, **kw)

    def env(self):
        return dict(os.environ, ST_AUTH=self.cloud.url + "/auth/v1.0", ST_USER=self.name,
                    ST_KEY=self.key)

    def swift(self, *args, cwd=None, check=True):
        return subprocess.run(["/usr/bin/swift"] + list(args), env=self.env(), cwd=cwd, check=check,
                              timeout=600, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)


@pytest.fixture(scope="session")
def clouds():
    started = {}
    yield started
    for c in started.values():
        c.close()


@pytest.fixture(scope="module")
def cloud(clouds, request):
    """One of two clouds that all files share."""
    wire = by_wire(os.path.basename(request.path))
    if wire not in clouds:
        clouds[wire] = Cloud(wire=wire)
        clouds[wire].up()
    return clouds[wire]


@pytest.fixture(scope="module")
def tester(cloud):
    return User(cloud, "test:tester", "testing")


@pytest.fixture(scope="module")
def swift(tester):
    """What Swift's clients see of what S3's have made."""
    return tester


@pytest.fixture(scope="module")
def s3(cloud):
    from s3 import client
    return client(cloud)


@pytest.fixture
def bucket(s3):
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def container(tester):
    name = "c-%s" % os.urandom(6).hex()
    assert tester.request("PUT", "/" + name).status_code == 201
    return name


@pytest.fixture(scope="module")
def identity():
    """An identity service of the file's own."""
    from test_identity import Identity  # which needs what is above
    i = Identity()
    yield i
    i.close()


@pytest.fixture(scope="module")
def admin(identity):
    from test_identity import ADMIN
    return identity.token(scope=ADMIN)
