"""Rings that change over several nodes while clients write, read and list: more partitions, a node
more under erasure-coded objects, and more changes than can live together."""
import hashlib
import os
import random
import re
import shutil
import signal
import threading

import requests

from conftest import CAIRN, wait_for
from test_cluster import Cluster
from test_rings import ring

NAMES = ["account", "container", "object"]


class Load:
    """Clients that write, read again and list, each in a container of its own, through one node
    after the other. What is not as it must be is in `faults`."""

    def __init__(self, cluster, nodes, clients=3, size=3000, policy=None):
        self.faults, self.stop, self.there = [], threading.Event(), [{} for _ in range(clients)]
        self.users = [cluster.user(i) for i in nodes]
        headers = {"X-Storage-Policy": policy} if policy else {}
        for i in range(clients):
            assert self.users[0].request("PUT", "/load%d" % i, headers=headers).status_code in (201, 202)
        self.size = size
        self.threads = [threading.Thread(target=self.run, args=(i, cluster, nodes)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def body(self, name):
        return hashlib.sha512(name.encode()).digest() * (self.size // 64 + 1)

    def run(self, i, cluster, nodes):
        users, n = [cluster.user(j) for j in nodes], 0
        while not self.stop.is_set():
            user, name = users[n % len(users)], "o%05d" % n
            n += 1
            self.one(i, user, name)
            self.stop.wait(0.1)
            if n % 20 == 0:
                got = users[(n + 1) % len(users)].request("GET", "/load%d?limit=10000" % i)
                if got.status_code != 200 or got.text.split() != sorted(self.there[i]):
                    self.faults.append(("list", i, got.status_code, len(got.text.split()), len(self.there[i])))

    def one(self, i, user, name):
        path, body = "/load%d/%s" % (i, name), self.body(name)
        r = user.request("PUT", path, data=body)
        if r.status_code != 201:
            self.faults.append(("PUT", path, r.status_code))
            return
        self.there[i][name] = body
        r = user.request("GET", path)
        if r.status_code != 200 or r.content != body:
            self.faults.append(("GET", path, r.status_code))

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        assert self.faults == []
        assert all(len(there) > 20 for there in self.there), [len(t) for t in self.there]

    def check(self, user):
        for i, there in enumerate(self.there):
            got = user.request("GET", "/load%d?limit=10000" % i)
            assert got.status_code == 200 and got.text.split() == sorted(there)
            for name, body in there.items():
                r = user.request("GET", "/load%d/%s" % (i, name))
                assert (r.status_code, r.content == body) == (200, True), (i, name, r.status_code)


def node_dir(cluster, i):
    return "%s/cluster/node%d" % (cluster.dir, i)


def reload(cluster, i):
    with open(node_dir(cluster, i) + "/run/node.pid") as f:
        os.kill(int(f.read()), signal.SIGHUP)


def builder(cluster, name):
    return "%s/cluster/ring/%s.builder" % (cluster.dir, name)


def give(cluster, i, names):
    """The builders' rings, to one node."""
    for name in names:
        ring(builder(cluster, name), "write_ring")
        draft = node_dir(cluster, i) + "/ring/%s.new" % name
        shutil.copy("%s/cluster/ring/%s.ring.gz" % (cluster.dir, name), draft)
        os.replace(draft, node_dir(cluster, i) + "/ring/%s.ring.gz" % name)
    reload(cluster, i)


def newest(cluster, name):
    return int(ring(builder(cluster, name), "version").split()[-1])


def ring_metric(cluster, i, which, name):
    text = requests.get(cluster.urls[str(i)] + "/metrics", timeout=10).text
    return int(re.search(r'^cairn_ring_%s\{ring="%s"\} (\d+)$' % (which, name), text, re.M).group(1))


def settled(cluster, nodes, names, seconds=120):
    for i in nodes:
        for name in names:
            wait_for(lambda: ring_metric(cluster, i, "oldest", name) == newest(cluster, name), seconds)


def pushed(cluster, nodes):
    return sum(sum(cluster.metrics(i, "cairn_replicate_pushed")) for i in nodes)


def adopted(cluster, nodes, names):
    for i in nodes:
        for name in names:
            wait_for(lambda: ring_metric(cluster, i, "version", name) == newest(cluster, name))


def test_more_partitions_under_load():
    """The ring before, and one of each step, live together; no object goes anywhere."""
    nodes = (1, 2, 3, 4)
    cluster = Cluster(4)
    try:
        user = cluster.user(1)
        assert user.request("PUT", "/still").status_code == 201
        still = {"s%03d" % i: os.urandom(20000) for i in range(60)}
        for name, body in still.items():
            assert user.request("PUT", "/still/" + name, data=body).status_code == 201
        for i in nodes:
            wait_for(lambda: min(cluster.metrics(i, "cairn_replicate_equal_seconds")) > 0)
        load = Load(cluster, nodes)
        before = pushed(cluster, nodes)
        for step in ("prepare_increase_partition_power", "increase_partition_power",
                     "finish_increase_partition_power"):
            for name in NAMES:
                ring(builder(cluster, name), step)
            give(cluster, 2, NAMES)
            adopted(cluster, nodes, NAMES)
        settled(cluster, nodes, NAMES)
        load.end()
        assert "128 partitions" in ring(builder(cluster, "object"))
        # At most what was compared in the middle of being written.
        moved, written = pushed(cluster, nodes) - before, sum(len(t) for t in load.there)
        assert moved <= written / 50, (moved, written)
        load.check(cluster.user(3))
        for name, body in still.items():
            assert cluster.user(4).request("GET", "/still/" + name).content == body
    finally:
        cluster.close()


def change(cluster, i, weight):
    ring(builder(cluster, "object"), "set_weight", "z1", str(weight))
    ring(builder(cluster, "object"), "rebalance", "--force")
    give(cluster, i, ["object"])


def test_one_ring_more_than_can_live_together():
    """It waits, over a restart too, and comes into use when those before it have settled."""
    cluster = Cluster(3)
    try:
        user = cluster.user(1)
        cluster.user(3)
        assert user.request("PUT", "/c").status_code == 201
        cluster.tool("kill", "3")  # nothing settles
        for weight in (90, 80, 70):
            change(cluster, 1, weight)
            adopted(cluster, (1, 2), ["object"])
        fourth = newest(cluster, "object")
        change(cluster, 1, 60)

        def status():
            return cluster.tool("exec", "1", CAIRN, "status", "--state", node_dir(cluster, 1))
        wait_for(lambda: "version %d waits until" % newest(cluster, "object") in status())
        assert ring_metric(cluster, 1, "version", "object") == fourth
        for i in range(20):
            assert user.request("PUT", "/c/o%d" % i, data=b"%d" % i).status_code == 201
        cluster.tool("kill", "1")
        cluster.tool("start", "1")
        user = cluster.user(1)
        assert "version %d waits until" % newest(cluster, "object") in status()
        for i in range(20):
            assert user.request("GET", "/c/o%d" % i).content == b"%d" % i
        cluster.tool("start", "3")
        settled(cluster, (1, 2, 3), ["object"], 240)
        assert ring_metric(cluster, 1, "waiting", "object") == 0
        for i in range(20):
            assert cluster.user(3).request("GET", "/c/o%d" % i).content == b"%d" % i
    finally:
        cluster.close()


def answered(r):
    return None if r.status_code == 503 else [r]


def whole(cluster, i, path):
    """Does the audit find all of its fragments where they belong?"""
    out = cluster.tool("exec", str(i), CAIRN, "audit", "--state", node_dir(cluster, i), "AUTH_test" + path)
    return "all is well" in out, out


def test_a_node_more_under_erasure_coded_objects():
    """Two rings live while they are written and read; in the end nothing lacks a fragment."""
    cluster = Cluster(4, policies="policy = 0 gold\npolicy = 1 ec type=ec k=2 m=2")
    names = NAMES + ["object-1"]
    try:
        user = cluster.user(1)
        assert user.request("PUT", "/old", headers={"X-Storage-Policy": "ec"}).status_code == 201
        old = {"s%03d" % i: os.urandom(1000 if i % 2 else 300000) for i in range(40)}
        for name, body in old.items():
            assert user.request("PUT", "/old/" + name, data=body).status_code == 201
        load = Load(cluster, (1, 2, 3, 4), size=150000, policy="ec")
        out = cluster.tool("grow", "5", "1")
        cluster.urls["5"] = re.search(r"node 5: (http://[^;]+);", out).group(1)
        settled(cluster, (1, 2, 3, 4, 5), names, 240)
        load.end()
        paths = ["/old/" + n for n in old] + ["/load%d/%s" % (i, n) for i, t in enumerate(load.there) for n in t]
        for path in random.sample(paths, 100):
            wait_for(lambda: whole(cluster, 1, path)[0], 60)
        load.check(cluster.user(5))
        assert cluster.metrics(5, "cairn_device_objects")[0] > len(paths) / 2
        for lost in (2, 5):
            cluster.tool("kill", str(lost))
            user = cluster.user(3)
            for name, body in old.items():
                # 503 for as long as node 3 has not found the one that is back.
                [r] = wait_for(lambda: answered(user.request("GET", "/old/" + name)))
                assert (r.status_code, r.content == body) == (200, True), (lost, name, r.status_code)
            cluster.tool("start", str(lost))
            cluster.user(lost)
    finally:
        cluster.close()


def fragments(cluster, i, path):
    """Which of them the primaries have, in the order of the newest ring, and what the audit says."""
    out = cluster.tool("exec", str(i), CAIRN, "audit", "--state", node_dir(cluster, i), "AUTH_test" + path)
    return [int(n) for n in re.findall(r"^primary .* fragment (\d+) of", out, re.M)], out


def test_a_node_comes_back_to_another_place_with_its_data():
    """It was taken out of the ring while it was down, and the ring settled without it: what it has is then
    somebody else's fragment."""
    cluster = Cluster(5, policies="policy = 0 gold\npolicy = 1 ec type=ec k=2 m=1")
    nodes, rest, name = (1, 2, 3, 4, 5), (1, 2, 3, 4), "object-1"

    def weigh(weight):
        ring(builder(cluster, name), "set_weight", "z5", str(weight))
        ring(builder(cluster, name), "rebalance", "--force")
        give(cluster, 1, [name])

    try:
        user = cluster.user(1)
        assert user.request("PUT", "/c", headers={"X-Storage-Policy": "ec"}).status_code == 201
        there = {"s%03d" % i: os.urandom(1000 if i % 4 else 300000) for i in range(60)}
        for o, body in there.items():
            assert user.request("PUT", "/c/" + o, data=body).status_code == 201
        before = {o: fragments(cluster, 1, "/c/" + o) for o in there}
        cluster.tool("kill", "5")
        weigh(0)
        settled(cluster, rest, [name], 240)
        for o in there:  # the other rings still have node 5: its listings do not answer
            assert fragments(cluster, 1, "/c/" + o)[0] == [0, 1, 2]
        weigh(100)
        adopted(cluster, rest, [name])
        cluster.tool("start", "5")
        cluster.user(5)
        settled(cluster, nodes, [name], 240)
        moved = 0
        for o in there:
            wait_for(lambda: whole(cluster, 1, "/c/" + o)[0], 60)
            kept, out = fragments(cluster, 1, "/c/" + o)
            assert kept == [0, 1, 2], out

            def place(text):
                found = [line for line in re.findall(r"^primary +(.*?) \d", text, re.M)]
                return [i for i, line in enumerate(found) if "5" in line.split(":")[0]]
            moved += place(before[o][1]) != place(out) and bool(place(before[o][1]) and place(out))
        assert moved > 5, moved
        for lost in nodes:
            cluster.tool("kill", str(lost))
            user = cluster.user(1 if lost != 1 else 2)
            for o, body in there.items():
                [r] = wait_for(lambda: answered(user.request("GET", "/c/" + o)))
                assert (r.status_code, r.content == body) == (200, True), (lost, o, r.status_code)
            cluster.tool("start", str(lost))
            cluster.user(lost)
    finally:
        cluster.close()


def test_what_is_left_of_a_move_is_told():
    """Rings stay together while a node is away: what is to be forgotten then is known, and nothing is left in the end."""
    cluster = Cluster(4)

    def total(metric, nodes):
        return sum(sum(cluster.metrics(i, "cairn_replicate_" + metric)) for i in nodes)

    def status(i):
        return cluster.tool("exec", str(i), CAIRN, "status", "--state", node_dir(cluster, i))

    try:
        user = cluster.user(1)
        assert user.request("PUT", "/c").status_code == 201
        for n in range(200):
            assert user.request("PUT", "/c/o%d" % n, data=b"x").status_code == 201
        wait_for(lambda: sum(cluster.metrics(i, "cairn_device_objects")[0] for i in range(1, 5)) == 600)
        cluster.tool("kill", "2")
        out = cluster.tool("grow", "5", "1")
        cluster.urls["5"] = re.search(r"node 5: (http://[^;]+);", out).group(1)
        wait_for(lambda: total("to_forget", (1, 3, 4)) > 0, 60)
        assert re.search(r"[1-9]\d* are to be forgotten here", status(1) + status(3) + status(4))
        wait_for(lambda: all(re.search(r"all nodes have to do \d+% is done", status(i)) for i in (1, 3, 4, 5)), 60)
        cluster.tool("start", "2")
        everyone = range(1, 6)
        settled(cluster, everyone, NAMES, 240)
        wait_for(lambda: total("to_forget", everyone) + total("work_left", everyone) == 0, 60)
        assert all("to be forgotten" not in status(i) for i in everyone)
    finally:
        cluster.close()
