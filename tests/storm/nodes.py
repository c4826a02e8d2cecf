"""Nodes in network namespaces (tools/cluster), each with a device in its state folder and one on a small
file system of its own, and what can be done to them."""
import ctypes
import errno
import fcntl
import hashlib
import hmac
import http.client
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("B", "build"))
CAIRN = os.path.join(BUILD, "cairn")
TOOL = os.path.join(TOP, "tools/cluster")
DISK_BYTES = 384 << 20
EXT4_SHUTDOWN = 0x8004587D  # all that is asked of the file system from then on fails, as when its disk is pulled out
LOOP_CTL_GET_FREE, LOOP_SET_FD, LOOP_SET_STATUS64, LO_FLAGS_AUTOCLEAR = 0x4C82, 0x4C00, 0x4C04, 4
CONF = """replicate_pause = 1
unit_bytes = 4M
scrub_rate = 64M
scrub_pause = 5
"""
libc = ctypes.CDLL(None, use_errno=True)


def run(*args, check=True):
    return subprocess.run(args, check=check, text=True, timeout=120, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def wait_for(what, seconds, name):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError("waited %d s: %s" % (seconds, name))
        time.sleep(0.2)


class Nodes:
    def __init__(self, folder, count, power=6):
        self.dir, self.count = folder, count
        self.var = folder + "/cluster"
        with open(folder + "/conf", "w") as f:
            f.write(CONF)
        self.env = dict(os.environ, VAR=self.var, CONF=folder + "/conf", POWER=str(power), B=BUILD)
        os.makedirs(folder + "/disks")
        for i in self.all():
            os.makedirs(self.device(i, 1), mode=0o700)
            self.mount(i, empty=True)
        out = self.tool("up", str(count), "2")
        self.hosts = dict((int(i), host) for i, host in re.findall(r"^node (\d+): http://([^:]+):\d+, wire", out, re.M))
        assert len(self.hosts) == count, out
        tag = "%04x" % (int(run("sh", "-c", "printf %%s '%s' | cksum" % self.var).split()[0]) % 65536)
        self.spaces = {i: "cairn-%s-%d" % (tag, i) for i in self.all()}
        self.secret = open(self.var + "/token.key", "rb").read()

    def all(self):
        return range(1, self.count + 1)

    def devices(self):
        return [(i, d) for i in self.all() for d in (0, 1)]

    def tool(self, *args):
        out = subprocess.run([TOOL] + list(args), env=self.env, timeout=180, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        assert out.returncode == 0, (args, out.stdout)
        return out.stdout

    def device(self, i, d):
        return "%s/node%d/devices/d%d" % (self.var, i, d)

    def data(self, i, d):
        return self.device(i, d) + "/data"

    def disk(self, i):
        return "%s/disks/%d" % (self.dir, i)

    def pid(self, i, name="node"):
        with open("%s/node%d/run/%s.pid" % (self.var, i, name)) as f:
            return int(f.read())

    def enter(self, i):
        """The calling thread is from now on where node i is."""
        fd = os.open("/run/netns/" + self.spaces[i], os.O_RDONLY)
        if libc.setns(fd, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(fd)

    def get(self, i, path, headers=None, timeout=10):
        conn = http.client.HTTPConnection(self.hosts[i], 8080, timeout=timeout)
        try:
            conn.request("GET", path, headers=headers or {})
            r = conn.getresponse()
            return r.status, r.read().decode("utf-8", "replace"), r.headers
        finally:
            conn.close()

    def serves(self, i):
        try:
            return self.get(i, "/info")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def token(self):
        _, _, headers = self.get(1, "/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
        return headers["X-Auth-Token"]

    def metrics(self, i, timeout=10):
        """{name: {labels: value}}, or None: no answer."""
        try:
            text = self.get(i, "/metrics", timeout=timeout)[1]
        except (OSError, http.client.HTTPException):
            return None
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", text, re.M):
            found.setdefault(name, {})[labels] = float(value)
        return found

    def audit(self, i, name):
        path = "/audit/" + urllib.parse.quote(name)
        now = str(int(time.time()))
        sign = hmac.new(self.secret, ("audit\n%s\n%s" % (now, path)).encode(), hashlib.sha256).hexdigest()
        return self.get(i, path, {"X-Audit-Time": now, "X-Audit-Sign": sign}, 40)[1]

    # --- disks ---

    def mount(self, i, empty=False):
        """By hand: mkfs of a file and mount(8) ask all loop devices of the machine, and one may hang."""
        with open(self.disk(i), "w+b" if empty else "r+b") as disk, open("/dev/loop-control") as control:
            disk.truncate(DISK_BYTES)
            name = "/dev/loop%d" % fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            with open(name, "r+b", buffering=0) as loop:
                fcntl.ioctl(loop, LOOP_SET_FD, disk.fileno())
                info = bytearray(232)
                struct.pack_into("<I", info, 52, LO_FLAGS_AUTOCLEAR)
                fcntl.ioctl(loop, LOOP_SET_STATUS64, info)
                if empty:
                    run("mkfs.ext4", "-q", "-F", "-m", "0", name)
                if libc.mount(name.encode(), self.device(i, 1).encode(), b"ext4", 0, None) != 0:
                    raise OSError(ctypes.get_errno(), "mount " + name)

    def unmount(self, i):
        def gone():
            libc.umount2(self.device(i, 1).encode(), 0)
            return not os.path.ismount(self.device(i, 1))
        wait_for(gone, 30, "unmounting the disk of node %d" % i)

    def pull(self, i):
        fd = os.open(self.device(i, 1), os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_SHUTDOWN, struct.pack("I", 0))
        finally:
            os.close(fd)

    def plug_in(self, i):
        """The node is down."""
        self.unmount(i)
        self.mount(i)

    def fill(self, i):
        with open(self.device(i, 1) + "/other", "wb", buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while f.write(b"x" * size):
                        pass
                except OSError as e:
                    assert e.errno == errno.ENOSPC

    def empty(self, i):
        os.unlink(self.device(i, 1) + "/other")

    def corrupt(self, i, d, random, spots):
        """Flips a bit at places that were written; superblocks are left alone."""
        with open(self.data(i, d), "r+b", buffering=0) as f:
            size = os.fstat(f.fileno()).st_size
            for _ in range(spots):
                at = random.randrange(1 << 20, size)
                try:
                    at = os.lseek(f.fileno(), at, os.SEEK_DATA)
                except OSError:
                    continue
                byte = os.pread(f.fileno(), 1, at)
                if byte:
                    os.pwrite(f.fileno(), bytes([byte[0] ^ 1 << random.randrange(8)]), at)
            os.fsync(f.fileno())

    def wipe(self, i, d):
        """The node is down."""
        if d == 1:
            self.unmount(i)
            os.unlink(self.disk(i))  # other nodes' namespaces have it mounted still, and write to it
            self.mount(i, empty=True)
        else:
            shutil.rmtree(self.device(i, 0))

    # --- processes ---

    def signal(self, i, number):
        try:
            os.kill(self.pid(i), number)
        except (OSError, ValueError):
            pass

    def kill(self, i):
        self.tool("kill", str(i))

    def start(self, i):
        self.tool("start", str(i))

    def destroy(self):
        for i in self.all():
            self.signal(i, signal.SIGCONT)
        try:
            self.tool("down")
        finally:
            for i in self.all():
                libc.umount2(self.device(i, 1).encode(), 2)  # now or later
            self.tool("destroy")
            shutil.rmtree(self.dir, ignore_errors=True)
