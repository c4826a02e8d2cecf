"""cairn ring against Debian's real swift-ring-builder and swift.common.ring.Ring.

Both sides work in a temporary folder.
"""
import gzip
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import time
import zlib

import pytest

from conftest import CAIRN

SWIFT = "/usr/bin/swift-ring-builder"
PREFIX, SUFFIX = "start", "end"

pytestmark = pytest.mark.skipif(not os.path.exists(SWIFT), reason="needs swift-ring-builder")

# Prints for each path on its input what `cairn ring X nodes --handoffs 20 -` prints.
SWIFT_NODES = """
import itertools, sys
from swift.common import utils
utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = %r.encode(), %r.encode()
utils.validate_configuration = lambda: None
from swift.common.ring import ring as ring_module
ring_module.validate_configuration = lambda: None
ring = ring_module.Ring(sys.argv[1])
for line in sys.stdin:
    part, nodes = ring.get_nodes(*line.rstrip('\\n').split('/', 2))
    more = itertools.islice(ring.get_more_nodes(part), 20)
    print(part, ','.join(str(n['id']) for n in nodes), ','.join(str(n['id']) for n in more),
          sep='\\t')
""" % (PREFIX, SUFFIX)


def run(*args, codes=(0,), **kwargs):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
    assert done.returncode in codes, (args, done.returncode, done.stdout, done.stderr)
    return done


def cairn(file, *args, codes=(0,), **kwargs):
    return run(CAIRN, "ring", str(file), *map(str, args), codes=codes, **kwargs)


def swift(file, *args, codes=(0, 1)):
    return run(SWIFT, str(file), *map(str, args), codes=codes)


def names(count, seed=1):
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789 %é漢_-."

    def word(longest):
        return "".join(rng.choice(letters) for _ in range(rng.randint(1, longest)))

    paths = []
    for i in range(count):
        path = "AUTH_" + word(12)
        if i % 10:
            path += "/" + word(20)
        if i % 10 > 1:
            path += "/" + word(30) + "/" + word(10)
        paths.append(path)
    return "\n".join(paths) + "\n"


def our_nodes(ring, paths):
    return cairn(ring, "nodes", "--prefix", PREFIX, "--suffix", SUFFIX, "--handoffs", 20, "-",
                 input=paths).stdout.splitlines()


def their_nodes(ring, paths):
    return run("/usr/bin/python3", "-c", SWIFT_NODES, str(ring), input=paths).stdout.splitlines()


def assert_same_nodes(ring, count=10000):
    paths = names(count)
    ours, theirs = our_nodes(ring, paths), their_nodes(ring, paths)
    assert len(ours) == len(theirs) == count
    assert [pair for pair in zip(ours, theirs) if pair[0] != pair[1]] == []
    return ours


def device(region, zone, host, disk, weight):
    return ["r%dz%d-10.%d.%d.%d:6200R10.9.%d.%d:6300/d%d_some meta" %
            (region, zone, region, zone, host, zone, host, disk), weight]


def grid(regions, zones, hosts, disks, weight=lambda r, z, h, d: 100):
    """Arguments of `add` for a regular cluster."""
    return [x for r in range(1, regions + 1) for z in range(1, zones + 1)
            for h in range(1, hosts + 1) for d in range(disks)
            for x in device(r, z, h, d, weight(r, z, h, d))]


def flat(*devices):
    return [x for dev in devices for x in device(*dev)]


# --- the same answers ------------------------------------------------------------------------

RINGS = {
    "small": (6, 3, [["add"] + grid(1, 3, 2, 2)]),
    "regions": (10, 3, [["add"] + grid(3, 2, 3, 4)]),
    "fractional": (8, 3.25, [["add"] + grid(2, 2, 2, 3)]),
    "one_server": (8, 3, [["add"] + grid(1, 1, 1, 25)]),
    "fewer_devices_than_handoffs": (5, 2, [["add"] + grid(1, 1, 2, 2)]),
    "holes_and_empty": (9, 3, [["add"] + grid(2, 3, 2, 3), ["remove", "d3", "d7r1", "--yes"],
                               ["set_weight", "d11", "0"]]),
    "many_partitions": (18, 2, [["add"] + grid(2, 3, 4, 2)]),
}


def make(tool, folder, ring, force_hours=True):
    """A ring of one of the tools; returns the path of X.ring.gz."""
    part_power, replicas, steps = ring
    builder = folder / "x.builder"
    tool(builder, "create", part_power, replicas, 1)
    for step in steps:
        tool(builder, *step)
        if step[0] == "add":
            tool(builder, "rebalance", "--seed", "1", codes=(0, 1))
            if force_hours:
                tool(builder, "pretend_min_part_hours_passed")
    if steps[-1][0] != "add":
        tool(builder, "rebalance", "--seed", "1", codes=(0, 1))
    return folder / "x.ring.gz"


@pytest.mark.parametrize("name", RINGS)
def test_we_read_their_rings(tmp_path, name):
    assert_same_nodes(make(swift, tmp_path, RINGS[name]))


@pytest.mark.parametrize("name", RINGS)
def test_they_read_our_rings(tmp_path, name):
    assert_same_nodes(make(cairn, tmp_path, RINGS[name]))


def test_their_tool_takes_our_ring_as_its_own(tmp_path):
    ring = make(cairn, tmp_path, RINGS["holes_and_empty"])
    os.rename(tmp_path / "x.builder", tmp_path / "ours")
    swift(ring, "write_builder", 1)
    shown = swift(tmp_path / "x.builder").stdout
    assert "512 partitions, 3.000000 replicas, 2 regions, 6 zones, 34 devices" in shown
    assert re.search(r"10\.1\.1\.1:6200\s+10\.9\.1\.1:6300\s+d0 100\.00.*some meta", shown)
    swift(tmp_path / "x.builder", "validate")


def test_our_builder_from_their_ring(tmp_path):
    ring = make(swift, tmp_path, RINGS["regions"])
    os.rename(tmp_path / "x.builder", tmp_path / "theirs.builder")
    cairn(ring, "write_builder", 1)
    theirs = judge(ring, tmp_path)
    ours = cairn(tmp_path / "x.builder", "dispersion").stdout
    assert numbers(ours) == pytest.approx(theirs, abs=1e-5)
    cairn(tmp_path / "x.builder", "validate")
    cairn(tmp_path / "x.builder", "write_ring")
    assert judge(ring, tmp_path) == theirs


# --- format 2 --------------------------------------------------------------------------------

def write_v2(path, rows, devs, part_power, id_bytes, next_part_power=None, spoil=None):
    """Format 2 from its description in docs/formats/ring.md, with nothing of ours or theirs."""
    raw, out, index = bytearray(), bytearray(), {}
    out += b"\x1f\x8b\x08\x00" + struct.pack("<L", 1300507380) + b"\x02\xff"

    def add(data, level):
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        raw.extend(data)
        out.extend(packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH))

    def section(name, data):
        start = len(out), len(raw)
        data = struct.pack("!Q", len(data)) + data
        digest = hashlib.sha256(data).hexdigest()
        if spoil == name:
            data = data[:-1] + bytes([data[-1] ^ 1])
        add(data, 9)
        index[name] = [start[0], start[1], len(out), len(raw), "sha256", digest]

    add(b"R1NG" + struct.pack("!H", 2), 0)
    head = {"part_shift": 32 - part_power, "dev_id_bytes": id_bytes, "version": 7,
            "replica_count": len(rows) - 1 + len(rows[-1]) / 2 ** part_power}
    if next_part_power:
        head["next_part_power"] = next_part_power
    section("swift/ring/metadata", json.dumps(head, sort_keys=True).encode())
    section("swift/ring/devices", json.dumps(devs, sort_keys=True).encode())
    letter = {2: "H", 4: "I"}[id_bytes]
    section("swift/ring/assignments",
            b"".join(struct.pack("!%d%s" % (len(row), letter), *row) for row in rows))
    offsets = len(out), len(raw)
    text = json.dumps(index).encode()
    add(struct.pack("!Q", len(text)) + text, 9)
    add(struct.pack("!Q", offsets[1]), 0)
    add(struct.pack("!Q", offsets[0]), 0)
    out.extend(b"\x03\x00" + struct.pack("<LL", zlib.crc32(bytes(raw)), len(raw)))
    path.write_bytes(bytes(out))


def read_v1(path):
    raw = gzip.open(path).read()
    assert raw[:6] == b"R1NG\0\1"
    length, = struct.unpack_from("!I", raw, 6)
    head = json.loads(raw[10:10 + length])
    table = raw[10 + length:]
    parts = 2 ** (32 - head["part_shift"])
    ids = struct.unpack("%s%dH" % ({"little": "<", "big": ">"}[head["byteorder"]],
                                   len(table) // 2), table)
    return head, [list(ids[at:at + parts]) for at in range(0, len(ids), parts)]


@pytest.mark.parametrize("id_bytes", [2, 4])
@pytest.mark.parametrize("name", ["fractional", "holes_and_empty"])
def test_format_2_says_the_same_as_format_1(tmp_path, name, id_bytes):
    v1 = make(swift, tmp_path, RINGS[name])
    head, rows = read_v1(v1)
    v2 = tmp_path / "v2.ring.gz"
    write_v2(v2, rows, head["devs"], 32 - head["part_shift"], id_bytes)
    assert "Serialization version: 2, build version: 7" in cairn(v2, "version").stdout
    paths = names(1000)
    assert our_nodes(v2, paths) == our_nodes(v1, paths)


def test_format_2_ids_past_65535(tmp_path):
    dev = {"id": 0, "region": 1, "zone": 1, "ip": "10.0.0.1", "port": 6200, "device": "a",
           "weight": 1.0, "meta": ""}
    far = dict(dev, id=70000, device="b")
    ring = tmp_path / "far.ring.gz"
    write_v2(ring, [[0, 70000], [70000, 0]], [dev] + [None] * 69999 + [far], 1, 4)
    part, primaries, _ = our_nodes(ring, "a\n")[0].split("\t")
    assert primaries == ("0,70000" if part == "0" else "70000,0")
    assert "larger than this builder" in cairn(ring, "write_builder", codes=(2,)).stderr


@pytest.mark.parametrize("section", ["metadata", "devices", "assignments"])
def test_format_2_with_a_spoilt_section_is_refused(tmp_path, section):
    dev = {"id": 0, "region": 1, "zone": 1, "ip": "10.0.0.1", "port": 6200, "device": "a",
           "weight": 1.0, "meta": ""}
    ring = tmp_path / "bad.ring.gz"
    write_v2(ring, [[0, 0]], [dev], 1, 2, spoil="swift/ring/" + section)
    assert "checksum" in cairn(ring, "version", codes=(2,)).stderr


# --- as good as theirs -----------------------------------------------------------------------

HOURS = ["pretend_min_part_hours_passed"]
# Partition power, replicas, phases; after the commands of a phase comes a rebalance.
TOPOLOGIES = {
    "equal_zones": (12, 3, [[["add"] + grid(1, 4, 3, 4)]]),
    "weights": (12, 3, [[["add"] + grid(1, 5, 2, 4, lambda r, z, h, d: 50 + 37 * d + 11 * h)]]),
    "uneven_zones": (12, 3, [[["add"] + grid(1, 1, 6, 4) + flat(
        *[(1, 2, h, d, 100) for h in (1, 2) for d in range(4)],
        *[(1, 3, 1, d, 200) for d in range(6)])]]),
    "regions": (12, 3, [[["add"] + grid(2, 3, 2, 3)]]),
    "uneven_regions_overload": (12, 3, [
        [["set_overload", "0.1"], ["add"] + grid(1, 2, 4, 4) + flat(
            *[(2, 1, h, d, 80) for h in (1, 2) for d in range(4)])]]),
    "devices_added": (12, 3, [
        [["add"] + grid(1, 3, 2, 4)],
        [HOURS, ["add"] + flat(*[(1, 4, 1, d, 100) for d in range(4)])],
        [HOURS, ["add"] + flat(*[(1, 1, 3, d, 150) for d in range(3)])],
        [HOURS]]),
    "devices_removed": (12, 3, [
        [["add"] + grid(1, 4, 2, 5)],
        [HOURS, ["remove", "d3", "--yes"], ["remove", "d17", "--yes"]],
        [HOURS, ["set_weight", "d8", "0"], ["set_weight", "d20", "40"]],
        [HOURS]]),
    "fractional": (12, 2.5, [
        [["add"] + grid(2, 2, 2, 3)],
        [HOURS, ["set_replicas", "3.2"]],
        [HOURS, ["set_replicas", "2.75"]]]),
    "erasure_code": (10, 14, [[["add"] + grid(2, 2, 3, 4, lambda r, z, h, d: 100 + 10 * h)]]),
    "grown_region": (12, 3, [
        [["add"] + grid(1, 3, 2, 4)],
        [HOURS, ["add"] + flat(*[(2, z, h, d, 100) for z in (1, 2) for h in (1, 2)
                                 for d in range(4)])],
        [HOURS], [HOURS]]),
    "held_back_by_hours": (12, 3, [
        [["add"] + grid(1, 3, 2, 4)],
        [["add"] + flat(*[(1, 4, 1, d, 100) for d in range(8)]), ["remove", "d2", "--yes"]]]),
    "many_devices": (14, 3, [[["add"] + grid(2, 3, 8, 12, lambda r, z, h, d: 4000 + 1000 * (h % 3))]]),
}


def numbers(report):
    """Dispersion and balance of a dispersion report."""
    found = re.search(r"Dispersion is ([\d.]+), Balance is ([\d.]+)", report)
    return float(found[1]), float(found[2])


def judge(ring, folder):
    """Dispersion and balance of a ring as swift-ring-builder sees it."""
    copy = folder / "judged.ring.gz"
    builder = folder / "judged.builder"
    copy.write_bytes(ring.read_bytes())
    if builder.exists():
        builder.unlink()
    swift(copy, "write_builder", 1)
    return numbers(swift(builder, "dispersion").stdout)


def phases(tool, folder, topology, seed):
    """Runs the phases with one tool: per phase dispersion and balance, and seconds used."""
    part_power, replicas, steps = topology
    builder, ring = folder / "x.builder", folder / "x.ring.gz"
    folder.mkdir()
    tool(builder, "create", part_power, replicas, 1)
    found, seconds = [], 0
    for commands in steps:
        for command in commands:
            tool(builder, *command)
        start = time.monotonic()
        tool(builder, "rebalance", "--seed", seed, codes=(0, 1))
        seconds += time.monotonic() - start
        found.append(judge(ring, folder))
    return found, seconds


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_rebalance_is_no_worse_and_faster(tmp_path, name):
    seed = os.environ.get("RING_SEED", "1")
    ours, our_seconds = phases(cairn, tmp_path / "ours", TOPOLOGIES[name], seed)
    theirs, their_seconds = phases(swift, tmp_path / "theirs", TOPOLOGIES[name], seed)
    print("ours %s %.3f s, theirs %s %.3f s" % (ours, our_seconds, theirs, their_seconds))
    for phase, (mine, other) in enumerate(zip(ours, theirs)):
        assert mine[0] <= other[0] + 1e-6, ("dispersion", phase, ours, theirs)
        assert mine[1] <= other[1] + 1e-6, ("balance", phase, ours, theirs)
    assert our_seconds < their_seconds


def test_moves_are_few(tmp_path):
    """One more device of twenty-four: about the new device's share moves, no more."""
    builder = tmp_path / "x.builder"
    cairn(builder, "create", 12, 3, 1)
    cairn(builder, "add", *grid(1, 3, 2, 4))
    cairn(builder, "rebalance", "--seed", 1)
    _, before = read_v1(tmp_path / "x.ring.gz")
    cairn(builder, "pretend_min_part_hours_passed")
    cairn(builder, "add", *device(1, 1, 2, 9, 100))
    cairn(builder, "rebalance", "--seed", 1, codes=(0, 1))
    _, after = read_v1(tmp_path / "x.ring.gz")
    moved = [part for part in range(4096) for row in range(3)
             if before[row][part] != after[row][part]]
    assert len(moved) == len(set(moved)), "a partition moved twice"
    # Zone 1 may hold one replica of a partition at most, so its devices share one third.
    assert 4096 / 9 * 0.9 < len(moved) < 4096 / 9 * 1.3


# --- the tool ---------------------------------------------------------------------------------

VERBS = """create add remove set_weight set_region set_zone set_info set_replicas set_overload
set_min_part_hours pretend_min_part_hours_passed rebalance validate dispersion search list_parts
write_ring write_builder prepare_increase_partition_power increase_partition_power
cancel_increase_partition_power finish_increase_partition_power compose nodes version""".split()


def test_help_fits_a_screen_and_names_every_verb():
    lines = run(CAIRN, "ring", "--help").stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for verb in VERBS:
        assert re.search(r"\b%s\b" % verb, "\n".join(lines)), verb
        assert verb in cairn("x", verb, "--help").stdout


def test_the_verbs_do_as_theirs(tmp_path):
    """The same commands to both tools, then the rings say the same about devices."""
    commands = [
        ["add"] + grid(1, 3, 1, 2) + ["r1z9-[2001:DB8::1]:6200/sdz", "10"],
        ["add", "--region", 2, "--zone", 1, "--ip", "store.example.com", "--port", 6200,
         "--device", "sdx", "--weight", 25.5, "--meta", "named"],
        ["set_weight", "d0", 80, "z2", 90, "--yes"],
        ["set_weight", "--zone", 3, "--device", "d1", 70],
        ["set_info", "d1", "10.7.7.7:6201R10.8.8.8:6301/other_new notes"],
        ["set_info", "--device", "sdx", "--change-port", 6333, "--change-meta", "renamed"],
        ["remove", "d4"],
        ["set_overload", "5%"], ["set_min_part_hours", 7],
    ]
    if "set_region" in run(SWIFT, codes=(0, 1, 2)).stdout:
        commands += [["set_region", "d2", 3], ["set_zone", "d3", 8]]
    heads = []
    for tool, folder in (cairn, tmp_path / "ours"), (swift, tmp_path / "theirs"):
        folder.mkdir()
        builder = folder / "x.builder"
        tool(builder, "create", 8, 2, 1)
        for command in commands:
            tool(builder, *command)
        tool(builder, "rebalance", "--seed", 1, codes=(0, 1))
        heads.append(read_v1(folder / "x.ring.gz")[0])
    assert heads[0]["devs"] == heads[1]["devs"]
    assert heads[0]["replica_count"] == heads[1]["replica_count"]
    found = cairn(tmp_path / "ours" / "x.builder", "search", "/other").stdout.splitlines()
    assert len(found) == 2 and "new notes" in found[1]


def test_part_power_increase_reads_back_in_swift(tmp_path):
    builder, ring = tmp_path / "object.builder", tmp_path / "object.ring.gz"
    cairn(builder, "create", 8, 3, 1)
    cairn(builder, "add", *grid(1, 3, 2, 2))
    cairn(builder, "rebalance", "--seed", 1)
    before = our_nodes(ring, names(200))
    cairn(builder, "prepare_increase_partition_power")
    cairn(builder, "write_ring")
    assert read_v1(ring)[0]["next_part_power"] == 9
    assert "finish" in cairn(builder, "rebalance", codes=(2,)).stderr
    cairn(builder, "increase_partition_power")
    cairn(builder, "write_ring")
    after = assert_same_nodes(ring, 200)
    assert [line.split("\t")[1] for line in before] == [line.split("\t")[1] for line in after]
    cairn(builder, "finish_increase_partition_power")
    cairn(builder, "write_ring")
    assert "next_part_power" not in read_v1(ring)[0]


def test_composite_ring_reads_back_in_swift(tmp_path):
    parts = []
    for region in 1, 2:
        builder = tmp_path / ("r%d.builder" % region)
        cairn(builder, "create", 8, 2, 1)
        cairn(builder, "add", *flat(*[(region, z, 1, d, 100) for z in (1, 2) for d in (0, 1)]))
        cairn(builder, "rebalance", "--seed", region)
        parts.append(builder)
    ring = tmp_path / "both.ring.gz"
    cairn(ring, "compose", *parts)
    for line in assert_same_nodes(ring, 1000):
        ids = [int(x) for x in line.split("\t")[1].split(",")]
        assert [dev // 4 for dev in ids] == [0, 0, 1, 1]
    assert "region 1" in cairn(ring, "compose", parts[0], parts[0], codes=(2,)).stderr


@pytest.mark.parametrize("args,says", [
    (["rebalance"], "create"),
    (["frobnicate"], "--help"),
    (["create", 40, 3, 1], "partition power"),
    (["create", 8, 0, 1], "replica count"),
    (["write_builder"], "no ring"),
    (["nodes", "a"], "no ring"),
])
def test_errors_say_what_to_do(tmp_path, args, says):
    done = cairn(tmp_path / "x.builder", *args, codes=(2,))
    assert says in done.stderr and not os.path.exists(tmp_path / "x.builder")


def test_their_builder_is_known_for_what_it_is(tmp_path):
    swift(tmp_path / "x.builder", "create", 4, 1, 1)
    before = (tmp_path / "x.builder").read_bytes()
    assert "write_builder" in cairn(tmp_path / "x.builder", codes=(2,)).stderr
    assert (tmp_path / "x.builder").read_bytes() == before


def test_a_failed_command_changes_nothing(tmp_path):
    builder = tmp_path / "x.builder"
    cairn(builder, "create", 6, 3, 1)
    cairn(builder, "add", *grid(1, 1, 1, 2))
    before = builder.read_bytes()
    for args in (["add", "r1z1-10.1.1.9:6200/new", 1, "r1z1-10.1.1.1:6200/d0", 1],
                 ["add", "r1z1-10.1.1.9:6200/new", "heavy"], ["remove", "d9"],
                 ["set_weight", "d0", -1], ["set_weight", "d0", 5, "d9", 5], ["remove", "r1"],
                 ["set_info", "d0", "/d1"], ["rebalance"], ["set_replicas", 0.5]):
        cairn(builder, *args, codes=(2,), stdin=subprocess.DEVNULL)
        assert builder.read_bytes() == before, args
    assert not os.path.exists(tmp_path / "x.ring.gz")
