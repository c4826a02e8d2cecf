"""An upload in as many parts as there may be."""
import hashlib
import http.client
import json
import os
import threading
import time

import pytest

from conftest import Cloud, User
from s3 import client, refused

PARTS = 10000
KEY = "k" * 1000  # what is kept of each part has it in its name
MB = 1 << 20


@pytest.fixture(scope="module")
def cloud():
    c = Cloud(conf={"s3": ["min_segment_size = 1"]})
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def s3(cloud):
    return client(cloud, read_timeout=120)


@pytest.fixture(scope="module")
def bucket(s3):
    """Anybody may write: without signatures the test has less to do."""
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::%s/*" % name}]}))
    return name


def body(n):
    return b"%d." % n * (1 + n % 7)


def send(cloud, method, target, body):
    connection = http.client.HTTPConnection(cloud.url.split("/")[2], timeout=120)
    connection.request(method, target, body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def put_all(cloud, bucket, upload, threads=8):
    def put(first):
        connection = http.client.HTTPConnection(cloud.url.split("/")[2], timeout=120)
        for n in range(first, PARTS + 1, threads):
            connection.request("PUT", "/%s/%s?uploadId=%s&partNumber=%d" % (bucket, KEY, upload, n), body(n))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failed.append((n, answer.status))
                return
    failed = []
    running = [threading.Thread(target=put, args=(1 + i,)) for i in range(threads)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert not failed, failed


def list_of(numbers):
    return "<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % "".join(
        "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % (n, hashlib.md5(body(n)).hexdigest()) for n in numbers)


def memory(cloud, what):
    with open("/proc/%d/status" % cloud.node_pid()) as f:
        return int(f.read().split(what + ":")[1].split()[0]) * 1024


def test_all_of_them(cloud, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
    put_all(cloud, bucket, upload)
    target = "/%s/%s?uploadId=%s" % (bucket, KEY, upload)
    # Page by page.
    listed, marker = [], 0
    while True:
        page = s3.list_parts(Bucket=bucket, Key=KEY, UploadId=upload, PartNumberMarker=marker)
        listed += [(p["PartNumber"], p["Size"]) for p in page["Parts"]]
        assert len(page["Parts"]) == 1000
        marker = page["NextPartNumberMarker"]
        if not page["IsTruncated"]:
            break
    assert listed == [(n, len(body(n))) for n in range(1, PARTS + 1)]
    # One too many.
    status, text = send(cloud, "PUT", "%s&partNumber=%d" % (target, PARTS + 1), b"x")
    assert status == 400 and "InvalidArgument" in text and "between 1 and 10000, inclusive" in text
    status, text = send(cloud, "POST", target, list_of(range(1, PARTS + 2)))
    assert status == 400 and "MalformedXML" in text
    status, text = send(cloud, "POST", target, list_of([*range(1, PARTS), PARTS + 1]))
    assert status == 400 and "InvalidArgument" in text

    before, begun = memory(cloud, "VmHWM"), time.monotonic()
    status, text = send(cloud, "POST", target, list_of(range(1, PARTS + 1)))
    took, more = time.monotonic() - begun, memory(cloud, "VmHWM") - before
    digests = b"".join(hashlib.md5(body(n)).digest() for n in range(1, PARTS + 1))
    etag = '"%s-%d"' % (hashlib.md5(digests).hexdigest(), PARTS)
    assert status == 200 and etag.replace('"', "&quot;") in text
    assert more < 400 * MB, more
    print("\nComplete: %.2f s, %d MiB more" % (took, more // MB))

    whole = b"".join(map(body, range(1, PARTS + 1)))
    got = s3.get_object(Bucket=bucket, Key=KEY)
    assert got["Body"].read() == whole and got["ETag"] == etag
    for first, last in ((0, 0), (len(whole) - 9, len(whole) - 1), (1000, 70000), (len(whole) // 2, len(whole) // 2 + 1)):
        r = s3.get_object(Bucket=bucket, Key=KEY, Range="bytes=%d-%d" % (first, last))
        assert r["Body"].read() == whole[first:last + 1]
    for n in (1, 2, 5000, 9999, PARTS):
        r = s3.get_object(Bucket=bucket, Key=KEY, PartNumber=n)
        assert r["Body"].read() == body(n) and r["PartsCount"] == PARTS
    told, marker = [], 0
    while True:
        page = s3.get_object_attributes(Bucket=bucket, Key=KEY, ObjectAttributes=["ObjectParts"],
                                        PartNumberMarker=marker)["ObjectParts"]
        told += [(p["PartNumber"], p["Size"]) for p in page["Parts"]]
        assert page["TotalPartsCount"] == PARTS and len(page["Parts"]) == 1000
        marker = page["NextPartNumberMarker"]
        if not page["IsTruncated"]:
            break
    assert told == listed


def test_given_up(cloud, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
    put_all(cloud, bucket, upload)
    begun = time.monotonic()
    s3.abort_multipart_upload(Bucket=bucket, Key=KEY, UploadId=upload)
    print("\nAbort: %.2f s" % (time.monotonic() - begun))
    swift = User(cloud, "test:tester", "testing")
    assert swift.request("GET", "/%s+segments?prefix=%s/%s/" % (bucket, KEY, upload)).text == ""
    assert refused(s3.list_parts, Bucket=bucket, Key=KEY, UploadId=upload) == ("NoSuchUpload", 404)
