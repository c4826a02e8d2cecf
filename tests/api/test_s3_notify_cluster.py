"""Notifications of buckets in a cluster: what one node has not told another tells, once that one is dead."""
import os

import pytest

from conftest import wait_for
from events import Receiver
from s3 import client
from test_cluster import Cluster, Node
from test_rings_live import node_dir

NODES = 4
LEFT_S = 60  # so long what there is to tell is left to who is first for it


@pytest.fixture
def hook():
    receiver = Receiver(host="0.0.0.0")
    yield receiver
    receiver.close()


@pytest.fixture
def cluster(hook):
    c = Cluster(NODES, conf_more="[s3]\nnotify_keep = 86400\n")
    gate = c.urls["1"].split("/")[2].rsplit(".", 1)[0] + ".254"  # where the nodes find this machine
    for i in range(1, NODES + 1):
        path = node_dir(c, i) + "/cairn.conf"
        text = open(path).read().replace("notify_keep = 86400", "notify = hook:http://%s:%d/" % (gate, hook.port))
        open(path, "w").write(text)
        c.tool("stop", str(i))
        c.tool("start", str(i))
    for i in range(1, NODES + 1):
        wait_for(lambda: c.serves(i))
    yield c
    c.close()


def delivered(cluster, i):
    return cluster.metrics(i, "cairn_notify")[0]


def test_who_dies_is_stood_in_for(cluster, hook):
    s3 = client(Node(cluster.urls["1"]), read_timeout=60)
    bucket = "n-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": "arn:cairn:sqs::hook:webhook", "Events": ["s3:ObjectCreated:*"]}]})

    def keys():
        return [r["s3"]["object"]["key"] for r in hook.records(bucket)]
    for n in range(5):
        s3.put_object(Bucket=bucket, Key="a%d" % n)
    wait_for(lambda: len(keys()) >= 5)
    # Who is first for the target has told them all.
    first, = wait_for(lambda: [i for i in range(1, NODES + 1) if delivered(cluster, i)] or None)
    before = hook.status
    hook.status = 503
    other = client(Node(cluster.urls[str(first % NODES + 1)]), read_timeout=60)
    for n in range(5):
        other.put_object(Bucket=bucket, Key="b%d" % n)
    cluster.tool("kill", str(first))
    hook.status = before
    for n in range(5):
        wait_for(lambda: _put(other, bucket, "c%d" % n))
    want = ["%s%d" % (letter, n) for letter in "abc" for n in range(5)]
    wait_for(lambda: set(keys()) == set(want), LEFT_S + 60)
    # In order, and at least once.
    assert list(dict.fromkeys(keys())) == want
    # One that is back goes on with what is new.
    cluster.tool("start", str(first))
    wait_for(lambda: cluster.serves(first))
    wait_for(lambda: _put(other, bucket, "d"))
    wait_for(lambda: "d" in keys(), LEFT_S)
    wait_for(lambda: delivered(cluster, first) >= 1)


def _put(s3, bucket, key):
    try:
        return s3.put_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        return None
