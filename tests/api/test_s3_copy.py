"""Copies of the S3 API: of objects, and of parts from objects."""
import base64
import concurrent.futures
import hashlib
import itertools
import os
import threading

import pytest
import requests
from botocore.exceptions import ClientError

from conftest import User
from s3 import botocore, client, refused, send
from test_s3_multipart import MB, begin, complete, etag_of, upload


@pytest.fixture(scope="module")
def bucket(s3):
    name = "c-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a b/ü?", Body=b"text", ContentType="text/x", Metadata={"m": "1"}, CacheControl="no-cache")
    return name


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_with_what_it_has_or_anew(s3, bucket):
    r = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "a b/ü?"}, Metadata={"n": "2"})
    assert r["CopyObjectResult"]["ETag"] == '"%s"' % hashlib.md5(b"text").hexdigest()
    assert r["CopyObjectResult"]["LastModified"]
    head = s3.head_object(Bucket=bucket, Key="kept")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("text/x", {"m": "1"}, "no-cache")
    s3.copy_object(Bucket=bucket, Key="anew", CopySource={"Bucket": bucket, "Key": "a b/ü?"}, Metadata={"n": "2"},
                   MetadataDirective="REPLACE", ContentType="text/y")
    head = s3.head_object(Bucket=bucket, Key="anew")
    assert (head["ContentType"], head["Metadata"]) == ("text/y", {"n": "2"}) and "CacheControl" not in head
    assert body(s3, bucket, "kept") == body(s3, bucket, "anew") == b"text"


def test_ways_to_name_the_source(cloud, s3, bucket):
    for source in ("%s/%s", "/%s/%s"):
        s3.copy_object(Bucket=bucket, Key="named", CopySource=source % (bucket, "a b/ü?"))
        assert body(s3, bucket, "named") == b"text"
    for source, error in ((bucket, ("InvalidArgument", 400)), ("/" + bucket + "/", ("InvalidArgument", 400)),
                          (bucket + "/none", ("NoSuchKey", 404)), ("none-such-bucket/x", ("NoSuchBucket", 404)),
                          (bucket + "/named?versionId=1.2", ("NoSuchVersion", 404))):
        assert refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=source) == error, source
    assert refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=bucket + "/named", MetadataDirective="X") == \
        ("InvalidArgument", 400)


def test_what_is_missing_is_the_source(s3, bucket):
    for source, told in ((bucket + "/none", {"BucketName": bucket, "Key": "none"}),
                         ("none-such-bucket/x", {"BucketName": "none-such-bucket", "Key": "x"})):
        with pytest.raises(ClientError) as e:
            s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
        assert {n: e.value.response["Error"][n] for n in told} == told


def test_to_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="self", Body=b"s")
    source = {"Bucket": bucket, "Key": "self"}
    assert refused(s3.copy_object, Bucket=bucket, Key="self", CopySource=source) == ("InvalidRequest", 400)
    s3.copy_object(Bucket=bucket, Key="self", CopySource=source, MetadataDirective="REPLACE", Metadata={"x": "y"})
    assert s3.head_object(Bucket=bucket, Key="self")["Metadata"] == {"x": "y"} and body(s3, bucket, "self") == b"s"


def test_conditions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="cond", Body=b"c")
    head = s3.head_object(Bucket=bucket, Key="cond")
    args = dict(Bucket=bucket, Key="cond-copy", CopySource={"Bucket": bucket, "Key": "cond"})
    s3.copy_object(CopySourceIfMatch=head["ETag"], **args)
    s3.copy_object(CopySourceIfNoneMatch='"x"', **args)
    s3.copy_object(CopySourceIfUnmodifiedSince=head["LastModified"], **args)
    for bad in (dict(CopySourceIfMatch='"x"'), dict(CopySourceIfNoneMatch=head["ETag"]),
                dict(CopySourceIfModifiedSince=head["LastModified"]), dict(CopySourceIfUnmodifiedSince="2001-01-01")):
        assert refused(s3.copy_object, **args, **bad) == ("PreconditionFailed", 412), bad


def test_of_others(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    theirs = bucket + "-o"
    other.create_bucket(Bucket=theirs)
    assert refused(other.copy_object, Bucket=theirs, Key="k", CopySource={"Bucket": bucket, "Key": "a b/ü?"}) == ("AccessDenied", 403)
    assert refused(s3.copy_object, Bucket=theirs, Key="k", CopySource={"Bucket": bucket, "Key": "a b/ü?"}) == ("AccessDenied", 403)


def test_of_parts(cloud, s3, bucket):
    bodies = [os.urandom(5 * MB), b"end"]
    upload(s3, bucket, "parts", bodies, Metadata={"p": "q"})
    r = s3.copy_object(Bucket=bucket, Key="one", CopySource={"Bucket": bucket, "Key": "parts"}, CopySourceIfMatch=etag_of(bodies))
    assert r["CopyObjectResult"]["ETag"] == '"%s"' % hashlib.md5(b"".join(bodies)).hexdigest()
    assert body(s3, bucket, "one") == b"".join(bodies)
    head = s3.head_object(Bucket=bucket, Key="one")
    assert head["ETag"] == r["CopyObjectResult"]["ETag"] and head["Metadata"] == {"p": "q"}
    assert User(cloud, "test:tester", "testing").request("HEAD", "/%s/one" % bucket).headers["Etag"] == head["ETag"].strip('"')


def test_a_part_from_an_object(s3, bucket):
    text = os.urandom(6 * MB)
    s3.put_object(Bucket=bucket, Key="from", Body=text)
    id = begin(s3, bucket, "to")
    source = {"Bucket": bucket, "Key": "from"}
    copy = lambda n, **more: s3.upload_part_copy(Bucket=bucket, Key="to", UploadId=id, PartNumber=n, CopySource=source, **more)
    one = copy(1, CopySourceRange="bytes=1-%d" % (5 * MB))["CopyPartResult"]
    assert one["ETag"] == '"%s"' % hashlib.md5(text[1:5 * MB + 1]).hexdigest()
    two = copy(2)["CopyPartResult"]
    for wrong in ("0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=2-1", "bytes=0-2,3-5"):
        assert refused(copy, n=3, CopySourceRange=wrong) == ("InvalidArgument", 400), wrong
    assert refused(copy, n=3, CopySourceRange="bytes=0-%d" % (6 * MB)) == ("InvalidRange", 416)
    assert refused(copy, n=0) == ("InvalidArgument", 400)
    complete(s3, bucket, "to", id, [{"PartNumber": 1, "ETag": one["ETag"]}, {"PartNumber": 2, "ETag": two["ETag"]}])
    assert body(s3, bucket, "to") == text[1:5 * MB + 1] + text
    assert refused(copy, n=1) == ("NoSuchUpload", 404)


def test_of_versions(s3, bucket):
    name = bucket + "-v"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    one = s3.put_object(Bucket=name, Key="k", Body=b"one")["VersionId"]
    s3.put_object(Bucket=name, Key="k", Body=b"two")
    for version, text in ((one, b"one"), ("null", b"null")):
        r = s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k", "VersionId": version})
        assert r["CopySourceVersionId"] == version and r["VersionId"] != version
        assert body(s3, name, "copy") == text
    s3.copy_object(Bucket=name, Key="k", CopySource={"Bucket": name, "Key": "k", "VersionId": one})
    assert body(s3, name, "k") == b"one"


def test_the_checksum_of_all_bytes_is_copied(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"text", ChecksumAlgorithm="SHA256")
    r = send(cloud, "PUT", bucket + "/to", **{"x-amz-copy-source": "%s/from" % bucket})
    want = base64.b64encode(hashlib.sha256(b"text").digest()).decode()
    assert "<ChecksumSHA256>%s</ChecksumSHA256>" % want in r.text
    assert s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")["ChecksumSHA256"] == want


def test_a_source_that_is_written_meanwhile(s3, bucket):
    """What is said of a copy is true of its bytes, whichever of them it got."""
    bodies = [bytes([c]) * 300000 for c in b"ab"]
    stop = threading.Event()

    def write():
        for i in itertools.count():
            if stop.is_set():
                return
            s3.put_object(Bucket=bucket, Key="busy", Body=bodies[i % 2], ChecksumAlgorithm="SHA256",
                          Metadata={"is": "ab"[i % 2]})

    def copy(key):
        try:
            s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": "busy"})
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ServiceUnavailable", e
            return False
        got = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        body = got["Body"].read()
        assert base64.b64encode(hashlib.sha256(body).digest()).decode() == got["ChecksumSHA256"]
        assert body[:1].decode() == got["Metadata"]["is"]
        return True
    s3.put_object(Bucket=bucket, Key="busy", Body=bodies[0], ChecksumAlgorithm="SHA256", Metadata={"is": "a"})
    writer = threading.Thread(target=write)
    writer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            done = list(pool.map(copy, ["busy-%d" % i for i in range(90)]))
    finally:
        stop.set()
        writer.join()
    assert any(done)


def presigned(cloud, path, **params):
    """Of SDKs that say in the query what others say in headers."""
    asked = botocore.awsrequest.AWSRequest("PUT", cloud.url + path, params={k.replace("_", "-"): v for k, v in params.items()})
    botocore.auth.S3SigV4QueryAuth(botocore.credentials.Credentials("test:tester", "testing"), "s3", "us-east-1",
                                   expires=60).add_auth(asked)
    return asked.prepare().url


def test_a_url_names_the_source(cloud, s3, bucket):
    source = "/%s/a%%20b/%%C3%%BC%%3F" % bucket
    url = presigned(cloud, "/%s/by-url" % bucket, x_amz_copy_source=source)
    r = requests.put(url, timeout=10)
    assert r.status_code == 200 and "<CopyObjectResult" in r.text, r.text
    assert body(s3, bucket, "by-url") == b"text" and s3.head_object(Bucket=bucket, Key="by-url")["Metadata"] == {"m": "1"}
    url = presigned(cloud, "/%s/by-url" % bucket, X_Amz_Copy_Source=source, x_amz_metadata_directive="REPLACE", x_amz_meta_n="2")
    assert requests.put(url, timeout=10).status_code == 200
    assert s3.head_object(Bucket=bucket, Key="by-url")["Metadata"] == {"n": "2"}
    id = begin(s3, bucket, "part-by-url")
    url = presigned(cloud, "/%s/part-by-url" % bucket, uploadId=id, partNumber="1", x_amz_copy_source=source,
                    x_amz_copy_source_range="bytes=1-2")
    r = requests.put(url, timeout=10)
    assert r.status_code == 200 and "<CopyPartResult" in r.text, r.text
    assert [p["Size"] for p in s3.list_parts(Bucket=bucket, Key="part-by-url", UploadId=id)["Parts"]] == [2]
    s3.abort_multipart_upload(Bucket=bucket, Key="part-by-url", UploadId=id)


def test_a_url_is_bound_to_the_source(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    source = "/%s/other" % bucket
    url = presigned(cloud, "/%s/bound" % bucket, x_amz_copy_source=source)
    for wrong in (url.replace("%2Fother", "%2Fby-url"), url.replace("x-amz-copy-source=", "x-amz-copy-source-if-match=x&x-amz-copy-source="),
                  presigned(cloud, "/%s/bound" % bucket) + "&x-amz-copy-source=" + source):
        assert requests.put(wrong, timeout=10).status_code == 403
    for more, status in (({"x_amz_copy_source_if_match": '"none"'}, 412), ({"x_amz_expected_bucket_owner": "somebody"}, 403),
                         ({"x_amz_source_expected_bucket_owner": "somebody"}, 403)):
        assert requests.put(presigned(cloud, "/%s/bound" % bucket, x_amz_copy_source=source, **more), timeout=10).status_code == status
    assert refused(s3.head_object, Bucket=bucket, Key="bound")[1] == 404
    # Only a URL that was signed says so: whoever signs headers says it in them.
    c = client(cloud)
    c.meta.events.register("before-call.s3.PutObject", lambda params, **_: params.update(
        url=params["url"] + "?x-amz-copy-source=" + source.replace("/", "%2F")))
    c.put_object(Bucket=bucket, Key="bound", Body=b"mine")
    assert body(s3, bucket, "bound") == b"mine"
