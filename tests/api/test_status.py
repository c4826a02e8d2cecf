"""`cairn status` over several nodes: who there is, whose clock is off, and whose rings are others."""
import os
import re
import subprocess

import pytest

from conftest import CAIRN, wait_for
from test_cluster import Cluster
from test_rings import ring
from test_rings_live import reload

# Preloaded into a node: its clock is two seconds ahead.
AHEAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int code = real(id, ts);
	if (id == CLOCK_REALTIME)
		ts->tv_sec += 2;
	return code;
}
"""


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(3)
    for i in range(1, 4):
        c.user(i)
    yield c
    c.close()


def status(cluster, i):
    out = cluster.tool("exec", str(i), CAIRN, "status", "--state", "%s/cluster/node%d" % (cluster.dir, i))
    assert max(len(line) for line in out.splitlines()) <= 100, out
    return out


def ip(cluster, i):
    return re.search(r"//([^:]+):", cluster.urls[str(i)]).group(1)


def says(cluster, i, pattern, seconds=30):
    found = []

    def look():
        found[:] = [status(cluster, i)]
        return re.search(pattern, found[0], re.M)
    try:
        wait_for(look, seconds)
    except AssertionError:
        raise AssertionError("%r is not in\n%s" % (pattern, found[0]))
    return found[0]


def all_is_well(cluster):
    for i in (1, 2, 3):
        says(cluster, i, r"\A(?![\s\S]*PROBLEMS)[\s\S]*^object +\d+ +\w{8} +3/3 +3/3 +3/3$")


def test_peers_and_rings_are_listed(cluster):
    all_is_well(cluster)
    for i in (1, 2, 3):
        out = status(cluster, i)
        for other in {1, 2, 3} - {i}:
            assert re.search(r"^%s:6200 +up +\S+ \S+ +[-+]0\.\d+ s +\d+ +\d+\.\d+\.\d+$" %
                             re.escape(ip(cluster, other)), out, re.M), out
        digests = re.findall(r"^(account|container|object) +\d+ +(\w{8}) ", out, re.M)
        assert [d[0] for d in digests] == ["account", "container", "object"]
        assert digests == re.findall(r"^(account|container|object) +\d+ +(\w{8}) ",
                                     status(cluster, 1), re.M)


def test_a_clock_that_is_ahead(cluster):
    source, library = cluster.dir + "/ahead.c", cluster.dir + "/ahead.so"
    open(source, "w").write(AHEAD)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    cluster.tool("stop", "3")
    env = dict(cluster.env)
    cluster.env.update(LD_PRELOAD=library,
                       ASAN_OPTIONS=os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0")
    cluster.tool("start", "3")
    cluster.env = env
    for i in (1, 2):
        out = says(cluster, i, r"clock of %s:6200 is 2\.\d s ahead" % re.escape(ip(cluster, 3)))
        assert out.index("PROBLEMS") < out.index("same time server") < out.index("device  ")
    says(cluster, 3, r"the clock of this node is 2\.\d s ahead of 2 others")
    cluster.tool("stop", "3")
    cluster.tool("start", "3")
    all_is_well(cluster)


def test_a_node_that_is_down(cluster):
    cluster.tool("kill", "2")
    for i in (1, 3):
        out = says(cluster, i, r"PROBLEMS[\s\S]*%s:6200 is down since \S+ \S+" % re.escape(ip(cluster, 2)))
        assert re.search(r"^%s:6200 +DOWN " % re.escape(ip(cluster, 2)), out, re.M)
    cluster.tool("start", "2")
    all_is_well(cluster)


def other_ring(cluster, i, weight):
    """A newer object ring, with a weight of its own, in the folder of node i."""
    path = cluster.dir + "/%d.builder" % i
    ring("%s/cluster/ring/object.builder" % cluster.dir, "version")
    with open("%s/cluster/ring/object.builder" % cluster.dir, "rb") as f:
        open(path, "wb").write(f.read())
    ring(path, "set_weight", "z%d" % i, weight)
    ring(path, "rebalance", "--force")
    os.replace(cluster.dir + "/%d.ring.gz" % i,
               "%s/cluster/node%d/ring/object.ring.gz" % (cluster.dir, i))


def test_two_rings_of_one_version(cluster):
    """Neither comes to count alone: no fence is set until one more ring makes them equal."""
    before = cluster.metrics(1, "cairn_ring_oldest")
    other_ring(cluster, 1, "50")
    other_ring(cluster, 2, "60")
    reload(cluster, 1)
    reload(cluster, 2)
    one = says(cluster, 1, r"ring object: %s:6200 has another ring of version \d+" % re.escape(ip(cluster, 2)))
    two = says(cluster, 2, r"ring object: %s:6200 has another ring of version \d+" % re.escape(ip(cluster, 1)))
    for out in (one, two):
        assert out.index("PROBLEMS") < out.index("make one more with `cairn ring`") < out.index("device  ")
    assert cluster.metrics(1, "cairn_ring_fenced") == cluster.metrics(2, "cairn_ring_fenced") == before
    path = cluster.dir + "/1.builder"
    ring(path, "set_weight", "z1", "70")
    ring(path, "rebalance", "--force")
    os.replace(cluster.dir + "/1.ring.gz", "%s/cluster/node1/ring/object.ring.gz" % cluster.dir)
    reload(cluster, 1)
    says(cluster, 1, r"^object +\d+ \d+ \d+ +\w{8} +3/3 ")
    wait_for(lambda: cluster.metrics(1, "cairn_ring_oldest") == cluster.metrics(1, "cairn_ring_version"), 120)
    all_is_well(cluster)
