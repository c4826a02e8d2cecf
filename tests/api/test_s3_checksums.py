"""Checksums of the S3 API: compared, kept, told, and those of what is uploaded in parts."""
import base64
import hashlib
import os
import re
import zlib

import pytest
import requests

from conftest import User
from s3 import Chunks, refused
from s3 import send as raw
from test_s3_multipart import MB


@pytest.fixture(scope="module")
def bucket(s3):
    name = "k-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    return name


def b64(data):
    return base64.b64encode(data).decode()


def crc32(data):
    return b64(zlib.crc32(data).to_bytes(4, "big"))


def sha256(data):
    return b64(hashlib.sha256(data).digest())


# Of 1,024 times "A".
LETTERS = {"x-amz-checksum-crc64nvme": "Qeh8oXvGiSo=", "x-amz-checksum-sha256": "arcu6553sHVAiX4MjW0j7I7vD4w6R+Gz9Ok0Q9lTa+0=",
           "x-amz-checksum-sha1": b64(hashlib.sha1(b"A" * 1024).digest()), "x-amz-checksum-crc32": crc32(b"A" * 1024)}


@pytest.mark.parametrize("header", LETTERS)
def test_of_a_body(cloud, s3, bucket, header):
    value = LETTERS[header]
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def send(method, **headers):
        r = AWSRequest(method, "%s/%s/sum" % (cloud.url, bucket), data=b"A" * 1024 if method == "PUT" else None,
                       headers={k.replace("_", "-"): v for k, v in headers.items()})
        S3SigV4Auth(Credentials("test:tester", "testing"), "s3", "us-east-1").add_auth(r)
        return requests.request(method, r.url, data=r.data, headers=dict(r.headers))

    r = send("PUT", **{header: value})
    assert r.status_code == 200 and r.headers[header] == value and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    r = send("HEAD", x_amz_checksum_mode="ENABLED")
    assert r.headers[header] == value and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert header not in send("HEAD").headers and header not in send("GET", x_amz_checksum_mode="ENABLED", Range="bytes=1-2").headers
    for wrong, code in (("bad", "InvalidRequest"), (value + "=", "InvalidRequest"), ("AAAA" + value[4:], "BadDigest")):
        r = send("PUT", **{header: wrong})
        assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text
    other = next(h for h in LETTERS if h != header)
    r = send("PUT", **{header: value, other: LETTERS[other]})
    assert r.status_code == 400 and "<Code>InvalidRequest</Code>" in r.text
    assert send("HEAD", x_amz_checksum_mode="ENABLED").headers[header] == value


@pytest.mark.parametrize("how", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"])
def test_behind_the_body(cloud, s3, bucket, how):
    body = os.urandom(300000)

    def send(trailer):
        return Chunks("PUT", "%s/%s/trailed" % (cloud.url, bucket), body, 65536, how=how, trailer=trailer).send()

    r = send({"x-amz-checksum-crc32": crc32(body)})
    assert r.status_code == 200 and r.headers["x-amz-checksum-crc32"] == crc32(body)
    head = s3.head_object(Bucket=bucket, Key="trailed", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc32(body)
    r = send({"x-amz-checksum-crc32": crc32(b"other")})
    assert r.status_code == 400 and "<Code>BadDigest</Code>" in r.text
    assert s3.head_object(Bucket=bucket, Key="trailed", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(body)


def upload(s3, bucket, key, bodies, of, name, type=None, **more):
    id = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm=name)["UploadId"]
    parts = []
    for i, b in enumerate(bodies):
        r = s3.upload_part(Bucket=bucket, Key=key, UploadId=id, PartNumber=i + 1, Body=b, **{"Checksum" + name: of(b)})
        assert r["Checksum" + name] == of(b)
        parts.append({"PartNumber": i + 1, "ETag": r["ETag"], "Checksum" + name: of(b)})
    return id, parts


def test_composite(s3, bucket):
    bodies = [os.urandom(5 * MB), os.urandom(77)]
    id, parts = upload(s3, bucket, "composite", bodies, sha256, "SHA256")
    listed = s3.list_parts(Bucket=bucket, Key="composite", UploadId=id)
    assert [p["ChecksumSHA256"] for p in listed["Parts"]] == [sha256(b) for b in bodies]
    wanted = sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)) + "-2"
    args = dict(Bucket=bucket, Key="composite", UploadId=id)
    assert refused(s3.complete_multipart_upload, ChecksumSHA256="bad", MultipartUpload={"Parts": parts}, **args) == \
        ("BadDigest", 400)
    wrong = [dict(parts[0], ChecksumSHA256=sha256(b"")), parts[1]]
    assert refused(s3.complete_multipart_upload, MultipartUpload={"Parts": wrong}, **args) == ("InvalidPart", 400)
    for _ in range(2):
        r = s3.complete_multipart_upload(ChecksumSHA256=wanted, MultipartUpload={"Parts": parts}, **args)
        assert r["ChecksumSHA256"] == wanted
    assert s3.head_object(Bucket=bucket, Key="composite", ChecksumMode="ENABLED")["ChecksumSHA256"] == wanted


def test_of_all_bytes(cloud, s3, bucket):
    bodies = [os.urandom(5 * MB), os.urandom(5 * MB + 1), b"end"]
    s3.meta.events.register("before-sign.s3.CreateMultipartUpload", lambda request, **_: request.headers.add_header(
        "x-amz-checksum-type", "FULL_OBJECT"), unique_id="whole")
    try:
        id, parts = upload(s3, bucket, "all", bodies, crc32, "CRC32")
    finally:
        s3.meta.events.unregister("before-sign.s3.CreateMultipartUpload", unique_id="whole")
    r = s3.complete_multipart_upload(Bucket=bucket, Key="all", UploadId=id, MultipartUpload={"Parts": parts})
    assert r["ChecksumCRC32"] == crc32(b"".join(bodies))


def test_kinds_that_do_not_go_together(s3, bucket):
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="x", ChecksumAlgorithm="MD4") == ("InvalidRequest", 400)
    id = s3.create_multipart_upload(Bucket=bucket, Key="x", ChecksumAlgorithm="SHA256")["UploadId"]
    assert refused(s3.upload_part, Bucket=bucket, Key="x", UploadId=id, PartNumber=1, Body=b"a", ChecksumCRC32=crc32(b"a")) == \
        ("InvalidRequest", 400)
    # One that is sent without gets it from us.
    assert s3.upload_part(Bucket=bucket, Key="x", UploadId=id, PartNumber=1, Body=b"a")["ChecksumSHA256"] == sha256(b"a")
    s3.abort_multipart_upload(Bucket=bucket, Key="x", UploadId=id)


def element(text, name):
    found = re.search("<%s>(.*?)</%s>" % (name, name), text)
    return found and found.group(1)


def copy_part(cloud, bucket, key, id, number, source, **headers):
    r = raw(cloud, "PUT", "%s/%s?partNumber=%d&uploadId=%s" % (bucket, key, number, id), **{
        "x-amz-copy-source": "%s/%s" % (bucket, source), **headers})
    assert r.status_code == 200 and element(r.text, "ChecksumType") is None, r.text
    return r.text, {"PartNumber": number, "ETag": element(r.text, "ETag").replace("&quot;", '"')}


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_of_parts_that_are_copied(cloud, s3, bucket, sealed):
    source = os.urandom(11 * MB)
    more = {"ServerSideEncryption": "AES256"} if sealed else {}
    s3.put_object(Bucket=bucket, Key="source", Body=source, **more)
    bodies = [source[:6 * MB], b"sent", source[6 * MB:], b""]
    bodies[1] *= 2 * MB
    for kind, of, type in (("SHA256", sha256, "COMPOSITE"), ("CRC32", crc32, "FULL_OBJECT")):
        key = "copied-" + kind
        r = raw(cloud, "POST", "%s/%s?uploads" % (bucket, key), **{
            "x-amz-checksum-algorithm": kind, "x-amz-checksum-type": type})
        id = element(r.text, "UploadId")
        name, parts = "Checksum" + kind, []
        for n, span in ((1, "0-%d" % (6 * MB - 1)), (3, "%d-%d" % (6 * MB, 11 * MB - 1))):
            text, part = copy_part(cloud, bucket, key, id, n, "source", **{"x-amz-copy-source-range": "bytes=" + span})
            assert element(text, name) == of(bodies[n - 1])
            parts.append(dict(part, **{name: of(bodies[n - 1])}))
        sent = s3.upload_part(Bucket=bucket, Key=key, UploadId=id, PartNumber=2, Body=bodies[1])
        parts.insert(1, {"PartNumber": 2, "ETag": sent["ETag"]})
        s3.put_object(Bucket=bucket, Key="nothing", Body=b"")
        text, part = copy_part(cloud, bucket, key, id, 4, "nothing")
        parts.append(part)
        assert element(text, name) == of(b"")
        listed = s3.list_parts(Bucket=bucket, Key=key, UploadId=id)
        assert [p[name] for p in listed["Parts"]] == [of(b) for b in bodies]
        done = s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=id, MultipartUpload={"Parts": parts})
        wanted = of(b"".join(bodies)) if kind == "CRC32" else \
            sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)) + "-4"
        assert done[name] == wanted
        assert s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")[name] == wanted
    # A copy of all has that of its bytes, of the same kind.
    r = raw(cloud, "PUT", bucket + "/again", **{"x-amz-copy-source": bucket + "/copied-SHA256"})
    assert element(r.text, "ChecksumSHA256") == sha256(b"".join(bodies)) and element(r.text, "ChecksumType") == "FULL_OBJECT"
    assert s3.head_object(Bucket=bucket, Key="again", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(b"".join(bodies))


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_that_a_copy_asks_for(cloud, s3, versioned):
    bucket = "k-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=bucket)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    body = os.urandom(3 * MB)
    s3.put_object(Bucket=bucket, Key="from", Body=body, ChecksumSHA256=sha256(body))
    s3.put_object(Bucket=bucket, Key="without", Body=body)
    for source in ("from", "without"):
        for kind, of in (("CRC32", crc32), ("SHA256", sha256), ("SHA1", lambda b: b64(hashlib.sha1(b).digest()))):
            r = raw(cloud, "PUT", bucket + "/to", **{"x-amz-copy-source": "%s/%s" % (bucket, source),
                                                      "x-amz-checksum-algorithm": kind})
            assert element(r.text, "Checksum" + kind) == of(body) and element(r.text, "ChecksumType") == "FULL_OBJECT"
            head = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
            assert {k: v for k, v in head.items() if k in ("ChecksumCRC32", "ChecksumSHA1", "ChecksumSHA256")} == \
                {"Checksum" + kind: of(body)}
            assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body
    r = raw(cloud, "PUT", bucket + "/to", **{"x-amz-copy-source": bucket + "/from", "x-amz-checksum-algorithm": "MD4"})
    assert r.status_code == 400 and "<Code>InvalidRequest</Code>" in r.text


NVME = "x-amz-checksum-crc64nvme"


def test_of_what_is_stored_without(cloud, s3, bucket):
    """CRC64NVME, as AWS has it."""
    r = raw(cloud, "PUT", bucket + "/default", b"A" * 1024)
    assert r.headers[NVME] == LETTERS[NVME] and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    r = raw(cloud, "PUT", bucket + "/copy", **{"x-amz-copy-source": bucket + "/default"})
    assert "Checksum" not in r.text  # clients of before know no such element
    r = raw(cloud, "PUT", bucket + "/copy", **{"x-amz-copy-source": bucket + "/default", "x-amz-checksum-algorithm": "CRC64NVME"})
    assert element(r.text, "ChecksumCRC64NVME") == LETTERS[NVME]
    for key in ("default", "copy"):
        assert NVME not in raw(cloud, "HEAD", "%s/%s" % (bucket, key)).headers
        r = raw(cloud, "GET", "%s/%s" % (bucket, key), **{"x-amz-checksum-mode": "ENABLED"})
        assert r.headers[NVME] == LETTERS[NVME] and r.content == b"A" * 1024
        r = raw(cloud, "GET", "%s/%s?attributes" % (bucket, key), **{"x-amz-object-attributes": "Checksum"})
        assert element(r.text, "ChecksumCRC64NVME") == LETTERS[NVME]
    # What Swift's API has stored has none; a copy of it has.
    User(cloud, "test:tester", "testing").request("PUT", "/%s/swift" % bucket, data=b"A" * 1024)
    assert NVME not in raw(cloud, "HEAD", bucket + "/swift", **{"x-amz-checksum-mode": "ENABLED"}).headers
    raw(cloud, "PUT", bucket + "/copy", **{"x-amz-copy-source": bucket + "/swift"})
    r = raw(cloud, "HEAD", bucket + "/copy", **{"x-amz-checksum-mode": "ENABLED"})
    assert r.headers[NVME] == LETTERS[NVME]


def test_of_an_upload_without(cloud, s3, bucket):
    bodies = [os.urandom(5 * MB), os.urandom(6 * MB + 3), os.urandom(100)]
    whole = raw(cloud, "PUT", bucket + "/once", b"".join(bodies)).headers[NVME]
    s3.put_object(Bucket=bucket, Key="second", Body=bodies[1])

    def upload(key, **last):
        id = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        parts = []
        for n, body, more in ((1, bodies[0], {}), (3, bodies[2], last)):
            r = raw(cloud, "PUT", "%s/%s?partNumber=%d&uploadId=%s" % (bucket, key, n, id), body, **more)
            assert all(r.headers[h] == v for h, v in more.items()) and (more or r.headers[NVME])
            parts.append((n, r.headers["ETag"]))
        parts.insert(1, (2, copy_part(cloud, bucket, key, id, 2, "second")[1]["ETag"]))
        xml = "".join("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % p for p in parts)
        return raw(cloud, "POST", "%s/%s?uploadId=%s" % (bucket, key, id),
                   b"<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % xml.encode()).text
    assert "Checksum" not in upload("parts")
    r = raw(cloud, "HEAD", bucket + "/parts", **{"x-amz-checksum-mode": "ENABLED"})
    assert r.headers[NVME] == whole and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    r = raw(cloud, "HEAD", bucket + "/parts", **{"x-amz-checksum-mode": "ENABLED"})
    assert r.headers[NVME] == whole and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    # A part may have another one; then nothing is known of the whole.
    text = upload("mixed", **{"x-amz-checksum-crc32": crc32(bodies[2])})
    assert element(text, "ETag") and "Checksum" not in text
