"""All replicas of all objects, read off the devices of nodes that have stopped by docs/formats/device.md."""
import ctypes
import mmap
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../api"))
import devlog  # noqa: E402

isal = ctypes.CDLL("libisal.so.2")
isal.crc32_iscsi.restype = ctypes.c_uint32


def crc32c(data):
    return isal.crc32_iscsi(bytes(data), len(data), ctypes.c_uint32(0xffffffff)) ^ 0xffffffff


def whole(record):
    return crc32c(record[:12] + bytes(4) + record[16:]) == struct.unpack_from("<I", record, 12)[0]


def sealed_at(data, unit):
    """Nothing behind that place in the unit is valid, whatever it is."""
    incarnation, nonce = struct.unpack_from("<Q", data, unit + 24)[0], struct.unpack_from("<Q", data, unit + 32)[0]
    for seal in (unit + 8192, unit + 12288):
        _, of, same, _, _, end = struct.unpack_from("<QQQQQI", data, seal)
        if (of, same) == (incarnation, nonce):
            return unit + end
    return len(data)


def objects(path):
    """{(policy, key): the newest Version}"""
    found = {}
    with open(path, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    for kind, policy, record, body in records(data):
        if kind not in (devlog.OBJECT, devlog.TOMBSTONE) or not whole(record):
            continue
        version = devlog.Version(record, body)
        known = found.get((policy, version.key))
        if not known or version.rank() >= known.rank():
            found[policy, version.key] = version
    return found


def records(data):
    size = devlog.unit_bytes(data)
    for unit in range(devlog.BASE, len(data) - devlog.DATA, size):
        part = bytes(data[:devlog.BASE]) + data[unit:min(unit + size, len(data))]
        end = sealed_at(part, devlog.BASE)
        yield from devlog.records(part[:end] if end < len(part) else part)


def compare(nodes):
    """What differs: texts."""
    held = {}
    for i, d in nodes.devices():
        for key, version in objects(nodes.data(i, d)).items():
            if not version.forgotten:
                held.setdefault(key, []).append(("node %d d%d" % (i, d), version))
    for key, versions in held.items():
        contents = [version.content() for _, version in versions]
        if len(versions) != 3 or contents.count(contents[0]) != 3:
            yield "replicas of %s/%s %s: %s" % (versions[0][1].container, versions[0][1].object, key[1].hex(), ", ".join(
                "%s %s%s %s" % (who, v.ts, " deleted" if v.deleted else "", v.etag.hex()) for who, v in versions))
