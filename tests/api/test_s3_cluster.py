"""Multipart uploads through several nodes, some of which are away."""
import itertools
import os

import pytest
from botocore.exceptions import ClientError

from conftest import wait_for
from s3 import client
from test_cluster import Cluster, Node

KEYS = 12


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(5, conf_more="[list_endpoints]\nenabled = yes\n")
    yield c
    c.close()


def primaries(cluster, path):
    """The nodes that have it."""
    user = cluster.user(1)
    hosts = {url.split("/")[2].split(":")[0] for url in user.request("GET", path, storage=Node(cluster.urls["1"]).url).json()}
    return {i for i, url in cluster.urls.items() if url.split("/")[2].split(":")[0] in hosts}


def try_to(call, **args):
    """None where it was 503."""
    try:
        return call(**args)
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, (args, e)
        return None


def put(s3, bucket, key, id, body):
    answer = try_to(s3.upload_part, Bucket=bucket, Key=key, UploadId=id, PartNumber=1, Body=body)
    return answer and answer["ETag"]


def test_a_part_is_not_acknowledged_before_it_is_listed(cluster):
    """What was told to be there is what CompleteMultipartUpload finds there."""
    account = primaries(cluster, "/endpoints/AUTH_test")
    for n in itertools.count():
        bucket = "b%d-%s" % (n, os.urandom(4).hex())
        where = primaries(cluster, "/endpoints/AUTH_test/%s+segments" % bucket)
        away = sorted(where, key=lambda i: i in account)[:2]
        if len(account - set(away)) >= 2 and len(primaries(cluster, "/endpoints/AUTH_test/" + bucket) - set(away)) >= 2:
            break
    here, = [i for i in where if i not in away]
    s3 = client(Node(cluster.urls[here]), read_timeout=60)
    wait_for(lambda: try_to(s3.create_bucket, Bucket=bucket))
    keys = ["k%d" % i for i in range(KEYS)]
    ids = {k: s3.create_multipart_upload(Bucket=bucket, Key=k)["UploadId"] for k in keys}
    told = {k: put(s3, bucket, k, ids[k], b"first") for k in keys}
    assert all(told.values())
    for i in away:
        cluster.tool("stop", i)
    for k in keys:
        told[k] = put(s3, bucket, k, ids[k], b"second") or told[k]
    # Those who were away list parts for those who were not, and may have missed some.
    cluster.tool("kill", here)
    for i in away:
        cluster.tool("start", i)
    for i in away:
        wait_for(lambda: cluster.serves(i))
    s3 = client(Node(cluster.urls[away[0]]), read_timeout=60)

    def complete(k):
        return try_to(s3.complete_multipart_upload, Bucket=bucket, Key=k, UploadId=ids[k],
                      MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": told[k]}]})
    # Of those whose upload is known by the nodes that are there.
    wait_for(lambda: any([complete(k) for k in keys]))
