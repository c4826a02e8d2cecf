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
        self.lsn = struct.unpack_from("<Q", record, 16)[0]
        self.deleted = record[32] == TOMBSTONE
        self.forgotten = bool(record[35] & 8)
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
        return self.ts, self.meta_ts, self.lsn

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


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text(self):
        size = self.take("H")
        value = bytes(self.data[self.at:self.at + size])
        self.at += size + 1
        return value

    def pairs(self, size):
        end = self.at + size
        while self.at < end:
            name, value = self.take("HI")
            start = self.at
            self.at += name + value + 2
            yield bytes(self.data[start:start + name]), bytes(self.data[start + name + 1:self.at - 1])

    def row(self):
        flags, _, ts, size = self.take("BBQQ")
        meta_ts = self.take("Q") if flags & 4 else 0
        totals = self.take("QQ") if flags & 8 else ()
        etag = self.take("16s") if flags & 2 else self.text()
        return ts, bool(flags & 1), size, meta_ts, totals, etag, self.text()


class Database:
    def __init__(self):
        self.put_ts = self.delete_ts = 0
        self.headers, self.rows = {}, {}

    def content(self):
        """What replicas have in common: tombstones of rows may be missing where nothing older is."""
        live = {name: row for name, row in self.rows.items() if not row[1]}
        headers = {name: value for name, (ts, value) in self.headers.items() if value and ts > self.delete_ts}
        return self.put_ts, self.delete_ts, headers, live


def join(a, b, role):
    """Of a container's row the data and the content type each have a time of their own."""
    data = max(a, b, key=lambda v: (v[0], v[1], v[4][::-1]))
    if role == 2:
        return data
    typed = max(a, b, key=lambda v: (max(v[0], v[3]), v[6]))
    typed_ts = max(typed[0], typed[3])
    return data[:3] + (typed_ts if typed_ts > data[0] else 0,) + data[4:6] + (typed[6],)


def databases(path, role):
    """{(account, container): Database} of role 1, containers, or 2, accounts, by docs/formats/rows.md."""
    found = {}
    with open(path, "rb") as f:
        data = f.read()
    names = {}
    rows = [record for kind, _, record, _ in records(data) if kind == 4 and record[33] == role]
    for record in sorted(rows, key=lambda record: struct.unpack_from("<Q", record, 16)):
        r = Reader(record[64:])
        _, change, _, key, ts = r.take("BBB16sQ")
        name = r.text(), r.text()
        if change == 5:
            continue
        if change == 6:
            found.pop(names[key], None)
            continue
        names[key] = name
        db = found.setdefault(name, Database())
        if change == 1:
            db.put_ts = max(db.put_ts, ts)
        if change == 3:
            db.delete_ts = max(db.delete_ts, ts)
        for header, value in r.pairs(r.take("I")):
            db.headers[header] = max(db.headers.get(header, (0, b"")), (ts, value))
        for _ in range(r.take("I")):
            row_name = r.text()
            row = r.row()
            if row[1] or row[0] > db.delete_ts or role == 2:
                db.rows[row_name] = join(db.rows.get(row_name, row), row, role)
    return found
