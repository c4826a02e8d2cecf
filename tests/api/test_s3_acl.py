"""Access control lists of S3: canned, granted, told, and what they let whom do."""
import os

import pytest
import requests

from s3 import anonymous, client, refused

DENIED = ("AccessDenied", 403)
ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
KNOWN = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


@pytest.fixture(scope="module")
def alt(cloud):
    return client(cloud, "test2:tester2", "testing2")


@pytest.fixture(scope="module")
def anyone(cloud):
    return anonymous(cloud)


@pytest.fixture
def name():
    return "b-" + os.urandom(6).hex()


def grants(answer):
    return [(g["Grantee"].get("ID") or g["Grantee"]["URI"], g["Permission"]) for g in answer["Grants"]]


def test_nobody_else_is_let_in(s3, alt, anyone, name):
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"text")
    for c in (alt, anyone):
        assert refused(c.get_object, Bucket=name, Key="k") == DENIED
        assert refused(c.get_object, Bucket=name, Key="none") == DENIED
        assert refused(c.list_objects_v2, Bucket=name) == DENIED
        assert refused(c.get_bucket_acl, Bucket=name) == DENIED
        assert refused(c.put_object, Bucket=name, Key="l", Body=b"") == DENIED
        assert refused(c.delete_object, Bucket=name, Key="k") == DENIED
        assert refused(c.put_object_acl, Bucket=name, Key="k", ACL="public-read") == DENIED
        assert refused(c.get_object_acl, Bucket=name, Key="k") == DENIED
        assert refused(c.delete_bucket, Bucket=name) == DENIED
    assert grants(s3.get_bucket_acl(Bucket=name)) == [("test:tester", "FULL_CONTROL")]
    assert s3.get_object_acl(Bucket=name, Key="k")["Owner"] == {"ID": "test:tester", "DisplayName": "test:tester"}


def test_canned(s3, alt, anyone, name):
    s3.create_bucket(Bucket=name, ACL="public-read")
    s3.put_object(Bucket=name, Key="open", Body=b"text", ACL="public-read", ContentType="a/b", Metadata={"m": "1"})
    s3.put_object(Bucket=name, Key="known", Body=b"text", ACL="authenticated-read")
    s3.put_object(Bucket=name, Key="mine", Body=b"text")
    assert [o["Key"] for o in anyone.list_objects_v2(Bucket=name)["Contents"]] == ["known", "mine", "open"]
    assert anyone.get_object(Bucket=name, Key="open")["Body"].read() == b"text"
    assert alt.get_object(Bucket=name, Key="open")["Body"].read() == b"text"
    assert alt.get_object(Bucket=name, Key="known")["Body"].read() == b"text"
    assert refused(anyone.get_object, Bucket=name, Key="known") == DENIED
    assert refused(alt.get_object, Bucket=name, Key="mine") == DENIED
    assert refused(anyone.get_object, Bucket=name, Key="none") == ("NoSuchKey", 404)
    assert refused(anyone.put_object, Bucket=name, Key="open", Body=b"") == DENIED
    assert grants(s3.get_bucket_acl(Bucket=name)) == [(ALL, "READ"), ("test:tester", "FULL_CONTROL")]
    assert grants(s3.get_object_acl(Bucket=name, Key="known")) == [(KNOWN, "READ"), ("test:tester", "FULL_CONTROL")]
    s3.put_object_acl(Bucket=name, Key="open", ACL="private")
    assert refused(anyone.get_object, Bucket=name, Key="open") == DENIED
    r = s3.get_object(Bucket=name, Key="open")
    assert (r["ContentType"], r["Metadata"], r["Body"].read()) == ("a/b", {"m": "1"}, b"text")
    s3.put_bucket_acl(Bucket=name, ACL="private")
    assert refused(anyone.list_objects_v2, Bucket=name) == DENIED
    assert refused(s3.put_bucket_acl, Bucket=name, ACL="other") == ("InvalidArgument", 400)


def test_who_writes_owns(s3, alt, anyone, name):
    s3.create_bucket(Bucket=name, ACL="public-read-write")
    alt.put_object(Bucket=name, Key="alts", Body=b"text")
    assert alt.get_object(Bucket=name, Key="alts")["Body"].read() == b"text"
    assert refused(s3.get_object, Bucket=name, Key="alts") == DENIED
    assert refused(s3.put_object_acl, Bucket=name, Key="alts", ACL="public-read") == DENIED
    alt.put_object_acl(Bucket=name, Key="alts", ACL="bucket-owner-read")
    assert s3.get_object(Bucket=name, Key="alts")["Body"].read() == b"text"
    assert grants(alt.get_object_acl(Bucket=name, Key="alts")) == [
        ("test2:tester2", "FULL_CONTROL"), ("test:tester", "READ")]
    assert alt.get_object_acl(Bucket=name, Key="alts")["Owner"]["ID"] == "test2:tester2"
    anyone.put_object(Bucket=name, Key="anyones", Body=b"text")
    assert s3.get_object(Bucket=name, Key="anyones")["Body"].read() == b"text"
    s3.delete_object(Bucket=name, Key="alts")


def test_grants(s3, alt, name):
    s3.create_bucket(Bucket=name, GrantRead="id=test2:tester2", GrantWriteACP='id="test2:tester2"')
    assert grants(s3.get_bucket_acl(Bucket=name)) == [("test2:tester2", "READ"), ("test2:tester2", "WRITE_ACP")]
    alt.list_objects_v2(Bucket=name)
    assert refused(alt.put_object, Bucket=name, Key="k", Body=b"") == DENIED
    assert refused(alt.get_bucket_acl, Bucket=name) == DENIED
    alt.put_bucket_acl(Bucket=name, ACL="public-read-write")
    assert s3.get_bucket_acl(Bucket=name)["Owner"]["ID"] == "test:tester"
    policy = {"Owner": {"ID": "test:tester"}, "Grants": [
        {"Grantee": {"Type": "CanonicalUser", "ID": "test2:tester2"}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "Group", "URI": ALL}, "Permission": "READ"}]}
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy=policy)
    assert grants(alt.get_bucket_acl(Bucket=name)) == [(ALL, "READ"), ("test2:tester2", "FULL_CONTROL")]
    s3.put_object(Bucket=name, Key="k", Body=b"text")
    s3.put_object_acl(Bucket=name, Key="k", AccessControlPolicy=policy)
    assert grants(alt.get_object_acl(Bucket=name, Key="k")) == [(ALL, "READ"), ("test2:tester2", "FULL_CONTROL")]
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy={"Owner": {"ID": "test:tester"}, "Grants": []})
    assert grants(s3.get_bucket_acl(Bucket=name)) == []
    assert refused(alt.list_objects_v2, Bucket=name) == DENIED


def test_bad_lists(s3, name):
    s3.create_bucket(Bucket=name)

    def put(who, owner="test:tester", right="READ"):
        return refused(s3.put_bucket_acl, Bucket=name, AccessControlPolicy={
            "Owner": {"ID": owner}, "Grants": [{"Grantee": who, "Permission": right}]})

    assert put({"Type": "CanonicalUser", "ID": "_nobody"}) == ("InvalidArgument", 400)
    assert put({"Type": "AmazonCustomerByEmail", "EmailAddress": "a@b.invalid"}) == (
        "UnresolvableGrantByEmailAddress", 400)
    assert put({"Type": "Group", "URI": "http://other"}) == ("InvalidArgument", 400)
    assert put({"Type": "CanonicalUser", "ID": "test:tester"}, right="OTHER") == ("MalformedACLError", 400)
    assert put({"Type": "CanonicalUser", "ID": "test:tester"}, owner="test2:tester2") == DENIED
    assert refused(s3.put_object, Bucket=name, Key="k", ACL="public-read", GrantRead="id=test:tester") == (
        "InvalidRequest", 400)
    assert refused(s3.put_object, Bucket=name, Key="k", GrantRead="id=_nobody") == ("InvalidArgument", 400)
    assert grants(s3.get_bucket_acl(Bucket=name)) == [("test:tester", "FULL_CONTROL")]
    assert refused(s3.get_object, Bucket=name, Key="k") == ("NoSuchKey", 404)
    many = [{"Grantee": {"Type": "Group", "URI": ALL}, "Permission": "READ"}] * 101
    assert refused(s3.put_bucket_acl, Bucket=name, AccessControlPolicy={
        "Owner": {"ID": "test:tester"}, "Grants": many}) == ("MalformedACLError", 400)


def test_what_is_swifts_is_not_said_by_s3s_clients(cloud, s3, anyone, name):
    s3.create_bucket(Bucket=name, ACL="public-read-write")
    s3.create_bucket(Bucket=name + "-mine")
    s3.put_object(Bucket=name + "-mine", Key="k", Body=b"secret")
    url = "%s/%s/k" % (cloud.url, name)
    for header in ({"X-Copy-From": "/%s-mine/k" % name}, {"X-Object-Manifest": name + "-mine/k"},
                   {"X-Symlink-Target": name + "-mine/k"}, {"X-Object-Sysmeta-Container-Update-Override-Size": "9"},
                   {"X_Object_Transient_Sysmeta_S3_Acl": "{}"}):
        assert requests.put(url, headers={**header, "x-amz-acl": "public-read"}, data=b"").status_code == 200
        r = requests.get(url)
        assert (r.status_code, r.content) == (200, b""), header
        assert s3.head_object(Bucket=name, Key="k")["ContentLength"] == 0


def test_swifts_post_keeps_the_list(cloud, s3, anyone, name):
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"text", ACL="public-read")
    r = requests.get(cloud.url + "/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
    token, url = r.headers["X-Auth-Token"], r.headers["X-Storage-Url"] + "/%s/k" % name
    assert requests.post(url, headers={"X-Auth-Token": token, "X-Object-Meta-A": "1",
                                       "X-Object-Transient-Sysmeta-S3-Acl": "{}"}).status_code == 202
    r = anyone.get_object(Bucket=name, Key="k")
    assert (r["Metadata"], r["Body"].read()) == ({"a": "1"}, b"text")
    r = requests.head(url, headers={"X-Auth-Token": token})
    assert not [h for h in r.headers if "sysmeta" in h.lower()]


def test_groups_are_told_first(s3, name):
    """However they came in: clients compare what they are told of canned lists and of their own alike."""
    s3.create_bucket(Bucket=name, ACL="public-read")
    canned = s3.get_bucket_acl(Bucket=name)
    assert grants(canned) == [(ALL, "READ"), ("test:tester", "FULL_CONTROL")]
    s3.put_bucket_acl(Bucket=name, AccessControlPolicy={"Owner": canned["Owner"], "Grants": canned["Grants"][::-1]})
    assert grants(s3.get_bucket_acl(Bucket=name)) == grants(canned)


def uploads(s3, name):
    """Of each upload by its key: who has begun it, and whose object it will be; ListParts tells the same."""
    told = {}
    for u in s3.list_multipart_uploads(Bucket=name)["Uploads"]:
        parts = s3.list_parts(Bucket=name, Key=u["Key"], UploadId=u["UploadId"])
        assert (parts["Initiator"], parts["Owner"]) == (u["Initiator"], u["Owner"])
        told[u["Key"]] = (u["Initiator"]["ID"], u["Owner"]["ID"])
    return told


def test_whose_uploads(cloud, s3, alt, anyone, name):
    mine, theirs = "test:tester", "test2:tester2"
    colleague = client(cloud, "test:tester2", "testing2")
    s3.create_bucket(Bucket=name, ACL="public-read-write")
    for c, key, more in ((s3, "a", {}), (alt, "b", {}), (alt, "given", {"ACL": "bucket-owner-full-control"}), (colleague, "c", {}),
                         (anyone, "d", {})):
        c.create_multipart_upload(Bucket=name, Key=key, **more)
    told = uploads(s3, name)
    assert told.pop("d") == ("anonymous", mine)
    assert told == {"a": (mine, mine), "b": (theirs, theirs), "given": (theirs, theirs), "c": ("test:tester2", mine)}
    enforced = name + "-e"
    s3.create_bucket(Bucket=enforced, ObjectOwnership="BucketOwnerEnforced")
    s3.put_bucket_policy(Bucket=enforced, Policy='{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",'
                         '"Resource": "arn:aws:s3:::%s/*"}]}' % enforced)
    alt.create_multipart_upload(Bucket=enforced, Key="k")
    assert uploads(s3, enforced) == {"k": (theirs, mine)}
