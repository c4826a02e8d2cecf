"""Lifecycle rules that move objects between storage classes: nothing but the class is told to change."""
import base64
import datetime
import hashlib
import os
import threading
import time

import pytest
import requests
from botocore.exceptions import ClientError

from conftest import Cloud, User, wait_for
from s3 import refused

MB = 1 << 20
CONF = {"cluster": ["policy = 2 ec42 gilded type=ec k=4 m=2"],
        "s3": ["storage_classes = STANDARD_IA:silver, GLACIER:ec42", "lifecycle_day = 10"]}
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(b"k" * 32).decode(),
            "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(b"k" * 32).digest()).decode()}
KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(devices=8, conf=CONF) as cloud:
        yield cloud


LEAST = "x-amz-transition-default-minimum-object-size"  # not known to each botocore


def versioning(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def rules(s3, bucket, *rules, least=None):
    rules = [{"ID": "rule-%d" % i, "Status": "Enabled", "Filter": {"Prefix": ""}, **r} for i, r in enumerate(rules)]

    def say(params, **_):
        if least:
            params["headers"][LEAST] = least

    event = "before-call.s3.PutBucketLifecycleConfiguration"
    s3.meta.events.register(event, say)
    try:
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    finally:
        s3.meta.events.unregister(event, say)


def move(class_, days=0):
    return {"Transitions": [{"Days": days, "StorageClass": class_}]}


def move_noncurrent(class_, days=0, **more):
    return {"NoncurrentVersionTransitions": [{"NoncurrentDays": days, "StorageClass": class_, **more}]}


def told(s3, bucket, key, **more):
    return s3.head_object(Bucket=bucket, Key=key, **more).get("StorageClass", "STANDARD")


def moves(s3, bucket, key, class_, **more):
    wait_for(lambda: told(s3, bucket, key, **more) == class_)


def segments(swift, container):
    r = swift.request("GET", "/%s?format=json" % container)
    assert r.status_code in (200, 404)
    return r.json() if r.status_code == 200 else []


def listed(s3, bucket):
    return {o["Key"]: (o["StorageClass"], o["ETag"], o["Size"], o["LastModified"].replace(microsecond=0))
            for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def versions(s3, bucket):
    return [(v["Key"], v["VersionId"], v["IsLatest"], v["StorageClass"], v["ETag"], v["LastModified"])
            for v in s3.list_object_versions(Bucket=bucket).get("Versions", [])]


def upload(s3, bucket, key, bodies, customer={}, **how):
    id = s3.create_multipart_upload(Bucket=bucket, Key=key, **how, **customer)["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=id, PartNumber=n, Body=body,
                                                      **customer)["ETag"]} for n, body in bodies.items()]
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=id, MultipartUpload={"Parts": parts}, **customer)


SAME = ["ETag", "ContentLength", "ContentType", "CacheControl", "ContentDisposition", "ContentEncoding",
        "ContentLanguage", "Metadata", "LastModified", "TagCount", "VersionId", "ChecksumSHA256", "ChecksumType",
        "ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus", "ServerSideEncryption",
        "SSEKMSKeyId", "SSECustomerAlgorithm", "WebsiteRedirectLocation", "PartsCount"]


def facts(s3, bucket, key, **more):
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **more)
    return {name: head.get(name) for name in SAME}


@pytest.mark.parametrize("class_", ["EC42", "STANDARD_IA"])
@pytest.mark.parametrize("size", [0, 1, 100000, 5 * MB + 3])
def test_all_else_stays(s3, bucket, swift, class_, size):
    body = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="a/b c", Body=body, ContentType="text/x", CacheControl="no", ContentEncoding="x-none",
                  ContentDisposition="inline", ContentLanguage="de", Metadata={"m_n": "v"}, Tagging="t=1&u=2",
                  ChecksumAlgorithm="SHA256", WebsiteRedirectLocation="/x", ACL="public-read")
    s3.put_object_tagging(Bucket=bucket, Key="a/b c", Tagging={"TagSet": [{"Key": "n", "Value": "w"}]})
    before = facts(s3, bucket, "a/b c"), s3.get_object_acl(Bucket=bucket, Key="a/b c")["Grants"], listed(s3, bucket)
    rules(s3, bucket, move(class_))
    moves(s3, bucket, "a/b c", class_)
    was = before[2]["a/b c"]
    assert (facts(s3, bucket, "a/b c"), s3.get_object_acl(Bucket=bucket, Key="a/b c")["Grants"]) == before[:2]
    assert listed(s3, bucket) == {"a/b c": (class_,) + was[1:]}
    assert s3.get_object_tagging(Bucket=bucket, Key="a/b c")["TagSet"] == [{"Key": "n", "Value": "w"}]
    got = s3.get_object(Bucket=bucket, Key="a/b c", ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got["StorageClass"] == class_
    if size > 10:
        assert s3.get_object(Bucket=bucket, Key="a/b c", Range="bytes=3-9")["Body"].read() == body[3:10]
        assert s3.get_object(Bucket=bucket, Key="a/b c", PartNumber=1)["Body"].read() == body
        assert refused(s3.get_object, Bucket=bucket, Key="a/b c", PartNumber=2)[0] == "InvalidPartNumber"
    assert refused(s3.get_object, Bucket=bucket, Key="a/b c", IfNoneMatch=before[0]["ETag"])[1] == 304
    assert refused(s3.get_object, Bucket=bucket, Key="a/b c", IfModifiedSince=before[0]["LastModified"])[1] == 304
    places = segments(swift, "%s+segments+%s" % (bucket, class_))
    assert len(places) == 1 and places[0]["bytes"] == size
    row = swift.request("GET", "/%s?format=json" % bucket).json()[0]
    assert row["storage_class"] == class_ and row["bytes"] == size
    assert swift.request("GET", "/%s/a/b c" % bucket).content == body
    s3.delete_object(Bucket=bucket, Key="a/b c")
    wait_for(lambda: not segments(swift, "%s+segments+%s" % (bucket, class_)))
    s3.delete_bucket(Bucket=bucket)


def test_from_class_to_class(s3, bucket, swift):
    s3.put_object(Bucket=bucket, Key="k", Body=b"text", StorageClass="STANDARD_IA")
    before = facts(s3, bucket, "k")
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42")
    assert facts(s3, bucket, "k") == before and s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"
    wait_for(lambda: not segments(swift, bucket + "+segments+STANDARD_IA"))
    rules(s3, bucket, move("GLACIER"))
    moves(s3, bucket, "k", "GLACIER")
    assert facts(s3, bucket, "k") == before
    wait_for(lambda: not segments(swift, bucket + "+segments+EC42"))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"


def test_the_last_one_that_is_due_counts(s3, bucket):
    for key in ("a", "b/a", "keep"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="b/there", Body=b"x", StorageClass="GLACIER")
    rules(s3, bucket, {"Filter": {"Prefix": "b/"}, "Transitions": [{"Days": 0, "StorageClass": "STANDARD_IA"},
                                                                 {"Days": 1, "StorageClass": "GLACIER"}]},
          {"Filter": {"Prefix": "a"}, **move("EC42")}, {"Filter": {"Prefix": "keep"}, **move("EC42"), "Status": "Disabled"},
          {"Filter": {"Prefix": "keep"}, **move("EC42", 1000)})
    moves(s3, bucket, "a", "EC42")
    moves(s3, bucket, "b/a", "STANDARD_IA")
    assert told(s3, bucket, "b/there") == "GLACIER"
    moves(s3, bucket, "b/a", "GLACIER")
    assert told(s3, bucket, "keep") == "STANDARD" and told(s3, bucket, "b/there") == "GLACIER"


def test_filters(s3, bucket):
    for key, tags, size in (("tagged", "t=u", 1), ("other", "t=v", 1), ("large", "", 100)):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, Tagging=tags)
    rules(s3, bucket, {"Filter": {"Tag": {"Key": "t", "Value": "u"}}, **move("EC42")},
          {"Filter": {"ObjectSizeGreaterThan": 99}, "Transitions": [
              {"Date": datetime.datetime(2015, 1, 1, tzinfo=datetime.timezone.utc), "StorageClass": "GLACIER"}]})
    moves(s3, bucket, "tagged", "EC42")
    moves(s3, bucket, "large", "GLACIER")
    assert told(s3, bucket, "other") == "STANDARD"


def test_small_objects_stay_but_for_rules_that_ask_for_sizes(s3, bucket):
    for key, size in (("small", 100), ("asked/small", 100), ("large", 128 << 10)):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    rules(s3, bucket, move("EC42"), {"Filter": {"And": {"Prefix": "asked/", "ObjectSizeGreaterThan": 0}}, **move("GLACIER")},
          least="all_storage_classes_128K")
    moves(s3, bucket, "large", "EC42")
    moves(s3, bucket, "asked/small", "GLACIER")
    assert told(s3, bucket, "small") == "STANDARD"
    rules(s3, bucket, move("EC42"), least="varies_by_storage_class")
    moves(s3, bucket, "small", "EC42")


@pytest.mark.parametrize("how", [{}, {"ServerSideEncryption": "AES256"}, CUSTOMER, KMS])
def test_uploads_in_parts(s3, bucket, swift, how):
    bodies = {2: os.urandom(5 * MB + 1), 3: os.urandom(5 * MB), 9: b"end"}
    customer, more = (how, {}) if how is CUSTOMER else ({}, how)
    upload(s3, bucket, "k", bodies, customer, Metadata={"a": "b"}, Tagging="t=u", ContentType="text/x",
           ChecksumAlgorithm="SHA256", **more)
    before = facts(s3, bucket, "k", **customer)
    parts = [facts(s3, bucket, "k", PartNumber=n, **customer) for n in (1, 2, 3)]
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42", **customer)
    assert facts(s3, bucket, "k", **customer) == before
    assert [facts(s3, bucket, "k", PartNumber=n, **customer) for n in (1, 2, 3)] == parts
    assert s3.get_object(Bucket=bucket, Key="k", **customer)["Body"].read() == b"".join(bodies.values())
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=3, **customer)["Body"].read() == b"end"
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=%d-%d" % (5 * MB - 1, 5 * MB + 2), **customer)
    assert got["Body"].read() == b"".join(bodies.values())[5 * MB - 1:5 * MB + 3]
    assert listed(s3, bucket)["k"][:2] == ("EC42", before["ETag"])
    wait_for(lambda: not segments(swift, bucket + "+segments"))
    assert len(segments(swift, bucket + "+segments+EC42")) == 3
    s3.delete_object(Bucket=bucket, Key="k")
    wait_for(lambda: not segments(swift, bucket + "+segments+EC42"))


@pytest.mark.parametrize("how", [{"ServerSideEncryption": "AES256"}, CUSTOMER, KMS])
@pytest.mark.parametrize("size", [10, 3 * MB + 7])
def test_encryption(s3, versioned, how, size):
    body, key = os.urandom(size), how if how is CUSTOMER else {}
    for n in range(2):
        s3.put_object(Bucket=versioned, Key="k", Body=body, Metadata={"a": "b"}, **how)
    ids = [v[1] for v in versions(s3, versioned)]
    before = [facts(s3, versioned, "k", VersionId=id, **key) for id in ids]
    rules(s3, versioned, {**move("EC42"), **move_noncurrent("STANDARD_IA")})
    for id, class_ in zip(ids, ("EC42", "STANDARD_IA")):
        moves(s3, versioned, "k", class_, VersionId=id, **key)
    assert [facts(s3, versioned, "k", VersionId=id, **key) for id in ids] == before
    for id in ids:
        assert s3.get_object(Bucket=versioned, Key="k", VersionId=id, **key)["Body"].read() == body
    assert s3.get_object(Bucket=versioned, Key="k", **key)["Body"].read() == body
    if key:
        assert refused(s3.get_object, Bucket=versioned, Key="k")[1] == 400
        wrong = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "w" * 32}
        assert refused(s3.get_object, Bucket=versioned, Key="k", **wrong)[1] in (400, 403)


def test_versions(s3, bucket, swift):
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    versioning(s3, bucket, "Enabled")
    for n in range(3):
        s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % n, Tagging="n=%d" % n)
    before = versions(s3, bucket)
    assert [v[3] for v in before] == ["STANDARD"] * 4
    rules(s3, bucket, {**move("EC42"), **move_noncurrent("GLACIER", NewerNoncurrentVersions=1)})
    want = ["EC42", "STANDARD", "GLACIER", "GLACIER"]
    wait_for(lambda: [v[3] for v in versions(s3, bucket)] == want)
    assert [v[:3] + v[4:] for v in versions(s3, bucket)] == [v[:3] + v[4:] for v in before]
    assert listed(s3, bucket)["k"][:3] == ("EC42", before[0][4], 1)
    for v, class_, body in zip(before, want, (b"2", b"1", b"0", b"null")):
        got = s3.get_object(Bucket=bucket, Key="k", VersionId=v[1])
        assert (got["Body"].read(), got.get("StorageClass", "STANDARD"), got["ETag"]) == (body, class_, v[4])
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["StorageClass"], got["VersionId"], got["TagCount"]) == (b"2", "EC42", before[0][1], 1)
    assert swift.request("GET", "/%s/k" % bucket).content == b"2"
    # They go as ever, and the next one takes the place.
    s3.delete_object(Bucket=bucket, Key="k", VersionId=before[0][1])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    moves(s3, bucket, "k", "EC42")
    for v in before[1:]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=v[1])
    for class_ in ("EC42", "GLACIER"):
        wait_for(lambda: not segments(swift, "%s+segments+%s" % (bucket, class_)))
    assert versions(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("first", [False, True])
def test_what_was_moved_and_becomes_the_current_one_again_is_as_old_as_it_is(s3, bucket, first):
    """first: before the bucket kept versions."""
    if not first:
        versioning(s3, bucket, "Enabled")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    made = s3.head_object(Bucket=bucket, Key="k")["LastModified"].timestamp()
    wait_for(lambda: time.time() > made + 2)
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    before, facts_before = listed(s3, bucket), facts(s3, bucket, "k")
    versioning(s3, bucket, "Enabled")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=s3.put_object(Bucket=bucket, Key="k", Body=b"22")["VersionId"])
    assert listed(s3, bucket) == before and before["k"][0] == "EC42"
    after = facts(s3, bucket, "k")
    assert after["LastModified"] == facts_before["LastModified"] == listed(s3, bucket)["k"][3]


def test_plain_objects_in_versioned_buckets(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    versioning(s3, bucket, "Enabled")
    rules(s3, bucket, {**move("EC42"), **move_noncurrent("GLACIER")})
    moves(s3, bucket, "k", "EC42")
    assert [v[1:4] for v in versions(s3, bucket)] == [("null", True, "EC42")]
    id = s3.put_object(Bucket=bucket, Key="k", Body=b"new")["VersionId"]
    moves(s3, bucket, "k", "GLACIER", VersionId="null")
    moves(s3, bucket, "k", "EC42")
    assert [v[1:4] for v in versions(s3, bucket)] == [(id, True, "EC42"), ("null", False, "GLACIER")]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"old"
    versioning(s3, bucket, "Suspended")
    s3.put_object(Bucket=bucket, Key="k", Body=b"newest")
    moves(s3, bucket, "k", "EC42", VersionId="null")
    assert [v[1:3] for v in versions(s3, bucket)] == [("null", True), (id, False)]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"newest"


def test_parts_of_plain_objects_in_versioned_buckets_go(s3, bucket, swift):
    bodies = {1: os.urandom(5 * MB), 2: b"end"}
    upload(s3, bucket, "k", bodies)
    versioning(s3, bucket, "Enabled")
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42")
    wait_for(lambda: not segments(swift, bucket + "+segments"), seconds=60)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(bodies.values())


def test_locks_stay(s3):
    name = "m-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
    id = s3.put_object(Bucket=name, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON", ObjectLockMode="GOVERNANCE",
                       ObjectLockRetainUntilDate=until)["VersionId"]
    before = facts(s3, name, "k")
    assert before["ObjectLockMode"] == "GOVERNANCE" and before["ObjectLockLegalHoldStatus"] == "ON"
    rules(s3, name, move("EC42"))
    moves(s3, name, "k", "EC42")
    assert facts(s3, name, "k") == before
    assert refused(s3.delete_object, Bucket=name, Key="k", VersionId=id)[0] == "AccessDenied"


def test_a_time_to_go_stays(s3, bucket, swift):
    at = str(int(time.time()) + 1000)
    assert swift.request("PUT", "/%s/k" % bucket, data=b"text", headers={"X-Delete-At": at, "X-Object-Meta-A": "b"}).ok
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42")
    r = swift.request("HEAD", "/%s/k" % bucket)
    assert r.headers["X-Delete-At"] == at and r.headers["X-Object-Meta-A"] == "b"
    assert swift.request("POST", "/%s/k" % bucket, headers={"X-Delete-After": "1"}).status_code == 202
    wait_for(lambda: swift.request("HEAD", "/%s/k" % bucket).status_code == 404)


def test_what_is_not_ours_to_move_stays(s3, bucket, swift):
    """Large objects of Swift's, whose segments may be others', and links."""
    assert swift.request("PUT", "/%s/seg" % bucket, data=b"text").ok
    text = '[{"path": "/%s/seg"}]' % bucket
    assert swift.request("PUT", "/%s/slo?multipart-manifest=put" % bucket, data=text).ok
    assert swift.request("PUT", "/%s/dlo" % bucket, headers={"X-Object-Manifest": bucket + "/seg"}).ok
    assert swift.request("PUT", "/%s/link" % bucket, headers={"X-Symlink-Target": bucket + "/seg"}).ok
    etag = swift.request("HEAD", "/%s/seg" % bucket).headers["Etag"]
    assert swift.request("PUT", "/%s/pinned" % bucket, headers={"X-Symlink-Target": bucket + "/seg",
                                                              "X-Symlink-Target-Etag": etag}).ok
    dlo = swift.request("HEAD", "/%s/dlo" % bucket).headers["Etag"]
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "seg", "EC42")
    for key in ("slo", "dlo", "link", "pinned"):
        assert swift.request("GET", "/%s/%s" % (bucket, key)).content == b"text", key
        assert swift.request("GET", "/%s/%s" % (bucket, key), headers={"Range": "bytes=1-2"}).content == b"ex", key
    assert swift.request("HEAD", "/%s/dlo" % bucket).headers["Etag"] == dlo
    assert {k: v[0] for k, v in listed(s3, bucket).items()} == \
        {"seg": "EC42", "slo": "STANDARD", "dlo": "STANDARD", "link": "STANDARD", "pinned": "STANDARD"}


def test_who_could_read_it_still_can(cloud, s3, versioned, swift):
    """By lists of Swift's, which say nothing of where the parts are."""
    upload(s3, versioned, "parts", {1: b"text"})
    s3.put_object(Bucket=versioned, Key="k", Body=b"text")
    assert swift.request("POST", "/" + versioned, headers={"X-Container-Read": ".r:*"}).status_code == 204
    other = User(cloud, "test2:tester2", "testing2")
    rules(s3, versioned, move("EC42"))
    for key in ("k", "parts"):
        moves(s3, versioned, key, "EC42")
        assert other.request("GET", "/%s/%s" % (versioned, key), storage=swift.storage).content == b"text"
        assert requests.get(swift.storage + "/%s/%s" % (versioned, key)).content == b"text"
    name = segments(swift, versioned + "+segments+EC42")[0]["name"]
    assert requests.get(swift.storage + "/%s+segments+EC42/%s" % (versioned, name)).status_code == 401


def test_copies_of_what_was_moved_are_new(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/k", Body=b"text", Metadata={"a": "b"})
    made = s3.head_object(Bucket=bucket, Key="a/k")["LastModified"]
    rules(s3, bucket, {**move("EC42"), "Filter": {"Prefix": "a/"}})
    moves(s3, bucket, "a/k", "EC42")
    wait_for(lambda: datetime.datetime.now(datetime.timezone.utc) > made + datetime.timedelta(seconds=2))
    s3.copy_object(Bucket=bucket, Key="b", CopySource=bucket + "/a/k")
    head = s3.head_object(Bucket=bucket, Key="b")
    assert head["LastModified"] > made and head.get("StorageClass") is None and head["Metadata"] == {"a": "b"}


def answered(call, **args):
    """As clients do it: what could not be decided just then is asked again."""
    for _ in range(9):
        try:
            return call(**args)
        except ClientError as e:
            if e.response["Error"]["Code"] != "ServiceUnavailable":
                raise
    return call(**args)


def test_writes_at_the_same_time_win(s3, versioned, swift):
    """Bodies and tags are written while rules move them back and forth: what was answered is there."""
    plain = "m-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=plain)
    wrong, stop = [], time.time() + 12
    for bucket in (plain, versioned):
        rules(s3, bucket, move("EC42"))

    def write(bucket, key):
        n = 0
        while time.time() < stop:
            n += 1
            body = b"%d" % n
            try:
                answered(s3.put_object, Bucket=bucket, Key=key, Body=body, StorageClass=("STANDARD", "STANDARD_IA")[n % 2])
                for tag in "abc":
                    answered(s3.put_object_tagging, Bucket=bucket, Key=key,
                             Tagging={"TagSet": [{"Key": tag, "Value": "%d" % n}]})
                    tags = answered(s3.get_object_tagging, Bucket=bucket, Key=key)["TagSet"]
                    got = answered(s3.get_object, Bucket=bucket, Key=key)["Body"].read()
                    if got != body or tags != [{"Key": tag, "Value": "%d" % n}]:
                        wrong.append((bucket, key, n, tag, got, tags))
                    time.sleep(.05)
            except Exception as e:
                wrong.append((bucket, key, n, e))

    threads = [threading.Thread(target=write, args=(b, "k%d" % i)) for b in (plain, versioned) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    for bucket in (plain, versioned):
        for i in range(3):
            moves(s3, bucket, "k%d" % i, "EC42")
    # What was copied for nothing is swept.
    wait_for(lambda: len(segments(swift, plain + "+segments+EC42")) == 3, seconds=90)


def test_metrics(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    rules(s3, bucket, move("EC42"))
    moves(s3, bucket, "k", "EC42")
    lines = requests.get(cloud.url + "/metrics").text.splitlines()
    assert sum(int(line.split()[-1]) for line in lines if line.startswith("cairn_lifecycle{") and 'what="moved"' in line)


def test_how_rules_are_kept(s3, bucket):
    date = datetime.datetime(2035, 1, 1, tzinfo=datetime.timezone.utc)
    kept = [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""},
             "Transitions": [{"Days": 0, "StorageClass": "EC42"}, {"Days": 30, "StorageClass": "GLACIER"}],
             "NoncurrentVersionTransitions": [{"NoncurrentDays": 3, "StorageClass": "STANDARD_IA",
                                               "NewerNoncurrentVersions": 2}], "Expiration": {"Days": 31}},
            {"ID": "b", "Status": "Enabled", "Prefix": "b", "Transitions": [{"Date": date, "StorageClass": "EC42"}]}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": kept})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == kept


DATE = datetime.datetime(2035, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize("rule, code", [
    ({"Transitions": [{"Days": 1, "StorageClass": "NONE"}]}, "InvalidStorageClass"),
    ({"Transitions": [{"Days": 1, "StorageClass": "STANDARD"}]}, "InvalidStorageClass"),
    ({"Transitions": [{"StorageClass": "EC42"}]}, "MalformedXML"),
    ({"Transitions": [{"Days": 1}]}, "MalformedXML"),
    ({"Transitions": [{"Days": 1, "Date": DATE, "StorageClass": "EC42"}]}, "MalformedXML"),
    ({"Transitions": [{"Days": -1, "StorageClass": "EC42"}]}, "InvalidArgument"),
    ({"Transitions": [{"Date": DATE.replace(hour=1), "StorageClass": "EC42"}]}, "InvalidArgument"),
    ({"Transitions": [{"Days": 1, "StorageClass": "EC42"}, {"Days": 2, "StorageClass": "EC42"}]}, "InvalidRequest"),
    ({"Transitions": [{"Days": 1, "StorageClass": "EC42"}, {"Date": DATE, "StorageClass": "GLACIER"}]}, "InvalidRequest"),
    ({"Transitions": [{"Days": 1, "StorageClass": "EC42"}], "Expiration": {"Date": DATE}}, "InvalidRequest"),
    ({"Transitions": [{"Days": 3, "StorageClass": "EC42"}], "Expiration": {"Days": 3}}, "InvalidArgument"),
    ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "NONE"}]}, "InvalidStorageClass"),
    ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 3, "StorageClass": "EC42"}],
      "NoncurrentVersionExpiration": {"NoncurrentDays": 2}}, "InvalidArgument"),
])
def test_refused(s3, bucket, rule, code):
    with pytest.raises(Exception, match=code):
        rules(s3, bucket, rule)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[0] == "NoSuchLifecycleConfiguration"
