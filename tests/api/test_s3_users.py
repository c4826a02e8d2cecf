"""tools/s3-test-users: what it makes by the identity service's API are users of S3."""
import os
import re
import shlex
import subprocess

import pytest

from s3 import client, refused
from conftest import Cloud

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "s3-test-users")


@pytest.fixture(scope="module")
def cloud():
    with Cloud(devices=1, replicas=1, identity=True) as cloud:
        yield cloud


def run(env, *args):
    return subprocess.run([TOOL, *args], env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def users(cloud):
    r = run(cloud.openrc())
    assert r.returncode == 0, r.stderr
    lines = [re.fullmatch(r"export (S3_\w+)=(.*)", line).groups() for line in r.stdout.splitlines()]
    return {name: shlex.split(value)[0] for name, value in lines}


def of(cloud, users, which):
    return client(cloud, users["S3_%s_AK" % which], users["S3_%s_SK" % which])


def test_each_is_another(cloud, users):
    for which in ("MAIN", "ALT", "TENANT", "IAM", "IAMROOT", "IAMALTROOT"):
        owner = of(cloud, users, which).list_buckets()["Owner"]
        assert owner == {"ID": users["S3_%s_ID" % which], "DisplayName": users["S3_%s_NAME" % which]}
    assert users["S3_TENANT"] == users["S3_TENANT_NAME"]
    main, alt = of(cloud, users, "MAIN"), of(cloud, users, "ALT")
    main.create_bucket(Bucket="of-main")
    main.put_object(Bucket="of-main", Key="k", Body=b"text")
    assert refused(alt.get_object, Bucket="of-main", Key="k") == ("AccessDenied", 403)
    again = run(cloud.openrc())
    assert again.returncode == 0 and users["S3_MAIN_ID"] in again.stdout and users["S3_MAIN_AK"] not in again.stdout


def test_lists_know_projects_and_emails(cloud, users):
    main, alt = of(cloud, users, "MAIN"), of(cloud, users, "ALT")
    main.create_bucket(Bucket="listed", GrantRead='emailAddress="%s"' % users["S3_ALT_EMAIL"])
    main.put_object(Bucket="listed", Key="k", Body=b"text", GrantRead="id=" + users["S3_ALT_ID"])
    assert len(alt.list_objects_v2(Bucket="listed")["Contents"]) == 1
    assert alt.get_object(Bucket="listed", Key="k")["Body"].read() == b"text"
    grantee = {"Type": "CanonicalUser", "ID": users["S3_ALT_ID"], "DisplayName": users["S3_ALT_NAME"]}
    for acl in (main.get_bucket_acl(Bucket="listed"), main.get_object_acl(Bucket="listed", Key="k")):
        assert acl["Grants"] == [{"Grantee": grantee, "Permission": "READ"}]
    assert refused(main.put_bucket_acl, Bucket="listed", GrantRead="id=nobody") == ("InvalidArgument", 400)
    assert refused(main.put_bucket_acl, Bucket="listed", GrantRead="emailAddress=nobody@example.org") == (
        "UnresolvableGrantByEmailAddress", 400)
    alt.list_objects_v2(Bucket="listed", ExpectedBucketOwner=users["S3_MAIN_ID"])
    assert refused(alt.list_objects_v2, Bucket="listed", ExpectedBucketOwner=users["S3_ALT_ID"]) == ("AccessDenied", 403)


def test_needs_an_administrator(cloud):
    env = cloud.openrc()
    r = run({k: v for k, v in env.items() if k != "OS_AUTH_URL"})
    assert r.returncode == 1 and "OS_AUTH_URL is not set" in r.stderr
    r = run({**env, "OS_PASSWORD": "wrong"})
    assert r.returncode == 1 and "401" in r.stderr
    r = run(env, "--role", "none-such")
    assert r.returncode == 1 and "no role" in r.stderr
