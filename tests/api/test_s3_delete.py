"""DeleteObject and DeleteObjects, where nothing is versioned."""
import base64
import datetime
import hashlib


from s3 import refused, send


def keys(s3, bucket):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_many(s3, bucket):
    names = ["k%03d" % i for i in range(60)] + ["a b", "ü/ä", "<&>", "//"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in names[:-1] + ["none"]]})
    assert sorted(d["Key"] for d in gone["Deleted"]) == sorted(names[:-1] + ["none"])
    assert "Errors" not in gone and keys(s3, bucket) == ["//"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "//"}], "Quiet": True})
    assert "Deleted" not in quiet and keys(s3, bucket) == []


def test_documents_that_are_none(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    one = b"<Delete><Object><Key>k</Key></Object></Delete>"
    md5 = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    for body, headers, code in (
            (one, {}, "InvalidRequest"), (one, md5, "BadDigest"), (one, {"Content-MD5": "x"}, "InvalidDigest"),
            (b"", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "MissingRequestBodyError"),
            (b"<Delete><Object><Key/></Object></Delete>", {"Content-MD5": "cwZIEkS/o7fhb/Mr+igcnA=="}, "UserKeyMustBeSpecified")):
        r = send(cloud, "POST", bucket + "?delete=", body, **headers)
        assert r.status_code == 400 and "<Code>%s</Code>" % code in r.text, (body, headers, r.text)
    many = [{"Key": "k"}] * 1001
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": many}) == ("MalformedXML", 400)
    for body in (b"<Delete/>", b"<Delete>", b"<Other><Object><Key>k</Key></Object></Other>",
                 b"<Delete><Object/></Delete>",
                 b"<Delete><Thing/></Delete>",
                 b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>'):
        r = send(cloud, "POST", bucket + "?delete=", body, **{"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()})
        assert r.status_code == 400 and "<Code>MalformedXML</Code>" in r.text, (body, r.text)
    assert keys(s3, bucket) == ["k"]


def test_a_version_of_what_has_none(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(s3.delete_object, Bucket=bucket, Key="k", VersionId="garbage") == ("InvalidArgument", 400)
    s3.delete_object(Bucket=bucket, Key="k", VersionId="1700000000.00000")
    assert keys(s3, bucket) == ["k"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert keys(s3, bucket) == []


def test_conditions_of_each_key(cloud, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"four")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"].astimezone(datetime.timezone.utc)

    def delete(what):
        body = ("<Delete><Object><Key>k</Key>%s</Object></Delete>" % what).encode()
        r = send(cloud, "POST", bucket + "?delete=", body, **{"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()})
        assert r.status_code == 200, r.text
        return "PreconditionFailed" in r.text
    iso, http = when.strftime("%Y-%m-%dT%H:%M:%SZ"), when.strftime("%a, %d %b %Y %H:%M:%S GMT")
    for bad in ("<ETag>bad</ETag>", "<Size>5</Size>", "<LastModifiedTime>2015-01-01T00:00:00Z</LastModifiedTime>",
                "<ETag>%s</ETag><Size>3</Size>" % etag):
        assert delete(bad) and keys(s3, bucket) == ["k"], bad
    for good in ("<ETag>%s</ETag>" % etag, "<Size>4</Size>", "<LastModifiedTime>%s</LastModifiedTime>" % iso,
                 "<LastModifiedTime>%s</LastModifiedTime><ETag>*</ETag>" % http):
        s3.put_object(Bucket=bucket, Key="k", Body=b"four")
        when = s3.head_object(Bucket=bucket, Key="k")["LastModified"].astimezone(datetime.timezone.utc)
        good = good.replace(iso, when.strftime("%Y-%m-%dT%H:%M:%SZ"))
        good = good.replace(http, when.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        assert not delete(good) and keys(s3, bucket) == [], good
    assert not delete("<ETag>bad</ETag>")
