"""Forms of browsers: objects that they upload, by whom and what a policy lets."""
import base64
import hashlib
import hmac
import json
import os
import re
import time

import pytest
import requests
from urllib3.filepost import encode_multipart_formdata

from s3 import ClientError, anonymous, client, refused


@pytest.fixture
def open_bucket(s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    return bucket


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def v2(conditions, expiration=None, secret="testing", access="test:tester", **fields):
    policy = base64.b64encode(json.dumps({"expiration": expiration or at(600), "conditions": conditions}).encode())
    signature = base64.b64encode(hmac.new(secret.encode(), policy, hashlib.sha1).digest())
    return {"AWSAccessKeyId": access, "policy": policy, "signature": signature, **fields}


def post(cloud, bucket, fields, body=b"text", headers=None):
    """The fields, then the file; body None: no file."""
    parts = list(fields.items())
    if body is not None:
        parts.append(("file", ("a/b\\cat.txt", body)))
    data, kind = encode_multipart_formdata(parts, boundary="b0undary")
    return requests.post("%s/%s" % (cloud.url, bucket), data=data, headers={"Content-Type": kind, **(headers or {})},
                         allow_redirects=False)


def error(r):
    return r.status_code, re.search("<Code>(.*)</Code>", r.text)[1]


def message(r):
    return re.search("<Message>(.*)</Message>", r.text)[1].replace("&quot;", '"')


def test_signed_by_version_4(cloud, s3, bucket):
    conditions = [{"acl": "private"}, {"x-amz-meta-a_b": "c"}, ["starts-with", "$Content-Type", "image/"],
                  ["content-length-range", 1, 100]]
    form = s3.generate_presigned_post(bucket, "in/${filename}", {"acl": "private", "x-amz-meta-a_b": "c"}, conditions)
    fields = {**form["fields"], "Content-Type": "image/png", "x-ignore-this": "1"}
    r = post(cloud, bucket, fields)
    assert (r.status_code, r.text) == (204, ""), r.text
    assert r.headers["Location"] == "%s/%s/in/cat.txt" % (cloud.url, bucket)
    got = s3.get_object(Bucket=bucket, Key="in/cat.txt")
    assert got["Body"].read() == b"text" and got["ETag"] == r.headers["ETag"]
    assert (got["ContentType"], got["Metadata"]) == ("image/png", {"a_b": "c"})
    # Every part of it counts.
    for name in ("policy", "x-amz-signature", "x-amz-date", "x-amz-credential"):
        other = fields[name][:-1] + ("0" if fields[name][-1] != "0" else "1")
        assert post(cloud, bucket, {**fields, name: other}).status_code // 100 == 4, name
        assert post(cloud, bucket, {n: v for n, v in fields.items() if n != name}).status_code == 400, name
    assert error(post(cloud, bucket, {**fields, "x-amz-algorithm": "AWS4"})) == (400, "InvalidArgument")
    scope = fields["x-amz-credential"].split("/", 1)[1]
    r = post(cloud, bucket, {**fields, "x-amz-credential": "no:body/" + scope})
    assert error(r) == (403, "InvalidAccessKeyId")
    assert error(post(cloud, bucket, {**fields, "policy": "e30="})) == (403, "SignatureDoesNotMatch")


def test_bounds(cloud, s3, bucket):
    fields = v2([{"bucket": bucket}, {"key": "k"}, ["content-length-range", 4, 100000]], key="k")
    assert error(post(cloud, bucket, fields, b"abc")) == (400, "EntityTooSmall")
    assert error(post(cloud, bucket, fields, b"a" * 100001)) == (400, "EntityTooLarge")
    assert refused(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)
    for size in (4, 100000):
        body = os.urandom(size)
        assert post(cloud, bucket, fields, body).status_code == 204
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_large(cloud, s3, bucket):
    """A file that looks like the form around it."""
    body = (b"\r\n--b0undar" + b"\r\n--" + os.urandom(1000)) * 3200
    fields = v2([{"bucket": bucket}, {"key": "k"}], key="k")
    assert post(cloud, bucket, fields, body).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert post(cloud, bucket, fields, b"").status_code == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b""


@pytest.mark.parametrize("conditions,fields,text", [
    ([{"key": "k"}], {"key": "k"}, "Extra input fields: bucket"),
    (["B", {"key": "k"}], {"key": "k", "acl": "private"}, "Extra input fields: acl"),
    (["B", {"key": "k"}], {"key": "other"}, 'Policy Condition failed: ["eq", "$key", "k"]'),
    (["B", {"key": "k"}, ["starts-with", "$x-amz-meta-a", "b"]], {"key": "k"},
     'Policy Condition failed: ["starts-with", "$x-amz-meta-a", "b"]'),
    (["B", {"key": "k"}, ["starts-with", "$Content-Type", "image/"]], {"key": "k", "Content-Type": "image/png,text/html"},
     'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]'),
])
def test_against_the_policy(cloud, s3, bucket, conditions, fields, text):
    conditions = [{"bucket": bucket} if c == "B" else c for c in conditions]
    r = post(cloud, bucket, v2(conditions, **fields))
    assert error(r) == (403, "AccessDenied")
    assert message(r) == "Invalid according to Policy: " + text
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_expired(cloud, bucket):
    r = post(cloud, bucket, v2([{"bucket": bucket}, {"key": "k"}], expiration=at(-60), key="k"))
    assert (error(r), message(r)) == ((403, "AccessDenied"), "Invalid according to Policy: Policy expired.")


@pytest.mark.parametrize("policy", [b"{", b"[]", b"{}", b'{"expiration": "2999-01-01T00:00:00Z"}', b'{"conditions": []}',
                                    b'{"expiration": "tomorrow", "conditions": []}',
                                    b'{"expiration": "2999-01-01T00:00:00Z", "conditions": [{}]}',
                                    b'{"expiration": "2999-01-01T00:00:00Z", "conditions": [{"key": 1}]}',
                                    b'{"expiration": "2999-01-01T00:00:00Z", "conditions": [["like", "$key", "k"]]}',
                                    b'{"expiration": "2999-01-01T00:00:00Z", "conditions": [["content-length-range", 1]]}',
                                    b'{"expiration": "2999-01-01T00:00:00Z", "conditions": [["content-length-range", -1, 1]]}'])
def test_no_policies(cloud, bucket, policy):
    policy = base64.b64encode(policy)
    signature = base64.b64encode(hmac.new(b"testing", policy, hashlib.sha1).digest())
    fields = {"key": "k", "AWSAccessKeyId": "test:tester", "policy": policy, "signature": signature}
    assert error(post(cloud, bucket, fields)) == (400, "InvalidPolicyDocument")


def test_no_form(cloud, open_bucket):
    url = "%s/%s" % (cloud.url, open_bucket)
    assert error(requests.post(url, data=b"x")) == (412, "PreconditionFailed")
    assert error(post(cloud, open_bucket, {"key": "k"}, body=None)) == (400, "InvalidArgument")
    assert error(post(cloud, open_bucket, {"acl": "private"})) == (400, "InvalidArgument")
    assert error(post(cloud, open_bucket, {"key": ""})) == (400, "InvalidArgument")
    assert error(post(cloud, open_bucket, {"key": "k" * 1025})) == (400, "KeyTooLongError")
    assert error(post(cloud, open_bucket, {"key": "k", "x-amz-meta-a": "a\r\nb: c"})) == (400, "InvalidArgument")
    assert error(post(cloud, open_bucket, {"key": "k", "bucket": "other"})) == (403, "AccessDenied")
    assert error(post(cloud, open_bucket, {"key": "k", "x-ignore-a": "a" * 20480})) == (400, "MaxPostPreDataLengthExceededError")
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    field = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ntext'
    for bad in (b"", b"--c\r\n", field, field + file, b"--b\r\n\r\nk" + file, b"\0" * 100000):
        assert error(requests.post(url, data=bad, headers=kind)) == (400, "MalformedPOSTRequest"), bad[:100]
    assert error(requests.post(url, data=field + field + file + b"\r\n--b--", headers=kind)) == (400, "InvalidArgument")
    assert client(cloud).list_objects_v2(Bucket=open_bucket)["KeyCount"] == 0
    # What follows the file does not count.
    assert requests.post(url, data=field + file + b"\r\n" + field + b"--b--\r\n", headers=kind).status_code == 204
    assert client(cloud).get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"text"


def test_success(cloud, s3, open_bucket):
    etag = '"%s"' % hashlib.md5(b"text").hexdigest()
    r = post(cloud, open_bucket, {"key": "a&b", "success_action_status": "201"})
    assert (r.status_code, r.headers["ETag"]) == (201, etag)
    for element, text in (("Location", "%s/%s/a%%26b" % (cloud.url, open_bucket)), ("Bucket", open_bucket),
                          ("Key", "a&amp;b"), ("ETag", etag.replace('"', "&quot;"))):
        assert "<%s>%s</%s>" % (element, text, element) in r.text
    for status, answered in (("200", 200), ("204", 204), ("404", 204)):
        r = post(cloud, open_bucket, {"key": "k", "success_action_status": status})
        assert (r.status_code, r.text) == (answered, "")
    for where, mark in (("http://a.example/b", "?"), ("http://a.example/b?c=d", "&")):
        r = post(cloud, open_bucket, {"key": "k", "success_action_redirect": where, "success_action_status": "200"})
        told = "%s%sbucket=%s&key=k&etag=%%22%s%%22" % (where, mark, open_bucket, etag.strip('"'))
        assert (r.status_code, r.headers["Location"]) == (303, told)
    assert post(cloud, open_bucket, {"key": "k", "redirect": "javascript:1"}).status_code == 204


def test_who_may(cloud, s3, bucket):
    alt = dict(access="test2:tester2", secret="testing2")
    fields = v2([{"bucket": bucket}, {"key": "k"}], key="k", **alt)
    assert error(post(cloud, bucket, fields)) == (403, "AccessDenied")
    assert error(post(cloud, bucket, {"key": "k"})) == (403, "AccessDenied")
    assert error(post(cloud, "none-such-bucket", {"key": "k"})) == (404, "NoSuchBucket")
    grant = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::%s/in/*" % bucket}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [grant]}))
    assert post(cloud, bucket, {"key": "in/k"}).status_code == 204
    assert post(cloud, bucket, {"key": "out/k"}).status_code == 403


def test_fields_of_objects(cloud, s3, open_bucket):
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    fields = {"key": "k", "tagging": tags, "Cache-Control": "no-cache", "Content-Disposition": "inline", "Expires": "0",
              "x-amz-storage-class": "STANDARD", "acl": "public-read"}
    assert post(cloud, open_bucket, fields).status_code == 204
    got = anonymous(cloud).get_object(Bucket=open_bucket, Key="k")
    assert (got["CacheControl"], got["ContentDisposition"], got["ContentType"]) == ("no-cache", "inline", "binary/octet-stream")
    assert s3.get_object_tagging(Bucket=open_bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert error(post(cloud, open_bucket, {"key": "l", "tagging": "<Tagging"})) == (400, "MalformedXML")
    assert error(post(cloud, open_bucket, {"key": "l", "x-amz-storage-class": "NONE"})) == (400, "InvalidStorageClass")
    assert error(post(cloud, open_bucket, {"key": "l", "acl": "none"})) == (400, "InvalidArgument")
    sha = base64.b64encode(hashlib.sha256(b"text").digest()).decode()
    assert post(cloud, open_bucket, {"key": "s", "x-amz-checksum-sha256": sha}).status_code == 204
    assert error(post(cloud, open_bucket, {"key": "l", "x-amz-checksum-sha256": sha}, b"tex")) == (400, "BadDigest")
    md5 = base64.b64encode(hashlib.md5(b"text").digest()).decode()
    assert error(post(cloud, open_bucket, {"key": "l", "Content-MD5": md5}, b"tex")) == (400, "BadDigest")
    assert refused(s3.head_object, Bucket=open_bucket, Key="l") == ("404", 404)
    assert s3.get_object_attributes(Bucket=open_bucket, Key="s", ObjectAttributes=["Checksum"])["Checksum"]["ChecksumSHA256"] == sha


def test_versions(cloud, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    fields = v2([{"bucket": bucket}, {"key": "k"}], key="k")
    ids = [post(cloud, bucket, fields, b"%d" % i).headers["x-amz-version-id"] for i in range(2)]
    for i, version in enumerate(ids):
        assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == b"%d" % i


def test_cors(cloud, s3, open_bucket):
    rule = {"AllowedMethods": ["POST"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(Bucket=open_bucket, CORSConfiguration={"CORSRules": [rule]})
    r = post(cloud, open_bucket, {"key": "k"}, headers={"Origin": "http://a.example"})
    assert (r.status_code, r.headers.get("Access-Control-Allow-Methods")) == (204, "POST")


def test_client_gone(cloud, s3, open_bucket):
    """Half of a form is no object."""
    head = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n' \
           b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

    def body():
        yield head
        yield b"a" * 100000
        raise ConnectionError

    with pytest.raises((ConnectionError, requests.RequestException)):
        requests.post("%s/%s" % (cloud.url, open_bucket), data=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    with pytest.raises(ClientError):
        s3.head_object(Bucket=open_bucket, Key="k")
