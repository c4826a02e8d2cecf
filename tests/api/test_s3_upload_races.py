"""Multipart uploads, of which several things are asked at once: one is first, and what came too late changes nothing."""
import concurrent.futures
import http.client
import os
import threading
import time
import urllib.parse

import pytest
from botocore.exceptions import ClientError


from s3 import client, refused, send
from test_s3_multipart import MB, begin, complete, etag_of, gone, put


@pytest.fixture(scope="module")
def bodies():
    return [os.urandom(5 * MB), os.urandom(6 * MB), os.urandom(1234)]


class SlowPart:
    """An UploadPart that is under way: taken in, but for its end."""

    def __init__(self, s3, bucket, key, upload, number, body):
        url = urllib.parse.urlsplit(s3.generate_presigned_url("upload_part", Params={
            "Bucket": bucket, "Key": key, "UploadId": upload, "PartNumber": number}))
        self.connection = http.client.HTTPConnection(url.netloc, timeout=60)
        self.connection.putrequest("PUT", url.path + "?" + url.query)
        self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders()
        # More than fits into sockets: what has been taken in has an upload that it is for.
        self.connection.send(body[:-1])
        self.rest = body[-1:]

    def end(self):
        self.connection.send(self.rest)
        return self.connection.getresponse().status


@pytest.mark.parametrize("versioned", [False, True])
def test_what_is_complete_never_changes(s3, bodies, versioned):
    name = "n-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    id = begin(s3, name, "k")
    parts = [put(s3, name, "k", id, i + 1, b) for i, b in enumerate(bodies)]
    late = SlowPart(s3, name, "k", id, 1, os.urandom(40 * MB))
    etag = complete(s3, name, "k", id, parts)["ETag"]
    assert late.end() == 404
    got = s3.get_object(Bucket=name, Key="k")
    assert got["Body"].read() == b"".join(bodies) and got["ETag"] == etag


@pytest.mark.parametrize("versioned", [False, True])
def test_two_complete_at_once(s3, bodies, versioned):
    """Who hears nothing for a while sends it once more: one object comes of it, and one version."""
    name = "n-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in "abcdef":
        id = begin(s3, name, key)
        parts = [put(s3, name, key, id, 1, bodies[0]), put(s3, name, key, id, 2, bodies[2])]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: complete(s3, name, key, id, parts), range(4)))
        assert {d["ETag"] for d in done} == {etag_of([bodies[0], bodies[2]])}
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == bodies[0] + bodies[2]
        assert len(s3.list_object_versions(Bucket=name, Prefix=key)["Versions"]) == 1
        assert len({d.get("VersionId") for d in done}) == 1
        assert refused(complete, s3=s3, bucket=name, key=key, upload=id, parts=parts[:1]) == ("NoSuchUpload", 404)


def part(s3, bucket, key, body=b"x"):
    """An upload of one part: its id and its list."""
    id = begin(s3, bucket, key)
    return id, [put(s3, bucket, key, id, 1, body)]


def outcome(call, *args, **more):
    """None, or the code and status that it was refused with."""
    try:
        call(*args, **more)
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]


# Of what many write at once, and clients ask again.
UNDECIDED = ("ServiceUnavailable", 503)


def at_once(*calls):
    """What each returns; they begin together."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(run, c) for c in calls]]


def xml_of(parts):
    return "<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % "".join(
        "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % (p["PartNumber"], p["ETag"]) for p in parts)


@pytest.mark.parametrize("versioned", [False, True])
def test_who_is_refused_takes_back_only_its_own(cloud, s3, bucket, swift, versioned):
    """Of two at once one is refused, as somebody has written the key: an Abort may still take nothing of what the
    other is told to have."""
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def both(n):
        key, body = "k%d" % n, os.urandom(100)
        id, parts = part(s3, bucket, key, body)
        done, refused_, _, gave_up = at_once(
            lambda: outcome(complete, s3, bucket, key, id, parts),
            lambda: send(cloud, "POST", "%s/%s?uploadId=%s" % (bucket, key, id), xml_of(parts).encode(),
                         **{"If-None-Match": "*"}).status_code,
            lambda: (time.sleep(n % 7 * .001), s3.put_object(Bucket=bucket, Key=key, Body=b"other")),
            lambda: (time.sleep(n % 13 * .002), outcome(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=id))[1])
        assert refused_ in (200, 404, 409, 412, 503), refused_
        assert done in (None, ("NoSuchUpload", 404), UNDECIDED), done
        assert gave_up in (None, ("NoSuchUpload", 404), ("OperationAborted", 409), UNDECIDED), gave_up
        got = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert got in (body, b"other")
        if versioned:
            for v in s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]:
                assert s3.get_object(Bucket=bucket, Key=key, VersionId=v["VersionId"])["Body"].read() in (body, b"other")
        if refused_ == 503 or UNDECIDED in (done, gave_up):
            return
        # Nobody is at it any more.
        again = outcome(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=id)
        assert again in (None, ("NoSuchUpload", 404)), again
    for n in range(30):
        both(n)


def test_an_upload_stays_as_it_was_begun(cloud, s3, bucket):
    """Who was to complete it wrote on it, and was refused."""
    id = begin(s3, bucket, "k", ContentType="text/x", Metadata={"a": "b"}, CacheControl="no", Tagging="t=1")
    parts = [put(s3, bucket, "k", id, 1, b"y")]
    told = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert len(told) == 1 and told[0]["UploadId"] == id
    for _ in range(40):  # until it is refused as late as can be
        answers = at_once(
            lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x"),
            lambda: send(cloud, "POST", "%s/k?uploadId=%s" % (bucket, id), xml_of(parts).encode(),
                         **{"If-None-Match": "*"}).status_code)
        if answers[1] == 200:
            id = begin(s3, bucket, "k", ContentType="text/x", Metadata={"a": "b"}, CacheControl="no", Tagging="t=1")
            parts = [put(s3, bucket, "k", id, 1, b"y")]
            told = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"] == told
        s3.delete_object(Bucket=bucket, Key="k")
    complete(s3, bucket, "k", id, parts)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("text/x", {"a": "b"}, "no")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_abort_beside_complete(s3, bucket, swift):
    """Of the two one is first: what was completed is there, and what was given up is not."""
    def both(n):
        key, body = "race-%d" % n, os.urandom(100)
        id, parts = part(s3, bucket, key, body)

        def end():
            return outcome(complete, s3, bucket, key, id, parts)

        def abort():
            time.sleep(n % 10 * 0.001)
            return outcome(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=id)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            done, gave_up = [f.result() for f in [pool.submit(end), pool.submit(abort)]]
        if done is None:
            assert gave_up in (("OperationAborted", 409), ("NoSuchUpload", 404), None)
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
        else:
            assert done == ("NoSuchUpload", 404) and gave_up is None
            assert refused(s3.head_object, Bucket=bucket, Key=key)[1] == 404
            assert gone(swift, bucket, key, 0)
        return done is None
    outcomes = [both(n) for n in range(40)]
    assert any(outcomes)


def test_what_was_refused_can_be_given_up(cloud, s3, bucket, swift):
    s3.put_object(Bucket=bucket, Key="taken", Body=b"x")
    id, parts = part(s3, bucket, "taken", b"y")
    r = send(cloud, "POST", "%s/taken?uploadId=%s" % (bucket, id), xml_of(parts).encode(), **{"If-None-Match": "*"})
    assert r.status_code == 412
    s3.abort_multipart_upload(Bucket=bucket, Key="taken", UploadId=id)
    assert gone(swift, bucket, "taken", 0) and s3.get_object(Bucket=bucket, Key="taken")["Body"].read() == b"x"


@pytest.mark.parametrize("ends", ["complete", "abort"])
def test_a_part_that_comes_too_late_is_told_so(s3, bucket, ends):
    id, parts = part(s3, bucket, "k")
    late = SlowPart(s3, bucket, "k", id, 2, os.urandom(20 * MB))
    if ends == "complete":
        complete(s3, bucket, "k", id, parts)
    else:
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=id)
    assert late.end() == 404


def test_what_the_list_of_parts_shows_can_be_completed(s3, bucket):
    """Before its UploadPart is answered, too, which then finds no upload any more."""
    def listed(key, id):
        while True:
            shown = s3.list_parts(Bucket=bucket, Key=key, UploadId=id).get("Parts", [])
            if shown:
                return [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in shown]

    for n in range(40):
        key, body = "k%d" % n, os.urandom(100)
        id = begin(s3, bucket, key)
        told, _ = at_once(lambda: outcome(s3.upload_part, Bucket=bucket, Key=key, UploadId=id, PartNumber=1, Body=body),
                          lambda: complete(s3, bucket, key, id, listed(key, id)))
        assert told in (None, ("NoSuchUpload", 404))
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body


@pytest.mark.parametrize("ends", ["complete", "abort"])
@pytest.mark.parametrize("copies", [False, True])
def test_parts_beside_the_end_of_their_upload(s3, bucket, ends, copies):
    """Whichever is first, the whole is what it was made of."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"text")

    def more(key, id, number, wait):
        time.sleep(wait)
        if copies:
            return outcome(s3.upload_part_copy, Bucket=bucket, Key=key, UploadId=id, PartNumber=number,
                           CopySource={"Bucket": bucket, "Key": "source"})
        return outcome(s3.upload_part, Bucket=bucket, Key=key, UploadId=id, PartNumber=number, Body=b"text")

    def end(key, id, parts):
        if ends == "complete":
            return outcome(complete, s3, bucket, key, id, parts)
        return outcome(s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=id)

    for n in range(12):
        key = "k%d" % n
        id, parts = part(s3, bucket, key)
        told = at_once(lambda: end(key, id, parts), lambda: more(key, id, 1, 0), lambda: more(key, id, 2, n * .002),
                       lambda: more(key, id, 3, n * .004))
        if ends == "complete":
            # A part of the same number may be the later one.
            assert told[0] in (None, ("InvalidPart", 400)), told
        else:
            assert told[0] is None, told
        assert all(t in (None, ("NoSuchUpload", 404)) for t in told[1:]), told
        if told[0]:
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=id)
        if ends == "complete" and not told[0]:
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"


def test_two_lists_of_one_upload_beside_others_who_write(s3):
    """Of the two one is first, however often others are: what it does not name goes, and nothing is made of that."""
    bucket = "l-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    bodies = [os.urandom(100), os.urandom(200)]
    for n in range(30):
        key, over = "k%d" % n, threading.Event()
        id = begin(s3, bucket, key)
        parts = [put(s3, bucket, key, id, i + 1, b) for i, b in enumerate(bodies)]

        def write():
            while not over.is_set():
                outcome(s3.put_object, Bucket=bucket, Key=key, Body=b"other")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            writers = [pool.submit(write) for _ in range(8)]
            try:
                told = at_once(*(lambda p=p: outcome(complete, s3, bucket, key, id, [p]) for p in parts))
            finally:
                over.set()
            for w in writers:
                w.result()
        assert all(t in (None, ("NoSuchUpload", 404), ("InvalidPart", 400), UNDECIDED) for t in told), told
        made = [s3.get_object(Bucket=bucket, Key=key, VersionId=v["VersionId"])["Body"].read()
                for v in s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"] if v["Size"] != 5]
        assert len(made) <= 1 and all(m in bodies for m in made), (told, [len(m) for m in made])


def test_two_uploads_of_one_key_at_once(s3, bucket, swift):
    """The parts of the one that is replaced go with it."""
    for n in range(30):
        key = "k%02d" % n
        uploads = [part(s3, bucket, key, os.urandom(100)) for _ in range(2)]
        at_once(*(lambda u=u: complete(s3, bucket, key, *u) for u in uploads))
    assert all(gone(swift, bucket, "k%02d" % n, 1) for n in range(30))
