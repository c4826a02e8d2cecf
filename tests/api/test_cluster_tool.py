"""tools/cluster: what it takes of the machine."""
import itertools
import os
import subprocess

import requests

from conftest import CAIRN
from test_cluster import TOOL


def octet(path):
    """Where the search for a free network begins."""
    return int(subprocess.check_output(["cksum"], input=path.encode()).split()[0]) % 250


def tool(var, *args):
    env = dict(os.environ, VAR=var, REPLICAS="1", POWER="2", B=os.path.dirname(CAIRN))
    out = subprocess.run([TOOL] + list(args), env=env, timeout=60, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    return out.returncode, out.stdout


def net(var):
    with open(var + "/net") as f:
        return f.read().strip()


def test_two_clusters_do_not_share_a_network(tmp_path):
    base = os.path.realpath(tmp_path)
    paths = ("%s/%d" % (base, n) for n in itertools.count())
    one = next(paths)
    other = next(p for p in paths if octet(p) == octet(one))
    try:
        for var in (one, other):
            code, out = tool(var, "up", "1", "1")
            assert code == 0, out
        assert net(one) != net(other)
        for var in (one, other):
            assert requests.get("http://%s.1:8080/info" % net(var), timeout=10).status_code == 200
        # Its rings name its network: when somebody else has that now, it cannot come up.
        before = net(other)
        tool(other, "down")
        with open(other + "/net", "w") as f:
            f.write(net(one) + "\n")
        code, out = tool(other, "up")
        assert code == 1 and "is in use by another cluster" in out, out
        with open(other + "/net", "w") as f:
            f.write(before + "\n")
        code, out = tool(other, "up")
        assert code == 0 and "http://%s.1:8080" % before in out, out
    finally:
        tool(one, "destroy")
        tool(other, "destroy")
