"""Lifecycle rules of buckets: how they are set, and what they say of objects."""
import datetime
import os
import re

import pytest

from conftest import Cloud, User, wait_for
from s3 import client, refused, send

DAY = datetime.timedelta(days=1)


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
    ({"Prefix": "", "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "InvalidStorageClass"),
    ({"Prefix": "", "NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]},
     "InvalidStorageClass"),
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


def test_versioned_buckets_tell_it_too(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put(s3, bucket, {"ID": "r", "Prefix": "", "Expiration": {"Days": 3}})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert expiry(s3.put_object(Bucket=bucket, Key="k", Body=b"x"))[1] == "r"
    assert expiry(s3.head_object(Bucket=bucket, Key="k"))[1] == "r"
    assert expiry(s3.copy_object(Bucket=bucket, Key="l", CopySource=bucket + "/k"))[1] == "r"
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k", VersionId="null")


def test_who_may(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    for call in (other.get_bucket_lifecycle_configuration, other.delete_bucket_lifecycle):
        assert refused(call, Bucket=bucket) == ("AccessDenied", 403)
    with pytest.raises(Exception, match="AccessDenied"):
        put(other, bucket, {"Prefix": "", "Expiration": {"Days": 1}})


# --- what the rules do: days of a second ---

@pytest.fixture(scope="module")
def quick():
    with Cloud(conf={"s3": ["lifecycle_day = 1"]}) as cloud:
        yield cloud


@pytest.fixture
def fast(quick):
    return client(quick)


@pytest.fixture
def shelf(fast):
    name = "t-" + os.urandom(6).hex()
    fast.create_bucket(Bucket=name)
    return name


def keys(s3, bucket):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def versions(s3, bucket):
    listed = s3.list_object_versions(Bucket=bucket)
    return ([v["VersionId"] for v in listed.get("Versions", [])],
            [v["VersionId"] for v in listed.get("DeleteMarkers", [])])


def versioned(s3, bucket, status="Enabled"):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def test_current_versions_expire(fast, shelf):
    for key in ("a/1", "a/2", "b", "c"):
        fast.put_object(Bucket=shelf, Key=key, Body=b"x", Tagging="t=u" if key == "b" else "")
    fast.put_object(Bucket=shelf, Key="large", Body=b"x" * 100)
    put(fast, shelf, {"Prefix": "a/", "Expiration": {"Days": 1}},
        {"Filter": {"Tag": {"Key": "t", "Value": "u"}}, "Expiration": {"Days": 2}},
        {"Filter": {"ObjectSizeGreaterThan": 99}, "Expiration": {"Days": 1}},
        {"Prefix": "c", "Expiration": {"Days": 1}, "Status": "Disabled"})
    wait_for(lambda: keys(fast, shelf) == ["c"])
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 1000}})
    fast.put_object(Bucket=shelf, Key="d", Body=b"x")
    assert keys(fast, shelf) == ["c", "d"]
    put(fast, shelf, {"Prefix": "d", "Expiration": {"Date": datetime.datetime(2015, 1, 1)}},
        {"Prefix": "c", "Expiration": {"Date": datetime.datetime(2100, 1, 1)}})
    wait_for(lambda: keys(fast, shelf) == ["c"])


def test_objects_tagged_since_they_were_made_expire(fast, shelf):
    fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    fast.put_object_tagging(Bucket=shelf, Key="k", Tagging={"TagSet": [{"Key": "t", "Value": "u"}]})
    put(fast, shelf, {"Filter": {"Tag": {"Key": "t", "Value": "u"}}, "Expiration": {"Days": 1}})
    wait_for(lambda: keys(fast, shelf) == [])


def test_versioned_buckets_get_delete_markers(quick, fast, shelf):
    fast.put_object(Bucket=shelf, Key="old", Body=b"x")
    versioned(fast, shelf)
    made = [fast.put_object(Bucket=shelf, Key="k", Body=b"%d" % i)["VersionId"] for i in range(3)]
    fast.put_object_tagging(Bucket=shelf, Key="k", Tagging={"TagSet": [{"Key": "t", "Value": "u"}]})
    put(fast, shelf, {"Filter": {"Tag": {"Key": "t", "Value": "u"}}, "Expiration": {"Days": 1}},
        {"Prefix": "old", "Expiration": {"Days": 1}})
    wait_for(lambda: keys(fast, shelf) == [])
    kept, markers = versions(fast, shelf)
    assert kept == made[::-1] + ["null"] and len(markers) == 2
    assert fast.get_object(Bucket=shelf, Key="k", VersionId=made[2])["Body"].read() == b"2"
    # They hide something: they stay, and there are no more of them, when what is younger has gone.
    fast.put_object(Bucket=shelf, Key="older", Body=b"x")
    wait_for(lambda: keys(fast, shelf) == [])
    listed = fast.list_object_versions(Bucket=shelf)
    assert [m["VersionId"] for m in listed["DeleteMarkers"] if m["Key"] != "older"] == markers
    assert [v["VersionId"] for v in listed["Versions"] if v["Key"] != "older"] == kept


def test_noncurrent_versions_expire(fast, shelf):
    versioned(fast, shelf)
    made = {key: [fast.put_object(Bucket=shelf, Key=key, Body=b"x")["VersionId"] for _ in range(4)]
            for key in ("all/k", "two/k", "stay/k")}
    put(fast, shelf, {"Prefix": "all/", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Prefix": "two/", "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}})
    want = made["all/k"][3:] + made["stay/k"][::-1] + made["two/k"][:0:-1]
    wait_for(lambda: versions(fast, shelf)[0] == want)


def test_noncurrent_versions_by_their_tags(fast, shelf):
    versioned(fast, shelf)
    ids = [fast.put_object(Bucket=shelf, Key="k", Body=b"x", Tagging="n=%d" % (i % 2))["VersionId"] for i in range(5)]
    put(fast, shelf, {"Filter": {"Tag": {"Key": "n", "Value": "1"}},
                      "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    wait_for(lambda: versions(fast, shelf)[0] == [ids[4], ids[2], ids[0]])


@pytest.mark.parametrize("rule", [{"Expiration": {"ExpiredObjectDeleteMarker": True}}, {"Expiration": {"Days": 1}}])
def test_markers_that_hide_nothing_go(fast, shelf, rule):
    versioned(fast, shelf)
    for key in ("a/gone", "a/kept"):
        fast.put_object(Bucket=shelf, Key=key, Body=b"x")
        fast.delete_object(Bucket=shelf, Key=key)
    first = [v for v in fast.list_object_versions(Bucket=shelf)["Versions"] if v["Key"] == "a/gone"][0]["VersionId"]
    fast.delete_object(Bucket=shelf, Key="a/gone", VersionId=first)
    put(fast, shelf, {"Prefix": "a/", **rule})
    wait_for(lambda: [m["Key"] for m in fast.list_object_versions(Bucket=shelf)["DeleteMarkers"]] == ["a/kept"])
    assert len(versions(fast, shelf)[0]) == 1


def test_all_versions_and_then_the_marker_go(fast, shelf):
    versioned(fast, shelf)
    for _ in range(3):
        fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    wait_for(lambda: versions(fast, shelf) == ([], []))


def test_suspended_buckets(fast, shelf):
    versioned(fast, shelf)
    first = fast.put_object(Bucket=shelf, Key="k", Body=b"1")["VersionId"]
    versioned(fast, shelf, "Suspended")
    fast.put_object(Bucket=shelf, Key="k", Body=b"2")
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 1}})
    wait_for(lambda: keys(fast, shelf) == [])
    assert versions(fast, shelf) == ([first], ["null"])


def test_locks_are_kept(quick, fast):
    bucket = "t-" + os.urandom(6).hex()
    fast.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    locked = fast.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    free = fast.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    last = fast.put_object(Bucket=bucket, Key="k", Body=b"3")["VersionId"]
    put(fast, bucket, {"Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    wait_for(lambda: versions(fast, bucket)[0] == [last, locked])
    assert free not in versions(fast, bucket)[0]
    last = fast.put_object(Bucket=bucket, Key="k", Body=b"4")["VersionId"]
    wait_for(lambda: versions(fast, bucket)[0] == [last, locked])
    fast.put_object_legal_hold(Bucket=bucket, Key="k", VersionId=locked, LegalHold={"Status": "OFF"})
    wait_for(lambda: versions(fast, bucket)[0] == [last])


def upload(s3, bucket, key, parts=(b"x" * (5 << 20), b"y")):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    made = [{"PartNumber": i, "ETag": s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=i,
                                                     Body=body)["ETag"]} for i, body in enumerate(parts, 1)]
    return upload_id, made


def segments(cloud, bucket):
    """Names of parts, without what makes each its own."""
    r = User(cloud, "test:tester", "testing").request("GET", "/%s+segments" % bucket)
    return [re.sub("(/[0-9]{5})-[0-9a-f]{16}$", r"\1", name) for name in r.text.split()] if r.status_code == 200 else []


def test_large_objects_take_their_parts_along(quick, fast, shelf):
    upload_id, parts = upload(fast, shelf, "k")
    fast.complete_multipart_upload(Bucket=shelf, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert len(segments(quick, shelf)) == 2
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 1}})
    wait_for(lambda: keys(fast, shelf) == [] and segments(quick, shelf) == [])


def test_uploads_end(quick, fast, shelf):
    upload(fast, shelf, "a/b\u00fc", [b"x"])
    stays, parts = upload(fast, shelf, "c", [b"x"])
    put(fast, shelf, {"Prefix": "a/", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    wait_for(lambda: [u["UploadId"] for u in fast.list_multipart_uploads(Bucket=shelf)["Uploads"]] == [stays])
    assert [s.split("/")[0] for s in segments(quick, shelf)] == ["c"]
    fast.complete_multipart_upload(Bucket=shelf, Key="c", UploadId=stays, MultipartUpload={"Parts": parts})


def test_what_is_overwritten_lives_anew(fast, shelf):
    """An object that is written again and again is never as old as the rule wants."""
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 4}})
    fast.put_object(Bucket=shelf, Key="gauge", Body=b"")
    while "gauge" in keys(fast, shelf):
        fast.put_object(Bucket=shelf, Key="k", Body=b"x")
        assert "k" in keys(fast, shelf)


def test_more_than_a_page(quick, fast, shelf):
    """Rows of one key lie across pages, the last one of a page is S3's "null", and the walk goes on where it was."""
    swift = User(quick, "test:tester", "testing")
    swift.request("PUT", "/%s/k" % shelf, data=b"")
    versioned(fast, shelf)
    for i in range(998):
        swift.request("PUT", "/%s/k" % shelf, data=b"")
    for key in "lm":
        for i in range(3):
            last = fast.put_object(Bucket=shelf, Key=key, Body=b"x")["VersionId"]
    put(fast, shelf, {"Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1000}},
        {"Prefix": "m", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    wait_for(lambda: [v["VersionId"] for v in fast.list_object_versions(Bucket=shelf, Prefix="m")["Versions"]] == [last])
    put(fast, shelf, {"Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    wait_for(lambda: len(versions(fast, shelf)[0]) == 3)


# --- parts that nothing needs any more ---

def swept(cloud, bucket):
    """What nothing needs, and is younger than all that is there, has gone."""
    name = "canary/u%032x/00001" % 7
    User(cloud, "test:tester", "testing").request("PUT", "/%s+segments/%s" % (bucket, name), data=b"x")
    wait_for(lambda: name not in segments(cloud, bucket))
    return segments(cloud, bucket)


@pytest.fixture
def swift(quick):
    return User(quick, "test:tester", "testing")


def complete(s3, bucket, key, **args):
    upload_id, parts = upload(s3, bucket, key, **args)
    s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
    return upload_id


def test_parts_of_what_swift_overwrites_go(quick, fast, swift, shelf):
    complete(fast, shelf, "k")
    stays = complete(fast, shelf, "stays")
    going, parts = upload(fast, shelf, "k")
    swift.request("PUT", "/%s/k" % shelf, data=b"x")
    want = ["%s/%s/%05d" % (key, id, n) for key, id in (("k", going), ("stays", stays)) for n in (1, 2)]
    wait_for(lambda: segments(quick, shelf) == want)
    assert swept(quick, shelf) == want
    fast.complete_multipart_upload(Bucket=shelf, Key="k", UploadId=going, MultipartUpload={"Parts": parts})
    assert fast.get_object(Bucket=shelf, Key="k")["ContentLength"] == (5 << 20) + 1
    assert fast.get_object(Bucket=shelf, Key="stays")["Body"].read()[-1:] == b"y"


def test_parts_of_versions_stay(quick, fast, swift, shelf):
    complete(fast, shelf, "null")
    versioned(fast, shelf)
    complete(fast, shelf, "k")
    complete(fast, shelf, "k")
    fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    fast.delete_object(Bucket=shelf, Key="k")
    fast.put_object(Bucket=shelf, Key="null", Body=b"x")
    complete(fast, shelf, "gone")
    went = complete(fast, shelf, "gone/too")
    swift.request("PUT", "/%s+segments/gone/too/%s/00007" % (shelf, went), data=b"x")
    kept = [s for s in segments(quick, shelf) if not s.endswith("00007")]
    assert len(kept) == 10
    wait_for(lambda: segments(quick, shelf) == kept)
    assert swept(quick, shelf) == kept
    for v in fast.list_object_versions(Bucket=shelf)["Versions"]:
        assert len(fast.get_object(Bucket=shelf, Key=v["Key"], VersionId=v["VersionId"])["Body"].read()) == v["Size"]


def test_parts_of_a_null_version_that_is_replaced_go(quick, fast, shelf):
    versioned(fast, shelf)
    versioned(fast, shelf, "Suspended")
    complete(fast, shelf, "k")
    fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    wait_for(lambda: segments(quick, shelf) == [])
    assert fast.get_object(Bucket=shelf, Key="k")["Body"].read() == b"x"


def test_parts_that_the_whole_does_not_name_go(quick, fast, swift, shelf):
    made = complete(fast, shelf, "k")
    for name in ("k/%s/00009" % made, "k/u%s/00001" % ("0" * 32), "k/mine/00001", "mine"):
        assert swift.request("PUT", "/%s+segments/%s" % (shelf, name), data=b"x").status_code == 201
    wait_for(lambda: segments(quick, shelf) == ["k/mine/00001", "k/%s/00001" % made, "k/%s/00002" % made, "mine"])
    assert len(fast.get_object(Bucket=shelf, Key="k")["Body"].read()) == (5 << 20) + 1


def test_uploads_go_with_their_bucket(quick, fast, shelf):
    upload(fast, shelf, "k", [b"x"])
    fast.delete_bucket(Bucket=shelf)
    wait_for(lambda: segments(quick, shelf) == [])
    fast.create_bucket(Bucket=shelf)
    assert "Uploads" not in fast.list_multipart_uploads(Bucket=shelf)


def test_a_null_version_that_is_hidden_keeps_its_parts(quick, fast, swift, shelf):
    """Not by any walk, but by what replaces it: the expirer would have them within seconds."""
    other = shelf + "-2"
    fast.create_bucket(Bucket=other)
    complete(fast, shelf, "k")
    complete(fast, other, "k")
    versioned(fast, shelf)
    fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    fast.put_object(Bucket=other, Key="k", Body=b"x")
    wait_for(lambda: segments(quick, other) == [])
    assert len(segments(quick, shelf)) == 2
    assert len(fast.get_object(Bucket=shelf, Key="k", VersionId="null")["Body"].read()) == (5 << 20) + 1


def test_status_tells_of_it(quick, fast, shelf):
    fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    put(fast, shelf, {"Prefix": "", "Expiration": {"Days": 1}})
    wait_for(lambda: keys(fast, shelf) == [])
    line = wait_for(lambda: re.search(r"^lifecycle +(\d+) buckets walked, \d+ at it; (\d+) objects",
                                      quick.cairn("status", "--state", quick.state).stdout, re.M))
    assert int(line[1]) > 0 and int(line[2]) > 0


def test_what_is_given_up_takes_its_own_parts_alone(quick, fast, shelf):
    versioned(fast, shelf)
    complete(fast, shelf, "k")
    kept = segments(quick, shelf)
    upload_id, parts = upload(fast, shelf, "k")
    for _ in range(2):
        fast.put_object(Bucket=shelf, Key="k", Body=b"x")
    fast.delete_object(Bucket=shelf, Key="k")
    assert len(segments(quick, shelf)) == 4
    fast.abort_multipart_upload(Bucket=shelf, Key="k", UploadId=upload_id)
    assert segments(quick, shelf) == kept
    old = fast.list_object_versions(Bucket=shelf)["Versions"][-1]["VersionId"]
    assert len(fast.get_object(Bucket=shelf, Key="k", VersionId=old)["Body"].read()) == (5 << 20) + 1
