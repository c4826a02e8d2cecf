"""Debian's own Swift as a peer: proxy, account, container and object servers with memcached, three
replicas on four directories, two workers each, all on loopback in a temporary folder."""
import os
import subprocess
import time
import urllib.request

PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 2
swift_dir = {dir}
user = root
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache tempauth copy dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
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
[filter:dlo]
use = egg:swift#dlo
"""
SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 2
devices = {dir}/devices
mount_check = false
swift_dir = {dir}
user = root
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


class SwiftPeer:
    def __init__(self, folder, free_port):
        self.dir, self.processes = folder, []
        self.port = free_port()
        ports = {k: free_port() for k in ("account", "container", "object")}
        memcached = free_port()
        os.makedirs(folder + "/devices")
        with open(folder + "/swift.conf", "w") as f:
            f.write("[swift-hash]\nswift_hash_path_suffix = bench\n[storage-policy:0]\nname = gold\ndefault = yes\n")
        for kind, port in ports.items():
            builder = "%s/%s.builder" % (folder, kind)
            self.run("swift-ring-builder", builder, "create", "10", "3", "1")
            for n in range(4):
                os.makedirs("%s/devices/d%d" % (folder, n), exist_ok=True)
                self.run("swift-ring-builder", builder, "add", "r1z1-127.0.0.1:%d/d%d" % (port, n), "100")
            self.run("swift-ring-builder", builder, "rebalance")
            self.write(kind, SERVER.format(port=port, dir=folder, kind=kind))
        self.write("proxy", PROXY.format(port=self.port, dir=folder, memcached=memcached))
        started = time.monotonic()
        self.spawn("memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(memcached), "-m", "64")
        for kind in ("account", "container", "object", "proxy"):
            self.spawn("/usr/bin/swift-%s-server" % kind, "%s/%s.conf" % (folder, kind))
        self.wait()
        self.start_seconds = time.monotonic() - started

    def run(self, *args):
        subprocess.run(args, check=True, stdout=subprocess.DEVNULL)

    def write(self, name, text):
        with open("%s/%s.conf" % (self.dir, name), "w") as f:
            f.write(text)

    def spawn(self, *args):
        with open(self.dir + "/log", "a") as log:
            self.processes.append(subprocess.Popen(
                args, stdout=log, stderr=log, env=dict(os.environ, SWIFT_DIR=self.dir),
                start_new_session=True))

    def wait(self):
        for _ in range(600):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/healthcheck" % self.port, timeout=1)
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("Swift does not start; see %s/log" % self.dir)

    def pids(self):
        """Its processes and their workers."""
        out = []
        for p in self.processes:
            out.append(p.pid)
            children = "/proc/%d/task/%d/children" % (p.pid, p.pid)
            if os.path.exists(children):
                out += [int(c) for c in open(children).read().split()]
        return out

    def stop(self):
        for pid in self.pids():
            try:
                os.kill(pid, 15)
            except ProcessLookupError:
                pass
        for p in self.processes:
            p.wait(30)
