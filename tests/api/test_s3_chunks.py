"""Bodies in S3's own chunks: taken apart, and no byte of them believed that was not signed."""
import base64
import hashlib
import os
import zlib

import pytest

from s3 import Chunks, refused

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.fixture(scope="module")
def place(cloud, s3):
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    return name


def crc32(body):
    return {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()}


@pytest.mark.parametrize("how", (SIGNED, TRAILED, UNSIGNED))
@pytest.mark.parametrize("size", (0, 1, 65536, 65537, 1 << 20, (1 << 20) + 1, 5 << 20))
def test_whole(cloud, s3, place, how, size):
    body = os.urandom(size)
    r = Chunks("PUT", "%s/%s/whole" % (cloud.url, place), body, 65536, how=how,
               trailer=None if how == SIGNED else crc32(body), content_type="a/b").send()
    assert r.status_code == 200, r.text
    assert r.headers["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    got = s3.get_object(Bucket=place, Key="whole")
    assert got["Body"].read() == body and got["ContentType"] == "a/b" and "ContentEncoding" not in got


def test_small_chunks_and_encodings(cloud, s3, place):
    body = os.urandom(70000)
    r = Chunks("PUT", "%s/%s/small" % (cloud.url, place), body, 8192, how=SIGNED, content_encoding="gzip,aws-chunked").send()
    assert r.status_code == 200, r.text
    got = s3.get_object(Bucket=place, Key="small")
    assert got["Body"].read() == body and got["ContentEncoding"] == "gzip"
    r = Chunks("PUT", "%s/%s/small" % (cloud.url, place), b"x", 100, how=SIGNED).send()
    assert r.status_code == 200, r.text # the last may be smaller
    r = Chunks("PUT", "%s/%s/small" % (cloud.url, place), body, 8191, how=SIGNED).send()
    assert r.status_code == 403 and "<BadChunkSize>8191</BadChunkSize>" in r.text
    assert s3.get_object(Bucket=place, Key="small")["Body"].read() == b"x"


def damaged(chunks):
    """What somebody on the way could make of it."""
    whole = chunks.encode()
    head = whole.index(b"\r\n") + 2
    yield "a byte", whole[:head + 5] + bytes([whole[head + 5] ^ 1]) + whole[head + 6:], "SignatureDoesNotMatch"
    yield "a signature", whole.replace(b"chunk-signature=", b"chunk-signature=0", 1), "SignatureDoesNotMatch"
    first = whole[:head + chunks.size + 2]
    yield "a chunk twice", first + whole, "SignatureDoesNotMatch"
    yield "no first chunk", whole[len(first):], "SignatureDoesNotMatch"
    yield "no last chunk", whole[:whole.rindex(b"0;chunk")], "IncompleteBody"
    yield "cut", whole[:head + 10], "IncompleteBody"
    yield "more than it says", first + whole[:-len(first)], "SignatureDoesNotMatch"
    yield "no chunks", b"what is no chunk at all\r\n" * 4, "IncompleteBody"


def test_tampering(cloud, s3, place):
    body = os.urandom(3 * 8192)
    for i in range(8):
        chunks = sized(cloud, place, "k", body)
        name, sent, code = list(damaged(chunks))[i]
        r = chunks.send(sent)
        assert r.status_code in (400, 403) and code in r.text, (name, r.text)
    assert refused(s3.head_object, Bucket=place, Key="k") == ("404", 404)


def sized(cloud, place, key, body):
    chunks = Chunks("PUT", "%s/%s/%s" % (cloud.url, place, key), body, 8192, how=SIGNED)
    chunks.size = 8192
    return chunks


def test_lengths(cloud, s3, place):
    body = os.urandom(20000)
    for wrong in ("19999", "20001", "x", "-1"):
        r = Chunks("PUT", "%s/%s/l" % (cloud.url, place), body, 8192, how=SIGNED, x_amz_decoded_content_length=wrong).send()
        assert r.status_code in (400, 411), r.text
    assert refused(s3.head_object, Bucket=place, Key="l") == ("404", 404)
    r = Chunks("PUT", "%s/%s/l" % (cloud.url, place), body, 8192, how="STREAMING-SOMETHING").send()
    assert r.status_code == 501
