"""Access logs of buckets: what is set, who may be written to, and what is delivered."""
import json
import os
import re
import shlex
import time

import pytest
import requests

from conftest import Cloud, wait_for
from s3 import ClientError, anonymous, client, refused, send

FIELDS = ("owner bucket time remote requester id operation key line status error sent size took turned referer agent version host_id "
          "signature cipher auth host tls access_point by_list").split()


@pytest.fixture(scope="module")
def cloud():
    with Cloud(devices=3, conf={"s3": ["log_interval = 1", "website_domains = web.example.org"]}) as cloud:
        yield cloud


@pytest.fixture
def names(s3):
    """A bucket, and one for its logs."""
    two = ["b-" + os.urandom(6).hex() for _ in range(2)]
    for name in two:
        s3.create_bucket(Bucket=name)
    return two


def allow(s3, source, target, resource="log/*", principal=None, **conditions):
    conditions = conditions or {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::" + source}}
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal or {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
         "Resource": "arn:aws:s3:::%s/%s" % (target, resource), "Condition": conditions}]}))


def status(target, prefix="log/", **more):
    return {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}}


BATCH = "BATCH.DELETE.OBJECT"


def lines(s3, target):
    """By the ids of requests; parts of them by the key, too: keys of DeleteObjects, sources of copies."""
    out = {}
    for o in s3.list_objects_v2(Bucket=target).get("Contents", []):
        text = s3.get_object(Bucket=target, Key=o["Key"])["Body"].read().decode()
        for line in text.splitlines():
            words = shlex.split(line.replace("[", '"').replace("]", '"'))
            assert len(words) == len(FIELDS), line
            f = dict(zip(FIELDS, words))
            out[(f["id"], f["key"]) if f["operation"] == BATCH or f["operation"].endswith("_GET") else f["id"]] = (o["Key"], f)
    return out


def logged(s3, target, *ids):
    """The records of these requests, once they are there; by their ids, with the keys they are in."""
    def all_there():
        found = lines(s3, target)
        return found if all(i in found for i in ids) else None
    found = wait_for(all_there)
    return [found[i] for i in ids]


def id_of(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]


def test_records(cloud, s3, names):
    source, target = names
    allow(s3, source, target)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"] == status(target)["LoggingEnabled"]
    put = s3.put_object(Bucket=source, Key="a b\"c", Body=b"12345", ACL="public-read")
    get = s3.get_object(Bucket=source, Key="a b\"c", Range="bytes=1-2")
    get["Body"].read()
    listed = s3.list_objects_v2(Bucket=source)
    copied = s3.copy_object(Bucket=source, Key="copy", CopySource={"Bucket": source, "Key": "a b\"c"})
    r = requests.get("%s/%s/none" % (cloud.url, source), headers={"User-Agent": 'x "y"\tz', "Referer": "http://r/"})
    open_get = anonymous(cloud).get_object(Bucket=source, Key="a b\"c")
    open_get["Body"].read()
    url = s3.generate_presigned_url("get_object", Params={"Bucket": source, "Key": "copy"})
    signed = requests.get(url)
    ids = [id_of(put), id_of(get), id_of(listed), id_of(copied), r.headers["x-amz-request-id"], id_of(open_get),
           signed.headers["x-amz-request-id"]]
    found = logged(s3, target, *ids)
    for key, f in found:
        assert re.fullmatch(r"log/\d{4}(-\d\d){5}-[0-9A-F]{16}", key)
        assert (f["owner"], f["bucket"], f["remote"]) == ("test:tester", source, "127.0.0.1")
        assert abs(time.mktime(time.strptime(f["time"], "%d/%b/%Y:%H:%M:%S +0000")) - time.timezone - time.time()) < 120
        assert f["host"] == "127.0.0.1:%d" % cloud.port and int(f["took"]) >= 0
    put, get, listed, copied, none, open_get, signed = [f for _, f in found]
    assert (put["operation"], put["key"], put["status"], put["size"], put["sent"]) == ("REST.PUT.OBJECT", "a%20b%22c", "200", "5", "-")
    assert (put["requester"], put["signature"], put["auth"], put["error"]) == ("test:tester", "SigV4", "AuthHeader", "-")
    assert (get["operation"], get["status"], get["sent"], get["size"]) == ("REST.GET.OBJECT", "206", "2", "5")
    assert (listed["operation"], listed["key"]) == ("REST.GET.BUCKET", "-")
    assert listed["line"].startswith("GET /%s?list-type=2" % source) and listed["line"].endswith(" HTTP/1.1")
    assert (copied["operation"], copied["key"]) == ("REST.COPY.OBJECT", "copy")
    assert (none["status"], none["error"], none["requester"], none["signature"]) == ("403", "AccessDenied", "-", "-")
    assert (none["agent"], none["referer"]) == ("x %22y%22%09z", "http://r/")
    assert (open_get["by_list"], put["by_list"]) == ("Yes", "-")
    assert signed["auth"] == "QueryString" and "X-Amz-Signature=..." in signed["line"]
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_partitions_and_lists(cloud, s3, names):
    source, target = names
    s3.put_bucket_acl(Bucket=target, GrantWrite='uri="http://acs.amazonaws.com/groups/s3/LogDelivery"',
                      GrantReadACP='uri="http://acs.amazonaws.com/groups/s3/LogDelivery"', GrantFullControl='id="test:tester"')
    body = ("<BucketLoggingStatus><LoggingEnabled><TargetBucket>%s</TargetBucket><TargetPrefix>p/</TargetPrefix><TargetGrants><Grant>"
            '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>test2:tester2</ID></Grantee>'
            "<Permission>READ</Permission></Grant></TargetGrants><TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime"
            "</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>" % target)
    r = send(cloud, "PUT", source + "?logging", body.encode())
    assert r.status_code == 200, r.text
    assert body in send(cloud, "GET", source + "?logging").text
    head = s3.list_objects(Bucket=source)
    [(key, f)] = logged(s3, target, id_of(head))
    assert re.fullmatch(r"p/test:tester/us-east-1/%s/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}" % source, key)
    assert f["operation"] == "REST.GET.BUCKET"
    assert client(cloud, "test2:tester2", "testing2").get_object(Bucket=target, Key=key)["ContentType"] == "text/plain"


def test_versions_and_parts(s3, names):
    """Requests that are made of others, in other containers."""
    source, target = names
    allow(s3, source, target)
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    put = s3.put_object(Bucket=source, Key="k", Body=b"x")
    gone = s3.delete_object(Bucket=source, Key="k")
    begun = s3.create_multipart_upload(Bucket=source, Key="p")
    upload = {"Bucket": source, "Key": "p", "UploadId": begun["UploadId"]}
    part = s3.upload_part(PartNumber=1, Body=b"y", **upload)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **upload)
    found = [f for _, f in logged(s3, target, *[id_of(a) for a in (put, gone, begun, part, done)])]
    assert [f["operation"] for f in found] == ["REST.PUT.OBJECT", "REST.DELETE.OBJECT", "REST.POST.UPLOADS", "REST.PUT.PART",
                                               "REST.POST.UPLOAD"]
    assert [f["version"] for f in found[:2]] == [put["VersionId"], gone["VersionId"]]
    assert {f["bucket"] for f in found} == {source}


@pytest.mark.parametrize("change", [
    {"principal": {"AWS": "*"}}, {"principal": {"Service": "other.s3.amazonaws.com"}}, {"resource": "other/*"},
    {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}}, {"StringEquals": {"aws:SourceAccount": "other"}}])
def test_targets(cloud, s3, names, change):
    source, target = names
    put = {"Bucket": source, "BucketLoggingStatus": status(target)}
    assert refused(s3.put_bucket_logging, **put) == ("AccessDenied", 403)
    allow(s3, source, target, **change)
    assert refused(s3.put_bucket_logging, **put) == ("AccessDenied", 403)
    allow(s3, source, target, StringEquals={"aws:SourceAccount": "test:tester"})
    s3.put_bucket_logging(**put)
    assert refused(s3.put_bucket_logging, Bucket=source, BucketLoggingStatus=status("none-" + target)) == \
        ("InvalidTargetBucketForLogging", 400)
    alt = client(cloud, "test2:tester2", "testing2")
    assert refused(alt.get_bucket_logging, Bucket=source) == ("AccessDenied", 403)
    assert refused(alt.put_bucket_logging, **put) == ("AccessDenied", 403)


def test_each_key_of_many(s3, names):
    source, target = names
    allow(s3, source, target)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    for key in ("a b", "c", "d"):
        s3.put_object(Bucket=source, Key=key, Body=b"x")
    told = s3.delete_objects(Bucket=source, Delete={"Objects": [{"Key": "a b"}, {"Key": "none"}, {"Key": "d", "VersionId": "bad"}]})
    id, code = id_of(told), told["Errors"][0]["Code"]
    whole, *each = [f for _, f in logged(s3, target, id, (id, "a%20b"), (id, "none"), (id, "d"))]
    assert (whole["operation"], whole["key"], whole["status"]) == ("REST.POST.MULTI_OBJECT_DELETE", "-", "200")
    assert [(f["key"], f["status"], f["error"], f["version"]) for f in each] == [
        ("a%20b", "204", "-", "-"), ("none", "204", "-", "-"), ("d", "400", code, "bad")]
    for f in each:
        assert {f[n] for n in ("line", "sent", "size", "took", "turned", "referer", "agent")} == {"-"}
        assert all(f[n] == whole[n] for n in ("owner", "bucket", "remote", "requester", "id", "host_id", "signature", "auth", "host"))


def test_sources_of_copies(s3, names):
    """In the log of their own bucket, as AWS has them."""
    source, target = names
    other = source + "-o"
    s3.create_bucket(Bucket=other)
    allow(s3, source, target)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    s3.put_object(Bucket=source, Key="a b", Body=b"12345")
    near = s3.copy_object(Bucket=source, Key="near", CopySource={"Bucket": source, "Key": "a b"})
    far = s3.copy_object(Bucket=other, Key="far", CopySource={"Bucket": source, "Key": "a b"})
    upload = s3.create_multipart_upload(Bucket=other, Key="parts")["UploadId"]
    part = s3.upload_part_copy(Bucket=other, Key="parts", UploadId=upload, PartNumber=1, CopySource={"Bucket": source, "Key": "a b"})
    bad = {}
    for name, key, more in (("gone", "none", {}), ("unmet", "a b", {"CopySourceIfMatch": "x"})):
        with pytest.raises(ClientError) as e:
            s3.copy_object(Bucket=other, Key="bad", CopySource={"Bucket": source, "Key": key}, **more)
        bad[name] = id_of(e.value.response)
    ids = [id_of(near), (id_of(near), "a%20b"), (id_of(far), "a%20b"), (id_of(part), "a%20b"), (bad["gone"], "none"), (bad["unmet"], "a%20b")]
    found = [f for _, f in logged(s3, target, *ids)]
    assert [(f["operation"], f["key"], f["status"], f["error"], f["size"]) for f in found] == [
        ("REST.COPY.OBJECT", "near", "200", "-", "-"), ("REST.COPY.OBJECT_GET", "a%20b", "200", "-", "5"),
        ("REST.COPY.OBJECT_GET", "a%20b", "200", "-", "5"), ("REST.COPY.PART_GET", "a%20b", "200", "-", "5"),
        ("REST.COPY.OBJECT_GET", "none", "404", "NoSuchKey", "-"), ("REST.COPY.OBJECT_GET", "a%20b", "412", "PreconditionFailed", "5")]
    assert {f["bucket"] for f in found} == {source} and all(int(f["took"]) >= 0 and f["line"].startswith("PUT /") for f in found)


def test_refused_later(cloud, s3, names):
    """Whoever takes their leave back gets no more."""
    source, target = names
    allow(s3, source, target)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    s3.delete_bucket_policy(Bucket=target)
    s3.list_objects_v2(Bucket=source)
    wait_for(lambda: "s3-log-lost" in cloud.log() and source in cloud.log())
    assert s3.list_objects_v2(Bucket=target)["KeyCount"] == 0


def test_bad(cloud, s3, names):
    source, target = names
    good = "<TargetBucket>%s</TargetBucket><TargetPrefix>a</TargetPrefix>" % target
    for bad in ("", good + "<LoggingType>Journal</LoggingType>", "<TargetPrefix>a</TargetPrefix>", "<TargetBucket>b</TargetBucket>",
                good + "<TargetObjectKeyFormat><Other/></TargetObjectKeyFormat>",
                good + "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>x</PartitionDateSource></PartitionedPrefix>"
                "</TargetObjectKeyFormat>", good + "<TargetGrants><Other/></TargetGrants>"):
        body = "<BucketLoggingStatus><LoggingEnabled>%s</LoggingEnabled></BucketLoggingStatus>" % bad
        assert send(cloud, "PUT", source + "?logging", body.encode()).status_code == 400, bad
    assert send(cloud, "PUT", source + "?logging", b"<BucketLoggingStatus><x/></BucketLoggingStatus>").status_code == 400
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_at_the_end(s3, cloud, names):
    """What is kept when a node is told to stop is delivered before it does."""
    source, target = names
    allow(s3, source, target)
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=status(target))
    listed = s3.list_objects_v2(Bucket=source)
    cloud.down()
    cloud.up()
    assert id_of(listed) in lines(s3, target)
