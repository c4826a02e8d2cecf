"""Debian's own Swift as the storage behind our proxy, and as a peer: account, container and object
servers of several nodes, one device and one worker each, on loopback in a temporary folder; and, if
asked for, Swift's proxy."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from conftest import CAIRN, free_port, wait_for

SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
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
"""
PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {dir}
user = {user}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache tempauth copy slo dlo proxy-server
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


def answers(port, path="/healthcheck"):
    try:
        urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class SwiftServers:
    KINDS = ("account", "container", "object", "object-1")

    def __init__(self, nodes=4, replicas=3):
        self.dir = tempfile.mkdtemp(prefix="cairn-swift-")
        self.processes, self.ports = {}, {}
        with open(self.dir + "/swift.conf", "w") as f:
            f.write("[swift-hash]\nswift_hash_path_prefix = pre\nswift_hash_path_suffix = suf\n"
                    "[storage-policy:0]\nname = gold\naliases = yellow\ndefault = yes\n"
                    "[storage-policy:1]\nname = silver\n")
        for n in range(nodes):
            for kind in ("account", "container", "object"):
                self.ports[kind, n] = free_port()
            os.makedirs("%s/devices%d/d%d" % (self.dir, n, n))
        for kind in self.KINDS:
            builder = "%s/%s.builder" % (self.dir, kind)
            self.ring_builder(builder, "create", "6", str(replicas), "1")
            for n in range(nodes):
                port = self.ports[kind.split("-")[0], n]
                self.ring_builder(builder, "add", "r1z%d-127.0.0.1:%d/d%d" % (n + 1, port, n), "100")
            self.ring_builder(builder, "rebalance")
        for n in range(nodes):
            for kind in ("account", "container", "object"):
                self.write("%s%d" % (kind, n), SERVER, port=self.ports[kind, n], n=n, kind=kind)
                self.start(kind, n)
        for at in self.ports:
            wait_for(lambda p=self.ports[at]: answers(p), 180)

    def ring_builder(self, *args):
        subprocess.run(("swift-ring-builder",) + args, check=True, stdout=subprocess.DEVNULL)

    def write(self, name, text, **values):
        with open("%s/%s.conf" % (self.dir, name), "w") as f:
            f.write(text.format(dir=self.dir, user=os.environ.get("USER", "root"), **values))

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
        wait_for(lambda: answers(self.ports[kind, n]), 180)

    def stop(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(30)

    def kill(self, kind, n):
        self.stop((kind, n), signal.SIGKILL)

    def proxy(self):
        """Swift's own; returns its URL."""
        port, memcached = free_port(), free_port()
        users = "\n".join("user_%s = %s" % (u.replace(":", "_"), rest) for u, rest in USERS)
        self.write("proxy", PROXY, port=port, memcached=memcached, users=users)
        self.spawn("memcached", "memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(memcached))
        self.spawn("proxy", *self.swift("proxy-server", self.dir + "/proxy.conf"))
        wait_for(lambda: answers(port), 180)
        return "http://127.0.0.1:%d" % port

    def cairn(self):
        """Our proxy in front of the same servers; returns its URL."""
        port = free_port()
        users = "\n".join("user = %s %s" % u for u in USERS)
        self.write("cairn", OURS, port=port, users=users,
                   log_level=os.environ.get("CAIRN_LOG", "info"))
        self.spawn("cairn", CAIRN, "node", "--config", self.dir + "/cairn.conf")
        wait_for(lambda: answers(port), 180)
        return "http://127.0.0.1:%d" % port

    def daemon(self, kind, what):
        """One pass of a Swift daemon (replicator, updater, ...) on every node."""
        for n in range(len([k for k in self.ports if k[0] == kind])):
            conf = "%s/%s%d.conf" % (self.dir, kind, n)
            subprocess.run(self.swift("%s-%s" % (kind, what), conf, "once"), check=True, timeout=120)

    def log(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f.read()

    def close(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        log = self.log()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert "Sanitizer" not in log and "Assertion" not in log, log[-4000:]
