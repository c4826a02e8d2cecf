#!/usr/bin/python3
"""Clients write, read and list through every node while nodes die, links are cut and disks fail; a judge
(history.py) asks whether what they were told can be true. After each cycle all is healed and must settle;
at the end all that is there is read, listed, audited, and read off the devices.

Environment: MINUTES (30), SEED (1), NODES (5), B (build folder), KEEP=1 (leave the nodes as they are when
something was found), FAULTS (names, to have only those), WITHOUT="create post" (writes to leave out)."""
import bisect
import hashlib
import http.client
import json
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from history import CREATE, DELETE, POST, PUT, READ, Listing, Op, check_listing, check_object  # noqa: E402
from nodes import Nodes, wait_for  # noqa: E402
import replicas  # noqa: E402

THREADS = 4  # of each node
WITHOUT = os.environ.get("WITHOUT", "").split()
NAMES = 12  # of a group: those that are in use at a time
GROUPS = 8  # side by side
GROUP_OPS = NAMES * 50  # then others come
CONTAINER_GROUPS = 6  # groups of one container
TIMEOUT = 45
STORM_SECONDS = 40
PAUSE = 0.05
LATE = 15  # what a killed node had sent is there by then


def now():
    return time.monotonic()


def size_of(value):
    pick = random.Random(value)
    kind = pick.random()
    if kind < 0.9:
        return pick.randrange(12, 4000)
    if kind < 0.97:
        return pick.randrange(4000, 60000)
    return pick.randrange(260000, 400000) if kind < 0.995 else pick.randrange(1 << 20, 3 << 20)


def body_of(value):
    word, size = b"%d:" % value, size_of(value)
    return (word * (size // len(word) + 1))[:size]


def etag_of(value):
    return hashlib.md5(body_of(value)).hexdigest()


class Group:
    """Names that are in use at the same time."""

    def __init__(self, number):
        self.number = number
        self.container = "c%d" % (number // CONTAINER_GROUPS)
        self.prefix = "g%05d-" % number
        self.ops = {self.prefix + "%02d" % n: [] for n in range(NAMES)}
        self.listings = []
        self.begun = self.open = 0
        self.values = {}  # once judged: name: what may be there

    def path(self, name):
        return "/v1/AUTH_test/%s/%s" % (self.container, name)


class Work:
    """What clients share."""

    def __init__(self):
        self.lock = threading.Lock()
        self.count = self.value = 0
        self.groups = [self.group() for _ in range(GROUPS)]
        self.retired, self.judged = [], []
        self.made = set()  # containers
        self.names = {}  # value: etag, of listings
        self.stopping = threading.Event()
        self.answers = {}

    def group(self):
        self.count += 1
        return Group(self.count)

    def begin(self, pick):
        with self.lock:
            at = pick.randrange(GROUPS)
            group = self.groups[at]
            group.begun += 1
            group.open += 1
            if group.begun == GROUP_OPS:
                self.groups[at] = self.group()
                self.retired.append(group)
            return group

    def end(self, group):
        with self.lock:
            group.open -= 1

    def new_value(self):
        with self.lock:
            self.value += 1
            return self.value

    def tell(self, what, status):
        with self.lock:
            key = "%s %s" % (what, status)
            self.answers[key] = self.answers.get(key, 0) + 1

    def ended(self):
        """Groups that nobody uses any more."""
        with self.lock:
            done = [g for g in self.retired if not g.open]
            self.retired = [g for g in self.retired if g.open]
            return done


class Rows:
    """Did a node leave rows of listings for later between two moments? It counts them."""

    def __init__(self, nodes, i):
        self.nodes, self.i = nodes, i
        self.times, self.counts = [], []

    def look(self):
        metrics = self.nodes.metrics(self.i, timeout=2)
        self.counts.append(sum(metrics.get("cairn_unsettled", {}).values()) if metrics else None)
        self.times.append(now())

    def at_once(self, begin, end):
        first, last = bisect.bisect_right(self.times, begin) - 2, bisect.bisect_left(self.times, end) + 1
        if first < 0 or last >= len(self.counts):
            return False
        seen = self.counts[first:last + 1]
        return None not in seen and len(set(seen)) == 1


class Client(threading.Thread):
    def __init__(self, storm, node, number):
        super().__init__(daemon=True)
        self.storm, self.node = storm, node
        self.random = random.Random("%d %d" % (storm.seed, number))
        self.conn = None

    def request(self, method, path, body=None, headers=None):
        """(status, body, headers): status None: it cannot have happened; 0: nobody said whether it did."""
        for attempt in (0, 1):
            fresh = self.conn is None
            if fresh:
                self.conn = http.client.HTTPConnection(self.storm.nodes.hosts[self.node], 8080, timeout=TIMEOUT)
                try:
                    self.conn.connect()
                except OSError:
                    self.conn = None
                    return None, b"", {}
            try:
                self.conn.request(method, path, body, dict(headers or {}, **{"X-Auth-Token": self.storm.token}))
                r = self.conn.getresponse()
                return r.status, r.read(), r.headers
            except (OSError, http.client.HTTPException):
                self.conn.close()
                self.conn = None
                if fresh or method not in ("GET", "HEAD"):
                    return 0, b"", {}
        return 0, b"", {}

    def make(self, group):
        work = self.storm.work
        if group.container in work.made:
            return True
        status, _, _ = self.request("PUT", "/v1/AUTH_test/" + group.container)
        if status in (201, 202):
            work.made.add(group.container)
        return status in (201, 202)

    def write(self, group, name, kind):
        work, headers, value, body = self.storm.work, {}, None, None
        method = {DELETE: "DELETE", POST: "POST"}.get(kind, "PUT")
        if kind != DELETE:
            value = work.new_value()
        if kind == POST:
            headers["X-Object-Meta-Posted"] = str(value)
        elif kind != DELETE:
            body = body_of(value)
        if kind == CREATE:
            headers["If-None-Match"] = "*"
        op = Op(kind, now(), value=value, note="node %d" % self.node)
        with work.lock:
            group.ops[name].append(op)
        status, _, answer = self.request(method, group.path(name), body, headers)
        end = now()
        work.tell(kind, status)
        op.note += " %s %s" % (status, answer.get("X-Trans-Id", ""))
        if status in (201, 202, 204):
            op.done = True
        elif (kind, status) in ((CREATE, 412), (DELETE, 404), (POST, 404)):
            op.done = False
        elif status is None:
            op.end = -math.inf  # no connection: nothing was sent
            return
        elif status == 0:
            op.end = math.inf if end - op.begin >= TIMEOUT else end + LATE
            return
        elif status in (503, 507, 499, 408):
            op.end = end
            return
        else:
            self.storm.wrong("%s %s: %s" % (kind, group.path(name), status))
        op.end = end
        op.listed = None  # see Storm.judge

    def read(self, group, name, method):
        op = Op(READ, now(), note="node %d %s" % (self.node, method))
        status, body, headers = self.request(method, group.path(name))
        op.end = now()
        self.storm.work.tell(method, status)
        op.note += " %s %s" % (status, headers.get("X-Trans-Id", ""))
        if status == 404:
            op.done = True
        elif status == 200:
            op.done = True
            if method == "HEAD":
                value = self.storm.value_of(group, name, headers.get("Etag", "").strip('"'))
            else:
                head = body.split(b":")[0]
                value = int(head) if head.isdigit() else -1
                if value < 0 or body != body_of(value):
                    self.storm.wrong("GET %s: not a body that was written: %r" % (group.path(name), body[:40]))
            op.value = value, int(headers.get("X-Object-Meta-Posted", "0"))
        elif status is not None and status not in (0, 503):
            self.storm.wrong("%s %s: %s" % (method, group.path(name), status))
        if op.done:
            with self.storm.work.lock:
                group.ops[name].append(op)

    def list(self, group):
        listing = Listing(now(), math.inf, note="node %d" % self.node)
        status, body, headers = self.request("GET", "/v1/AUTH_test/%s?format=json&prefix=%s" % (group.container, group.prefix))
        listing.end = now()
        self.storm.work.tell("list", status)
        listing.note += " %s %s" % (status, headers.get("X-Trans-Id", ""))
        if status == 200:
            listing.rows = {row["name"]: row["hash"] for row in json.loads(body)}
            with self.storm.work.lock:
                group.listings.append(listing)
        elif status is not None and status not in (0, 503):
            self.storm.wrong("list %s %s: %s" % (group.container, group.prefix, status))

    def step(self):
        work, pick = self.storm.work, self.random
        group = work.begin(pick)
        try:
            if not self.make(group):
                time.sleep(0.3)
                return
            name = pick.choice(list(group.ops))
            dice = pick.random()
            if (0.3 <= dice < 0.38 and "create" in WITHOUT) or (0.52 <= dice < 0.58 and "post" in WITHOUT):
                dice = 0
            if dice < 0.3:
                self.write(group, name, PUT)
            elif dice < 0.38:
                self.write(group, name, CREATE)
            elif dice < 0.52:
                self.write(group, name, DELETE)
            elif dice < 0.58:
                self.write(group, name, POST)
            elif dice < 0.8:
                self.read(group, name, "GET")
            elif dice < 0.86:
                self.read(group, name, "HEAD")
            else:
                self.list(group)
        finally:
            work.end(group)

    def run(self):
        try:
            self.work()
        except Exception:
            self.storm.wrong(traceback.format_exc())

    def work(self):
        self.storm.nodes.enter(self.node)
        while not self.storm.work.stopping.is_set():
            self.step()
            if self.conn is None:
                time.sleep(0.3)
            time.sleep(self.random.random() * 2 * PAUSE)


class Storm:
    def __init__(self, seed, minutes, count):
        self.seed, self.minutes = seed, minutes
        self.random = random.Random(seed)
        self.dir = tempfile.mkdtemp(prefix="cairn-storm-")
        self.began = now()
        self.found = []
        self.etags = {}
        self.log = open(os.path.join(self.dir, "storm.log"), "w")
        self.nodes = Nodes(self.dir, count)
        self.work = Work()
        self.token = None
        self.rows = {i: Rows(self.nodes, i) for i in self.nodes.all()}
        only = os.environ.get("FAULTS")
        self.only = only.split() if only else None
        self.damages = 0

    def say(self, text, *args):
        line = "%7.1f  %s" % (now() - self.began, text % args if args else text)
        print(line, flush=True)
        self.log.write(line + "\n")
        self.log.flush()

    def wrong(self, text):
        self.found.append(text)
        self.say("WRONG: %s", text)

    def watch(self, i):
        self.nodes.enter(i)
        while not self.work.stopping.is_set():
            self.rows[i].look()
            time.sleep(0.25)

    # --- judging ---

    def value_of(self, group, name, etag):
        """Etags are those of values that were written to the name; -1: of none."""
        with self.work.lock:
            ops = list(group.ops[name])
        for op in reversed(ops):
            if op.kind in (PUT, CREATE):
                known = self.etags.get(op.value)
                if not known:
                    known = self.etags[op.value] = etag_of(op.value)
                if known == etag:
                    return op.value
        return -1

    def tell_name(self, group, name, around):
        for op in sorted(group.ops[name], key=lambda op: op.begin):
            if around - 60 < op.begin < around + 5:
                self.say("    %8.3f-%8.3f %-6s %s %s%s %s", op.begin - self.began, op.end - self.began, op.kind, op.value,
                         {True: "done", False: "refused", None: "unknown"}[op.done], "" if op.listed else " listed later",
                         op.note)
        self.say("%s", self.nodes.audit(1, "AUTH_test/%s/%s" % (group.container, name)))

    def judge(self, group):
        for ops in group.ops.values():
            ops[:] = [op for op in ops if op.end > -math.inf]
            for op in ops:
                if op.listed is None:
                    node = int(op.note.split()[1])
                    op.listed = self.rows[node].at_once(op.begin, op.end)
        for name, ops in group.ops.items():
            bad, values = check_object(ops)
            group.values[name] = values
            if bad:
                self.wrong("%s: nothing explains %s %s %s, begun at %.3f" %
                           (group.path(name), bad.kind, bad.value, bad.note, bad.begin - self.began))
                self.tell_name(group, name, bad.begin)
        for listing in group.listings:
            listing.rows = {name: self.value_of(group, name, etag) if name in group.ops else etag
                            for name, etag in listing.rows.items()}
            for name, shown, values in check_listing(listing, group.ops):
                self.wrong("listing of %s (%s, %.3f-%.3f) shows %s for %s, not one of %s" %
                           (group.container, listing.note, listing.begin - self.began, listing.end - self.began, shown, name,
                            values))
                if name in group.ops:
                    self.tell_name(group, name, listing.begin)
        group.listings = []
        for name, ops in group.ops.items():
            group.ops[name] = [op for op in ops if op.kind != READ]
        self.work.judged.append(group)

    def judge_ended(self):
        time.sleep(1)  # the last look at rows
        for group in self.work.ended():
            self.judge(group)

    # --- faults: each is begun and gives what ends it ---

    def kill(self, i):
        self.nodes.kill(i)
        return lambda: self.nodes.start(i)

    def pause(self, i):
        self.nodes.signal(i, signal.SIGSTOP)
        return lambda: self.nodes.signal(i, signal.SIGCONT)

    def cut(self, i):
        self.nodes.tool("cut", str(i))
        return lambda: self.nodes.tool("heal", str(i))

    def deaf(self, i):
        """What it sends to some does not arrive."""
        others = [j for j in self.nodes.all() if j != i]
        self.random.shuffle(others)
        others = others[:self.random.randrange(1, len(others) + 1)]
        for j in others:
            self.nodes.tool("drop-from", str(i), str(j))
        return lambda: self.nodes.tool("heal-from", str(i))

    def majority(self, i):
        """No node reaches more than one other."""
        cut = [j for j in self.nodes.all() if j != i][:(self.nodes.count + 1) // 2]
        for j in cut:
            self.nodes.tool("cut", str(j))
        return lambda: [self.nodes.tool("heal", str(j)) for j in cut]

    def all_die(self, i):
        for j in self.nodes.all():
            self.nodes.kill(j)
        return lambda: [self.nodes.start(j) for j in self.nodes.all()]

    # --- damages: of one node at a time, until its replicas have made up for it ---

    def pull(self, i):
        self.nodes.pull(i)

        def end():
            self.nodes.kill(i)
            self.nodes.plug_in(i)
            self.nodes.start(i)
        return end

    def fill(self, i):
        self.nodes.fill(i)
        return lambda: self.nodes.empty(i)

    def rot(self, i):
        self.nodes.corrupt(i, self.random.randrange(2), self.random, 30)
        return lambda: None

    def rot_down(self, i):
        self.nodes.kill(i)
        self.nodes.corrupt(i, self.random.randrange(2), self.random, 30)
        return lambda: self.nodes.start(i)

    def wipe(self, i):
        d = self.random.randrange(2)
        self.nodes.kill(i)
        self.nodes.wipe(i, d)
        return lambda: self.nodes.start(i)

    def pick(self, names):
        names = [name for name in names if not self.only or name in self.only]
        return self.random.choice(names) if names else None

    def storm(self, seconds):
        end, active, next_at = now() + seconds, [], now()
        damage_at = now() + self.random.random() * seconds * 0.5
        while now() < end and not self.found:
            for fault in [f for f in active if f[0] < now()]:
                active.remove(fault)
                self.say("ends: %s %d", fault[1], fault[2])
                fault[3]()
            free = [i for i in self.nodes.all() if i not in [f[2] for f in active]]
            if damage_at and now() > damage_at and free:
                self.begin(active, self.pick(["pull", "fill", "rot", "rot_down", "wipe"]), self.random.choice(free), 4, 15)
                self.damages += 1
                damage_at = None
            elif now() > next_at and len(active) < 2 and free:
                name = self.pick(["kill", "kill", "pause", "pause", "cut", "cut", "deaf", "deaf", "deaf"])
                if self.random.random() < 0.08 and not active:
                    name = self.pick(["majority", "majority", "all_die"])
                self.begin(active, name, self.random.choice(free), 1, 12)
                next_at = now() + self.random.random() * 6
            time.sleep(0.1)
        for fault in active:
            self.say("ends: %s %d", fault[1], fault[2])
            fault[3]()

    def begin(self, active, name, i, least, most):
        if not name:
            return
        seconds = least + self.random.random() * (most - least)
        self.say("begins: %s %d, for %.1f s", name, i, seconds)
        active.append((now() + seconds, name, i, getattr(self, name)(i)))

    def settled(self, since, name):
        """All devices are there, and have compared themselves with all others since."""
        for i in self.nodes.all():
            metrics = self.nodes.metrics(i)
            if not metrics or list(metrics["cairn_device_up"].values()) != [1, 1]:
                return False
            if min(metrics["cairn_replicate_%s_seconds" % name].values()) < since:
                return False
        return True

    def settle(self, name, seconds):
        since = time.time()
        try:
            wait_for(lambda: self.settled(since, name), seconds, "all replicas %s" % name)
        except AssertionError as e:
            for i in self.nodes.all():
                metrics = self.nodes.metrics(i) or {}
                self.say("node %d: %s", i, {k: v for k, v in metrics.items() if k.startswith(("cairn_device_up", "cairn_repl"))})
            self.wrong(str(e))
        self.say("settled (%s) after %.1f s", name, time.time() - since)

    # --- the end ---

    def read_all(self):
        """Every name must be what it may be; every listing what the names are."""
        reader = Client(self, 1, 0)
        there, count = {}, 0
        for group in self.work.judged:
            for name, values in group.values.items():
                status, body, headers = reader.request("GET", group.path(name))
                value = int(body.split(b":")[0]) if status == 200 else None
                state = (value, int(headers.get("X-Object-Meta-Posted", "0"))) if status == 200 else None
                if status not in (200, 404) or state not in values or (value is not None and body != body_of(value)):
                    self.wrong("%s is %s %s at the end, not one of %s" % (group.path(name), status, state, values))
                    self.tell_name(group, name, max(op.begin for op in group.ops[name]))
                there.setdefault(group.container, {})[name] = value
                count += 1
        for container, names in there.items():
            status, body, headers = reader.request("GET", "/v1/AUTH_test/%s?format=json" % container)
            rows = {row["name"]: row["hash"] for row in json.loads(body)} if status == 200 else {}
            live = {name: etag_of(value) for name, value in names.items() if value is not None}
            if rows != live or int(headers.get("X-Container-Object-Count", -1)) != len(live):
                self.wrong("listing of %s at the end: %s, %s objects: differs in %s" %
                           (container, status, headers.get("X-Container-Object-Count"), set(rows.items()) ^ set(live.items())))
        self.say("read at the end: %d names, %d containers", count, len(there))
        return there

    def audit_all(self, there):
        bad = 0
        for container, names in there.items():
            for name, value in [("", None)] + list(names.items()):
                text = self.nodes.audit(1 + bad % self.nodes.count, ("AUTH_test/%s/%s" % (container, name)).rstrip("/"))
                if "all is well" not in text:
                    bad += 1
                    self.wrong("audit:\n" + text)
                elif value is not None and text.count("etag " + etag_of(value)) < 6:  # 3 replicas, 3 rows
                    bad += 1
                    self.wrong("audit: not six times %s:\n%s" % (etag_of(value), text))
                if bad > 10:
                    return
        self.say("audited")

    def run(self):
        self.say("seed %d, %d nodes, %.1f minutes, in %s", self.seed, self.nodes.count, self.minutes, self.dir)
        wait_for(lambda: all(self.nodes.serves(i) for i in self.nodes.all()), 60, "all nodes")
        self.token = self.nodes.token()
        for i in self.nodes.all():
            threading.Thread(target=self.watch, args=(i,), daemon=True).start()
        clients = [Client(self, i, i * THREADS + n) for i in self.nodes.all() for n in range(THREADS)]
        for client in clients:
            client.start()
        time.sleep(5)
        while now() - self.began < self.minutes * 60 and not self.found:
            self.storm(STORM_SECONDS)
            self.settle("complete", 150)
            self.judge_ended()
            self.say("%d values, %d groups judged; %s", self.work.value, len(self.work.judged), self.tally())
        self.work.stopping.set()
        for client in clients:
            client.join(TIMEOUT + 10)
        if not self.found:
            self.settle("equal", 150)
        for group in self.work.ended() + self.work.groups:
            self.judge(group)
        if not self.found:
            there = self.read_all()
            self.audit_all(there)
            self.nodes.tool("down")
            for text in replicas.compare(self.nodes):
                self.wrong(text)
        self.say("%d values, %d damages, %d names; %s", self.work.value, self.damages, len(self.work.judged) * NAMES, self.tally())
        self.say("%s", "%d found" % len(self.found) if self.found else "nothing found")
        return not self.found

    def tally(self):
        with self.work.lock:
            return ", ".join("%s: %d" % item for item in sorted(self.work.answers.items()))

    def close(self):
        if self.found and os.environ.get("KEEP"):
            self.say("left as it is: %s (VAR=%s tools/cluster destroy)", self.dir, self.nodes.var)
            return
        self.nodes.destroy()


def main():
    storm = Storm(int(os.environ.get("SEED", "1")), float(os.environ.get("MINUTES", "30")), int(os.environ.get("NODES", "5")))
    try:
        ok = storm.run()
    finally:
        storm.close()
    sys.exit(not ok)


if __name__ == "__main__":
    main()
