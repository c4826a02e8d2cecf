"""Debian's own Swift as the storage behind our proxy, and as a peer that is measured: account,
container and object servers of several nodes on loopback in a temporary folder; and, if asked for,
Swift's proxy. For tests of the API and for benchmarks."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
devices = {dir}/devices{n}
mount_check = false
swift_dir = {dir}
user = {user}
log_level = WARNING
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[{kind}-replicator]
[{kind}-updater]
[{kind}-sync]
internal_client_conf_path = {dir}/internal-client.conf
"""
INTERNAL = """[DEFAULT]
swift_dir = {dir}
[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:symlink]
use = egg:swift#symlink
[filter:cache]
use = egg:swift#memcache
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:catch_errors]
use = egg:swift#catch_errors
"""
PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
swift_dir = {dir}
user = {user}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache {auth} {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
{users}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
{sections}
"""
# Servers read /etc/swift/swift.conf unless they are told before they begin.
RUN = ("import runpy, sys; from swift.common import utils; utils.set_swift_dir(sys.argv[1]); "
       "del sys.argv[:2]; runpy.run_path(sys.argv[0], run_name='__main__')")
USERS = [("test:tester", "testing .admin"), ("test:tester2", "testing2 .admin"),
         ("test:tester3", "testing3"), ("test2:tester2", "testing2 .admin"),
         ("test5:tester5", "testing5 service"), ("admin:admin", "admin .admin .reseller_admin")]
OURS = """[node]
state_dir = {dir}/cairn
bind_ip = 127.0.0.1
port = {port}
roles = proxy
reactors = 2
log_level = {log_level}
[swift]
dir = {dir}
[auth]
v1_auth = yes
{users}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=180):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited %d s" % seconds
        time.sleep(0.02)


def answers(port, path="/healthcheck"):
    try:
        urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class SwiftServers:
    """`devices` are of each node; without workers (0) each server is one process."""
    KINDS = ("account", "container", "object", "object-1")

    def __init__(self, nodes=4, devices=1, replicas=3, workers=0, power=6):
        self.dir = tempfile.mkdtemp(prefix="cairn-swift-")
        self.processes, self.ports, self.workers = {}, {}, workers
        with open(self.dir + "/swift.conf", "w") as f:
            f.write("[swift-hash]\nswift_hash_path_prefix = pre\nswift_hash_path_suffix = suf\n"
                    "[storage-policy:0]\nname = gold\naliases = yellow\ndefault = yes\n"
                    "[storage-policy:1]\nname = silver\n")
        for n in range(nodes):
            for kind in ("account", "container", "object"):
                self.ports[kind, n] = free_port()
            for i in range(devices):
                os.makedirs("%s/devices%d/d%d" % (self.dir, n, n * devices + i))
        for kind in self.KINDS:
            builder = "%s/%s.builder" % (self.dir, kind)
            self.ring_builder(builder, "create", str(power), str(replicas), "1")
            for n in range(nodes):
                port = self.ports[kind.split("-")[0], n]
                for i in range(devices):
                    where = "r1z%d-127.0.0.1:%d/d%d" % (n + 1, port, n * devices + i)
                    self.ring_builder(builder, "add", where, "100")
            self.ring_builder(builder, "rebalance")
        self.write("internal-client", INTERNAL)
        started = time.monotonic()
        for n in range(nodes):
            for kind in ("account", "container", "object"):
                self.write("%s%d" % (kind, n), SERVER, port=self.ports[kind, n], n=n, kind=kind)
                self.start(kind, n)
        for at in self.ports:
            wait_for(lambda p=self.ports[at]: answers(p))
        self.start_seconds = time.monotonic() - started

    def ring_builder(self, *args):
        subprocess.run(("swift-ring-builder",) + args, check=True, stdout=subprocess.DEVNULL)

    def write(self, name, text, **values):
        with open("%s/%s.conf" % (self.dir, name), "w") as f:
            f.write(text.format(dir=self.dir, user=os.environ.get("USER", "root"), workers=self.workers, **values))

    def spawn(self, name, *args):
        with open(self.dir + "/log", "a") as log:
            self.processes[name] = subprocess.Popen(
                args, stdout=log, stderr=log, start_new_session=True)

    def swift(self, program, *args):
        """The command of one of Swift's programs."""
        return ("/usr/bin/python3", "-W", "ignore", "-c", RUN, self.dir,
                "/usr/bin/swift-" + program) + args

    def python(self, text, *args):
        """What a script prints, as JSON: it has Swift's modules and this cluster's configuration;
        its first argument is the folder."""
        out = subprocess.run(("/usr/bin/python3", "-W", "ignore", "-c",
                              "import sys; from swift.common import utils; "
                              "utils.set_swift_dir(sys.argv[1])\n" + text, self.dir) + args,
                             check=True, timeout=120, stdout=subprocess.PIPE)
        return json.loads(out.stdout)

    def start(self, kind, n):
        self.spawn((kind, n), *self.swift(kind + "-server", "%s/%s%d.conf" % (self.dir, kind, n), "-v"))

    def start_again(self, kind, n):
        self.start(kind, n)
        wait_for(lambda: answers(self.ports[kind, n]))

    def stop(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(30)

    def kill(self, kind, n):
        self.stop((kind, n), signal.SIGKILL)

    def proxy(self, filters="copy slo dlo", auth="tempauth", sections=""):
        """Swift's own; returns its URL. Other `auth` than tempauth wants sections of its own."""
        port, memcached = free_port(), free_port()
        users = "\n".join("user_%s = %s" % (u.replace(":", "_"), rest) for u, rest in USERS)
        started = time.monotonic()
        self.write("proxy", PROXY, port=port, memcached=memcached, users=users, filters=filters, auth=auth,
                   sections=sections)
        self.spawn("memcached", "memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(memcached))
        self.spawn("proxy", *self.swift("proxy-server", self.dir + "/proxy.conf"))
        wait_for(lambda: answers(port))
        self.start_seconds += time.monotonic() - started
        return "http://127.0.0.1:%d" % port

    def cairn(self, program):
        """Our proxy in front of the same servers; returns its URL."""
        port = free_port()
        users = "\n".join("user = %s %s" % u for u in USERS)
        self.write("cairn", OURS, port=port, users=users,
                   log_level=os.environ.get("CAIRN_LOG", "info"))
        self.spawn("cairn", program, "node", "--config", self.dir + "/cairn.conf")
        wait_for(lambda: answers(port))
        return "http://127.0.0.1:%d" % port

    def daemon(self, kind, what):
        """One pass of a Swift daemon (replicator, updater, ...) on every node."""
        for n in range(len([k for k in self.ports if k[0] == kind])):
            conf = "%s/%s%d.conf" % (self.dir, kind, n)
            subprocess.run(self.swift("%s-%s" % (kind, what), conf, "once"), check=True, timeout=120)

    def pids(self):
        """Its processes and their workers."""
        out = []
        for p in self.processes.values():
            out.append(p.pid)
            children = "/proc/%d/task/%d/children" % (p.pid, p.pid)
            if os.path.exists(children):
                out += [int(c) for c in open(children).read().split()]
        return out

    def log(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f.read()

    def close(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        log = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert "Sanitizer" not in log and "Assertion" not in log, log[-4000:]
