"""Nodes die, by SIGKILL, while lifecycle rules move objects between policies: what was there reads as before, and nothing
is left of what was begun."""
import os

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import wait_for
from s3 import client
from test_cluster import Cluster, Node
from test_rings_live import whole
from test_s3_transitions import MB, facts, move, move_noncurrent, rules, segments, upload, versioning

NODES = 4
PLAIN = {"p/%03d" % i: (0, 1, 900, 70000, 200000)[i % 5] for i in range(120)}
PARTS = {"u/%d" % i: {1: 5 * MB, 2: 5 * MB + i, 7: i} for i in range(6)}
VERSIONED = {"v/%02d" % i: 3 for i in range(25)}


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(NODES, policies="policy = 0 gold\npolicy = 1 ec type=ec k=2 m=2",
                conf_more="[s3]\nlifecycle_day = 30\nstorage_classes = GLACIER:ec\n")
    yield c
    c.close()


def asked(call):
    """As clients do it: again, of what is not answered or decided just then."""
    def answer():
        try:
            return [call()]
        except BotoCoreError:
            return None
        except ClientError as e:
            if e.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            return None
    return wait_for(answer)[0]


def put(s3, bucket, key, body, n=0):
    return asked(lambda: s3.put_object(
        Bucket=bucket, Key=key, Body=body, ContentType="text/x", Metadata={"name": key.replace("/", "-"), "n": str(n)},
        CacheControl="no", Tagging="t=%d" % n, ChecksumAlgorithm="SHA256")).get("VersionId")


def fill(s3, plain, versioned):
    """(bucket, key, version or None): its body."""
    there = {}
    for key, size in PLAIN.items():
        there[plain, key, None] = os.urandom(size)
        put(s3, plain, key, there[plain, key, None])
    for key, parts in PARTS.items():
        for bucket in (plain, versioned):
            bodies = {n: os.urandom(size) for n, size in parts.items()}
            id = asked(lambda: upload(s3, bucket, key, bodies, ContentType="text/x", Metadata={"name": key}))
            there[bucket, key, id.get("VersionId")] = b"".join(bodies.values())
    for key, count in VERSIONED.items():
        for n in range(count):
            body = os.urandom(1000 * n)
            there[versioned, key, put(s3, versioned, key, body, n)] = body
    return there


def version(id):
    return {"VersionId": id} if id else {}


def classes(s3, buckets):
    """Of all that is listed: (bucket, key, version): class."""
    found = {}
    for bucket in buckets:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for v in page.get("Versions", []):
                found[bucket, v["Key"], None if v["VersionId"] == "null" else v["VersionId"]] = v["StorageClass"]
    return found


def test_nodes_that_die_half_way(cluster):
    s3 = client(Node(cluster.urls["1"]), read_timeout=60)
    for i in range(1, NODES + 1):
        wait_for(lambda: cluster.serves(i))
    plain, versioned = buckets = ["%s-%s" % (n, os.urandom(4).hex()) for n in ("plain", "versioned")]
    for bucket in buckets:
        asked(lambda: s3.create_bucket(Bucket=bucket))
    versioning(s3, versioned, "Enabled")
    there = fill(s3, plain, versioned)
    before = {what: asked(lambda: facts(s3, what[0], what[1], **version(what[2]))) for what in there}
    assert set(classes(s3, buckets).values()) == {"STANDARD"} and classes(s3, buckets).keys() == there.keys()
    for bucket in buckets:
        asked(lambda: rules(s3, bucket, {**move("GLACIER"), **move_noncurrent("GLACIER")}))

    def moved(s3):
        found = asked(lambda: classes(s3, buckets))
        return sum(c == "GLACIER" for c in found.values())

    # Each dies once in the middle of it, whichever it is that walks.
    seen = []
    for i in range(1, NODES + 1):
        other = client(Node(cluster.urls[str(i % NODES + 1)]), read_timeout=60)
        more = seen[-1] + 1 if seen else 1
        wait_for(lambda: moved(other) >= min(more, len(there)))
        cluster.tool("kill", str(i))
        seen.append(moved(other))
        cluster.tool("start", str(i))
        wait_for(lambda: cluster.serves(i))
    assert seen[0] < len(there)
    wait_for(lambda: moved(s3) == len(there), 180)
    for what, body in there.items():
        bucket, key, id = what
        got = asked(lambda: s3.get_object(Bucket=bucket, Key=key, **version(id)))
        assert got["Body"].read() == body, what
        assert asked(lambda: facts(s3, bucket, key, **version(id))) == before[what], what
        assert got["StorageClass"] == "GLACIER"
    assert asked(lambda: classes(s3, buckets)).keys() == there.keys()
    # The old parts are gone, and what was copied for nothing.
    user = cluster.user(2)
    count = {b: sum(len(PARTS[k]) if k in PARTS else 1 for bucket, k, _ in there if bucket == b) for b in buckets}
    for bucket in buckets:
        wait_for(lambda: not segments(user, bucket + "+segments"), 120)
        wait_for(lambda: len(segments(user, bucket + "+segments+GLACIER")) == count[bucket], 120)
    for bucket in buckets:
        for row in segments(user, bucket + "+segments+GLACIER")[::9]:
            path = "/%s+segments+GLACIER/%s" % (bucket, row["name"])
            wait_for(lambda: whole(cluster, 1, path)[0])
