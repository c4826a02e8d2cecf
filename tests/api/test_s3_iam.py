"""IAM at S3's address: users, groups, managed policies, keys, tags, who may do what. (Sessions, inline policies and roles:
test_s3_sts.py.) Runs on MariaDB, too."""
import json
import os

import pytest

from conftest import wait_for
from s3 import botocore, client, refused
from test_keystone import Keystone, cloud_with_identity
from test_s3_identity import Holder, ends
from test_s3_sts import Made, act, boss, of, policy, reads, role, s3_of, says, service, take, trusts

FULL, READ = ("arn:aws:iam::aws:policy/AmazonS3%sAccess" % n for n in ("Full", "ReadOnly"))


def answers(s3):
    try:
        return s3.list_buckets()
    except botocore.exceptions.ClientError:
        return None


@pytest.fixture(scope="module")
def keystone():
    for cloud in cloud_with_identity():
        keystone = Keystone(cloud)
        # The node was there first where the identity service had to wait for a database: it hears of it a moment later.
        wait_for(lambda s3=Holder(keystone, "member").s3(): answers(s3), 30)
        yield keystone


@pytest.fixture
def iam(boss):
    return of(boss, "iam")


def fresh(kind):
    return "%s-%s" % (kind, os.urandom(4).hex())


def managed(iam, *statements, name=None, **args):
    return iam.create_policy(PolicyName=name or fresh("p"), PolicyDocument=policy(*statements), **args)["Policy"]


def group(iam, *users, **args):
    name = fresh("g")
    iam.create_group(GroupName=name, **args)
    for u in users:
        iam.add_user_to_group(GroupName=name, UserName=u.name)
    return name


# --- what counts, and at once: a change is known where it was made when it is answered ---

def test_a_groups_policies(keystone, boss, iam):
    u = Made(keystone, boss)
    g = group(iam, u)
    assert not reads(u.s3, boss.bucket, "a/1")
    iam.put_group_policy(GroupName=g, PolicyName="p", PolicyDocument=policy(says("Allow", "s3:GetObject", boss.bucket + "/a/*")))
    assert reads(u.s3, boss.bucket, "a/1") and not reads(u.s3, boss.bucket, "b/1")
    iam.attach_group_policy(GroupName=g, PolicyArn=READ)
    assert reads(u.s3, boss.bucket, "b/1")
    assert refused(u.s3.delete_object, Bucket=boss.bucket, Key="b/1") == ("AccessDenied", 403)
    # A denial wins, wherever it is.
    u.attach(says("Deny", "s3:GetObject", boss.bucket + "/b/*"))
    assert not reads(u.s3, boss.bucket, "b/1") and reads(u.s3, boss.bucket, "a/1")
    iam.remove_user_from_group(GroupName=g, UserName=u.name)
    assert not reads(u.s3, boss.bucket, "a/1")
    iam.add_user_to_group(GroupName=g, UserName=u.name)
    assert reads(u.s3, boss.bucket, "a/1")
    iam.detach_group_policy(GroupName=g, PolicyArn=READ)
    iam.delete_group_policy(GroupName=g, PolicyName="p")
    assert not reads(u.s3, boss.bucket, "a/1")


def test_a_managed_policys_versions(keystone, boss, iam):
    u, w = Made(keystone, boss), Made(keystone, boss)
    p = managed(iam, says("Allow", "s3:GetObject", boss.bucket + "/a/*"), Path="/x/", Description="of a test")
    arn = p["Arn"]
    assert arn == "arn:aws:iam::%s:policy/x/%s" % (boss.project, p["PolicyName"])
    iam.attach_user_policy(UserName=u.name, PolicyArn=arn)
    iam.attach_group_policy(GroupName=group(iam, w), PolicyArn=arn)
    for s3 in (u.s3, w.s3):
        assert reads(s3, boss.bucket, "a/1") and not reads(s3, boss.bucket, "b/1")
    document = policy(says("Allow", "s3:GetObject", boss.bucket + "/b/*"))
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)["PolicyVersion"]["VersionId"] == "v2"
    assert not reads(u.s3, boss.bucket, "b/1")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    for s3 in (u.s3, w.s3):
        assert reads(s3, boss.bucket, "b/1") and not reads(s3, boss.bucket, "a/1")
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(document)
    got = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (got["DefaultVersionId"], got["AttachmentCount"], got["Description"]) == ("v2", 2, "of a test")
    for n in (3, 4, 5):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document) == ("LimitExceeded", 409)
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == ("DeleteConflict", 409)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v1") == ("NoSuchEntity", 404)
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in versions] == [
        ("v5", True), ("v4", False), ("v3", False), ("v2", False)]
    # Numbers are not given twice.
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)["PolicyVersion"]["VersionId"] == "v6"


def test_what_a_role_is_attached(keystone, boss, iam):
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project))
    name = made["RoleName"]
    s3 = s3_of(keystone, take(boss, made)["Credentials"])
    assert not reads(s3, boss.bucket, "a/1")
    iam.attach_role_policy(RoleName=name, PolicyArn=FULL)
    assert reads(s3, boss.bucket, "a/1")
    bound = take(boss, made, Policy=policy(says("Allow", "s3:*", boss.bucket + "/b/*")))["Credentials"]
    assert not reads(s3_of(keystone, bound), boss.bucket, "a/1") and reads(s3_of(keystone, bound), boss.bucket, "b/1")
    assert refused(iam.delete_role, RoleName=name) == ("DeleteConflict", 409)
    p = managed(iam, says("Deny", "s3:GetObject", boss.bucket + "/b/*"))
    iam.attach_role_policy(RoleName=name, PolicyArn=p["Arn"])
    assert not reads(s3, boss.bucket, "b/1")
    assert [a["PolicyName"] for a in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]] == [
        "AmazonS3FullAccess", p["PolicyName"]]
    for arn in (FULL, p["Arn"]):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    assert refused(iam.detach_role_policy, RoleName=name, PolicyArn=FULL) == ("NoSuchEntity", 404)
    assert not reads(s3, boss.bucket, "a/1")
    iam.delete_role(RoleName=name)


# --- permissions boundaries ---

def test_a_users_boundary(keystone, boss, iam):
    u, bucket = Made(keystone, boss), boss.bucket
    iam.attach_user_policy(UserName=u.name, PolicyArn=FULL)
    assert reads(u.s3, bucket, "a/1") and reads(u.s3, bucket, "b/1")
    b = managed(iam, says("Allow", "s3:GetObject", bucket + "/a/*"))
    iam.put_user_permissions_boundary(UserName=u.name, PermissionsBoundary=b["Arn"])
    assert iam.get_user(UserName=u.name)["User"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": b["Arn"]}
    assert reads(u.s3, bucket, "a/1") and not reads(u.s3, bucket, "b/1")
    assert refused(u.s3.list_buckets) == ("AccessDenied", 403) == refused(u.s3.create_bucket, Bucket=fresh("b"))
    with pytest.raises(botocore.exceptions.ClientError, match="because no permissions boundary allows the action"):
        u.s3.delete_object(Bucket=bucket, Key="a/1")
    # It bounds, and gives nothing.
    iam.detach_user_policy(UserName=u.name, PolicyArn=FULL)
    assert not reads(u.s3, bucket, "a/1")
    iam.attach_user_policy(UserName=u.name, PolicyArn=FULL)
    got = of(u, "sts").get_session_token()["Credentials"]
    bound = s3_of(keystone, got)
    assert reads(bound, bucket, "a/1") and not reads(bound, bucket, "b/1")
    # What it says now counts, and that it is one keeps it.
    assert iam.get_policy(PolicyArn=b["Arn"])["Policy"]["PermissionsBoundaryUsageCount"] == 1
    w, g = Made(keystone, boss), group(iam)
    iam.attach_user_policy(UserName=w.name, PolicyArn=b["Arn"])
    iam.attach_group_policy(GroupName=g, PolicyArn=b["Arn"])
    for usage, users, groups in (({}, {u.name, w.name}, [g]), ({"PolicyUsageFilter": "PermissionsBoundary"}, {u.name}, []),
                                 ({"PolicyUsageFilter": "PermissionsPolicy"}, {w.name}, [g])):
        got = iam.list_entities_for_policy(PolicyArn=b["Arn"], **usage)
        assert {x["UserName"] for x in got["PolicyUsers"]} == users and [x["GroupName"] for x in got["PolicyGroups"]] == groups
    iam.detach_user_policy(UserName=w.name, PolicyArn=b["Arn"])
    iam.detach_group_policy(GroupName=g, PolicyArn=b["Arn"])
    iam.create_policy_version(PolicyArn=b["Arn"], PolicyDocument=policy(says("Allow", "s3:*", bucket + "/b/*")), SetAsDefault=True)
    assert reads(u.s3, bucket, "b/1") and not reads(u.s3, bucket, "a/1") and not reads(bound, bucket, "a/1")
    iam.delete_policy_version(PolicyArn=b["Arn"], VersionId="v1")
    assert refused(iam.delete_policy, PolicyArn=b["Arn"]) == ("DeleteConflict", 409)
    iam.put_user_permissions_boundary(UserName=u.name, PermissionsBoundary=READ)
    assert reads(u.s3, bucket, "a/1") and refused(u.s3.delete_object, Bucket=bucket, Key="a/1") == ("AccessDenied", 403)
    iam.delete_policy(PolicyArn=b["Arn"])
    iam.delete_user_permissions_boundary(UserName=u.name)
    assert "PermissionsBoundary" not in iam.get_user(UserName=u.name)["User"]
    u.s3.put_object(Bucket=bucket, Key="a/1", Body=b"text")
    for call, args in ((iam.delete_user_permissions_boundary, {"UserName": u.name}),
                       (iam.put_user_permissions_boundary, {"UserName": u.name, "PermissionsBoundary": b["Arn"]}),
                       (iam.put_user_permissions_boundary, {"UserName": "nobody", "PermissionsBoundary": READ})):
        assert refused(call, **args) == ("NoSuchEntity", 404)


def test_a_boundary_binds_roles_of_the_identity_service(keystone, boss, iam):
    member, bucket = Holder(keystone, "member", boss.project), fresh("b")
    s3 = member.s3()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    b = managed(iam, says("Allow", "s3:List*"), says("Deny", "s3:GetObject", bucket + "/secret"))
    iam.put_user_permissions_boundary(UserName=member.who.name, PermissionsBoundary=b["Arn"])
    assert not reads(s3, bucket, "k") and s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    # A bucket's policy that names the user counts nevertheless, as at AWS; but for what the boundary denies.
    arn = "arn:aws:iam::%s:user/%s" % (boss.project, member.who.name)
    boss.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says("Allow", "s3:GetObject", bucket + "/*", Principal={"AWS": arn})))
    wait_for(lambda: reads(s3, bucket, "k"), 30)
    boss.s3().put_object(Bucket=bucket, Key="secret", Body=b"text")
    assert not reads(s3, bucket, "secret")
    boss.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says(
        "Allow", "s3:GetObject", bucket + "/*", Principal={"AWS": boss.project})))
    wait_for(lambda: not reads(s3, bucket, "k"), 30)


def test_a_roles_boundary(keystone, boss, iam):
    b = managed(iam, says("Allow", "s3:GetObject", boss.bucket + "/a/*"))
    name = fresh("r")
    made = iam.create_role(RoleName=name, PermissionsBoundary=b["Arn"], AssumeRolePolicyDocument=trusts(
        "arn:aws:iam::%s:root" % boss.project))["Role"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == b["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=FULL)
    s3 = s3_of(keystone, take(boss, made)["Credentials"])
    assert reads(s3, boss.bucket, "a/1") and not reads(s3, boss.bucket, "b/1")
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=READ)
    assert reads(s3, boss.bucket, "b/1")
    iam.create_policy_version(PolicyArn=b["Arn"], PolicyDocument=policy(says("Deny", "s3:*")), SetAsDefault=True)
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=b["Arn"])
    assert not reads(s3, boss.bucket, "b/1")
    iam.delete_role_permissions_boundary(RoleName=name)
    assert reads(s3, boss.bucket, "b/1")
    assert refused(iam.create_role, RoleName=fresh("r"), PermissionsBoundary=b["Arn"] + "x",
                   AssumeRolePolicyDocument=trusts("*")) == ("NoSuchEntity", 404)


def test_a_boundary_bounds_iam_and_may_be_asked_for(keystone, boss, iam):
    """Who may make users only with a boundary makes none that may more."""
    u, b = Made(keystone, boss), managed(iam, says("Allow", "s3:*"))
    condition = {"StringEquals": {"iam:PermissionsBoundary": b["Arn"]}}
    u.attach({"Effect": "Allow", "Action": "iam:*", "Resource": "*", "Condition": condition})
    theirs, name = of(u, "iam"), fresh("u")
    assert refused(theirs.create_user, UserName=name) == ("AccessDenied", 403)
    assert refused(theirs.create_user, UserName=name, PermissionsBoundary=FULL) == ("AccessDenied", 403)
    theirs.create_user(UserName=name, PermissionsBoundary=b["Arn"])
    theirs.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert refused(theirs.attach_user_policy, UserName=u.name, PolicyArn=FULL) == ("AccessDenied", 403)
    assert refused(theirs.put_user_permissions_boundary, UserName=name, PermissionsBoundary=FULL) == ("AccessDenied", 403)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    made = service(keystone, "iam", key["AccessKeyId"], key["SecretAccessKey"])
    assert refused(made.list_users) == ("AccessDenied", 403)
    assert client(keystone.cloud, key["AccessKeyId"], key["SecretAccessKey"]).list_buckets()["Buckets"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert made.list_users()["Users"] and refused(made.create_user, UserName=fresh("u")) == ("AccessDenied", 403)


def sends_more(client, action, **more):
    """The action's form has parameters that are none of its own."""
    client.meta.events.register("before-call.iam.%s" % action, lambda params, **_: params["body"].update(more))


def test_a_parameter_counts_for_actions_that_take_it(keystone, boss, iam):
    b, own = managed(iam, says("Allow", "s3:*")), "arn:aws:iam::aws:policy/AdministratorAccess"
    bounds, one = Made(keystone, boss), Made(keystone, boss)
    for u, key, value in ((bounds, "iam:PermissionsBoundary", b["Arn"]), (one, "iam:PolicyARN", READ)):
        u.attach({"Effect": "Allow", "Action": "iam:*", "Resource": "*", "Condition": {"StringEquals": {key: value}}})
    theirs = of(bounds, "iam")
    sends_more(theirs, "AttachUserPolicy", PermissionsBoundary=b["Arn"])
    assert refused(theirs.attach_user_policy, UserName=bounds.name, PolicyArn=own) == ("AccessDenied", 403)
    theirs = of(one, "iam")
    theirs.attach_user_policy(UserName=one.name, PolicyArn=READ)
    assert refused(theirs.attach_user_policy, UserName=one.name, PolicyArn=own) == ("AccessDenied", 403)
    sends_more(theirs, "PutUserPolicy", PolicyArn=READ)
    assert refused(theirs.put_user_policy, UserName=one.name, PolicyName="p",
                   PolicyDocument=policy({"Effect": "Allow", "Action": "*", "Resource": "*"})) == ("AccessDenied", 403)


# --- what was delegated ---

def key_by(keystone, token, user_id, project):
    made = keystone.ask("POST", "/users/%s/credentials/OS-EC2" % user_id, token=token, tenant_id=project)["credential"]
    return client(keystone.cloud, made["access"], made["secret"])


def test_an_application_credential_gets_no_more_by_policies(keystone, boss, iam):
    u = Holder(keystone, "member", boss.project)
    reader = keystone.role("reader")
    keystone.ask("PUT", "/projects/%s/users/%s/roles/%s" % (boss.project, u.who.id, reader))
    a = keystone.ask("POST", "/users/%s/application_credentials" % u.who.id, token=u.who.login(), application_credential={
        "name": "a", "roles": [{"id": reader}], "unrestricted": True})["application_credential"]
    key = {"access": fresh("access"), "secret": fresh("secret"), "app_cred_id": a["id"]}
    keystone.ask("POST", "/credentials", credential={
        "user_id": u.who.id, "project_id": boss.project, "type": "ec2", "blob": json.dumps(key)})
    s3 = client(keystone.cloud, key["access"], key["secret"])
    put = {"Bucket": boss.bucket, "Key": "a/by-application", "Body": b""}
    every = group(iam)
    iam.attach_group_policy(GroupName=every, PolicyArn=FULL)
    for change in (lambda: None, lambda: iam.attach_user_policy(UserName=u.who.name, PolicyArn=FULL),
                   lambda: iam.add_user_to_group(GroupName=every, UserName=u.who.name)):
        change()
        assert reads(s3, boss.bucket, "a/1") and refused(s3.put_object, **put) == ("AccessDenied", 403)
    u.s3().put_object(**put)
    # What is denied to its user is denied to it, at once.
    iam.put_user_policy(UserName=u.who.name, PolicyName="p", PolicyDocument=policy(
        says("Allow", "s3:*"), says("Deny", "s3:GetObject", boss.bucket + "/a/*")))
    assert not reads(s3, boss.bucket, "a/1") and reads(s3, boss.bucket, "b/1")
    iam.delete_user_policy(UserName=u.who.name, PolicyName="p")
    assert reads(s3, boss.bucket, "a/1")


@pytest.mark.parametrize("impersonation", (True, False))
def test_a_trusts_policies(keystone, boss, iam, impersonation):
    trustor, trustee = Holder(keystone, "member", boss.project), Holder(keystone, "reader", boss.project)
    trust = keystone.ask("POST", "/OS-TRUST/trusts", token=trustor.who.token, trust={
        "trustor_user_id": trustor.who.id, "trustee_user_id": trustee.who.id, "project_id": boss.project,
        "impersonation": impersonation, "roles": [{"id": keystone.role("member")}]})["trust"]["id"]
    token = keystone.login(trustee.who.name, "pw", scope={"OS-TRUST:trust": {"id": trust}})
    s3 = key_by(keystone, token, (trustor if impersonation else trustee).who.id, boss.project)
    assert reads(s3, boss.bucket, "a/1")
    deny = policy(says("Deny", "s3:GetObject", boss.bucket + "/a/*"))
    within = managed(iam, says("Allow", "s3:*", boss.bucket + "/b/*"))
    for who in (trustor, trustee):
        name, g, p = who.who.name, group(iam), managed(iam, says("Deny", "s3:GetObject", boss.bucket + "/a/*"))
        iam.add_user_to_group(GroupName=g, UserName=name)
        for put, take_back in (
                (lambda: iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=deny),
                 lambda: iam.delete_user_policy(UserName=name, PolicyName="p")),
                (lambda: iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=within["Arn"]),
                 lambda: iam.delete_user_permissions_boundary(UserName=name)),
                (lambda: iam.put_group_policy(GroupName=g, PolicyName="p", PolicyDocument=deny),
                 lambda: iam.delete_group_policy(GroupName=g, PolicyName="p")),
                (lambda: iam.attach_group_policy(GroupName=g, PolicyArn=p["Arn"]),
                 lambda: iam.create_policy_version(PolicyArn=p["Arn"], PolicyDocument=policy(says("Allow", "s3:*")),
                                                   SetAsDefault=True))):
            put()
            assert not reads(s3, boss.bucket, "a/1") and reads(s3, boss.bucket, "b/1")
            take_back()
            assert reads(s3, boss.bucket, "a/1")
        iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    # Nor does it get more than its role by them.
    assert refused(s3.put_bucket_policy, Bucket=boss.bucket + "-none", Policy="{}")[1] in (403, 404)


def test_another_accounts_bucket_wants_both(keystone, boss, iam):
    u, bucket, other = Made(keystone, boss), fresh("b"), Holder(keystone, "manager")
    other.s3().create_bucket(Bucket=bucket)
    other.s3().put_object(Bucket=bucket, Key="k", Body=b"text")
    for principal in (u.user["Arn"], "arn:aws:iam::%s:root" % boss.project, boss.project):
        other.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says(
            "Allow", "s3:GetObject", bucket + "/*", Principal={"AWS": principal})))
        wait_for(lambda: reads(boss.s3(), bucket, "k") or principal == u.user["Arn"], 30)
        assert not reads(u.s3, bucket, "k")
        iam.attach_user_policy(UserName=u.name, PolicyArn=READ)
        wait_for(lambda: reads(u.s3, bucket, "k"), 30)
        iam.detach_user_policy(UserName=u.name, PolicyArn=READ)
        assert not reads(u.s3, bucket, "k")
    other.s3().delete_bucket_policy(Bucket=bucket)
    iam.attach_user_policy(UserName=u.name, PolicyArn=READ)
    wait_for(lambda: not reads(u.s3, bucket, "k"), 30)
    # What a list says of the account is for who may in it.
    other.s3().put_object_acl(Bucket=bucket, Key="k", GrantRead="id=" + boss.project)
    assert reads(u.s3, bucket, "k")
    iam.detach_user_policy(UserName=u.name, PolicyArn=READ)
    assert not reads(u.s3, bucket, "k")


def test_conditions_know_the_principal(keystone, boss, iam):
    u, bucket = Made(keystone, boss), fresh("b")
    boss.s3().create_bucket(Bucket=bucket)
    boss.s3().put_object(Bucket=bucket, Key="k", Body=b"text")
    iam.attach_user_policy(UserName=u.name, PolicyArn=READ)
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project), says("Allow", "s3:GetObject"), Path="/team/")
    taken = s3_of(keystone, take(boss, made)["Credentials"])
    assert reads(u.s3, bucket, "k") and reads(taken, bucket, "k")

    def only(arn):
        boss.s3().put_bucket_policy(Bucket=bucket, Policy=policy(says(
            "Deny", "s3:GetObject", bucket + "/*", Principal="*", Condition={"ArnNotLike": {"aws:PrincipalArn": arn}})))

    for arn, u_may, role_may in ((u.user["Arn"], True, False), (made["Arn"], False, True),
                                 ("arn:aws:iam::%s:*/team/*" % boss.project, True, True), (u.user["Arn"].replace("/team/", "/"), False, False)):
        only(arn)
        wait_for(lambda: (reads(u.s3, bucket, "k"), reads(taken, bucket, "k")) == (u_may, role_may), 30)


def test_sessions_are_bound_by_named_policies(keystone, boss, iam):
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project), says("Allow", "s3:*"))
    p = managed(iam, says("Allow", "s3:GetObject", boss.bucket + "/a/*"))

    def taken(*arns, **args):
        return s3_of(keystone, take(boss, made, PolicyArns=[{"arn": a} for a in arns], **args)["Credentials"])

    s3 = taken(p["Arn"])
    assert reads(s3, boss.bucket, "a/1") and not reads(s3, boss.bucket, "b/1")
    s3 = taken(p["Arn"], Policy=policy(says("Allow", "s3:GetObject", boss.bucket + "/b/*")))
    assert reads(s3, boss.bucket, "a/1") and reads(s3, boss.bucket, "b/1")
    assert refused(s3.put_object, Bucket=boss.bucket, Key="a/2", Body=b"") == ("AccessDenied", 403)
    s3 = taken(READ, Policy=policy(says("Deny", "s3:GetObject", boss.bucket + "/b/*")))
    assert reads(s3, boss.bucket, "a/1") and not reads(s3, boss.bucket, "b/1")
    bad = {"holder": boss, "made": made}
    assert refused(take, PolicyArns=[{"arn": FULL.replace("Full", "No")}], **bad) == ("NoSuchEntity", 404)
    large = managed(iam, *[says("Allow", "s3:GetObject", "x" * 700)] * 7)
    assert refused(take, PolicyArns=[{"arn": large["Arn"]}], **bad) == ("PackedPolicyTooLarge", 400)
    assert refused(take, PolicyArns=[{"arn": READ}] * 11, **bad) == ("ValidationError", 400)


# --- who may ---

def test_who_is_allowed_by_policies(keystone, boss, iam):
    u, w = Made(keystone, boss), Made(keystone, boss)
    mine, own = of(u, "iam"), service(keystone, "sts", u.credential["access"], u.credential["secret"])
    assert own.get_caller_identity()["Arn"] == u.user["Arn"] == mine.get_user()["User"]["Arn"]
    for call, args in ((mine.list_users, {}), (mine.get_user, {"UserName": w.name}), (mine.create_user, {"UserName": "x"}),
                       (mine.get_account_summary, {}), (mine.list_policies, {})):
        assert refused(call, **args) == ("AccessDenied", 403)
    iam.attach_user_policy(UserName=u.name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert w.name in [x["UserName"] for x in mine.list_users()["Users"]]
    assert mine.get_user(UserName=w.name)["User"]["UserId"] == w.user["UserId"]
    assert refused(mine.put_user_policy, UserName=w.name, PolicyName="p",
                   PolicyDocument=policy(says("Allow", "s3:*"))) == ("AccessDenied", 403)
    # Of some alone: by path.
    u.attach({"Effect": "Allow", "Action": "iam:*UserPolicy", "Resource": "arn:aws:iam::%s:user/team/*" % boss.project})
    mine.put_user_policy(UserName=w.name, PolicyName="p", PolicyDocument=policy(says("Allow", "s3:*")))
    assert refused(mine.put_user_policy, UserName=boss.who.name, PolicyName="p",
                   PolicyDocument=policy(says("Deny", "s3:*"))) == ("AccessDenied", 403)
    u.attach({"Effect": "Deny", "Action": "iam:List*", "Resource": "*"}, name="q")
    assert refused(mine.list_users) == ("AccessDenied", 403)


def test_what_is_made_or_renamed_is_allowed_as_what_it_becomes(keystone, boss, iam):
    u, w = Made(keystone, boss), Made(keystone, boss)
    arn = "arn:aws:iam::%s:%%s" % boss.project
    u.attach({"Effect": "Allow", "Action": "iam:*", "Resource": [arn % "policy/mine/*", arn % "user/team/*", arn % "group/mine/*"]})
    mine = of(u, "iam")

    def elsewhere(params, **_):
        params["body"]["PolicyArn"] = arn % "policy/mine/x"

    mine.meta.events.register("before-call.iam.CreatePolicy", elsewhere)
    made = {"PolicyName": fresh("p"), "PolicyDocument": policy(says("Allow", "s3:*"))}
    assert refused(mine.create_policy, **made) == ("AccessDenied", 403)
    assert mine.create_policy(Path="/mine/", **made)["Policy"]["Arn"] == arn % ("policy/mine/" + made["PolicyName"])
    assert refused(mine.update_user, UserName=w.name, NewPath="/boss/") == ("AccessDenied", 403)
    assert iam.get_user(UserName=w.name)["User"]["Path"] == "/team/"
    new = fresh("n")
    mine.update_user(UserName=w.name, NewUserName=new)
    assert iam.get_user(UserName=new)["User"]["Arn"] == arn % ("user/team/" + new)
    iam.put_user_policy(UserName=u.name, PolicyName="q", PolicyDocument=policy(
        {"Effect": "Deny", "Action": "iam:UpdateUser", "Resource": arn % "user/team/boss*"}))
    assert refused(mine.update_user, UserName=new, NewUserName=fresh("boss")) == ("AccessDenied", 403)
    g = fresh("g")
    mine.create_group(GroupName=g, Path="/mine/")
    assert refused(mine.update_group, GroupName=g, NewPath="/boss/") == ("AccessDenied", 403)
    mine.update_group(GroupName=g, NewPath="/mine/too/")


def test_actions_know_where_they_come_from(keystone, boss, iam):
    u = Made(keystone, boss)
    mine = of(u, "iam")
    for condition, may in (({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True), ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
                           ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True), ({"Bool": {"aws:SecureTransport": "true"}}, False),
                           ({"StringLike": {"aws:UserAgent": "*Boto*"}}, True), ({"StringEquals": {"aws:username": u.name}}, True),
                           ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False)):
        u.attach({"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": condition})
        if may:
            mine.list_users()
        else:
            assert refused(mine.list_users) == ("AccessDenied", 403), condition


def test_all_of_iam_is_not_the_account(keystone, boss, iam):
    """Who may do all in IAM does not get keys of those that the identity service has given roles."""
    u = Made(keystone, boss)
    iam.attach_user_policy(UserName=u.name, PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    mine = of(u, "iam")
    for call, args in ((mine.create_access_key, {}), (mine.delete_user, {}), (mine.update_user, {"NewUserName": "x"}),
                       (mine.delete_access_key, {"AccessKeyId": boss.credential["access"]}),
                       (mine.update_access_key, {"AccessKeyId": boss.credential["access"], "Status": "Inactive"})):
        assert refused(call, UserName=boss.who.name, **args) == ("AccessDenied", 403)
    other = Holder(keystone, "manager")
    there = of(other, "iam").create_policy(PolicyName="p", PolicyDocument=policy(says("Allow", "s3:*")))["Policy"]["Arn"]
    assert refused(mine.attach_user_policy, UserName=u.name, PolicyArn=there) == ("NoSuchEntity", 404)
    assert refused(mine.get_policy, PolicyArn=there) == ("NoSuchEntity", 404)
    assert refused(mine.delete_policy, PolicyArn=FULL) == ("AccessDenied", 403)
    assert refused(mine.create_policy_version, PolicyArn=FULL,
                   PolicyDocument=policy(says("Deny", "s3:*"))) == ("AccessDenied", 403)


def test_a_role_administers(keystone, boss, iam):
    made = role(boss, trusts("arn:aws:iam::%s:root" % boss.project))
    c = take(boss, made)["Credentials"]
    theirs = service(keystone, "iam", c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
    assert refused(theirs.get_role, RoleName=made["RoleName"]) == ("AccessDenied", 403)
    iam.put_role_policy(RoleName=made["RoleName"], PolicyName="p", PolicyDocument=policy(
        {"Effect": "Allow", "Action": ["iam:GetRole", "iam:CreateAccessKey"], "Resource": "*"}))
    assert theirs.get_role(RoleName=made["RoleName"])["Role"]["Arn"] == made["Arn"]
    assert refused(theirs.create_access_key) == ("ValidationError", 400)
    assert refused(theirs.create_role, RoleName="x", AssumeRolePolicyDocument=trusts("*")) == ("AccessDenied", 403)
    # It gives no keys of who has taken it.
    assert refused(service(keystone, "sts", c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]).get_session_token) == (
        "AccessDenied", 403)
    # A role takes another one, for an hour at most.
    second = role(boss, trusts(made["Arn"]), MaxSessionDuration=7200)
    sts = service(keystone, "sts", c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
    again = sts.assume_role(RoleArn=second["Arn"], RoleSessionName="me")
    assert again["AssumedRoleUser"]["Arn"].endswith("/%s/me" % second["RoleName"])
    assert refused(sts.assume_role, RoleArn=second["Arn"], RoleSessionName="me",
                   DurationSeconds=3601) == ("ValidationError", 400)
    assert refused(sts.assume_role, RoleArn=made["Arn"], RoleSessionName="me") == ("AccessDenied", 403)


# --- keys ---

def test_keys_rest(keystone, boss, iam):
    u = Made(keystone, boss)
    u.attach(says("Allow", "s3:*"))
    key = {"UserName": u.name, "AccessKeyId": u.credential["access"]}
    assert reads(u.s3, boss.bucket, "a/1")
    iam.update_access_key(Status="Inactive", **key)
    assert refused(u.s3.list_buckets) == ("InvalidAccessKeyId", 403)
    assert refused(of(u, "sts").get_caller_identity) == ("InvalidClientTokenId", 403)
    listed = iam.list_access_keys(UserName=u.name)["AccessKeyMetadata"]
    assert [(k["AccessKeyId"], k["Status"]) for k in listed] == [(u.credential["access"], "Inactive")]
    iam.update_access_key(Status="Active", **key)
    assert reads(u.s3, boss.bucket, "a/1")
    assert refused(iam.update_access_key, UserName=u.name, AccessKeyId="x" * 20, Status="Active") == ("NoSuchEntity", 404)
    assert act(boss, "iam", "UpdateAccessKey", Status="Lost", **key).status_code == 400
    iam.create_access_key(UserName=u.name)
    assert refused(iam.create_access_key, UserName=u.name) == ("LimitExceeded", 409)


def test_keys_of_oneself(keystone, boss, iam):
    new = iam.create_access_key()["AccessKey"]
    assert new["UserName"] == boss.who.name
    assert boss.bucket in [b["Name"] for b in client(
        keystone.cloud, new["AccessKeyId"], new["SecretAccessKey"]).list_buckets()["Buckets"]]
    ids = [k["AccessKeyId"] for k in iam.list_access_keys()["AccessKeyMetadata"]]
    assert new["AccessKeyId"] in ids and boss.credential["access"] in ids
    iam.delete_access_key(AccessKeyId=new["AccessKeyId"])
    assert refused(client(keystone.cloud, new["AccessKeyId"], new["SecretAccessKey"]).list_buckets) == ("InvalidAccessKeyId", 403)


# --- names ---

def test_names_without_case(keystone, boss, iam):
    name = "Aa" + os.urandom(4).hex()
    made = iam.create_user(UserName=name)["User"]
    assert refused(iam.create_user, UserName=name.lower()) == ("EntityAlreadyExists", 409)
    assert iam.get_user(UserName=name.upper())["User"] == made
    iam.create_group(GroupName=name)
    assert refused(iam.create_group, GroupName=name.upper()) == ("EntityAlreadyExists", 409)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusts("*"))
    assert refused(iam.create_role, RoleName=name.lower(), AssumeRolePolicyDocument=trusts("*")) == ("EntityAlreadyExists", 409)
    p = managed(iam, says("Allow", "s3:*"), name=name)
    assert refused(iam.create_policy, PolicyName=name.lower(), PolicyDocument=policy(says("Deny", "s3:*"))) == (
        "EntityAlreadyExists", 409)
    # An ARN is as it is: a denial of it is not got round by another spelling.
    assert refused(iam.delete_policy, PolicyArn=p["Arn"].replace(name, name.lower())) == ("NoSuchEntity", 404)
    iam.delete_policy(PolicyArn=p["Arn"])
    iam.delete_role(RoleName=name.upper())
    iam.delete_group(GroupName=name.lower())
    iam.delete_user(UserName=name.lower())
    assert refused(iam.get_user, UserName=name) == ("NoSuchEntity", 404)


def test_an_accounts_names_are_its_own(keystone, boss, iam):
    other = Holder(keystone, "manager")
    there = of(other, "iam")
    u = Made(keystone, boss)
    for name in (u.name, boss.who.name):  # of another account's user, and of one of the domain
        user = there.create_user(UserName=name)["User"]
        key = there.create_access_key(UserName=name)["AccessKey"]
        sts = service(keystone, "sts", key["AccessKeyId"], key["SecretAccessKey"])
        assert sts.get_caller_identity()["Arn"] == user["Arn"] == "arn:aws:iam::%s:user/%s" % (other.project, name)
        assert name in [x["UserName"] for x in there.list_users()["Users"]]
        # Neither is the other one, here or there.
        there.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(says("Allow", "s3:*")))
        s3 = client(keystone.cloud, key["AccessKeyId"], key["SecretAccessKey"])
        s3.list_buckets()
        assert not reads(s3, boss.bucket, "a/1")
    assert not reads(u.s3, boss.bucket, "a/1")
    # Conditions and principals know it by the account's name.
    u.attach(says("Allow", "s3:GetObject", boss.bucket + "/a/*", Condition={"StringEquals": {"aws:username": u.name}}))
    assert reads(u.s3, boss.bucket, "a/1")
    assert refused(iam.create_user, UserName="x@%sy" % boss.project) == ("ValidationError", 400)
    names = [x["name"] for x in keystone.ask("GET", "/users")["users"]]
    assert "%s@%s" % (u.name, boss.project) in names and "%s@%s" % (u.name, other.project) in names


def test_users_are_renamed(keystone, boss, iam):
    u, other = Made(keystone, boss), Made(keystone, boss)
    u.attach(says("Allow", "s3:*"))
    new = fresh("n")
    assert refused(iam.update_user, UserName=u.name, NewUserName=other.name) == ("EntityAlreadyExists", 409)
    iam.update_user(UserName=u.name, NewUserName=new, NewPath="/other/")
    assert refused(iam.get_user, UserName=u.name) == ("NoSuchEntity", 404)
    got = iam.get_user(UserName=new)["User"]
    assert got["UserId"] == u.user["UserId"] and got["Arn"].endswith(":user/other/" + new)
    assert of(u, "sts").get_caller_identity()["Arn"] == got["Arn"]
    assert reads(u.s3, boss.bucket, "a/1")
    g = group(iam, other)
    name = fresh("g")
    iam.update_group(GroupName=g, NewGroupName=name, NewPath="/z/")
    assert [x["Path"] for x in iam.list_groups_for_user(UserName=other.name)["Groups"]] == ["/z/"]
    assert [x["UserName"] for x in iam.get_group(GroupName=name)["Users"]] == [other.name]
    assert refused(iam.delete_group, GroupName=name) == ("DeleteConflict", 409)


def test_roles_are_changed(boss, iam):
    made = role(boss, trusts("*"), Description="one")
    name = made["RoleName"]
    iam.update_role(RoleName=name, MaxSessionDuration=7200)
    got = iam.get_role(RoleName=name)["Role"]
    assert (got["Description"], got["MaxSessionDuration"]) == ("one", 7200)
    assert iam.update_role_description(RoleName=name, Description="two")["Role"]["Description"] == "two"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusts("arn:aws:iam::%s:root" % boss.project))
    assert boss.project in json.dumps(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
    assert refused(iam.update_assume_role_policy, RoleName=name, PolicyDocument="{}") == ("MalformedPolicyDocument", 400)


# --- lists ---

def test_pages(keystone, iam):
    path = "/%s/" % fresh("pages")
    names = ["a-" + path[1:-1], "B-" + path[1:-1], "c-" + path[1:-1]]
    for name in reversed(names):
        iam.create_user(UserName=name, Path=path)
        iam.create_group(GroupName=name, Path=path)
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trusts("*"))
        p = managed(iam, says("Allow", "s3:*"), name=name, Path=path)
        iam.attach_user_policy(UserName=names[2], PolicyArn=p["Arn"])
        iam.put_user_policy(UserName=names[2], PolicyName=name, PolicyDocument=policy(says("Allow", "s3:*")))
        iam.add_user_to_group(GroupName=name, UserName=names[2])
    mine = {"UserName": names[2]}
    for call, members, key, args in (
            ("list_users", "Users", "UserName", {"PathPrefix": path}), ("list_groups", "Groups", "GroupName", {"PathPrefix": path}),
            ("list_roles", "Roles", "RoleName", {"PathPrefix": path}),
            ("list_policies", "Policies", "PolicyName", {"PathPrefix": path, "Scope": "Local"}),
            ("list_attached_user_policies", "AttachedPolicies", "PolicyName", mine), ("list_user_policies", "PolicyNames", None, mine),
            ("list_groups_for_user", "Groups", "GroupName", mine)):
        for size in (1, 2, 3, 100):
            pages = list(iam.get_paginator(call).paginate(PaginationConfig={"PageSize": size}, **args))
            got = [x[key] if key else x for page in pages for x in page[members]]
            assert got == names and len(pages) == -(-3 // size), (call, size)
    assert iam.list_users(PathPrefix=path, MaxItems=1)["IsTruncated"] is True
    entities = iam.list_entities_for_policy(PolicyArn=p["Arn"])
    assert [x["UserName"] for x in entities["PolicyUsers"]] == [names[2]]
    scopes = [{x["PolicyName"] for x in iam.list_policies(Scope=s)["Policies"]} for s in ("AWS", "Local", "All")]
    assert "AmazonS3FullAccess" in scopes[0] and names[0] in scopes[1] and scopes[0] | scopes[1] == scopes[2]
    assert not scopes[0] & scopes[1]
    attached = {x["PolicyName"] for x in iam.list_policies(OnlyAttached=True, PathPrefix=path)["Policies"]}
    assert attached == set(names)


def test_tags(keystone, boss, iam):
    u, tags = Made(keystone, boss), [{"Key": "team", "Value": "a ü"}, {"Key": "Cost", "Value": ""}]
    made = role(boss, trusts("*"), Tags=tags)
    assert made["Tags"] == [tags[1], tags[0]] == iam.list_role_tags(RoleName=made["RoleName"])["Tags"]
    iam.tag_user(UserName=u.name, Tags=tags)
    iam.tag_user(UserName=u.name, Tags=[{"Key": "TEAM", "Value": "b"}])
    assert iam.get_user(UserName=u.name)["User"]["Tags"] == [tags[1], {"Key": "TEAM", "Value": "b"}]
    iam.untag_user(UserName=u.name, TagKeys=["cost"])
    assert [t["Key"] for t in iam.list_user_tags(UserName=u.name)["Tags"]] == ["TEAM"]
    p = managed(iam, says("Allow", "s3:*"), Tags=tags)
    assert iam.get_policy(PolicyArn=p["Arn"])["Policy"]["Tags"] == [tags[1], tags[0]]
    assert refused(iam.tag_role, RoleName=made["RoleName"], Tags=[{"Key": "aws:x", "Value": ""}]) == ("InvalidInput", 400)
    many = [{"Key": "k%d" % i, "Value": "v"} for i in range(51)]
    full = iam.create_user(UserName=fresh("u"), Path="/x/", Tags=many[:50])["User"]
    assert len(full["Tags"]) == 50
    iam.tag_user(UserName=full["UserName"], Tags=[dict(t, Value="w") for t in many[:50]])
    assert {t["Value"] for t in iam.list_user_tags(UserName=full["UserName"])["Tags"]} == {"w"}
    for call, args in ((iam.tag_user, {"UserName": u.name}), (iam.create_user, {"UserName": fresh("u")})):
        assert refused(call, Tags=many, **args) == ("ValidationError", 400)
    assert refused(iam.tag_user, UserName=full["UserName"], Tags=many[50:]) == ("LimitExceeded", 409)
    assert refused(iam.tag_user, UserName=u.name, Tags=tags + [{"Key": "COST", "Value": ""}]) == ("InvalidInput", 400)
    assert refused(iam.untag_user, UserName=full["UserName"], TagKeys=[t["Key"] for t in many]) == ("ValidationError", 400)
    iam.untag_user(UserName=full["UserName"], TagKeys=[t["Key"] for t in many[:50]])
    assert iam.list_user_tags(UserName=full["UserName"])["Tags"] == []
    iam.tag_policy(PolicyArn=p["Arn"], Tags=many[:25])
    assert refused(iam.tag_policy, PolicyArn=p["Arn"], Tags=many[25:50]) == ("LimitExceeded", 409)
    assert len(iam.list_policy_tags(PolicyArn=p["Arn"])["Tags"]) == 27


def test_summary_and_what_is_not_there(boss, iam):
    before = iam.get_account_summary()["SummaryMap"]
    group(iam)
    after = iam.get_account_summary()["SummaryMap"]
    assert after["Groups"] == before["Groups"] + 1 and after["AccessKeysPerUserQuota"] == 2
    assert iam.list_instance_profiles_for_role(RoleName=role(boss, trusts("*"))["RoleName"])["InstanceProfiles"] == []
    assert refused(iam.list_instance_profiles_for_role, RoleName="none") == ("NoSuchEntity", 404)
    assert iam.list_mfa_devices()["MFADevices"] == [] and iam.list_account_aliases()["AccountAliases"] == []
    assert refused(iam.get_login_profile, UserName=boss.who.name) == ("NoSuchEntity", 404)


def test_limits_and_bad_input(keystone, boss, iam):
    u = Made(keystone, boss)
    for n in range(11):
        p = managed(iam, says("Allow", "s3:*"))
        if n < 10:
            iam.attach_user_policy(UserName=u.name, PolicyArn=p["Arn"])
    iam.attach_user_policy(UserName=u.name, PolicyArn=iam.list_attached_user_policies(
        UserName=u.name)["AttachedPolicies"][0]["PolicyArn"])
    assert refused(iam.attach_user_policy, UserName=u.name, PolicyArn=p["Arn"]) == ("LimitExceeded", 409)
    attached = iam.list_attached_user_policies(UserName=u.name)["AttachedPolicies"][0]["PolicyArn"]
    assert refused(iam.delete_policy, PolicyArn=attached) == ("DeleteConflict", 409)
    for n in range(10):
        group(iam, u)
    assert refused(iam.add_user_to_group, GroupName=group(iam), UserName=u.name) == ("LimitExceeded", 409)
    for call, args, code in (
            (iam.create_policy, {"PolicyName": "p", "PolicyDocument": "{"}, "MalformedPolicyDocument"),
            (iam.create_policy, {"PolicyName": "a b", "PolicyDocument": policy(says("Allow", "s3:*"))}, "ValidationError"),
            (iam.create_policy, {"PolicyName": "p", "PolicyDocument": policy(*[says("Allow", "s3:*", Sid="x")] * 2)},
             "MalformedPolicyDocument"),
            (iam.create_policy, {"PolicyName": "p", "PolicyDocument": policy(*[says("Allow", "s3:*")] * 200)}, "ValidationError"),
            (iam.create_group, {"GroupName": "g", "Path": "x"}, "ValidationError"),
            (iam.create_user, {"UserName": "u/x"}, "ValidationError"),
            (iam.get_policy, {"PolicyArn": "arn:aws:iam::aws:policy"}, "ValidationError"),
            (iam.update_role, {"RoleName": role(boss, trusts("*"))["RoleName"], "MaxSessionDuration": 43201}, "ValidationError")):
        assert refused(call, **args) == (code, 400), (call, args)
    for call, args in ((iam.attach_user_policy, {"UserName": u.name, "PolicyArn": "arn:aws:iam::aws:policy/NoSuchAccess"}),
                       (iam.get_policy, {"PolicyArn": FULL.replace("policy/", "policy/x/")}), (iam.get_group, {"GroupName": "none"}),
                       (iam.remove_user_from_group, {"GroupName": group(iam), "UserName": u.name})):
        assert refused(call, **args) == ("NoSuchEntity", 404), (call, args)
    big = policy(*[says("Allow", "s3:GetObject", "x" * 900)] * 9)
    for n in range(2):
        iam.put_user_policy(UserName=u.name, PolicyName="big%d" % n, PolicyDocument=big)
    assert refused(iam.put_user_policy, UserName=u.name, PolicyName="big2", PolicyDocument=big) == ("LimitExceeded", 409)
    iam.put_user_policy(UserName=u.name, PolicyName="big1", PolicyDocument=big)
    got = act(boss, "iam", "TagUser", UserName=u.name, **{"Tags.member.%d.Key" % i: "k" for i in range(1, 300)})
    assert got.status_code == 400 and "<Code>ValidationError</Code>" in got.text


def test_all_goes_with_its_project(keystone):
    holder = Holder(keystone, "manager")
    iam = of(holder, "iam")
    u, made = Made(keystone, holder), role(holder, trusts("*"), says("Allow", "s3:*"))
    group(iam, u)
    p = managed(iam, says("Allow", "s3:*"), Tags=[{"Key": "k", "Value": "v"}])
    iam.attach_user_policy(UserName=u.name, PolicyArn=p["Arn"])
    iam.attach_role_policy(RoleName=made["RoleName"], PolicyArn=p["Arn"])
    iam.update_access_key(UserName=u.name, AccessKeyId=u.credential["access"], Status="Inactive")
    w = Made(keystone, holder)
    group(iam, w)
    w.attach(says("Allow", "s3:*"))
    w.s3.list_buckets()
    # By the identity service's own API, which asks for no order.
    keystone.ask("DELETE", "/users/" + w.user["UserId"])
    assert refused(iam.get_user, UserName=w.name) == ("NoSuchEntity", 404)
    assert ends(w.s3.list_buckets)
    keystone.ask("DELETE", "/projects/" + holder.project)
    assert ends(holder.s3().list_buckets)
    assert refused(iam.list_users) == ("InvalidClientTokenId", 403)
