"""Object lock: what it protects is not deleted, whoever asks and by which API."""
import datetime
import json
import os
import time

import pytest

from s3 import refused, send

LATER = datetime.datetime(2040, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def bucket(s3):
    name = "l-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(s3, bucket, **args):
    return s3.put_object(Bucket=bucket, Key="k", Body=b"x", **args)["VersionId"]


def retention(s3, bucket, **args):
    return s3.get_object_retention(Bucket=bucket, Key="k", **args)["Retention"]


def test_configuration(s3, bucket):
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == \
        {"ObjectLockEnabled": "Enabled"}
    for rule in ({"Mode": "GOVERNANCE", "Days": 3}, {"Mode": "COMPLIANCE", "Years": 2}):
        conf = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": rule}}
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=conf)
        assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == conf
    for rule, code in (({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"),
                       ({"Mode": "governance", "Days": 1}, "MalformedXML"), ({"Mode": "GOVERNANCE"}, "MalformedXML"),
                       ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidRetentionPeriod"),
                       ({"Mode": "GOVERNANCE", "Years": 101}, "InvalidRetentionPeriod")):
        bad = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": rule}}
        assert refused(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=bad) == (code, 400)
    assert refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}) == \
        ("InvalidBucketState", 409)


def test_defaults(s3, bucket):
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}})
    put(s3, bucket)
    r = retention(s3, bucket)
    days = (r["RetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400
    assert r["Mode"] == "GOVERNANCE" and 2.9 < days <= 3
    put(s3, bucket, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=LATER)
    assert retention(s3, bucket) == {"Mode": "COMPLIANCE", "RetainUntilDate": LATER}


def test_nobody_deletes_what_is_locked(tester, s3, bucket):
    version = put(s3, bucket, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=LATER)
    for bypass in (False, True):
        assert refused(s3.delete_object, Bucket=bucket, Key="k", VersionId=version,
                       BypassGovernanceRetention=bypass) == ("AccessDenied", 403)
    # Nor do clients of Swift's: by the version, in bulk, by switching versions off, or as metadata.
    path = "/%s/k" % bucket
    assert tester.request("DELETE", path + "?version-id=" + version).status_code == 403
    r = tester.request("POST", "?bulk-delete", data="/%s/k?version-id=%s" % (bucket, version),
                       headers={"Content-Type": "text/plain", "Accept": "application/json"})
    assert r.json()["Number Deleted"] == 0
    assert tester.request("POST", "/" + bucket, headers={"X-Versions-Enabled": "false"}).status_code == 409
    assert tester.request("POST", path, headers={"X-Object-Meta-A": "b", "X-Remove-Object-Meta-C": "d"}).status_code == 202
    assert retention(s3, bucket)["Mode"] == "COMPLIANCE"
    assert tester.request("DELETE", "/" + bucket).status_code == 409
    # It may be hidden.
    s3.delete_object(Bucket=bucket, Key="k")
    other = put(s3, bucket)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=other)
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == b"x"
    assert tester.request("PUT", path, data=b"y").status_code == 201
    assert refused(s3.delete_object, Bucket=bucket, Key="k", VersionId=version)[0] == "AccessDenied"


def test_governance(s3, bucket):
    version = put(s3, bucket, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=LATER)
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": LATER - datetime.timedelta(days=1)}
    call = dict(Bucket=bucket, Key="k", Retention=sooner)
    assert refused(s3.put_object_retention, **call) == ("AccessDenied", 403)
    s3.put_object_retention(BypassGovernanceRetention=True, **call)
    assert retention(s3, bucket, VersionId=version) == sooner
    assert refused(s3.delete_object, Bucket=bucket, Key="k", VersionId=version) == ("AccessDenied", 403)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_who_is_denied_it_does_not_bypass(s3, bucket):
    version = put(s3, bucket, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=LATER)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:BypassGovernanceRetention", "Resource": "arn:aws:s3:::%s/*" % bucket}]}))
    call = dict(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert refused(s3.delete_object, **call) == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_object(**call)


def test_compliance_only_grows_and_ends(s3, bucket):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    version = put(s3, bucket, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=soon)
    for mode, until in (("GOVERNANCE", LATER), ("COMPLIANCE", soon - datetime.timedelta(seconds=1))):
        assert refused(s3.put_object_retention, Bucket=bucket, Key="k", BypassGovernanceRetention=True,
                       Retention={"Mode": mode, "RetainUntilDate": until})[0] == "AccessDenied"
    until = time.time() + 10
    while time.time() < until:
        try:
            s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
            break
        except s3.exceptions.ClientError:
            assert datetime.datetime.now(datetime.timezone.utc) < soon + datetime.timedelta(seconds=1)
            time.sleep(0.1)
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_legal_hold(tester, s3, bucket):
    version = put(s3, bucket, ObjectLockLegalHoldStatus="ON")
    assert s3.get_object_legal_hold(Bucket=bucket, Key="k")["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True) == \
        ("AccessDenied", 403)
    assert tester.request("DELETE", "/%s/k?version-id=%s" % (bucket, version)).status_code == 403
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "OFF"})
    assert s3.head_object(Bucket=bucket, Key="k")["ObjectLockLegalHoldStatus"] == "OFF"
    assert tester.request("DELETE", "/%s/k?version-id=%s" % (bucket, version)).status_code == 204
    assert refused(s3.get_object_legal_hold, Bucket=bucket, Key="k")[1] == 404


def test_what_is_refused(cloud, s3, bucket):
    plain = bucket + "-p"
    s3.create_bucket(Bucket=plain)
    s3.put_object(Bucket=plain, Key="k", Body=b"x")
    r = {"Mode": "GOVERNANCE", "RetainUntilDate": LATER}
    assert refused(s3.put_object_retention, Bucket=plain, Key="k", Retention=r) == ("InvalidRequest", 400)
    assert refused(s3.get_object_retention, Bucket=plain, Key="k") == ("InvalidRequest", 400)
    assert refused(s3.put_object, Bucket=plain, Key="k", ObjectLockLegalHoldStatus="ON") == ("InvalidRequest", 400)
    assert refused(s3.get_object_lock_configuration, Bucket=plain) == ("ObjectLockConfigurationNotFoundError", 404)
    past = datetime.datetime(2020, 1, 1)
    for args in ({"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockRetainUntilDate": LATER},
                 {"ObjectLockMode": "x", "ObjectLockRetainUntilDate": LATER},
                 {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": past}):
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", **args) == ("InvalidArgument", 400), args
    put(s3, bucket)
    assert refused(s3.get_object_retention, Bucket=bucket, Key="k") == ("NoSuchObjectLockConfiguration", 404)
    for what, document in (("retention", b"<Retention><Mode>GOVERNANCE</Mode></Retention>"), ("retention", b"<x/>"),
                           ("retention", b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>"
                            b"</Retention>"), ("legal-hold", b"<LegalHold><Status>on</Status></LegalHold>")):
        assert "MalformedXML" in send(cloud, "PUT", "%s/k?%s=" % (bucket, what), document).text, document
