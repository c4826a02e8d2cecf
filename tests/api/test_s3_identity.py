"""S3 by EC2 credentials of the identity service: the proxy is told keys, not secrets."""
import os
import signal
import time

import pytest
import requests

from conftest import wait_for
from s3 import client, refused
from test_keystone import Keystone, Somebody, cloud_with_identity


@pytest.fixture(scope="module")
def keystone():
    for cloud in cloud_with_identity():
        yield Keystone(cloud)


class Holder:
    """Somebody with a role in a project of their own, and a credential for it."""

    def __init__(self, keystone, role, project=None):
        name = "s3-" + os.urandom(4).hex()
        self.cloud = keystone.cloud
        self.project = project or keystone.project(name)
        self.who = Somebody(keystone, name, self.project, keystone.ask(
            "GET", "/projects/" + self.project)["project"]["name"], role)
        self.keystone = keystone
        self.credential = keystone.ask("POST", "/users/%s/credentials/OS-EC2" % self.who.id,
                                       tenant_id=self.project)["credential"]

    def s3(self, signature="s3v4", secret=None):
        return client(self.cloud, self.credential["access"], secret or self.credential["secret"], signature)


@pytest.mark.parametrize("signature", ("s3v4", "s3"))
def test_keys(keystone, signature):
    holder = Holder(keystone, "member")
    s3, bucket = holder.s3(signature), "b-" + os.urandom(4).hex()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"text", Metadata={"m": "v"})
    assert s3.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == b"text"
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == ["a b/ü"]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    assert requests.get(url).content == b"text"
    assert requests.get(url.replace("ature=", "ature=0")).status_code == 403
    owner = s3.list_buckets()["Owner"]
    assert owner["ID"] == holder.project and owner["DisplayName"] == holder.who.project_name
    # The same object by Swift's API, with a token.
    assert holder.who("GET", "/%s/a%%20b/%%C3%%BC" % bucket, account="AUTH_" + holder.project).content == b"text"
    assert refused(holder.s3(signature, "wrong").list_buckets) == ("SignatureDoesNotMatch", 403)
    other = Holder(keystone, "member")
    assert refused(other.s3(signature).get_object, Bucket=bucket, Key="a b/ü") == ("AccessDenied", 403)
    assert refused(other.s3(signature).create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)


def test_roles(keystone):
    owner = Holder(keystone, "member")
    bucket = "b-" + os.urandom(4).hex()
    owner.s3().create_bucket(Bucket=bucket)
    owner.s3().put_object(Bucket=bucket, Key="k", Body=b"text")
    reader = Holder(keystone, "reader", owner.project).s3()
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"
    assert len(reader.list_objects_v2(Bucket=bucket)["Contents"]) == 1
    for call, args in ((reader.put_object, {"Key": "l", "Body": b""}), (reader.delete_object, {"Key": "k"}),
                       (reader.delete_bucket, {}), (reader.create_bucket, {"Bucket": bucket + "x"})):
        assert refused(call, **{"Bucket": bucket, **args}) == ("AccessDenied", 403)


def test_at_once_after_a_start(keystone):
    """The proxy, which came first, has heard no news yet: who asks waits for them."""
    cloud = keystone.cloud
    s3 = Holder(keystone, "member").s3()
    for _ in range(5):
        identity = cloud.pid("identity")
        os.kill(identity, signal.SIGKILL)
        cloud.kill_node()
        wait_for(lambda: cloud.pid("identity") != identity)
        wait_for(lambda: serves(keystone.url))
        assert s3.list_buckets()["Buckets"] == []


def serves(url):
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def ends(call):
    """Is it refused, within a second?"""
    began = time.monotonic()
    wait_for(lambda: refused_at_all(call), 10)
    return time.monotonic() - began < 2


def refused_at_all(call):
    try:
        call()
    except Exception as e:
        return e.response["Error"]["Code"] in ("InvalidAccessKeyId", "AccessDenied")
    return False


def test_a_deleted_credential_ends(keystone):
    holder = Holder(keystone, "member")
    s3 = holder.s3()
    s3.list_buckets()
    keystone.ask("DELETE", "/users/%s/credentials/OS-EC2/%s" % (holder.who.id, holder.credential["access"]))
    assert ends(s3.list_buckets)


def test_a_lost_role_ends(keystone):
    holder = Holder(keystone, "member")
    s3 = holder.s3()
    s3.list_buckets()
    keystone.ask("DELETE", "/projects/%s/users/%s/roles/%s" % (holder.project, holder.who.id, keystone.role("member")))
    assert ends(s3.list_buckets)


def test_a_disabled_user_ends(keystone):
    holder = Holder(keystone, "member")
    s3 = holder.s3()
    s3.list_buckets()
    keystone.ask("PATCH", "/users/" + holder.who.id, user={"enabled": False})
    assert ends(s3.list_buckets)
