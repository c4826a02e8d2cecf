"""Storage classes of the S3 API: each further policy is one, erasure-coded ones included."""
import base64
import hashlib
import io
import os
import zlib

import pytest
import requests

from conftest import Cloud, wait_for
from s3 import refused, send

MB = 1 << 20
CONF = {"cluster": ["policy = 2 ec42 gilded type=ec k=4 m=2"],
        "s3": ["storage_classes = STANDARD_IA:silver, GLACIER:ec42", "lifecycle_day = 1"]}
CLASSES = ["EC42", "GLACIER", "STANDARD_IA"]
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(devices=8, conf=CONF) as cloud:
        yield cloud


def md5(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


def told(s3, bucket, key, **more):
    return s3.head_object(Bucket=bucket, Key=key, **more).get("StorageClass", "STANDARD")


def segments(swift, bucket, class_):
    r = swift.request("GET", "/%s+segments+%s?format=json" % (bucket, class_))
    assert r.status_code in (200, 404)
    return r.json() if r.status_code == 200 else []


def has(swift, bucket, class_, count):
    wait_for(lambda: len(segments(swift, bucket, class_)) == count)


def listed(s3, bucket):
    both = [{o["Key"]: (o["StorageClass"], o["ETag"], o["Size"]) for o in call(Bucket=bucket)["Contents"]}
            for call in (s3.list_objects, s3.list_objects_v2)]
    assert both[0] == both[1]
    return both[0]


@pytest.mark.parametrize("class_", CLASSES)
@pytest.mark.parametrize("size", [0, 1, 100000, 5 * MB + 3])
def test_put(s3, bucket, swift, class_, size):
    body = os.urandom(size)
    r = s3.put_object(Bucket=bucket, Key="a/b c", Body=body, StorageClass=class_, ContentType="text/x", CacheControl="no",
                      Metadata={"m_n": "v"}, Tagging="t=1", ChecksumAlgorithm="SHA256")
    assert r["ETag"] == md5(body) and "ChecksumSHA256" in r
    got = s3.get_object(Bucket=bucket, Key="a/b c", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert (got["ETag"], got["ContentLength"], got["ContentType"], got["CacheControl"], got["Metadata"], got["StorageClass"]) \
        == (md5(body), size, "text/x", "no", {"m_n": "v"}, class_)
    assert got["TagCount"] == 1 and got["ChecksumSHA256"] == r["ChecksumSHA256"]
    assert listed(s3, bucket) == {"a/b c": (class_, md5(body), size)}
    if size > 10:
        assert s3.get_object(Bucket=bucket, Key="a/b c", Range="bytes=3-9")["Body"].read() == body[3:10]
        part = s3.get_object(Bucket=bucket, Key="a/b c", PartNumber=1)
        assert part["Body"].read() == body and "PartsCount" not in part
        assert refused(s3.get_object, Bucket=bucket, Key="a/b c", PartNumber=2)[0] == "InvalidPartNumber"
    known = s3.get_object_attributes(Bucket=bucket, Key="a/b c",
                                     ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"])
    assert known["StorageClass"] == class_ and known["ETag"] == md5(body).strip('"') and known["ObjectSize"] == size
    assert "ObjectParts" not in known
    where = swift.request("HEAD", "/%s+segments+%s" % (bucket, class_)).headers["X-Storage-Policy"]
    assert where == {"EC42": "ec42", "GLACIER": "ec42", "STANDARD_IA": "silver"}[class_]
    assert len(segments(swift, bucket, class_)) == 1
    row = swift.request("GET", "/%s?format=json" % bucket).json()[0]
    assert row["storage_class"] == class_ and row["bytes"] == size
    assert swift.request("GET", "/%s/a/b c" % bucket).content == body
    assert {b["Name"] for b in s3.list_buckets()["Buckets"]}.isdisjoint({bucket + "+segments", bucket + "+segments+" + class_})
    s3.delete_object(Bucket=bucket, Key="a/b c")
    has(swift, bucket, class_, 0)
    s3.delete_bucket(Bucket=bucket)
    assert swift.request("HEAD", "/%s+segments+%s" % (bucket, class_)).status_code == 404


def test_the_buckets_own_policy_is_standard(s3, bucket, swift):
    own = swift.request("HEAD", "/" + bucket).headers["X-Storage-Policy"].upper()
    for class_ in ("STANDARD", own):
        s3.put_object(Bucket=bucket, Key=class_, Body=b"x", StorageClass=class_)
        assert "StorageClass" not in s3.head_object(Bucket=bucket, Key=class_)
        assert listed(s3, bucket)[class_][0] == "STANDARD"
    assert swift.request("HEAD", "/%s+segments" % bucket).status_code == 404


@pytest.mark.parametrize("class_", ["NONE", "", "ec42", "standard", "STANDARD_IA:silver", "X" * 100])
def test_unknown_classes(s3, bucket, class_):
    wrong = ("InvalidStorageClass", 400)
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", StorageClass=class_) == wrong
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", StorageClass=class_) == wrong
    assert refused(s3.copy_object, Bucket=bucket, Key="k", CopySource="%s/k" % bucket, StorageClass=class_) == wrong
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"there"


def test_what_is_replaced_takes_its_segment_along(s3, bucket, swift):
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="EC42")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    has(swift, bucket, "EC42", 1)
    s3.put_object(Bucket=bucket, Key="k", Body=b"three", StorageClass="STANDARD_IA")
    has(swift, bucket, "EC42", 0)
    has(swift, bucket, "STANDARD_IA", 1)
    s3.put_object(Bucket=bucket, Key="k", Body=b"four")
    has(swift, bucket, "STANDARD_IA", 0)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"four" and told(s3, bucket, "k") == "STANDARD"


def test_conditions(cloud, s3, bucket, swift):
    def put(key, body, **headers):
        return send(cloud, "PUT", "%s/%s" % (bucket, key), body, **{"x-amz-storage-class": "EC42", **headers}).status_code

    assert put("k", b"one", **{"If-None-Match": "*"}) == 200
    assert put("k", b"two", **{"If-None-Match": "*"}) == 412
    assert put("k", b"two", **{"If-Match": md5(b"no")}) == 412
    assert put("none", b"two", **{"If-Match": md5(b"no")}) == 404
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch=md5(b"no"))[1] == 412
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=md5(b"one"))[1] == 304
    has(swift, bucket, "EC42", 1)
    assert put("k", b"two", **{"If-Match": md5(b"one")}) == 200
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=md5(b"two"))["Body"].read() == b"two"
    has(swift, bucket, "EC42", 1)


def test_bad_bodies_leave_nothing(s3, bucket, swift):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there", StorageClass="EC42")
    wrong = "AAAAAAAAAAAAAAAAAAAAAA=="
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", StorageClass="EC42", ContentMD5=wrong) == ("BadDigest", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"there"
    assert len(segments(swift, bucket, "EC42")) == 1


def test_uploads_in_parts(s3, bucket, swift):
    bodies = [os.urandom(5 * MB), b"end"]
    id = s3.create_multipart_upload(Bucket=bucket, Key="k", StorageClass="EC42")["UploadId"]
    s3.create_multipart_upload(Bucket=bucket, Key="plain")
    assert {u["Key"]: u["StorageClass"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]} == \
        {"k": "EC42", "plain": "STANDARD"}
    parts = []
    for i, body in enumerate(bodies, 1):
        etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=id, PartNumber=i, Body=body)["ETag"]
        parts.append({"PartNumber": i, "ETag": etag})
    s3.upload_part(Bucket=bucket, Key="k", UploadId=id, PartNumber=9, Body=b"not named")
    r = s3.list_parts(Bucket=bucket, Key="k", UploadId=id)
    assert r["StorageClass"] == "EC42" and len(r["Parts"]) == 3
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies) and got["StorageClass"] == "EC42" and got["ETag"] == done["ETag"]
    assert listed(s3, bucket)["k"][:2] == ("EC42", done["ETag"])
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=2)["PartsCount"] == 2
    has(swift, bucket, "EC42", 2)
    id = s3.create_multipart_upload(Bucket=bucket, Key="k", StorageClass="EC42")["UploadId"]
    s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=id, PartNumber=1, CopySource={"Bucket": bucket, "Key": "k"})
    has(swift, bucket, "EC42", 3)
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=id)
    has(swift, bucket, "EC42", 2)
    s3.delete_object(Bucket=bucket, Key="k")
    has(swift, bucket, "EC42", 0)


def test_copies(s3, bucket, swift):
    body = os.urandom(70000)
    s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"a": "b"}, Tagging="t=1", ContentType="text/x")
    r = s3.copy_object(Bucket=bucket, Key="to", CopySource="%s/from" % bucket, StorageClass="EC42")
    assert r["CopyObjectResult"]["ETag"] == md5(body) and r["CopyObjectResult"]["LastModified"]
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["StorageClass"], got["ETag"], got["Metadata"], got["ContentType"], got["TagCount"]) == \
        (body, "EC42", md5(body), {"a": "b"}, "text/x", 1)
    # To itself: from class to class, and back.
    for class_, counts in (("STANDARD_IA", (0, 1)), ("GLACIER", (0, 0)), ("EC42", (1, 0))):
        s3.copy_object(Bucket=bucket, Key="to", CopySource="%s/to" % bucket, StorageClass=class_)
        got = s3.get_object(Bucket=bucket, Key="to")
        assert (got["Body"].read(), got["StorageClass"], got["Metadata"]) == (body, class_, {"a": "b"})
        has(swift, bucket, "EC42", counts[0])
        has(swift, bucket, "STANDARD_IA", counts[1])
    s3.copy_object(Bucket=bucket, Key="plain", CopySource="%s/to" % bucket)
    assert told(s3, bucket, "plain") == "STANDARD" and s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == body
    s3.copy_object(Bucket=bucket, Key="to", CopySource="%s/to" % bucket, StorageClass="STANDARD")
    assert told(s3, bucket, "to") == "STANDARD" and s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body


def test_a_copy_by_swift_is_one_of_the_bucket(s3, bucket, swift):
    s3.put_object(Bucket=bucket, Key="k", Body=b"text", StorageClass="EC42")
    assert swift.request("COPY", "/%s/k" % bucket, headers={"Destination": "%s/copy" % bucket}).status_code == 201
    assert told(s3, bucket, "copy") == "STANDARD" and listed(s3, bucket)["copy"] == ("STANDARD", md5(b"text"), 4)
    assert swift.request("POST", "/%s/k" % bucket, headers={"X-Object-Meta-A": "b"}).status_code == 202
    assert told(s3, bucket, "k") == "EC42" and listed(s3, bucket)["k"][0] == "EC42"
    assert swift.request("DELETE", "/%s/k" % bucket).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"text"


def test_versions(s3, versioned, swift):
    ids = {}
    for class_ in ("STANDARD", "EC42", "STANDARD_IA"):
        ids[class_] = s3.put_object(Bucket=versioned, Key="k", Body=class_.encode(), StorageClass=class_)["VersionId"]
    r = s3.copy_object(Bucket=versioned, Key="k", CopySource="%s/k" % versioned, StorageClass="GLACIER")
    ids["GLACIER"] = r["VersionId"]
    assert listed(s3, versioned) == {"k": ("GLACIER", md5(b"STANDARD_IA"), 11)}
    rows = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [(v["StorageClass"], v["VersionId"]) for v in rows] == \
        [(c, ids[c]) for c in ("GLACIER", "STANDARD_IA", "EC42", "STANDARD")]
    assert [v["ETag"] for v in rows] == [md5(b) for b in (b"STANDARD_IA", b"STANDARD_IA", b"EC42", b"STANDARD")]
    for class_, id in ids.items():
        assert told(s3, versioned, "k", VersionId=id) == class_
    has(swift, versioned, "EC42", 1)
    s3.delete_object(Bucket=versioned, Key="k")
    has(swift, versioned, "EC42", 1)
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=ids["EC42"])["Body"].read() == b"EC42"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids["EC42"])
    has(swift, versioned, "EC42", 0)
    has(swift, versioned, "GLACIER", 1)


def test_an_upload_of_parts_is_listed_as_it_is_where_versions_are_kept(s3, versioned):
    id = s3.create_multipart_upload(Bucket=versioned, Key="k", StorageClass="EC42")["UploadId"]
    etag = s3.upload_part(Bucket=versioned, Key="k", UploadId=id, PartNumber=1, Body=b"x")["ETag"]
    done = s3.complete_multipart_upload(Bucket=versioned, Key="k", UploadId=id,
                                        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert listed(s3, versioned) == {"k": ("EC42", done["ETag"], 1)}


@pytest.mark.parametrize("how", [{"ServerSideEncryption": "AES256"}, CUSTOMER,
                                 {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"}])
def test_encryption(s3, bucket, how):
    body, key = os.urandom(200000), how if how is CUSTOMER else {}
    s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="EC42", Metadata={"a": "b"}, **how)
    got = s3.get_object(Bucket=bucket, Key="k", **key)
    assert got["Body"].read() == body and got["StorageClass"] == "EC42" and got["Metadata"] == {"a": "b"}
    assert got.get("ServerSideEncryption") == how.get("ServerSideEncryption")
    assert listed(s3, bucket)["k"][1] == got["ETag"] and "-" not in got["ETag"]
    if key:
        assert refused(s3.get_object, Bucket=bucket, Key="k")[1] == 400
        key = {"CopySource" + k: v for k, v in key.items()}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource="%s/k" % bucket, StorageClass="STANDARD_IA", **key, **how)
    key = how if how is CUSTOMER else {}
    assert s3.get_object(Bucket=bucket, Key="copy", **key)["Body"].read() == body


def test_tags_and_locks_come_and_go(s3, swift):
    name = "c-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    id = s3.put_object(Bucket=name, Key="k", Body=b"x", StorageClass="EC42", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert refused(s3.delete_object, Bucket=name, Key="k", VersionId=id)[0] == "AccessDenied"
    s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert told(s3, name, "k") == "EC42" and listed(s3, name)["k"][0] == "EC42"
    s3.put_object_legal_hold(Bucket=name, Key="k", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=name, Key="k", VersionId=id)
    has(swift, name, "EC42", 0)


def test_forms(cloud, s3, bucket):
    fields = s3.generate_presigned_post(bucket, "f", Fields={"x-amz-storage-class": "EC42"},
                                        Conditions=[{"x-amz-storage-class": "EC42"}])["fields"]
    r = requests.post("%s/%s" % (cloud.url, bucket), data=fields, files={"file": io.BytesIO(b"text")})
    assert r.status_code == 204, r.text
    assert told(s3, bucket, "f") == "EC42" and s3.get_object(Bucket=bucket, Key="f")["Body"].read() == b"text"


def test_checksums_are_copied(s3, bucket):
    made = s3.put_object(Bucket=bucket, Key="from", Body=b"text", ChecksumAlgorithm="SHA256")["ChecksumSHA256"]
    for key, class_, source in (("a", "EC42", "from"), ("b", "GLACIER", "a"), ("c", "STANDARD", "b")):
        s3.copy_object(Bucket=bucket, Key=key, CopySource="%s/%s" % (bucket, source), StorageClass=class_)
        got = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        assert got.get("ChecksumSHA256") == made and got.get("StorageClass", "STANDARD") == class_


def test_a_copy_has_the_checksum_that_it_asks_for(cloud, s3, bucket):
    body = os.urandom(2 * MB)
    s3.put_object(Bucket=bucket, Key="from", Body=body)
    r = send(cloud, "PUT", bucket + "/to", **{"x-amz-copy-source": bucket + "/from", "x-amz-checksum-algorithm": "CRC32",
                                               "x-amz-storage-class": "STANDARD_IA"})
    want = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    assert "<ChecksumCRC32>%s</ChecksumCRC32>" % want in r.text
    head = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == want and head["StorageClass"] == "STANDARD_IA"
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body
