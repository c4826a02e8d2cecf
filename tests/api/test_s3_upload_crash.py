"""Nodes that die, or are away, while multipart uploads end: what was told stays true, and nothing stays for good."""
import concurrent.futures
import os
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import Cloud, User, wait_for
from s3 import client
from test_cluster import Cluster, Node
from test_s3_multipart import begin, complete, gone, parts_kept, put
from test_s3_upload_races import UNDECIDED, outcome

AT_ONCE = 8


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as cloud:
        yield cloud


def decided(call, *args, **more):
    """What it ends with, asked again by clients' habit; None: it is done."""
    answers = []

    def is_decided():
        answers.append(outcome(call, *args, **more))
        return answers[-1] != UNDECIDED
    wait_for(is_decided)
    return answers[-1]


@pytest.mark.parametrize("versioned", [False, True])
def test_a_complete_that_died_can_be_sent_again(cloud, s3, versioned):
    """Wherever it died: before it claimed the upload, between that and the whole, or behind it."""
    bucket = "c-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    swift = User(cloud, "test:tester", "testing")
    left = 0
    for n in range(6):
        bodies = {"k%d-%d" % (n, i): os.urandom(50) for i in range(AT_ONCE)}
        uploads = {k: begin(s3, bucket, k) for k in bodies}
        parts = {k: [put(s3, bucket, k, uploads[k], 1, bodies[k])] for k in bodies}
        ended = threading.Semaphore(0)

        def end(k):
            try:
                complete(s3, bucket, k, uploads[k], parts[k])
                return True
            except (BotoCoreError, ClientError):
                return False
            finally:
                ended.release()

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            told = {k: pool.submit(end, k) for k in bodies}
            for _ in range(n):
                ended.acquire()
            cloud.kill_node()
        for k, done in told.items():
            if done.result():
                assert s3.get_object(Bucket=bucket, Key=k)["Body"].read() == bodies[k]
                continue
            left += 1
            there = decided(s3.head_object, Bucket=bucket, Key=k) is None
            if int(k[-1]) % 2 or there:
                assert decided(complete, s3, bucket, k, uploads[k], parts[k]) is None
                assert s3.get_object(Bucket=bucket, Key=k)["Body"].read() == bodies[k]
            else:
                # Who died may have claimed it: it can still be completed.
                gave_up = decided(s3.abort_multipart_upload, Bucket=bucket, Key=k, UploadId=uploads[k])
                assert gave_up in (None, ("OperationAborted", 409)), gave_up
                made = s3.list_object_versions(Bucket=bucket, Prefix=k).get("Versions")
                if gave_up:
                    assert decided(complete, s3, bucket, k, uploads[k], parts[k]) is None
                elif made:  # died before that version became the current one
                    got = s3.get_object(Bucket=bucket, Key=k, VersionId=made[0]["VersionId"])
                    assert versioned and got["Body"].read() == bodies[k]
                else:
                    assert gone(swift, bucket, k, 0)
    assert left
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_parts_go_with_what_is_deleted_at_once():
    """In a cloud that has just started nobody may have made the place for notes yet."""
    cloud = Cloud()
    try:
        cloud.up()
        s3 = client(cloud)
        s3.create_bucket(Bucket="early")
        id = begin(s3, "early", "k")
        complete(s3, "early", "k", id, [put(s3, "early", "k", id, 1, b"x")])
        s3.delete_object(Bucket="early", Key="k")
        swift = User(cloud, "test:tester", "testing")
        wait_for(lambda: not parts_kept(swift, "early", "k"))
    finally:
        cloud.close()


@pytest.fixture(scope="module")
def cluster():
    c = Cluster(5, conf_more="[s3]\nlifecycle_day = 20\n")
    yield c
    c.close()


def test_parts_that_an_abort_could_not_delete_are_swept(cluster):
    """With two of five nodes away, some parts have no majority: the Abort is told to be done, and a day later nothing is
    left of them."""
    s3 = client(Node(cluster.urls["1"]), read_timeout=60)
    user = cluster.user(1)
    bucket = "a-" + os.urandom(6).hex()
    wait_for(lambda: outcome(s3.create_bucket, Bucket=bucket) is None)
    keys = ["k%d" % i for i in range(16)]
    uploads = {k: begin(s3, bucket, k) for k in keys}
    for k in keys:
        for number in (1, 2):
            put(s3, bucket, k, uploads[k], number, b"%d" % number)
    for i in ("4", "5"):
        cluster.tool("stop", i)
    told = {k: outcome(s3.abort_multipart_upload, Bucket=bucket, Key=k, UploadId=uploads[k]) for k in keys}
    assert all(t is None or t[1] in (500, 503) for t in told.values()), told
    for i in ("4", "5"):
        cluster.tool("start", i)
    for i in ("4", "5"):
        wait_for(lambda: cluster.serves(i))

    def over(k):
        return outcome(s3.abort_multipart_upload, Bucket=bucket, Key=k, UploadId=uploads[k]) in (None, ("NoSuchUpload", 404))
    for k in keys:
        wait_for(lambda: over(k))
    assert any(told[k] is None and parts_kept(user, bucket, k) for k in keys)
    wait_for(lambda: not any(parts_kept(user, bucket, k) for k in keys), 180)
