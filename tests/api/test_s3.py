"""The S3 API: who signs, buckets, objects and listings, and that they are Swift's as well."""
import hashlib
import os
import xml.etree.ElementTree

import pytest
import requests

from s3 import client, refused

HOSTILE = ["a b", "ü/ä", "+&?=#%41", "//x", "x//", "..", "a\u0001b", "\U0001f600", "a'b\"c<d>", "~tilde", "*(!)", " lead", "trail "]


def test_errors_are_s3s(cloud, s3, bucket):
    assert refused(s3.get_object, Bucket=bucket, Key="none") == ("NoSuchKey", 404)
    assert refused(s3.get_object, Bucket="none-such", Key="none") == ("NoSuchBucket", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="none") == ("404", 404)
    r = requests.get(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "none"}))
    assert r.status_code == 404 and r.headers["Content-Type"] == "application/xml"
    error = xml.etree.ElementTree.fromstring(r.content)
    assert {e.tag: e.text for e in error} == {
        "Code": "NoSuchKey", "Message": "The specified key does not exist.", "BucketName": bucket, "Key": "none",
        "Resource": "/%s/none" % bucket, "RequestId": r.headers["x-amz-request-id"],
        "HostId": r.headers["x-amz-id-2"]}
    assert "X-Trans-Id" not in r.headers


def test_wrong_signatures(cloud, s3, bucket):
    assert refused(client(cloud, secret="wrong").list_buckets) == ("SignatureDoesNotMatch", 403)
    assert refused(client(cloud, secret="wrong", signature="s3").list_buckets) == ("SignatureDoesNotMatch", 403)
    assert refused(client(cloud, access="nobody").list_buckets) == ("InvalidAccessKeyId", 403)
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url).content == b"text"
    for other in (url.replace("/k?", "/l?"), url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"),
                  url + "&response-content-type=x", url.replace("Signature=", "Signature=0")):
        assert requests.get(other).status_code == 403, other
    assert requests.put(url, data=b"other").status_code == 403
    assert requests.get(url, headers={"x-amz-acl": "private"}).status_code == 403
    assert requests.get(url.split("?")[0]).status_code == 403


def test_body_is_what_was_signed(cloud, s3, bucket):
    url = "%s/%s/k" % (cloud.url, bucket)
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("PUT", url, data=b"what is signed",
                         headers={"x-amz-content-sha256": hashlib.sha256(b"what is signed").hexdigest()})
    SigV4Auth(Credentials("test:tester", "testing"), "s3", "us-east-1").add_auth(request)
    r = requests.put(url, data=b"what is sent..", headers=dict(request.headers))
    assert r.status_code == 400 and "XAmzContentSHA256Mismatch" in r.text
    assert refused(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)
    assert requests.put(url, data=b"what is signed", headers=dict(request.headers)).status_code == 200


def test_presigned_urls_end(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    for signature in ("s3", "s3v4"):
        c = client(cloud, signature=signature)
        url = c.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
        assert requests.get(url).content == b"text"
        late = c.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"},
                                        ExpiresIn=0 if signature == "s3v4" else -1)
        assert requests.get(late).status_code == 403
    for life, why in ((-1, "must be non-negative"), (604801, "must be less than a week"), (2 ** 63, "should be a number")):
        r = requests.get(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=life))
        assert r.status_code == 400 and why in r.text and "<Code>AuthorizationQueryParametersError</Code>" in r.text


def test_a_url_of_version_2_has_headers_as_parameters(cloud, s3, bucket):
    c = client(cloud, signature="s3")
    url = c.generate_presigned_url("put_object", Params={
        "Bucket": bucket, "Key": "k", "ACL": "public-read", "Metadata": {"a_b": "1 2"}})
    assert "x-amz-acl=public-read" in url
    assert requests.put(url, data=b"text").status_code == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a_b": "1 2"}
    assert requests.get("%s/%s/k" % (cloud.url, bucket)).content == b"text"
    assert requests.put(url.replace("public-read", "public-read-write"), data=b"text").status_code == 403
    broken = c.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "Metadata": {"a": "b"}})
    assert requests.put(broken.replace("x-amz-meta-a=b", "x-amz-meta-a=b%0D%0Ac"), data=b"text").status_code == 403
    # Two of them as one of two lines, which are signed alike: neither would count.
    two = c.generate_presigned_url("put_object", Params={
        "Bucket": bucket, "Key": "k", "ServerSideEncryption": "AES256", "Metadata": {"a": "b"}})
    last = "x-amz-server-side-encryption=AES256"
    assert "&x-amz-meta-a=b" in two and "&" + last in two
    one = two.replace("&x-amz-meta-a=b", "").replace("&" + last, "") + "&x-amz-meta-a%3Ab%0A" + last
    assert requests.put(one, data=b"text").status_code == 403


def test_metadata_is_as_long_as_at_aws(s3, bucket):
    long = {"k" * 200: "v" * 1000, "a_b": "w" * 845}  # 2,048 bytes
    for put, args in ((s3.put_object, {"Bucket": bucket, "Key": "whole", "Body": b"text"}),
                      (s3.create_multipart_upload, {"Bucket": bucket, "Key": "parts"})):
        assert refused(put, Metadata=dict(long, a_b="w" * 846), **args) == ("MetadataTooLarge", 400)
        got = put(Metadata=long, **args)
    parts = {"Bucket": bucket, "Key": "parts", "UploadId": got["UploadId"]}
    etag = s3.upload_part(Body=b"text", PartNumber=1, **parts)["ETag"]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, **parts)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "parts"})
    many = {"k%d" % i: "v" for i in range(85)}
    s3.put_object(Bucket=bucket, Key="many", Body=b"", Metadata=many)
    assert s3.head_object(Bucket=bucket, Key="many")["Metadata"] == many
    for key in ("whole", "parts", "copy"):
        assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == long


def test_objects(s3, bucket):
    body = os.urandom(3 << 20)
    etag = '"%s"' % hashlib.md5(body).hexdigest()
    r = s3.put_object(Bucket=bucket, Key="k", Body=body, ContentType="text/x", CacheControl="no-cache",
                      Metadata={"a_b": "1", "c-d": "2"})
    assert r["ETag"] == etag and r["ResponseMetadata"]["HTTPStatusCode"] == 200
    r = s3.get_object(Bucket=bucket, Key="k")
    assert r["Body"].read() == body and r["ETag"] == etag
    assert (r["ContentType"], r["CacheControl"], r["Metadata"]) == ("text/x", "no-cache", {"a_b": "1", "c-d": "2"})
    r = s3.get_object(Bucket=bucket, Key="k", Range="bytes=5-9")
    assert r["Body"].read() == body[5:10] and r["ContentRange"] == "bytes 5-9/%d" % len(body)
    r = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseContentDisposition="attachment")
    assert (r["ContentType"], r["ContentDisposition"]) == ("a/b", "attachment")
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=%d-" % len(body)) == ("InvalidRange", 416)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == ("PreconditionFailed", 412)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==") == (
        "BadDigest", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="none") == ("InvalidDigest", 400)
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)


def test_what_is_no_request_of_s3s(cloud):
    for method, path, code in (("GET", "/bucket/%ff", "InvalidURI"), ("GET", "/bucket/a%00b", "InvalidURI"),
                               ("PATCH", "/bucket/key", "MethodNotAllowed"), ("POST", "/", "MethodNotAllowed"),
                               ("GET", "/bucket/" + "k" * 1025, "KeyTooLongError")):
        r = requests.request(method, cloud.url + path)
        assert r.status_code >= 400 and "<Code>%s</Code>" % code in r.text, (method, path, r.text)


def test_head_of_a_range(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    r = s3.head_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (r["ContentLength"], r["ResponseMetadata"]["HTTPStatusCode"]) == (3, 206)
    assert r["ResponseMetadata"]["HTTPHeaders"]["content-range"] == "bytes 2-4/10"
    assert refused(s3.head_object, Bucket=bucket, Key="k", Range="bytes=10-")[1] == 416
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 10


def test_an_empty_object_has_no_range(s3, bucket):
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert refused(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-1") == ("InvalidRange", 416)


def test_a_body_that_is_no_configuration(cloud, s3):
    name = "b-" + os.urandom(6).hex()
    url = s3.generate_presigned_url("create_bucket", Params={"Bucket": name})
    for body in (b"<CreateBucketConfiguration>", b"none", b"<Other/>", b"<!DOCTYPE a><CreateBucketConfiguration/>"):
        r = requests.put(url, data=body)
        assert r.status_code == 400 and "<Code>MalformedXML</Code>" in r.text
    assert refused(s3.head_bucket, Bucket=name) == ("404", 404)


def test_hostile_names(s3, bucket):
    for name in HOSTILE:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
        assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == name.encode()
    assert sorted(o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]) == sorted(HOSTILE)
    for name in HOSTILE:
        s3.delete_object(Bucket=bucket, Key=name)
    s3.delete_bucket(Bucket=bucket)


def test_buckets(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    elsewhere = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=elsewhere)["LocationConstraint"] == "eu-west-1"
    r = s3.list_buckets()
    assert bucket in [b["Name"] for b in r["Buckets"]] and r["Owner"]["ID"] == "test:tester"
    assert bucket not in [b["Name"] for b in other.list_buckets()["Buckets"]]
    assert refused(other.create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)
    assert refused(other.list_objects, Bucket=bucket) == ("AccessDenied", 403)
    assert refused(other.put_object, Bucket=bucket, Key="k", Body=b"") == ("AccessDenied", 403)
    assert refused(s3.create_bucket, Bucket=bucket) == ("BucketAlreadyOwnedByYou", 409)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert refused(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.delete_bucket, Bucket=bucket) == ("NoSuchBucket", 404)
    other.create_bucket(Bucket=bucket)
    assert refused(s3.list_objects, Bucket=bucket) == ("AccessDenied", 403)
    other.delete_bucket(Bucket=bucket)
    for name in ("ab", "A" * 10, "under_score", "1.2.3.4", "-ab", "ab-", "a..b", "x" * 64):
        with pytest.raises(Exception):
            s3.create_bucket(Bucket=name)


def pages(call, key, start, **args):
    """Keys and common prefixes, in the pages they came."""
    found = []
    while True:
        r = call(**args)
        found.append([o["Key"] for o in r.get("Contents", [])] + [p["Prefix"] for p in r.get("CommonPrefixes", [])])
        if not r["IsTruncated"]:
            return found
        args[start] = r.get(key) or r["Contents"][-1]["Key"]


def test_listings(s3, bucket):
    names = ["a", "b/1", "b/2", "b/c/3", "d", "d/", "e f", "ü/1"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    r = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    assert [(o["Key"], o["Size"], o["ETag"]) for o in r["Contents"]] == [
        (n, len(n.encode()), '"%s"' % hashlib.md5(n.encode()).hexdigest()) for n in names]
    assert r["KeyCount"] == len(names) and r["Contents"][0]["Owner"]["ID"] == "test:tester"
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    head = s3.head_object(Bucket=bucket, Key="a")
    assert r["Contents"][0]["LastModified"] == head["LastModified"]
    for step in (1, 2, 3, 100):
        for args in ({}, {"Delimiter": "/"}, {"Prefix": "b/"}, {"Prefix": "b/", "Delimiter": "/"}, {"Delimiter": "%"}):
            one = pages(s3.list_objects, "NextMarker", "Marker", Bucket=bucket, MaxKeys=step, **args)
            two = pages(s3.list_objects_v2, "NextContinuationToken", "ContinuationToken", Bucket=bucket,
                        MaxKeys=step, **args)
            assert one == two and all(len(p) <= step for p in one)
            prefix = args.get("Prefix", "")
            wanted = set()
            for n in names:
                if n.startswith(prefix):
                    rest = n[len(prefix):]
                    cut = args.get("Delimiter") and rest.find(args["Delimiter"])
                    wanted.add(n if cut is None or cut < 0 else prefix + rest[:cut + 1])
            assert sorted(sum(one, [])) == sorted(wanted), (step, args)
    assert s3.list_objects(Bucket=bucket, MaxKeys=0).get("Contents") is None
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="d/")["Contents"]] == ["e f", "ü/1"]
    assert refused(s3.list_objects, Bucket=bucket, EncodingType="nothing") == ("InvalidArgument", 400)
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="***") == ("InvalidArgument", 400)


def test_swift_and_s3_see_the_same(cloud, tester, s3, bucket):
    s3.put_object(Bucket=bucket, Key="by/s3", Body=b"one", Metadata={"color": "red"}, ContentType="a/b")
    r = tester.request("GET", "/%s/by/s3" % bucket)
    assert r.content == b"one" and r.headers["X-Object-Meta-Color"] == "red" and r.headers["Content-Type"] == "a/b"
    assert r.headers["Etag"] == hashlib.md5(b"one").hexdigest()
    tester.request("PUT", "/%s/by/swift" % bucket, data=b"two", headers={"X-Object-Meta-Size": "small"})
    r = s3.get_object(Bucket=bucket, Key="by/swift")
    assert r["Body"].read() == b"two" and r["Metadata"] == {"size": "small"}
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == ["by/s3", "by/swift"]
    name = "swift-" + os.urandom(4).hex()
    assert tester.request("PUT", "/" + name).status_code == 201
    s3.put_object(Bucket=name, Key="k", Body=b"three")
    assert tester.request("GET", "/%s/k" % name).content == b"three"


def test_swift_paths_stay_swifts(cloud, bucket):
    assert requests.get(cloud.url + "/info").json()["swift"]
    assert requests.get(cloud.url + "/healthcheck").text == "OK"
    assert requests.get(cloud.url + "/v1/AUTH_test").status_code == 401
    assert "NoSuchBucket" in requests.get(cloud.url + "/some-bucket/key").text
    assert "AccessDenied" in requests.get("%s/%s/key" % (cloud.url, bucket)).text


def test_old_signatures(cloud, bucket):
    c = client(cloud, signature="s3")
    for name in HOSTILE:
        c.put_object(Bucket=bucket, Key=name, Body=b"x", Metadata={"m": "v"})
        assert c.get_object(Bucket=bucket, Key=name, ResponseContentType="a/b")["ContentType"] == "a/b"
    assert len(c.list_objects(Bucket=bucket, Prefix="")["Contents"]) == len(HOSTILE)


def test_clock_skew(cloud, s3, bucket):
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    import datetime
    from unittest import mock
    for minutes, status in ((14, 200), (-14, 200), (16, 403), (-16, 403)):
        request = AWSRequest("GET", "%s/%s" % (cloud.url, bucket))
        now = datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
        with mock.patch("botocore.auth.datetime") as clock:
            clock.datetime.utcnow.return_value = now
            S3SigV4Auth(Credentials("test:tester", "testing"), "s3", "us-east-1").add_auth(request)
        r = requests.get(request.url, headers=dict(request.headers))
        assert r.status_code == status and (status == 200 or "RequestTimeTooSkewed" in r.text)
