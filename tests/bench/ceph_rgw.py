"""Ceph's object gateway from Debian, by hand: one monitor, one storage daemon on a file, one gateway. For benches."""
import os
import shutil
import subprocess
import time
import urllib.request
import uuid

CONF = """
[global]
fsid = %(fsid)s
mon_host = v1:127.0.0.1:%(mon)d
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_type = async+posix
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_objectstore = bluestore
bluestore_block_size = 17179869184
osd_memory_target = 1073741824
run_dir = %(dir)s
admin_socket = %(dir)s/$name.asok
log_file = %(dir)s/$name.log
mon_data = %(dir)s/mon
osd_data = %(dir)s/osd
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
crash_dir = %(dir)s
rgw_data = %(dir)s
rgw_enable_usage_log = false
"""


class Rgw:
    """Durable as it is by default: a write is acknowledged when bluestore has synced it. One replica, as there is one daemon."""

    def __init__(self, top, port, mon_port):
        self.dir, self.port, self.running = top + "/ceph", port, []
        os.makedirs(self.dir + "/mon"), os.makedirs(self.dir + "/osd")
        fsid = str(uuid.uuid4())
        self.conf = self.dir + "/ceph.conf"
        with open(self.conf, "w") as f:
            f.write(CONF % {"fsid": fsid, "mon": mon_port, "dir": self.dir})
        self.fsid, self.mon_port = fsid, mon_port

    def up(self):
        fsid = self.fsid
        self.run("monmaptool", "--create", "--addv", "a", "v1:127.0.0.1:%d" % self.mon_port, "--fsid", fsid,
                 self.dir + "/monmap", conf=False)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.dir + "/monmap")
        self.start("ceph-mon", "-i", "a")
        self.run("ceph", "osd", "new", fsid)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", fsid)
        self.start("ceph-osd", "-i", "0")
        self.run("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=here")
        self.run("ceph", "osd", "crush", "rule", "create-simple", "flat", "default", "osd")
        self.run("radosgw-admin", "user", "create", "--uid=bench", "--display-name=bench", "--access-key=bench",
                 "--secret-key=benchmark")
        self.start("radosgw", "-n", "client.rgw", "--rgw-frontends", "beast endpoint=127.0.0.1:%d tcp_nodelay=1" % self.port)
        for _ in range(240):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/" % self.port)
                return
            except OSError:
                time.sleep(0.5)
        raise SystemExit("radosgw does not answer: see " + self.dir)

    def run(self, program, *arguments, conf=True):
        return subprocess.run([program] + (["-c", self.conf] if conf else []) + list(arguments), check=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def start(self, program, *arguments):
        self.running.append(subprocess.Popen([program, "-f", "-c", self.conf, *arguments],
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def close(self):
        for process in reversed(self.running):
            process.terminate()
            process.wait()
        shutil.rmtree(self.dir)
