"""Temporary credentials, and what is attached to users and roles: STS and IAM at S3's address."""
import json
import os

import pytest
import requests
from botocore.config import Config

from conftest import wait_for
from s3 import boto3, botocore, client, refused
from test_keystone import Keystone, cloud_with_identity
from test_s3_identity import Holder, ends


@pytest.fixture(scope="module")
def keystone():
    for cloud in cloud_with_identity():
        yield Keystone(cloud)


@pytest.fixture(scope="module")
def boss(keystone):
    """Who administers a project, with a bucket in it."""
    holder = Holder(keystone, "manager")
    holder.bucket = "b-" + os.urandom(4).hex()
    holder.s3().create_bucket(Bucket=holder.bucket)
    for key in ("a/1", "b/1"):
        holder.s3().put_object(Bucket=holder.bucket, Key=key, Body=b"text")
    return holder


def service(keystone, name, access, secret, token=None):
    return boto3.client(name, endpoint_url=keystone.cloud.url, region_name="us-east-1", aws_access_key_id=access,
                        aws_secret_access_key=secret, aws_session_token=token,
                        config=Config(retries={"max_attempts": 0}))


def of(holder, name):
    return service(holder.keystone, name, holder.credential["access"], holder.credential["secret"])


def s3_of(keystone, got, signature="s3v4", token=None):
    config = Config(signature_version=signature, retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=keystone.cloud.url, region_name="us-east-1", config=config,
                        aws_access_key_id=got["AccessKeyId"], aws_secret_access_key=got["SecretAccessKey"],
                        aws_session_token=token or got["SessionToken"])


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def says(effect, actions, *resources, **more):
    return {"Effect": effect, "Action": actions, "Resource": ["arn:aws:s3:::" + r for r in resources] or "*", **more}


def trusts(*principals, **more):
    return policy({"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole", **more})


def session(holder, statements=(), **args):
    """Through AWS's own client; a policy by hand, which that does not send."""
    if not statements:
        return of(holder, "sts").get_session_token(**args)["Credentials"]
    got = act(holder, "sts", "GetSessionToken", Policy=policy(*statements), **args)
    assert got.status_code == 200, got.text
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return {n: got.text.split("<%s>" % n)[1].split("</")[0] for n in names}


def act(holder, name, action, body=None, secret=None, sign=None, **args):
    """A form as it is."""
    version = {"sts": "2011-06-15", "iam": "2010-05-08"}[name]
    if body is None:
        body = requests.models.RequestEncodingMixin._encode_params({"Action": action, "Version": version, **args})
    return post(holder.cloud.url, body, holder.credential["access"], secret or holder.credential["secret"], sign or name)


def post(url, body, access, secret, name, region="us-east-1"):
    request = botocore.awsrequest.AWSRequest("POST", url + "/", data=body, headers={
        "Content-Type": "application/x-www-form-urlencoded"})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(access, secret), name, region).add_auth(request)
    prepared = request.prepare()
    return requests.post(prepared.url, data=body, headers=dict(prepared.headers), timeout=30)


# --- sessions ---

def test_who_am_i(keystone, boss):
    got = of(boss, "sts").get_caller_identity()
    assert (got["Account"], got["UserId"]) == (boss.project, boss.project)
    assert got["Arn"] == "arn:aws:iam::%s:root" % boss.project
    member = Holder(keystone, "member", boss.project)
    plain = of(member, "sts").get_caller_identity()
    assert (plain["Account"], plain["UserId"]) == (boss.project, member.who.id)
    assert plain["Arn"] == "arn:aws:iam::%s:user/%s" % (boss.project, member.who.name)
    s = session(boss)
    nowhere = post(keystone.cloud.url, "Action=GetCallerIdentity&Version=2011-06-15", boss.credential["access"],
                   boss.credential["secret"], "sts", "")
    assert got["Arn"] in nowhere.text
    again = service(keystone, "sts", s["AccessKeyId"], s["SecretAccessKey"], s["SessionToken"]).get_caller_identity()
    assert again["Arn"] == got["Arn"]


@pytest.mark.parametrize("signature", ("s3v4", "s3"))
def test_a_session_is_its_user(keystone, boss, signature):
    got = session(boss, DurationSeconds=900)
    assert got["AccessKeyId"].startswith("ASIA")
    s3, bucket = s3_of(keystone, got, signature), "b-" + os.urandom(4).hex()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    assert boss.s3().get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"
    assert s3.list_buckets()["Owner"]["ID"] == boss.project
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url, timeout=30).content == b"text"
    if signature == "s3v4":
        form = s3.generate_presigned_post(bucket, "posted")
        assert requests.post(form["url"], data=form["fields"], files={"file": b"posted"}, timeout=30).status_code == 204
    s3.delete_object(Bucket=bucket, Key="k")


def test_an_action_in_the_query(keystone, boss):
    query = "?Action=GetCallerIdentity&Version=2011-06-15"
    for signer in (botocore.auth.SigV4Auth, botocore.auth.SigV4QueryAuth):
        asked = botocore.awsrequest.AWSRequest("GET", keystone.cloud.url + "/" + query)
        signer(botocore.credentials.Credentials(boss.credential["access"], boss.credential["secret"]), "sts",
               "us-east-1").add_auth(asked)
        r = requests.get(asked.prepare().url, headers=dict(asked.headers), timeout=30)
        assert r.status_code == 200 and "<Account>%s</Account>" % boss.project in r.text
    assert requests.get(keystone.cloud.url + "/" + query, timeout=30).status_code == 403


def test_tokens_that_are_none(keystone, boss):
    got, other = session(boss), session(boss)
    assert refused(s3_of(keystone, got, token=other["SessionToken"]).list_buckets) == ("InvalidToken", 400)
    assert refused(s3_of(keystone, got, token="x" + got["SessionToken"][1:]).list_buckets) == ("InvalidToken", 400)
    assert refused(s3_of(keystone, got, token="!" * 20000).list_buckets)[1] in (400, 431)
    assert refused(client(keystone.cloud, got["AccessKeyId"], got["SecretAccessKey"]).list_buckets) == (
        "InvalidAccessKeyId", 403)
    mine = {"AccessKeyId": boss.credential["access"], "SecretAccessKey": boss.credential["secret"]}
    assert refused(s3_of(keystone, mine, token=got["SessionToken"]).list_buckets) == ("InvalidToken", 400)
    wrong = dict(got, SecretAccessKey="wrong")
    assert refused(s3_of(keystone, wrong).list_buckets) == ("SignatureDoesNotMatch", 403)


def test_a_session_is_bound(keystone, boss):
    got = session(boss, [says("Allow", "s3:GetObject", boss.bucket + "/a/*")])
    s3 = s3_of(keystone, got)
    assert s3.get_object(Bucket=boss.bucket, Key="a/1")["Body"].read() == b"text"
    for call, args in ((s3.get_object, {"Bucket": boss.bucket, "Key": "b/1"}),
                       (s3.put_object, {"Bucket": boss.bucket, "Key": "a/2", "Body": b""}),
                       (s3.delete_object, {"Bucket": boss.bucket, "Key": "a/1"}),
                       (s3.list_objects_v2, {"Bucket": boss.bucket}), (s3.list_buckets, {}),
                       (s3.create_bucket, {"Bucket": boss.bucket + "-x"}),
                       (s3.copy_object, {"Bucket": boss.bucket, "Key": "a/2",
                                         "CopySource": "%s/b/1" % boss.bucket})):
        assert refused(call, **args) == ("AccessDenied", 403)
    # It gives nothing that its user has not.
    reader = Holder(keystone, "reader", boss.project)
    s3 = s3_of(keystone, session(reader, [says("Allow", "s3:*")]))
    assert s3.get_object(Bucket=boss.bucket, Key="a/1")["Body"].read() == b"text"
    assert refused(s3.put_object, Bucket=boss.bucket, Key="a/2", Body=b"") == ("AccessDenied", 403)
    many = s3_of(keystone, session(boss, [says("Allow", "s3:DeleteObject", boss.bucket + "/gone")])).delete_objects(
        Bucket=boss.bucket, Delete={"Objects": [{"Key": "gone"}, {"Key": "a/1"}]})
    assert [d["Key"] for d in many["Deleted"]] == ["gone"] and [e["Code"] for e in many["Errors"]] == ["AccessDenied"]


def test_sessions_beget_none(keystone, boss):
    got = session(boss)
    for name, call in (("sts", "get_session_token"), ("iam", "list_users")):
        c = service(keystone, name, got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])
        assert refused(getattr(c, call)) == ("AccessDenied", 403)


def test_sessions_end_with_their_credential(keystone):
    holder = Holder(keystone, "member")
    s3 = s3_of(keystone, session(holder))
    s3.list_buckets()
    keystone.ask("DELETE", "/users/%s/credentials/OS-EC2/%s" % (holder.who.id, holder.credential["access"]))
    assert ends(s3.list_buckets)


def test_sessions_end_with_their_user(keystone):
    holder = Holder(keystone, "member")
    s3 = s3_of(keystone, session(holder))
    s3.list_buckets()
    keystone.ask("PATCH", "/users/" + holder.who.id, user={"enabled": False})
    assert ends(s3.list_buckets)


def test_bad_forms(keystone, boss):
    for args, code, status in (
            ({"DurationSeconds": 899}, "ValidationError", 400), ({"DurationSeconds": "1e9"}, "ValidationError", 400),
            ({"DurationSeconds": 43201}, "ValidationError", 400), ({"Policy": "{"}, "MalformedPolicyDocument", 400),
            ({"Policy": "x" * 2049}, "ValidationError", 400), ({"Version": "1999-01-01"}, "InvalidAction", 400),
            ({"Policy": policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})},
             "MalformedPolicyDocument", 400)):
        got = act(boss, "sts", "GetSessionToken", **args)
        assert (got.status_code, "<Code>%s</Code>" % code in got.text) == (status, True), got.text
    for got, code in ((act(boss, "sts", "Fly"), "InvalidAction"), (act(boss, "iam", "GetSessionToken"), "InvalidAction"),
                      (act(boss, "sts", "", body=""), "MissingAction"), (act(boss, "sts", "", body=b"\0\xff=&"), "ValidationError"),
                      (act(boss, "sts", "GetCallerIdentity", sign="ec2"), "InvalidAction"),
                      (act(boss, "sts", "", body="Action=GetCallerIdentity&" + "x" * 70000), "ValidationError"),
                      (act(boss, "sts", "GetCallerIdentity", secret="wrong"), "SignatureDoesNotMatch"),
                      (requests.post(keystone.cloud.url + "/", data={"Action": "GetCallerIdentity"}, timeout=30),
                       "MissingAuthenticationToken"),
                      (post(keystone.cloud.url, "Action=GetCallerIdentity&Version=2011-06-15", "nobody", "x", "sts"),
                       "InvalidClientTokenId")):
        assert got.status_code in (400, 403, 413) and "<Code>%s</Code>" % code in got.text, got.text


# --- users and their policies ---

class Made:
    def __init__(self, keystone, boss):
        self.iam, self.name = of(boss, "iam"), "u-" + os.urandom(4).hex()
        self.keystone, self.cloud = keystone, keystone.cloud
        self.user = self.iam.create_user(UserName=self.name, Path="/team/")["User"]
        key = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        self.credential = {"access": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        self.s3 = client(keystone.cloud, key["AccessKeyId"], key["SecretAccessKey"])

    def attach(self, *statements, name="p"):
        self.iam.put_user_policy(UserName=self.name, PolicyName=name, PolicyDocument=policy(*statements))


def reads(s3, bucket, key):
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"text"
    except Exception as e:
        assert e.response["Error"]["Code"] == "AccessDenied"
        return False


def test_users(keystone, boss):
    u = Made(keystone, boss)
    assert u.user["Arn"] == "arn:aws:iam::%s:user/team/%s" % (boss.project, u.name)
    assert u.iam.get_user(UserName=u.name)["User"]["UserId"] == u.user["UserId"]
    assert u.iam.get_user()["User"]["UserName"] == boss.who.name
    assert {u.name, boss.who.name} <= {x["UserName"] for x in u.iam.list_users()["Users"]}
    assert refused(u.iam.create_user, UserName=u.name) == ("EntityAlreadyExists", 409)
    assert [k["AccessKeyId"] for k in u.iam.list_access_keys(UserName=u.name)["AccessKeyMetadata"]] == [u.credential["access"]]
    assert refused(u.iam.delete_user, UserName=u.name) == ("DeleteConflict", 409)
    assert refused(of(u, "iam").list_users) == ("AccessDenied", 403)
    assert refused(u.iam.get_user, UserName="nobody") == ("NoSuchEntity", 404)
    u.iam.delete_access_key(UserName=u.name, AccessKeyId=u.credential["access"])
    u.iam.delete_user(UserName=u.name)
    assert refused(u.iam.get_user, UserName=u.name) == ("NoSuchEntity", 404)
    assert ends(u.s3.list_buckets)


def test_others_keys_are_not_given(keystone, boss):
    """Who administers a project is not thereby everybody who has a role in it."""
    chief = Holder(keystone, "admin", boss.project)
    assert refused(of(boss, "iam").create_access_key, UserName=chief.who.name) == ("AccessDenied", 403)
    assert refused(of(boss, "iam").delete_user, UserName=chief.who.name) == ("AccessDenied", 403)
    member = Holder(keystone, "member")
    assert refused(of(member, "iam").create_user, UserName="x") == ("AccessDenied", 403)
    assert refused(of(boss, "iam").put_user_policy, UserName=member.who.name, PolicyName="p",
                   PolicyDocument=policy(says("Deny", "s3:*"))) == ("NoSuchEntity", 404)


def test_a_policy_gives(keystone, boss):
    u = Made(keystone, boss)
    assert not reads(u.s3, boss.bucket, "a/1")
    assert refused(u.s3.list_buckets) == ("AccessDenied", 403)
    u.attach(says("Allow", ["s3:GetObject", "s3:PutObject"], boss.bucket + "/a/*"))
    wait_for(lambda: reads(u.s3, boss.bucket, "a/1"), 10)
    u.s3.put_object(Bucket=boss.bucket, Key="a/3", Body=b"text")
    assert not reads(u.s3, boss.bucket, "b/1")
    assert refused(u.s3.delete_object, Bucket=boss.bucket, Key="a/3") == ("AccessDenied", 403)
    u.attach(says("Deny", "s3:GetObject", boss.bucket + "/a/3"), name="q")
    wait_for(lambda: not reads(u.s3, boss.bucket, "a/3"), 10)
    assert reads(u.s3, boss.bucket, "a/1")
    # What is another account's is not theirs to give.
    other = Holder(keystone, "manager")
    bucket = "b-" + os.urandom(4).hex()
    other.s3().create_bucket(Bucket=bucket)
    u.attach(says("Allow", "s3:*"))
    wait_for(lambda: reads(u.s3, boss.bucket, "b/1"), 10)
    assert refused(u.s3.list_objects_v2, Bucket=bucket) == ("AccessDenied", 403)
    u.s3.create_bucket(Bucket=bucket + "-mine")
    parts = {"Bucket": bucket + "-mine", "Key": "parts"}
    upload = u.s3.create_multipart_upload(**parts)["UploadId"]
    tag = u.s3.upload_part(UploadId=upload, PartNumber=1, Body=b"text", **parts)["ETag"]
    u.s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **parts)
    assert reads(u.s3, bucket + "-mine", "parts")
    assert bucket + "-mine" in [b["Name"] for b in u.s3.list_buckets()["Buckets"]]
    assert u.iam.list_user_policies(UserName=u.name)["PolicyNames"] == ["p", "q"]
    assert u.iam.get_user_policy(UserName=u.name, PolicyName="p")["PolicyDocument"]["Statement"][0]["Action"] == "s3:*"
    u.iam.delete_user_policy(UserName=u.name, PolicyName="p")
    wait_for(lambda: not reads(u.s3, boss.bucket, "b/1"), 10)
    assert refused(u.iam.get_user_policy, UserName=u.name, PolicyName="p") == ("NoSuchEntity", 404)


def test_a_policy_takes_from_who_has_roles(keystone, boss):
    member = Holder(keystone, "member", boss.project)
    s3, iam = member.s3(), of(boss, "iam")
    assert reads(s3, boss.bucket, "b/1")
    iam.put_user_policy(UserName=member.who.name, PolicyName="p",
                        PolicyDocument=policy(says("Deny", "s3:GetObject", boss.bucket + "/b/*")))
    wait_for(lambda: not reads(s3, boss.bucket, "b/1"), 10)
    assert reads(s3, boss.bucket, "a/1")


def test_a_buckets_denial_counts(keystone, boss):
    u = Made(keystone, boss)
    u.attach(says("Allow", "s3:*"))
    bucket = "b-" + os.urandom(4).hex()
    wait_for(lambda: reads(u.s3, boss.bucket, "a/1"), 10)
    u.s3.create_bucket(Bucket=bucket)
    u.s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    boss.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says(
        "Deny", "s3:GetObject", bucket + "/*", Principal={"AWS": u.user["Arn"]})))
    wait_for(lambda: not reads(u.s3, bucket, "k"), 30)


# --- roles ---

def role(holder, trust, *statements, **args):
    iam, name = of(holder, "iam"), "r-" + os.urandom(4).hex()
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **args)["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(*statements))
    return made


def take(holder, made, **args):
    return of(holder, "sts").assume_role(RoleArn=made["Arn"], RoleSessionName="me", **args)


def test_roles(keystone, boss):
    iam = of(boss, "iam")
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project), Path="/x/", Description="of a <test>",
                MaxSessionDuration=7200)
    name = made["RoleName"]
    assert made["Arn"] == "arn:aws:iam::%s:role/x/%s" % (boss.project, name)
    got = iam.get_role(RoleName=name)["Role"]
    assert got["Description"] == "of a <test>" and got["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert name in [r["RoleName"] for r in iam.list_roles()["Roles"]]
    assert refused(iam.create_role, RoleName=name, AssumeRolePolicyDocument=trusts("*")) == ("EntityAlreadyExists", 409)
    assert refused(iam.create_role, RoleName="bad", AssumeRolePolicyDocument="{}") == ("MalformedPolicyDocument", 400)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(says("Allow", "s3:*")))
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["p"]
    assert refused(iam.delete_role, RoleName=name) == ("DeleteConflict", 409)
    assert refused(take, holder=boss, made=made, DurationSeconds=7201) == ("ValidationError", 400)
    take(boss, made, DurationSeconds=7200)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    assert refused(iam.get_role, RoleName=name) == ("NoSuchEntity", 404)
    assert refused(take, holder=boss, made=made) == ("AccessDenied", 403)


def test_a_role_is_taken(keystone, boss):
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project),
                says("Allow", ["s3:GetObject", "s3:PutObject"], boss.bucket + "/*"))
    got = take(boss, made)
    assert got["AssumedRoleUser"]["Arn"] == "arn:aws:sts::%s:assumed-role/%s/me" % (boss.project, made["RoleName"])
    c = got["Credentials"]
    who = service(keystone, "sts", c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]).get_caller_identity()
    assert who["Arn"] == got["AssumedRoleUser"]["Arn"]
    s3 = s3_of(keystone, c)
    assert reads(s3, boss.bucket, "a/1")
    s3.put_object(Bucket=boss.bucket, Key="a/role", Body=b"text")
    # It has no more than that, whatever who took it has.
    assert refused(s3.delete_object, Bucket=boss.bucket, Key="a/role") == ("AccessDenied", 403)
    assert refused(s3.list_buckets) == ("AccessDenied", 403)
    assert refused(s3.create_bucket, Bucket=boss.bucket + "-r") == ("AccessDenied", 403)
    bound = s3_of(keystone, take(boss, made, Policy=policy(says("Allow", "s3:*", boss.bucket + "/a/*")))["Credentials"])
    assert reads(bound, boss.bucket, "a/1") and not reads(bound, boss.bucket, "b/1")
    # What is changed of it counts at once, and it ends with the role.
    of(boss, "iam").delete_role_policy(RoleName=made["RoleName"], PolicyName="p")
    wait_for(lambda: not reads(s3, boss.bucket, "a/1"), 10)
    of(boss, "iam").delete_role(RoleName=made["RoleName"])
    assert ends(s3.list_buckets)


def test_who_is_trusted(keystone, boss):
    u, other = Made(keystone, boss), Holder(keystone, "manager")
    named = role(boss, trusts(u.user["Arn"]), says("Allow", "s3:*"))
    take(u, named)
    assert refused(take, holder=boss, made=named) == ("AccessDenied", 403)
    assert refused(take, holder=other, made=named) == ("AccessDenied", 403)
    # An account is trusted, whose users need to be allowed.
    whole = role(boss, trusts("arn:aws:iam::%s:root" % boss.project))
    assert refused(take, holder=u, made=whole) == ("AccessDenied", 403)
    u.attach({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": whole["Arn"]})
    take(u, whole)
    u.attach({"Effect": "Deny", "Action": "sts:*", "Resource": "*"})
    assert refused(take, holder=u, made=named) == ("AccessDenied", 403)
    outside = role(boss, trusts("arn:aws:iam::%s:root" % other.project,
                                Condition={"StringEquals": {"sts:ExternalId": "secret"}}),
                   says("Allow", "s3:GetObject", boss.bucket + "/a/*"))
    assert refused(take, holder=other, made=outside) == ("AccessDenied", 403)
    s3 = s3_of(keystone, take(other, outside, ExternalId="secret")["Credentials"])
    assert reads(s3, boss.bucket, "a/1") and not reads(s3, boss.bucket, "b/1")
    # There it is not who took it.
    bucket = "b-" + os.urandom(4).hex()
    other.s3().create_bucket(Bucket=bucket)
    other.s3().put_object(Bucket=bucket, Key="k", Body=b"text")
    assert not reads(s3, bucket, "k")


def test_what_only_a_form_says_is_no_condition(keystone, boss):
    """An action that knows no such parameter has no such value, whatever who asks writes into the form."""
    u = Made(keystone, boss)
    for key, name in (("sts:ExternalId", "ExternalId"), ("sts:RoleSessionName", "RoleSessionName")):
        u.attach({"Effect": "Allow", "Action": ["iam:ListUsers", "sts:AssumeRole"], "Resource": "*",
                  "Condition": {"StringEquals": {key: "secret"}}})
        assert act(u, "iam", "ListUsers", **{name: "secret"}).status_code == 403
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project))
    u.attach({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*",
              "Condition": {"StringEquals": {"sts:RoleSessionName": "me", "sts:ExternalId": "secret"}}})
    assert refused(take, holder=u, made=made) == ("AccessDenied", 403)
    take(u, made, ExternalId="secret")


def test_what_was_delegated_takes_no_role(keystone, boss):
    """An application credential has the rights that it was given, not all that its user could come by."""
    u = Holder(keystone, "member")
    made = role(boss, trusts("arn:aws:iam::%s:user/%s" % (u.project, u.who.name)), says("Allow", "s3:*"))
    take(u, made)
    a = keystone.ask("POST", "/users/%s/application_credentials" % u.who.id, token=u.who.token, application_credential={
        "name": "a", "unrestricted": True})["application_credential"]
    r = requests.post(keystone.url + "/auth/tokens", timeout=10, json={"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": {"id": a["id"], "secret": a["secret"]}}}})
    key = keystone.ask("POST", "/users/%s/credentials/OS-EC2" % u.who.id, token=r.headers["X-Subject-Token"],
                       tenant_id=u.project)["credential"]
    sts = service(keystone, "sts", key["access"], key["secret"])
    assert sts.get_caller_identity()["Account"] == u.project
    assert refused(sts.assume_role, RoleArn=made["Arn"], RoleSessionName="me") == ("AccessDenied", 403)
    got = sts.get_session_token()["Credentials"]
    sts = service(keystone, "sts", got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])
    assert refused(sts.assume_role, RoleArn=made["Arn"], RoleSessionName="me") == ("AccessDenied", 403)


def test_a_bucket_policy_names_a_role(keystone, boss):
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project))
    s3, bucket = s3_of(keystone, take(boss, made)["Credentials"]), "b-" + os.urandom(4).hex()
    boss.s3().create_bucket(Bucket=bucket)
    boss.s3().put_object(Bucket=bucket, Key="k", Body=b"text")
    assert not reads(s3, bucket, "k")
    boss.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says(
        "Allow", "s3:GetObject", bucket + "/*", Principal={"AWS": made["Arn"]})))
    wait_for(lambda: reads(s3, bucket, "k"), 30)
