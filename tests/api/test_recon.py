"""Debian's real swift-recon asks our nodes."""
import os
import re
import subprocess

import pytest
import requests

from conftest import Cloud, User, wait_for

BUILDER = "/usr/bin/swift-ring-builder"
# swift-recon, with the swift.conf of a folder instead of /etc/swift's.
RECON = """
import os, sys
folder = sys.argv.pop(1)
from swift.common import utils
utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b'a', b'b'
utils.validate_configuration = lambda: None
from swift.common.ring import ring
ring.validate_configuration = lambda: None
from swift.cli import recon
real = recon.md5_hash_for_file
recon.md5_hash_for_file = lambda path: real(path) if path != recon.SWIFT_CONF_FILE or os.path.exists(path) else None
sys.argv += ['--swiftdir', folder]
recon.main()
"""

pytestmark = pytest.mark.skipif(not os.path.exists(BUILDER), reason="needs swift-ring-builder")


@pytest.fixture(scope="module")
def watched():
    c = Cloud(conf={"recon": ["enabled = yes"]})
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def folder(watched, tmp_path_factory):
    """A folder of rings that name the node by the port that it is asked at."""
    path = str(tmp_path_factory.mktemp("swift"))
    for name in ("account", "container", "object"):
        builder = "%s/%s.builder" % (path, name)
        for args in (["create", "4", "1", "0"], ["add", "r1z1-127.0.0.1:%d/d0" % watched.port, "1"], ["rebalance"]):
            subprocess.run([BUILDER, builder] + args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open(path + "/swift.conf", "w").write("[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n")
    return path


def recon(folder, *args):
    out = subprocess.run(["/usr/bin/python3", "-c", RECON, folder] + list(args), text=True, timeout=120,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert out.returncode == 0 and "Traceback" not in out.stdout, out.stdout
    assert "HTTP Error" not in out.stdout, out.stdout
    return out.stdout


@pytest.mark.parametrize("args,texts", [
    (["-l", "-q", "-u", "-T", "--jitter", "2", "-a", "--sockstat", "--driveaudit", "--swift-versions", "--expirer",
      "--updater", "--auditor", "-R"],
     [r"\[1m_load_avg\] low: \d+", r"\[quarantined_objects\] low: 0, high: 0", "Getting unmounted drives from 1 hosts",
      "1/1 hosts matched, 0 error", r"\[async_pending\] low: 0", r"\[tcp_in_use\] low: \d+",
      r"\[drive_audit_errors\] low: 0", r"Versions matched \(\d", r"expired_last_pass\] - No hosts returned valid data",
      r"updater_last_sweep\] - No hosts", r"ALL_auditor\] - No hosts", r"\[object_reconstruction_time\] low: 0"]),
    (["container", "--sharding", "--auditor", "--updater"], [r"sharding_time\] - No hosts", "container_audits_passed",
                                                            r"updater_last_sweep\] - No hosts"]),
    (["account", "--auditor"], [r"account_audits_passed\] - No hosts"])])
def test_swift_recon(folder, args, texts):
    out = recon(folder, *args)
    for text in texts:
        assert re.search(text, out), (text, out)


def test_disks_and_their_use(watched, folder):
    def known():
        out = recon(folder, "-d", "--top", "2")
        return re.search(r"Disk usage: space used: \d+ of [1-9]\d+", out) and "TOP 2" in out
    wait_for(known)
    disks = requests.get(watched.url + "/recon/diskusage").json()
    assert [d["device"] for d in disks] == ["d0", "d1", "d2", "d3"]
    assert all(d["mounted"] is True and d["size"] == d["used"] + d["avail"] for d in disks)
    assert requests.get(watched.url + "/recon/unmounted").json() == []
    assert list(requests.get(watched.url + "/recon/devices").json().values()) == [["d0", "d1", "d2", "d3"]]


def test_rounds_of_replication(watched, folder):
    User(watched, "test:tester", "testing").request("PUT", "/c")
    wait_for(lambda: requests.get(watched.url + "/recon/replication/object").json()["replication_last"] > 0)
    for kind in ("account", "container", "object"):
        out = recon(folder, kind, "-r")
        assert re.search(r"\[replication_attempted\] low: [1-9]", out) and "Most recent completion was" in out
        assert re.search(r"\[replication_failure\] low: 0, high: 0", out)


def test_rings_are_compared(watched, folder):
    out = recon(folder, "--md5")
    assert "doesn't match on disk md5sum" in out and "0/1 hosts matched" in out
    sums = requests.get(watched.url + "/recon/ringmd5").json()
    assert {os.path.basename(p) for p in sums} >= {"account.ring.gz", "container.ring.gz", "object.ring.gz"}
    for path, md5 in sums.items():
        if os.path.exists(path):
            out = subprocess.run(["md5sum", path], stdout=subprocess.PIPE, text=True).stdout
            assert out.split()[0] == md5


def test_servers_are_validated(folder):
    assert "hosts ok" in subprocess.run(["/usr/bin/python3", "-c", RECON, folder, "--validate-servers"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


@pytest.mark.parametrize("path", ["", "nothing", "auditor", "auditor/x", "auditor/object/x", "updater/account", "expirer",
                                  "expirer/container", "reconstruction", "replication/obj", "replication/ct ob", "mem%00", "memory",
                                  "../info"])
def test_other_paths_are_none(watched, path):
    r = requests.get(watched.url + "/recon/" + path)
    assert r.status_code in (404, 400) or path == "../info"


def test_it_is_json(watched):
    for path in ("mem", "load", "mounted", "sockstat", "time", "swiftconfmd5", "version", "replication", "relinker",
                 "sharding", "reconstruction/object", "expirer/object", "auditor/account"):
        r = requests.get(watched.url + "/recon/" + path)
        assert r.status_code == 200 and r.headers["Content-Type"] == "application/json" and r.json() is not None, path
    assert requests.put(watched.url + "/recon/mem").status_code in (400, 404, 405, 412)


def test_by_default_it_is_not_told(cloud):
    assert requests.get(cloud.url + "/recon/mem").status_code in (400, 404, 412)
