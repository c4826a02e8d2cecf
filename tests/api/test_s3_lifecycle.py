"""Lifecycle rules of buckets: how they are set, and what they say of objects."""
import datetime
import os
import re

import pytest

from s3 import client, refused, send

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def s3(cloud):
    return client(cloud)


@pytest.fixture
def bucket(s3):
    name = "t-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    return name


def put(s3, bucket, *rules, **args):
    rules = [{"ID": "rule-%d" % i, "Status": "Enabled", **r} for i, r in enumerate(rules)]
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules}, **args)


def get(s3, bucket):
    return s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


def test_is_kept_as_it_was_sent(s3, bucket):
    none = ("NoSuchLifecycleConfiguration", 404)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == none
    date = datetime.datetime(2035, 1, 1, tzinfo=datetime.timezone.utc)
    rules = [
        {"ID": "old", "Prefix": "a/<&>", "Status": "Enabled", "Expiration": {"Days": 3}},
        {"ID": "empty", "Filter": {}, "Status": "Disabled", "Expiration": {"Date": date}},
        {"ID": "prefix", "Filter": {"Prefix": ""}, "Status": "Enabled",
         "Expiration": {"ExpiredObjectDeleteMarker": True},
         "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 100}},
        {"ID": "tag", "Filter": {"Tag": {"Key": "k", "Value": ""}}, "Status": "Enabled", "Expiration": {"Days": 1}},
        {"ID": "and", "Filter": {"And": {"Prefix": "b", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}],
                                         "ObjectSizeGreaterThan": 0, "ObjectSizeLessThan": 10}},
         "Status": "Enabled", "Expiration": {"Days": 1}},
        {"ID": "uploads", "Filter": {"Prefix": "u"}, "Status": "Enabled",
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    ]
    for _ in range(2):
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        assert get(s3, bucket) == rules
        rules.pop(0)
    for _ in range(2):
        answer = s3.delete_bucket_lifecycle(Bucket=bucket)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == none


def test_rules_without_ids_get_one(s3, bucket):
    rules = [{"Status": "Enabled", "Filter": {"Prefix": p}, "Expiration": {"Days": 1}} for p in "ab"]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    kept = get(s3, bucket)
    ids = [r.pop("ID") for r in kept]
    assert kept == rules and len(set(ids)) == 2 and all(ids)


def test_as_long_as_they_may_be(s3, bucket):
    rules = [{"Filter": {"Prefix": "%0200d/" % i}, "Expiration": {"Days": 1 + i}} for i in range(110)]
    put(s3, bucket, *rules)
    assert len(get(s3, bucket)) == 110 and get(s3, bucket)[109]["Expiration"] == {"Days": 110}
    with pytest.raises(Exception, match="InvalidRequest"):
        put(s3, bucket, *rules, *rules)
    rules = [{"Prefix": "", "Expiration": {"Days": 1}}] * 1001
    with pytest.raises(Exception, match="MalformedXML"):
        put(s3, bucket, *rules)
    assert len(get(s3, bucket)) == 110


@pytest.mark.parametrize("rule, code", [
    ({"Filter": {"Prefix": ""}}, "InvalidRequest"),
    ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 0}}, "InvalidArgument"),
    ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}, "Status": "enabled"}, "MalformedXML"),
    ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}, "ID": "i" * 256}, "InvalidArgument"),
    ({"Filter": {"Prefix": ""}, "Expiration": {"Date": datetime.datetime(2030, 1, 1, 1)}}, "InvalidArgument"),
    ({"Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument"),
    ({"Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}},
     "InvalidArgument"),
    ({"Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, "InvalidArgument"),
    ({"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
     "InvalidRequest"),
    ({"Filter": {"And": {"Tags": [{"Key": "a", "Value": "b"}] * 2}}, "Expiration": {"Days": 1}}, "InvalidRequest"),
    ({"Expiration": {"Days": 1}}, "MalformedXML"),
])
def test_refused(s3, bucket, rule, code):
    put(s3, bucket, {"Prefix": "stays", "Expiration": {"Days": 1}})
    with pytest.raises(Exception, match=code):
        put(s3, bucket, rule)
    assert get(s3, bucket)[0]["Prefix"] == "stays"


@pytest.mark.parametrize("body", [b"<", b"<Other/>", b"<LifecycleConfiguration/>",
                                  b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>",
                                  b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
                                  b"<LifecycleConfiguration>&b;</LifecycleConfiguration>"])
def test_garbage(cloud, s3, bucket, body):
    answer = send(cloud, "PUT", bucket + "?lifecycle", body)
    assert answer.status_code == 400 and b"<Code>MalformedXML</Code>" in answer.content
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)


def test_least_size_of_transitions(cloud, s3, bucket):
    name = "x-amz-transition-default-minimum-object-size"
    body = (b"<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
            b"</Rule></LifecycleConfiguration>")
    for sent, told in ((None, "all_storage_classes_128K"), ("varies_by_storage_class", "varies_by_storage_class")):
        answer = send(cloud, "PUT", bucket + "?lifecycle", body, **({name: sent} if sent else {}))
        assert answer.status_code == 200 and answer.headers[name] == told
        assert send(cloud, "GET", bucket + "?lifecycle").headers[name] == told
    answer = send(cloud, "PUT", bucket + "?lifecycle", body, **{name: "huge"})
    assert answer.status_code == 400 and b"InvalidArgument" in answer.content


def expiry(answer):
    match = re.fullmatch(r'expiry-date="(.*)", rule-id="(.*)"', answer["Expiration"])
    date = datetime.datetime.strptime(match[1], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.timezone.utc)
    return date, match[2]


def test_answers_tell_when_an_object_expires(s3, bucket):
    put(s3, bucket, {"ID": "the first", "Prefix": "a/", "Expiration": {"Days": 3}},
        {"ID": "second", "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "t", "Value": "u"}]}},
         "Expiration": {"Days": 1}},
        {"ID": "third", "Filter": {"ObjectSizeGreaterThan": 1000}, "Expiration": {"Days": 2}},
        {"ID": "off", "Status": "Disabled", "Prefix": "", "Expiration": {"Days": 1}})
    made = s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    head = s3.head_object(Bucket=bucket, Key="a/b")
    date, rule = expiry(head)
    assert rule == "the%20first" and expiry(made)[1] == rule
    assert 3 * DAY <= date - head["LastModified"] + datetime.timedelta(seconds=1) <= 4 * DAY + datetime.timedelta(seconds=1)
    assert (date.hour, date.minute, date.second) == (0, 0, 0)
    assert expiry(s3.get_object(Bucket=bucket, Key="a/b", Range="bytes=0-0"))[1] == rule
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="c", Body=b"x")
    assert expiry(s3.put_object(Bucket=bucket, Key="c", Body=b"x" * 1001))[1] == "third"
    assert expiry(s3.get_object(Bucket=bucket, Key="c", Range="bytes=0-0"))[1] == "third"
    # By its tags: as it is made, once they are changed, of a copy.
    assert expiry(s3.put_object(Bucket=bucket, Key="a/c", Body=b"x", Tagging="t=u"))[1] == "second"
    s3.put_object_tagging(Bucket=bucket, Key="a/b", Tagging={"TagSet": [{"Key": "t", "Value": "u"}]})
    assert expiry(s3.head_object(Bucket=bucket, Key="a/b"))[1] == "second"
    assert expiry(s3.copy_object(Bucket=bucket, Key="a/d", CopySource=bucket + "/a/b"))[1] == "second"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a/e", Tagging="t=u")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="a/e", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    whole = s3.complete_multipart_upload(Bucket=bucket, Key="a/e", UploadId=upload,
                                         MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert expiry(whole)[1] == "second" and expiry(s3.head_object(Bucket=bucket, Key="a/e"))[1] == "second"


def test_who_may(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    for call in (other.get_bucket_lifecycle_configuration, other.delete_bucket_lifecycle):
        assert refused(call, Bucket=bucket) == ("AccessDenied", 403)
    with pytest.raises(Exception, match="AccessDenied"):
        put(other, bucket, {"Prefix": "", "Expiration": {"Days": 1}})
