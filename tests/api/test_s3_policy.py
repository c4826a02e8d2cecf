"""Bucket policies, public access block, ownership: what they let whom do, and what is refused."""
import json
import os

import pytest
import requests

from s3 import ClientError, anonymous, client, refused

DENIED = ("AccessDenied", 403)


@pytest.fixture(scope="module")
def alt(cloud):
    return client(cloud, "test2:tester2", "testing2")


@pytest.fixture(scope="module")
def anyone(cloud):
    return anonymous(cloud)


@pytest.fixture
def bucket(s3):
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="open/k", Body=b"text")
    s3.put_object(Bucket=name, Key="mine/k", Body=b"text")
    return name


def statement(bucket, action, path="/*", effect="Allow", principal="*", **more):
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": "arn:aws:s3:::" + bucket + path, **more}


def put(s3, bucket, *statements):
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=1)
    assert s3.put_bucket_policy(Bucket=bucket, Policy=text)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text


def test_allow_and_deny(s3, alt, anyone, bucket):
    assert refused(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    put(s3, bucket, statement(bucket, "s3:GetObject", "/open/*"))
    for c in (alt, anyone):
        assert c.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"text"
        assert refused(c.get_object, Bucket=bucket, Key="mine/k") == DENIED
        assert refused(c.get_object, Bucket=bucket, Key="open/none") == DENIED
        assert refused(c.put_object, Bucket=bucket, Key="open/k", Body=b"") == DENIED
    put(s3, bucket, statement(bucket, ["s3:Get*", "s3:ListBucket"], principal={"AWS": "arn:aws:iam::test2:root"}),
        statement(bucket, "s3:ListBucket", "", principal={"AWS": ["test2"]}),
        statement(bucket, "s3:GetObject", "/mine/*", effect="Deny"))
    assert len(alt.list_objects_v2(Bucket=bucket)["Contents"]) == 2
    assert alt.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"text"
    assert refused(alt.get_object, Bucket=bucket, Key="open/none") == ("NoSuchKey", 404)
    for c in (s3, alt, anyone):
        assert refused(c.get_object, Bucket=bucket, Key="mine/k") == DENIED
    assert refused(anyone.get_object, Bucket=bucket, Key="open/k") == DENIED
    assert s3.delete_bucket_policy(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(alt.list_objects_v2, Bucket=bucket) == DENIED
    assert s3.get_object(Bucket=bucket, Key="mine/k")["Body"].read() == b"text"


def test_conditions(cloud, s3, alt, anyone, bucket):
    put(s3, bucket,
        statement(bucket, "s3:ListBucket", "", Condition={"StringLike": {"s3:prefix": "open/*"}}),
        statement(bucket, "s3:PutObject"),
        statement(bucket, "s3:PutObject", effect="Deny", Condition={"StringLike": {"s3:x-amz-acl": "public*"}}),
        statement(bucket, "s3:GetObject", "/open/*", Condition={"StringEquals": {"aws:Referer": ["http://a/"]}}),
        statement(bucket, "s3:GetObject", "/mine/*", Condition={"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}))
    assert [o["Key"] for o in alt.list_objects_v2(Bucket=bucket, Prefix="open/")["Contents"]] == ["open/k"]
    assert refused(alt.list_objects_v2, Bucket=bucket) == DENIED
    assert refused(alt.head_object, Bucket=bucket, Key="open/none") == ("404", 404)
    assert refused(alt.head_object, Bucket=bucket, Key="other") == ("403", 403)
    alt.put_object(Bucket=bucket, Key="alts", Body=b"")
    assert refused(alt.put_object, Bucket=bucket, Key="alts", Body=b"", ACL="public-read") == DENIED
    url = "%s/%s/" % (cloud.url, bucket)
    assert requests.get(url + "open/k", headers={"Referer": "http://a/"}).content == b"text"
    assert requests.get(url + "open/k", headers={"Referer": "http://b/"}).status_code == 403
    assert requests.get(url + "mine/k").status_code == 403


def test_bad_policies(s3, bucket):
    good = statement(bucket, "s3:GetObject")
    for bad in ("", "{", "[]", "{}", json.dumps({"Version": "2012-10-17", "Statement": []}),
                json.dumps({"Version": "2020-01-01", "Statement": good}),
                *(json.dumps({"Version": "2012-10-17", "Statement": [{**good, **change}]}) for change in (
                    {"Effect": "Other"}, {"Principal": "somebody"}, {"Principal": {"Other": "x"}}, {"Action": "iam:Do"},
                    {"Action": 1}, {"Resource": "arn:aws:s3:::other/*"}, {"Resource": "x"}, {"Condition": []},
                    {"Condition": {"StringOther": {"aws:Referer": "x"}}}, {"NotPrincipal": "*"}, {"Principal": None},
                    *({"Principal": {"AWS": who}} for who in (
                        "", "arn:aws:iam:test:user/x", "arn:aws:iam::test:users/x", "arn:aws:iam::test:user/", "arn:aws:iam:::root",
                        ["*", "arn:aws:iam::test:group/x"], "arn:aws:s3:::b", "arn:aws:sts::test:federated-user/x"))))):
        code, status = refused(s3.put_bucket_policy, Bucket=bucket, Policy=bad)
        assert (code, status) == ("MissingRequestBodyError" if not bad else "MalformedPolicy", 400), bad
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=" " * 20481)[1] == 400
    assert refused(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)


def test_principals_that_may_be(s3, bucket):
    for who in ("test", "123456789012", "test:tester", "arn:aws:iam::test:root", "arn:aws:iam::123456789012:user/team/x",
                "arn:aws:iam::test:role/x", "arn:aws:iam:::user/id", "arn:aws:sts::test:assumed-role/x/y", ["*"]):
        put(s3, bucket, statement(bucket, "s3:GetObject", principal={"AWS": who}))


def test_owner_is_not_locked_out(s3, bucket):
    everything = statement(bucket, "s3:*", "*", effect="Deny")
    put(s3, bucket, everything)
    assert refused(s3.list_objects_v2, Bucket=bucket) == DENIED
    assert refused(s3.get_object, Bucket=bucket, Key="open/k") == DENIED
    s3.delete_bucket_policy(Bucket=bucket)
    s3.list_objects_v2(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": everything}), ConfirmRemoveSelfBucketAccess=True)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == DENIED
    assert refused(s3.delete_bucket_policy, Bucket=bucket) == DENIED


def test_public_access_block(s3, alt, anyone, bucket):
    names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]

    def block(*on):
        wanted = {n: n in on for n in names}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == wanted

    public = json.dumps({"Statement": statement(bucket, "s3:GetObject")})
    assert refused(s3.get_public_access_block, Bucket=bucket) == ("NoSuchPublicAccessBlockConfiguration", 404)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    block("BlockPublicPolicy", "BlockPublicAcls")
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=public) == DENIED
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == DENIED
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="authenticated-read") == DENIED
    assert refused(s3.put_object_acl, Bucket=bucket, Key="open/k", ACL="public-read") == DENIED
    block()
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    anyone.list_objects_v2(Bucket=bucket)
    block("IgnorePublicAcls")
    assert refused(anyone.list_objects_v2, Bucket=bucket) == DENIED
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    anyone.get_object(Bucket=bucket, Key="open/k")
    block("RestrictPublicBuckets")
    assert refused(anyone.get_object, Bucket=bucket, Key="open/k") == DENIED
    s3.get_object(Bucket=bucket, Key="open/k")
    s3.delete_public_access_block(Bucket=bucket)
    anyone.get_object(Bucket=bucket, Key="open/k")


def test_ownership(s3, alt, bucket):
    def own(what):
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": what}]})

    def owner(**args):
        alt.put_object(Bucket=bucket, Key="alts", Body=b"", **args)
        return alt.get_object_acl(Bucket=bucket, Key="alts")["Owner"]["ID"]

    put(s3, bucket, statement(bucket, "s3:*"))
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == ("OwnershipControlsNotFoundError", 404)
    assert owner() == "test2:tester2"
    own("BucketOwnerPreferred")
    assert owner() == "test2:tester2"
    assert owner(ACL="bucket-owner-full-control") == "test:tester"
    own("ObjectWriter")
    assert owner(ACL="bucket-owner-full-control") == "test2:tester2"
    own("BucketOwnerEnforced")
    assert s3.get_object(Bucket=bucket, Key="alts")["Body"].read() == b""
    assert owner() == owner(ACL="bucket-owner-full-control") == "test:tester"
    unsupported = ("AccessControlListNotSupported", 400)
    assert refused(alt.put_object, Bucket=bucket, Key="k", Body=b"", ACL="private") == unsupported
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="private") == unsupported
    assert refused(s3.put_object_acl, Bucket=bucket, Key="alts", ACL="private") == unsupported
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
        own("BucketOwnerEnforced")
    with pytest.raises(ClientError, match="MalformedXML"):
        own("Other")


def test_each_of_many_keys(s3, alt, anyone, bucket):
    put(s3, bucket, statement(bucket, "s3:DeleteObject", "/open/*"), statement(bucket, "s3:DeleteObject", "/kept", effect="Deny"))
    s3.put_object(Bucket=bucket, Key="kept", Body=b"")
    for c, gone in ((alt, ["open/k"]), (anyone, []), (s3, ["mine/k"])):
        keys = gone + ["kept"] + (["mine/k"] if c != s3 else [])
        r = c.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
        assert [d["Key"] for d in r.get("Deleted", [])] == gone
        assert {(e["Key"], e["Code"]) for e in r["Errors"]} == {(k, "AccessDenied") for k in keys if k not in gone}
    s3.head_object(Bucket=bucket, Key="kept")


def said(call, **args):
    with pytest.raises(ClientError) as e:
        call(**args)
    return e.value.response["Error"]["Message"]


def test_what_is_refused_is_told_to_the_account_itself(cloud, s3, alt, anyone, bucket):
    put(s3, bucket, statement(bucket, "s3:GetObject", "/mine/*", effect="Deny"))
    assert said(s3.get_object, Bucket=bucket, Key="mine/k") == (
        "User: arn:aws:iam::test:user/tester is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::%s/mine/k" with an explicit deny in a resource-based policy' % bucket)
    for c in (alt, anyone):
        assert said(c.get_object, Bucket=bucket, Key="mine/k") == "Access Denied"
    assert said(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": ""}}).startswith("The target bucket's policy must let logging")
    member = client(cloud, "test:tester3", "testing3")
    assert said(member.list_objects_v2, Bucket=bucket).endswith(
        's3:ListBucket on resource: "arn:aws:s3:::%s" because no policy, list or role allows the action' % bucket)


def test_a_policy_that_is_too_long(s3, bucket):
    def text(spaces):
        return json.dumps({"Version": "2012-10-17", "Statement": [statement(bucket, "s3:GetObject")]}) + " " * spaces
    s3.put_bucket_policy(Bucket=bucket, Policy=text(20480 - len(text(0))))
    for policy in (text(20481 - len(text(0))), text(200000)):
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == ("MalformedPolicy", 400)
        assert said(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == "Policy exceeds the maximum allowed document size."
