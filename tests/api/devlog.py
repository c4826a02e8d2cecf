"""Reads objects out of a device's file by docs/formats/device.md alone: what is really there, asked of
nobody. For clouds that were not killed: what lies behind the end of a torn unit is not told apart."""
import struct

BASE, DATA = 1 << 20, 16384
UNIT_MAGIC, RECORD_MAGIC = 0x2074696e55314e43, 0x63655243
OBJECT, TOMBSTONE = 1, 2


class Version:
    def __init__(self, record, body):
        (self.key, self.ts, meta_ts, self.size, _, self.etag, account, container, name, _, headers, _,
         self.extents, _) = struct.unpack_from("<16sQQQQ16sHHHHIIII", record, 64)
        self.deleted = record[32] == TOMBSTONE
        self.meta_ts = max(self.ts, meta_ts)
        at = 64 + struct.calcsize("<16sQQQQ16sHHHHIIII")
        self.account = record[at:at + account].decode()
        at += account + 1
        self.container = record[at:at + container].decode()
        at += container + 1
        self.object = record[at:at + name].decode()
        at += name + 1
        self.headers = bytes(record[at:at + headers])
        self.body = bytes(body)

    def rank(self):
        return self.ts, self.meta_ts

    def content(self):
        """All that replicas of it have in common; a tombstone is its key."""
        if self.deleted:
            return self.ts, True
        return (self.ts, False, self.meta_ts, self.size, self.etag, self.headers, self.body, self.account,
                self.container, self.object)


def unit_bytes(data):
    return struct.unpack_from("<I", data, 12)[0]


def records(data):
    size = unit_bytes(data)
    magic = struct.pack("<I", RECORD_MAGIC)
    for unit in range(BASE, len(data) - DATA, size):
        head = struct.unpack_from("<Q16sQQQQ", data, unit)
        if head[0] != UNIT_MAGIC or data[unit + 84] != 2:
            continue
        at = unit + DATA
        end = min(unit + size, len(data))
        while (at := data.find(magic, at, end)) >= 0:
            _, length, meta_len, _, _, nonce = struct.unpack_from("<IIIIQQ", data, at)
            if (at - unit) % 64 or nonce != head[3] or length % 64 or not length:
                at += 4
                continue
            kind, _, policy, _, data_len = struct.unpack_from("<BBBBI", data, at + 32)
            record = data[at:at + meta_len]
            yield kind, policy, record, data[at + meta_len:at + meta_len + data_len]
            at += length


def objects(path):
    """{(policy, key): Version}, the newest of each."""
    found = {}
    with open(path, "rb") as f:
        data = f.read()
    for kind, policy, record, body in records(data):
        if kind not in (OBJECT, TOMBSTONE):
            continue
        version = Version(record, body)
        known = found.get((policy, version.key))
        if not known or version.rank() >= known.rank():
            found[policy, version.key] = version
    return found
