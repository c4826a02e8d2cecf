"""Server-side encryption of the S3 API: customers' keys, the root secret, keys that are named, defaults of buckets."""
import base64
import hashlib
import json
import os
import signal
import subprocess

import pytest

from conftest import Cloud, User, wait_for
from s3 import client, refused, send

MB = 1 << 20
SIZES = [0, 1, 1000, 65536, 65537, 300000, MB, MB + 1, 3 * MB + 5]


def key_of(name):
    key = hashlib.sha256(name.encode()).digest()
    return {"Algorithm": "AES256", "Key": base64.b64encode(key).decode(),
            "KeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode()}


def ssec(name, prefix="SSECustomer"):
    return {prefix + k: v for k, v in key_of(name).items()}


A, B = ssec("a"), ssec("b")
SOURCE_A = ssec("a", "CopySourceSSECustomer")


def secret_body(size, name="b"):
    """Bytes that are found again when they are somewhere in the clear."""
    return (("in the clear: %s " % name).encode() * (size // 16 + 1))[:size]


def in_the_clear(cloud, text):
    found = subprocess.run(["grep", "-rlaF", text, cloud.state + "/devices"], stdout=subprocess.PIPE, text=True)
    return found.stdout != ""


def write_kms(cloud, disabled=()):
    with open(os.open(cloud.dir + "/kms.keys", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("# id, key\n")
        for name, key in cloud.keys.items():
            f.write("%s %s%s\n" % (name, key, " disabled" if name in disabled else ""))


def reload(cloud):
    os.kill(cloud.node_pid(), signal.SIGHUP)


@pytest.fixture(scope="module")
def sse():
    cloud = Cloud(devices=3)
    cloud.keys = {name: base64.b64encode(os.urandom(32)).decode() for name in ("one", "two")}
    write_kms(cloud)
    cloud.conf = {"s3": ["kms_keys = " + cloud.dir + "/kms.keys"]}
    cloud.up()
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def s3(sse):
    return client(sse)


def read(s3, bucket, key, **args):
    return s3.get_object(Bucket=bucket, Key=key, **args)["Body"].read()


# --- customers' keys ---

def test_a_customers_key(sse, s3, bucket):
    for size in SIZES:
        body = secret_body(size, "ssec")
        r = s3.put_object(Bucket=bucket, Key="k%d" % size, Body=body, Metadata={"m": "1"}, **A)
        assert (r["SSECustomerAlgorithm"], r["SSECustomerKeyMD5"]) == ("AES256", A["SSECustomerKeyMD5"])
        assert r["ETag"] != '"%s"' % hashlib.md5(body).hexdigest() and "ServerSideEncryption" not in r
        head = s3.head_object(Bucket=bucket, Key="k%d" % size, **A)
        got = s3.get_object(Bucket=bucket, Key="k%d" % size, **A)
        assert got["Body"].read() == body
        for answer in (head, got):
            assert (answer["ETag"], answer["ContentLength"], answer["Metadata"]) == (r["ETag"], size, {"m": "1"})
            assert (answer["SSECustomerAlgorithm"], answer["SSECustomerKeyMD5"]) == ("AES256", A["SSECustomerKeyMD5"])
        for first, last in ((0, 0), (size // 2, size - 1), (65530, 65540), (MB - 5, MB + 70000)):
            if 0 <= first <= last < size:
                part = s3.get_object(Bucket=bucket, Key="k%d" % size, Range="bytes=%d-%d" % (first, last), **A)
                assert part["Body"].read() == body[first:last + 1]
                assert part["ContentRange"] == "bytes %d-%d/%d" % (first, last, size)
    assert not in_the_clear(sse, "in the clear: ssec")
    s3.copy_object(Bucket=bucket, Key="open", CopySource={"Bucket": bucket, "Key": "k1000"}, **SOURCE_A)
    assert in_the_clear(sse, "in the clear: ssec")
    s3.delete_object(Bucket=bucket, Key="open")
    listed = {o["Key"]: (o["Size"], o["ETag"]) for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed == {"k%d" % n: (n, s3.head_object(Bucket=bucket, Key="k%d" % n, **A)["ETag"]) for n in SIZES}


def test_etags_say_nothing_of_the_text(s3, bucket):
    """But that it is the same one: a part that is sent again may be named by the answer that came first."""
    etag = s3.put_object(Bucket=bucket, Key="1", Body=b"x", **A)["ETag"]
    assert s3.put_object(Bucket=bucket, Key="1", Body=b"y", **A)["ETag"] != etag != s3.put_object(Bucket=bucket, Key="1", Body=b"x", **B)["ETag"]
    assert s3.put_object(Bucket=bucket, Key="1", Body=b"x", **A)["ETag"] == etag
    assert s3.put_object(Bucket=bucket, Key="1", Body=b"x", **A)["ETag"] != s3.put_object(Bucket=bucket, Key="2", Body=b"x", **A)["ETag"]
    etag = s3.head_object(Bucket=bucket, Key="1", **A)["ETag"]
    assert read(s3, bucket, "1", IfMatch=etag, **A) == b"x"
    assert refused(s3.get_object, Bucket=bucket, Key="1", IfMatch='"%s"' % hashlib.md5(b"x").hexdigest(), **A)[1] == 412
    assert refused(s3.get_object, Bucket=bucket, Key="1", IfNoneMatch=etag, **A)[1] == 304


@pytest.mark.parametrize("size", [0, 5, 2 * MB])
def test_without_it_or_with_another(sse, s3, bucket, size):
    s3.put_object(Bucket=bucket, Key="k", Body=secret_body(size), **A)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("InvalidRequest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 400
    assert refused(s3.get_object, Bucket=bucket, Key="k", **B) == ("InvalidRequest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="k", **B)[1] == 400
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=0-1", **B) == ("InvalidRequest", 400)
    attributes = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    assert refused(s3.get_object_attributes, **attributes) == ("InvalidRequest", 400)
    assert refused(s3.get_object_attributes, **attributes, **B) == ("InvalidRequest", 400)
    assert s3.get_object_attributes(**attributes, **A)["ObjectSize"] == size
    s3.delete_object(Bucket=bucket, Key="k")
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_a_key_that_nobody_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"plain")
    assert refused(s3.get_object, Bucket=bucket, Key="k", **A) == ("InvalidRequest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="k", **A)[1] == 400


PREFIX = "x-amz-server-side-encryption-customer-"


@pytest.mark.parametrize("change, code", [
    ({"algorithm": None}, "InvalidArgument"), ({"key": None}, "InvalidArgument"), ({"key-MD5": None}, "InvalidArgument"),
    ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"), ({"key": "%%%"}, "InvalidArgument"),
    ({"key-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"), ({"key": ""}, "InvalidArgument"),
    ({"key": base64.b64encode(b"short").decode(), "key-MD5": base64.b64encode(hashlib.md5(b"short").digest()).decode()},
     "InvalidArgument")])
def test_bad_keys(sse, s3, bucket, change, code):
    headers = {PREFIX + "algorithm": "AES256", PREFIX + "key": A["SSECustomerKey"], PREFIX + "key-MD5": A["SSECustomerKeyMD5"]}
    headers.update({PREFIX + k: v for k, v in change.items()})
    headers = {k: v for k, v in headers.items() if v is not None}
    r = send(sse, "PUT", bucket + "/k", b"body", **headers)
    assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 404
    r = send(sse, "GET", bucket + "/k", **headers)
    assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text
    r = send(sse, "PUT", bucket + "/k", b"body", **{**headers, "x-amz-server-side-encryption": "AES256"})
    assert r.status_code == 400


def test_content_md5_is_of_the_plain_text(s3, bucket):
    right, wrong = (base64.b64encode(hashlib.md5(t).digest()).decode() for t in (b"body", b"other"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentMD5=right, **A)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"body", ContentMD5=wrong, **A) == ("BadDigest", 400)


def test_swift_gives_no_bytes_of_it(sse, s3, bucket):
    user = User(sse, "test:tester", "testing")
    for size in (5, 2 * MB):
        s3.put_object(Bucket=bucket, Key="k", Body=secret_body(size), **A)
        for query, headers in (("", {}), ("", {"Range": "bytes=0-1"}), ("?multipart-manifest=get", {}),
                               ("", {"X-Backend-Seal-Open": A["SSECustomerKey"]})):
            r = user.request("GET", "/%s/k%s" % (bucket, query), headers=headers)
            assert r.status_code == 403 and b"in the clear" not in r.content
        head = user.request("HEAD", "/%s/k" % bucket)
        assert head.status_code == 200 and int(head.headers["Content-Length"]) == size
        assert not [h for h in head.headers if "sysmeta" in h.lower()]
        r = user.request("PUT", "/%s/copy" % bucket, headers={"X-Copy-From": "/%s/k" % bucket})
        assert r.status_code == 403
        assert user.request("POST", "/%s/k" % bucket, headers={"X-Object-Meta-New": "1"}).status_code == 202
        assert read(s3, bucket, "k", **A) == secret_body(size)
        assert s3.head_object(Bucket=bucket, Key="k", **A)["Metadata"] == {"new": "1"}


def test_copies(s3, bucket):
    body = secret_body(2 * MB + 7)
    s3.put_object(Bucket=bucket, Key="a", Body=body, **A)
    source = {"Bucket": bucket, "Key": "a"}
    assert refused(s3.copy_object, Bucket=bucket, Key="c", CopySource=source) == ("InvalidRequest", 400)
    assert refused(s3.copy_object, Bucket=bucket, Key="c", CopySource=source, **ssec("b", "CopySourceSSECustomer")) == (
        "InvalidRequest", 400)
    r = s3.copy_object(Bucket=bucket, Key="plain", CopySource=source, **SOURCE_A)
    assert r["CopyObjectResult"]["ETag"] == '"%s"' % hashlib.md5(body).hexdigest() and "SSECustomerAlgorithm" not in r
    assert read(s3, bucket, "plain") == body
    r = s3.copy_object(Bucket=bucket, Key="other", CopySource=source, **SOURCE_A, **B)
    assert r["SSECustomerKeyMD5"] == B["SSECustomerKeyMD5"]
    assert s3.head_object(Bucket=bucket, Key="other", **B)["ETag"] == r["CopyObjectResult"]["ETag"]
    assert read(s3, bucket, "other", **B) == body
    s3.copy_object(Bucket=bucket, Key="a", CopySource=source, **SOURCE_A, **B)  # to itself: another key
    assert read(s3, bucket, "a", **B) == body and refused(s3.get_object, Bucket=bucket, Key="a", **A)[1] == 400
    s3.copy_object(Bucket=bucket, Key="sealed", CopySource={"Bucket": bucket, "Key": "plain"}, **A)
    assert read(s3, bucket, "sealed", **A) == body
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "plain"}, **SOURCE_A) == (
        "InvalidRequest", 400)


def test_parts(sse, s3, bucket):
    first, second = secret_body(5 * MB), secret_body(300000)
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"m": "hidden-metadata"}, **A)
    assert begun["SSECustomerKeyMD5"] == A["SSECustomerKeyMD5"]
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    assert refused(s3.upload_part, PartNumber=1, Body=first, **upload) == ("InvalidRequest", 400)
    assert refused(s3.upload_part, PartNumber=1, Body=first, **upload, **B) == ("InvalidRequest", 400)
    parts = [{"PartNumber": 1, "ETag": s3.upload_part(PartNumber=1, Body=first, **upload, **A)["ETag"]}]
    s3.put_object(Bucket=bucket, Key="source", Body=second + second, **B)
    copy = {"CopySource": {"Bucket": bucket, "Key": "source"}, "CopySourceRange": "bytes=0-%d" % (len(second) - 1)}
    assert refused(s3.upload_part_copy, PartNumber=2, **copy, **upload, **A) == ("InvalidRequest", 400)
    assert refused(s3.upload_part_copy, PartNumber=2, **copy, **upload, **ssec("b", "CopySourceSSECustomer")) == (
        "InvalidRequest", 400)
    r = s3.upload_part_copy(PartNumber=2, **copy, **upload, **A, **ssec("b", "CopySourceSSECustomer"))
    assert r["SSECustomerKeyMD5"] == A["SSECustomerKeyMD5"]
    parts.append({"PartNumber": 2, "ETag": r["CopyPartResult"]["ETag"]})
    whole = {"MultipartUpload": {"Parts": parts}}
    assert refused(s3.complete_multipart_upload, **upload, **whole) == ("InvalidRequest", 400)
    assert refused(s3.complete_multipart_upload, **upload, **whole, **B) == ("InvalidRequest", 400)
    r = s3.complete_multipart_upload(**upload, **whole, **A)["ResponseMetadata"]["HTTPHeaders"]
    assert r["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
    assert read(s3, bucket, "k", **A) == first + second
    assert s3.head_object(Bucket=bucket, Key="k", **A)["Metadata"] == {"m": "hidden-metadata"}
    assert read(s3, bucket, "k", PartNumber=2, **A) == second
    assert read(s3, bucket, "k", Range="bytes=%d-%d" % (5 * MB - 3, 5 * MB + 3), **A) == (first + second)[5 * MB - 3:5 * MB + 4]
    for args in ({}, B):
        assert refused(s3.get_object, Bucket=bucket, Key="k", **args) == ("InvalidRequest", 400)
        assert refused(s3.get_object, Bucket=bucket, Key="k", PartNumber=1, **args) == ("InvalidRequest", 400)
        assert refused(s3.head_object, Bucket=bucket, Key="k", **args)[1] == 400
    user = User(sse, "test:tester", "testing")
    assert user.request("GET", "/%s/k" % bucket).status_code == 403
    for row in user.request("GET", "/%s+segments?format=json" % bucket).json():
        assert user.request("GET", "/%s+segments/%s" % (bucket, row["name"])).status_code == 403
    assert user.request("PUT", "/%s/copy" % bucket, headers={"X-Copy-From": "/%s/k" % bucket}).status_code == 403
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, **SOURCE_A, **B)
    assert read(s3, bucket, "copy", **B) == first + second
    assert not in_the_clear(sse, "hidden-metadata")
    s3.copy_object(Bucket=bucket, Key="open", CopySource={"Bucket": bucket, "Key": "k"}, **SOURCE_A)
    assert in_the_clear(sse, "hidden-metadata") and read(s3, bucket, "open") == first + second


def test_an_upload_without_wants_none(s3, bucket):
    upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    assert refused(s3.upload_part, PartNumber=1, Body=b"x", **upload, **A) == ("InvalidRequest", 400)


@pytest.mark.parametrize("size", [3, 2 * MB + 5])
def test_each_version_has_its_key(s3, bucket, size):
    """What was there before versions are kept is moved without its key."""
    old, new = secret_body(size), b"new"
    s3.put_object(Bucket=bucket, Key="k", Body=old, Metadata={"m": "old"}, **A)
    etag = s3.head_object(Bucket=bucket, Key="k", **A)["ETag"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    id = s3.put_object(Bucket=bucket, Key="k", Body=new, **B)["VersionId"]
    assert read(s3, bucket, "k", **B) == new and read(s3, bucket, "k", VersionId=id, **B) == new
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId=id, **A)[1] == 400
    r = s3.get_object(Bucket=bucket, Key="k", VersionId="null", **A)
    assert r["Body"].read() == old and r["ETag"] == etag and r["Metadata"] == {"m": "old"}
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="null")[1] == 400
    rows = {v["VersionId"]: v["Size"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]}
    assert rows == {"null": size, id: 3}
    if size > MB:
        assert read(s3, bucket, "k", VersionId="null", Range="bytes=1048570-1048580", **A) == old[1048570:1048581]


# --- the root secret ---

def test_the_root_secret(sse, s3, bucket):
    for size in SIZES:
        body = secret_body(size, "root")
        r = s3.put_object(Bucket=bucket, Key="k%d" % size, Body=body, ServerSideEncryption="AES256", Metadata={"m": "hidden-root"})
        assert r["ServerSideEncryption"] == "AES256" and r["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
        assert s3.head_object(Bucket=bucket, Key="k%d" % size)["ServerSideEncryption"] == "AES256"
        got = s3.get_object(Bucket=bucket, Key="k%d" % size)
        assert got["ServerSideEncryption"] == "AES256" and got["Body"].read() == body
    assert not in_the_clear(sse, "in the clear: root") and not in_the_clear(sse, "hidden-root")
    listed = {o["Key"]: o["ETag"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed["k1000"] == '"%s"' % hashlib.md5(secret_body(1000, "root")).hexdigest()
    assert not in_the_clear(sse, hashlib.md5(secret_body(1000, "root")).hexdigest())
    user = User(sse, "test:tester", "testing")
    assert user.request("GET", "/%s/k1000" % bucket).content == secret_body(1000, "root")


def test_who_reads_says_nothing_of_it(sse, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    for method in ("GET", "HEAD"):
        assert send(sse, method, bucket + "/k", **{"x-amz-server-side-encryption": "AES256"}).status_code == 400


@pytest.mark.parametrize("headers", [
    {"": "AES128"}, {"": ""}, {"": "AES256", "-aws-kms-key-id": "k"}, {"-aws-kms-key-id": "k"},
    {"": "AES256", "-context": "e30="}, {"": "AES256", "-customer-algorithm": "AES256"}])
def test_bad_ways(sse, s3, bucket, headers):
    r = send(sse, "PUT", bucket + "/k", b"body", **{"x-amz-server-side-encryption" + k: v for k, v in headers.items()})
    assert r.status_code == 400 and "<Code>InvalidArgument</Code>" in r.text
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_parts_and_copies_by_the_root_secret(sse, s3, bucket):
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ServerSideEncryption="AES256")
    assert begun["ServerSideEncryption"] == "AES256"
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    part = s3.upload_part(PartNumber=1, Body=secret_body(MB, "part"), **upload)
    assert part["ServerSideEncryption"] == "AES256"
    r = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert r["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    assert read(s3, bucket, "k") == secret_body(MB, "part")
    r = s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, ServerSideEncryption="AES256")
    assert r["ServerSideEncryption"] == "AES256" and read(s3, bucket, "c") == secret_body(MB, "part")
    user = User(sse, "test:tester", "testing")
    assert user.request("PUT", "/%s/by-swift" % bucket, headers={"X-Copy-From": "/%s/c" % bucket}).status_code == 201
    assert s3.head_object(Bucket=bucket, Key="by-swift")["ServerSideEncryption"] == "AES256"
    assert read(s3, bucket, "by-swift") == secret_body(MB, "part")
    assert not in_the_clear(sse, "in the clear: part")
    s3.copy_object(Bucket=bucket, Key="open", CopySource={"Bucket": bucket, "Key": "c"})
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="open")
    assert in_the_clear(sse, "in the clear: part")


# --- keys that are named ---

KMS, KEY_ID = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
ONE = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "one"}


def told(answer):
    return answer.get("ServerSideEncryption"), answer.get("SSEKMSKeyId")


def test_a_key_that_is_named(sse, s3, bucket):
    for size in SIZES:
        body = secret_body(size, "kms")
        r = s3.put_object(Bucket=bucket, Key="k%d" % size, Body=body, Metadata={"m": "hidden-kms"}, **ONE)
        assert told(r) == ("aws:kms", "one") and r["ETag"] != '"%s"' % hashlib.md5(body).hexdigest()
        head, got = s3.head_object(Bucket=bucket, Key="k%d" % size), s3.get_object(Bucket=bucket, Key="k%d" % size)
        assert told(head) == told(got) == ("aws:kms", "one") and got["Body"].read() == body
        assert head["ETag"] == got["ETag"] == r["ETag"] and head["ContentLength"] == size
    assert not in_the_clear(sse, "in the clear: kms") and not in_the_clear(sse, "hidden-kms")
    user = User(sse, "test:tester", "testing")
    assert user.request("GET", "/%s/k1000" % bucket).content == secret_body(1000, "kms")
    assert user.request("PUT", "/%s/by-swift" % bucket, headers={"X-Copy-From": "/%s/k1000" % bucket}).status_code == 201
    assert told(s3.head_object(Bucket=bucket, Key="by-swift")) == ("aws:kms", "one")
    assert read(s3, bucket, "by-swift") == secret_body(1000, "kms") and not in_the_clear(sse, "in the clear: kms")
    for name in ("arn:aws:kms:us-east-1:123456789012:key/one", "alias/one"):
        s3.put_object(Bucket=bucket, Key="named", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=name)
        assert told(s3.head_object(Bucket=bucket, Key="named")) == ("aws:kms", name) and read(s3, bucket, "named") == b"x"


def test_what_goes_with_a_key(sse, s3, bucket):
    context = base64.b64encode(b'{"department": "x"}').decode()
    r = s3.put_object(Bucket=bucket, Key="k", Body=b"x", BucketKeyEnabled=True, SSEKMSEncryptionContext=context, **ONE)
    assert r["BucketKeyEnabled"] and r["SSEKMSEncryptionContext"] == context
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["BucketKeyEnabled"] and "SSEKMSEncryptionContext" not in got and got["Body"].read() == b"x"
    for bad in ("", "%", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"a": 1}').decode(), base64.b64encode(b"{").decode()):
        r = send(sse, "PUT", bucket + "/k", b"y", **{KMS: "aws:kms", KEY_ID: "one", KMS + "-context": bad})
        assert r.status_code == 400 and "<Code>InvalidArgument</Code>" in r.text, bad


@pytest.mark.parametrize("key, code", [("none", "KMS.NotFoundException"), (None, "InvalidArgument"), ("", "InvalidArgument"),
                                       ("one two", "InvalidArgument"), ("x" * 3000, "InvalidArgument"),
                                       ("arn:aws:kms:us-east-1:1:key/none", "KMS.NotFoundException")])
def test_keys_that_are_not_there(sse, s3, bucket, key, code):
    headers = {KMS: "aws:kms", **({KEY_ID: key} if key is not None else {})}
    for method, path in (("PUT", "/k"), ("POST", "/k?uploads")):
        r = send(sse, method, bucket + path, b"", **headers)
        assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_parts_by_a_key(sse, s3, bucket):
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", **ONE)
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    part = s3.upload_part(PartNumber=1, Body=secret_body(MB, "kms-part"), **upload)
    r = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert told(begun) == told(part) == told(r) == told(got) == ("aws:kms", "one")
    assert got["Body"].read() == secret_body(MB, "kms-part") and not in_the_clear(sse, "in the clear: kms-part")
    r = s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, ServerSideEncryption="aws:kms",
                       SSEKMSKeyId="two")
    assert told(r) == told(s3.head_object(Bucket=bucket, Key="c")) == ("aws:kms", "two")
    assert read(s3, bucket, "c") == secret_body(MB, "kms-part")


def test_a_key_is_disabled_and_comes_back(sse, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", ServerSideEncryption="aws:kms", SSEKMSKeyId="two")
    upload = {"Bucket": bucket, "Key": "p", "UploadId": s3.create_multipart_upload(
        Bucket=bucket, Key="p", ServerSideEncryption="aws:kms", SSEKMSKeyId="two")["UploadId"]}
    part = s3.upload_part(PartNumber=1, Body=b"part", **upload)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    user = User(sse, "test:tester", "testing")
    write_kms(sse, disabled=["two"])
    reload(sse)
    wait_for(lambda: send(sse, "GET", bucket + "/k").status_code == 400)
    for key in ("k", "p"):
        assert refused(s3.get_object, Bucket=bucket, Key=key) == ("KMS.DisabledException", 400)
        assert told(s3.head_object(Bucket=bucket, Key=key)) == ("aws:kms", "two")
    assert refused(s3.put_object, Bucket=bucket, Key="x", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="two") == (
        "KMS.DisabledException", 400)
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "k"}) == ("KMS.DisabledException", 400)
    assert user.request("GET", "/%s/k" % bucket).status_code == 403
    assert user.request("GET", "/%s/p" % bucket).status_code in (403, 409)
    write_kms(sse)
    reload(sse)
    wait_for(lambda: send(sse, "GET", bucket + "/k").status_code == 200)
    assert read(s3, bucket, "k") == b"body" and read(s3, bucket, "p") == b"part"


# --- defaults of buckets ---

def encrypt(s3, bucket, method, key=None, cache=None):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": method, **({"KMSMasterKeyID": key} if key else {})},
            **({} if cache is None else {"BucketKeyEnabled": cache})}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def test_what_is_set_for_a_bucket(s3, bucket):
    none = ("ServerSideEncryptionConfigurationNotFoundError", 404)
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == none
    for method, key, cache in (("AES256", None, None), ("aws:kms", "one", True), ("aws:kms", "unknown", False), ("aws:kms", None, None)):
        encrypt(s3, bucket, method, key, cache)
        rule, = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule == {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": method, **({"KMSMasterKeyID": key} if key else {})},
                        "BucketKeyEnabled": bool(cache)}
    assert s3.delete_bucket_encryption(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == none


RULE = "<Rule><ApplyServerSideEncryptionByDefault>%s</ApplyServerSideEncryptionByDefault>%s</Rule>"


@pytest.mark.parametrize("inner, code", [
    ("", "MalformedXML"), ("<Rule/>", "MalformedXML"), (2 * RULE % (("<SSEAlgorithm>AES256</SSEAlgorithm>", "") * 2), "MalformedXML"),
    (RULE % ("", ""), "MalformedXML"), (RULE % ("<SSEAlgorithm>AES</SSEAlgorithm>", ""), "MalformedXML"),
    (RULE % ("<SSEAlgorithm>AES256</SSEAlgorithm>", "<BucketKeyEnabled>2</BucketKeyEnabled>"), "MalformedXML"),
    (RULE % ("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>", ""), "InvalidArgument"),
    (RULE % ("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a b</KMSMasterKeyID>", ""), "InvalidArgument"),
    ("<Rule><BlockedEncryptionTypes><EncryptionType>X</EncryptionType></BlockedEncryptionTypes></Rule>", "MalformedXML")])
def test_what_cannot_be_set(sse, s3, bucket, inner, code):
    text = "<ServerSideEncryptionConfiguration>%s</ServerSideEncryptionConfiguration>" % inner
    r = send(sse, "PUT", bucket + "?encryption", text.encode())
    assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text
    assert refused(s3.get_bucket_encryption, Bucket=bucket)[1] == 404


@pytest.mark.parametrize("method, key", [("AES256", None), ("aws:kms", "one")])
def test_it_is_for_new_objects(sse, s3, bucket, method, key):
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    encrypt(s3, bucket, method, key, True)
    name = "default-" + method[:3]
    body = secret_body(1000, name)
    assert told(s3.head_object(Bucket=bucket, Key="before")) == (None, None)
    answers = [s3.put_object(Bucket=bucket, Key="k", Body=body), s3.head_object(Bucket=bucket, Key="k"),
               s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "before"}),
               s3.head_object(Bucket=bucket, Key="copy"), s3.create_multipart_upload(Bucket=bucket, Key="parts")]
    user = User(sse, "test:tester", "testing")
    assert user.request("PUT", "/%s/by-swift" % bucket, data=body).status_code == 201
    answers.append(s3.head_object(Bucket=bucket, Key="by-swift"))
    assert {told(a) for a in answers} == {(method, key)} and not in_the_clear(sse, "in the clear: " + name)
    assert {a.get("BucketKeyEnabled") for a in answers} == {None if key is None else True}
    assert read(s3, bucket, "k") == read(s3, bucket, "by-swift") == body and read(s3, bucket, "copy") == b"x"
    s3.put_object(Bucket=bucket, Key="own", Body=b"x", **A)
    assert refused(s3.get_object, Bucket=bucket, Key="own")[1] == 400 and told(s3.head_object(Bucket=bucket, Key="own", **A))[0] is None
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=body)) == (method, key)
    assert user.request("PUT", "/%s/v-swift" % bucket, data=body).status_code == 201
    assert told(s3.head_object(Bucket=bucket, Key="v-swift")) == (method, key) and read(s3, bucket, "v-swift") == body
    assert not in_the_clear(sse, "in the clear: " + name)
    s3.delete_bucket_encryption(Bucket=bucket)
    assert told(s3.put_object(Bucket=bucket, Key="after", Body=b"x")) == (None, None)


def test_a_bucket_refuses_clients_keys(sse, s3, bucket):
    rule = "<Rule><BlockedEncryptionTypes><EncryptionType>%s</EncryptionType></BlockedEncryptionTypes></Rule>"
    text = "<ServerSideEncryptionConfiguration>%s</ServerSideEncryptionConfiguration>" % rule
    s3.put_object(Bucket=bucket, Key="before", Body=b"x", **A)
    assert send(sse, "PUT", bucket + "?encryption", (text % "SSE-C").encode()).status_code == 200
    assert "<EncryptionType>SSE-C</EncryptionType>" in send(sse, "GET", bucket + "?encryption").text
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **A) == ("AccessDenied", 403)
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", **A) == ("AccessDenied", 403)
    assert read(s3, bucket, "before", **A) == b"x" and told(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == (None, None)
    assert send(sse, "PUT", bucket + "?encryption", (text % "NONE").encode()).status_code == 200
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **A)


def test_policies_ask_for_it(s3, bucket):
    def deny(condition):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::%s/*" % bucket,
            "Condition": condition}]}))
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    for condition, good, bad in (
            ({"Null": {"s3:x-amz-server-side-encryption": "true"}}, {"ServerSideEncryption": "AES256"}, {}),
            ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, ONE, {"ServerSideEncryption": "AES256"}),
            ({"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "one"}}, ONE, {**ONE, "SSEKMSKeyId": "two"}),
            ({"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "true"}}, A, {})):
        deny(condition)
        s3.put_object(**put, **good)
        assert refused(s3.put_object, **put, **bad) == ("AccessDenied", 403)


# --- secrets that change ---

def test_root_secrets_are_rotated():
    """What was encrypted when there was one secret is read when there is another, whether all is encrypted or not."""
    cloud = Cloud(devices=3)
    try:
        cloud.up()
        path = cloud.state + "/encryption.keys"
        assert os.stat(path).st_mode & 0o777 == 0o600
        s3, bucket, body = client(cloud), "rotated-" + os.urandom(4).hex(), secret_body(70000, "rotated")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="old", Body=body, ServerSideEncryption="AES256", Metadata={"m": "1"})
        s3.put_object(Bucket=bucket, Key="own", Body=body, Metadata={"m": "1"}, **A)
        with open(path, "a") as f:
            f.write("second %s\n" % base64.b64encode(os.urandom(32)).decode())
        reload(cloud)
        cloud.down()
        cloud.up()
        s3.put_object(Bucket=bucket, Key="new", Body=body, ServerSideEncryption="AES256")
        for key, args in (("old", {}), ("own", A), ("new", {})):
            assert read(s3, bucket, key, **args) == body
        assert s3.head_object(Bucket=bucket, Key="own", **A)["Metadata"] == s3.head_object(Bucket=bucket, Key="old")["Metadata"] == {
            "m": "1"}
        assert not in_the_clear(cloud, "in the clear: rotated")
        found = subprocess.run(["grep", "-rlaF", "2 second ", cloud.state + "/devices"], stdout=subprocess.PIPE)
        assert found.stdout
    finally:
        cloud.close()


def test_what_an_operator_decides():
    cloud = Cloud(devices=3, wire=True)
    cloud.conf = {"s3": ["ssec_needs_tls = yes", "kms_default_key = testkey-1"]}
    try:
        cloud.up()
        s3, bucket = client(cloud), "decided-" + os.urandom(4).hex()
        s3.create_bucket(Bucket=bucket)
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **A) == ("InvalidRequest", 400)
        assert refused(s3.get_object, Bucket=bucket, Key="k", **A) == ("InvalidRequest", 400)
        assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms")) == ("aws:kms", "testkey-1")
        assert read(s3, bucket, "k") == b"x"
        s3.put_object(Bucket=bucket, Key="root", Body=b"x", ServerSideEncryption="AES256")
        cloud.down()
        os.rename(cloud.state + "/encryption.keys", cloud.state + "/elsewhere")
        cloud.up()
        assert refused(s3.put_object, Bucket=bucket, Key="n", Body=b"x", ServerSideEncryption="AES256") == ("NotImplemented", 501)
        assert refused(s3.get_object, Bucket=bucket, Key="root")[1] == 503
        cloud.down()
        os.rename(cloud.state + "/elsewhere", cloud.state + "/encryption.keys")
        cloud.up()
        assert read(s3, bucket, "root") == b"x"
    finally:
        cloud.close()
