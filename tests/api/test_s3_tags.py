"""Tags of objects, of versions and of buckets."""


from s3 import refused, send


def given(**tags):
    return {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}


def tags(s3, bucket, **args):
    return {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=bucket, Key="k", **args)["TagSet"]}


def test_objects(tester, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b%20c=%C3%BC+", Metadata={"m": "n"},
                  CacheControl="no-cache")
    assert tags(s3, bucket) == {"a": "1", "b c": "ü "}
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=given(d="4"))
    assert tags(s3, bucket) == {"d": "4"}
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"m": "n"} and head["CacheControl"] == "no-cache"
    # A POST of Swift's says nothing of them, nor can it.
    tester.request("POST", "/%s/k" % bucket,
                   headers={"X-Object-Meta-M": "o", "X-Object-Transient-Sysmeta-S3-Tags": "e=5"})
    assert tags(s3, bucket) == {"d": "4"} and s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "o"}
    r = tester.request("HEAD", "/%s/k" % bucket)
    assert not [n for n in r.headers if "sysmeta" in n.lower()]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert tags(s3, bucket) == {} and "TagCount" not in s3.get_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert tags(s3, bucket) == {}
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="none") == ("NoSuchKey", 404)


def test_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0", Tagging="v=0")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"] for _ in range(2))
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging=given(v="1"))
    assert s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=given(v="2"))["VersionId"] == second
    assert tags(s3, bucket, VersionId=first) == {"v": "1"} and tags(s3, bucket) == {"v": "2"}
    assert tags(s3, bucket, VersionId="null") == {"v": "0"}
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId="null", Tagging=given(v="3"))
    assert tags(s3, bucket, VersionId="null") == {"v": "3"} and tags(s3, bucket, VersionId=second) == {"v": "2"}
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [v["VersionId"] for v in versions] == [second, first, "null"]
    s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=first)
    assert tags(s3, bucket, VersionId=first) == {}
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="k")[0] == "NoSuchKey"
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", VersionId=marker, Tagging=given(a="b")) == \
        ("MethodNotAllowed", 405)
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="k", VersionId="1700000000.00000")[0] == "NoSuchVersion"


def test_what_is_none(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    many = {"k%d" % i: "v" for i in range(11)}
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    for bad in (given(**many), given(**{"k" * 129: "v"}), given(k="v" * 257), twice,
                given(**{"aws:k": "v"}), given(**{"a<b": "v"})):
        assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=bad) == ("InvalidTag", 400), bad
    for bad in ("a=1&a=2", "&".join("%s=1" % k for k in many), "=1"):
        assert refused(s3.put_object, Bucket=bucket, Key="k", Tagging=bad) == ("InvalidTag", 400), bad
    for document in (b"<Tagging/>", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", b"<x>",
                     b"<Tagging><TagSet><Other/></TagSet></Tagging>"):
        assert "MalformedXML" in send(cloud, "PUT", bucket + "/k?tagging=", document).text, document
    assert tags(s3, bucket) == {"a": "1"}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=given(**{"ü" * 128: "ä" * 256}))
    assert tags(s3, bucket) == {"ü" * 128: "ä" * 256}


def test_buckets(s3, bucket):
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    fifty = {"k%02d" % i: "v%d" % i for i in range(50)}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=given(**fifty))
    assert {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]} == fifty
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=given(x="y", **fifty)) == ("InvalidTag", 400)
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
