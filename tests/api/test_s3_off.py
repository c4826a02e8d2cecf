"""What AWS has and is off here; and the table of all operations."""

import pytest

from conftest import TOP
from s3 import client, refused, send


@pytest.fixture(scope="module")
def alt(cloud):
    return client(cloud, "test2:tester2", "testing2")


def test_operations(cloud):
    """The documentation has the table of the code."""
    with open(TOP + "/docs/s3.md") as f:
        text = f.read()
    assert cloud.cairn("node", "--print-s3").stdout == text[text.index("| operation "):]


def test_request_payment(cloud, s3, alt, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_object(Bucket=bucket, Key="k", Body=b"text", ACL="public-read")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert refused(alt.get_object, Bucket=bucket, Key="k") == ("AccessDenied", 403)
    assert alt.get_object(Bucket=bucket, Key="k", RequestPayer="requester")["Body"].read() == b"text"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert alt.get_object(Bucket=bucket, Key="k")["Body"].read() == b"text"
    assert refused(s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration={"Payer": "x"}) == ("MalformedXML", 400)
    assert refused(alt.put_bucket_request_payment, Bucket=bucket,
                   RequestPaymentConfiguration={"Payer": "Requester"}) == ("AccessDenied", 403)


def test_acceleration(s3, bucket):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    put = {"Bucket": bucket, "AccelerateConfiguration": {"Status": "Enabled"}}
    assert refused(s3.put_bucket_accelerate_configuration, **put) == ("InvalidRequest", 400)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Suspended"


def test_replication(s3, bucket):
    assert refused(s3.get_bucket_replication, Bucket=bucket) == ("ReplicationConfigurationNotFoundError", 404)
    s3.delete_bucket_replication(Bucket=bucket)
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::x"}}
    assert refused(s3.put_bucket_replication, Bucket=bucket,
                   ReplicationConfiguration={"Role": "x", "Rules": [rule]}) == ("NotImplemented", 501)


@pytest.mark.parametrize("what", ["analytics", "inventory", "metrics", "intelligent_tiering"])
def test_configurations(cloud, s3, alt, bucket, what):
    listed = getattr(s3, "list_bucket_%s_configurations" % what)(Bucket=bucket)
    assert listed["IsTruncated"] is False
    assert not [k for k in listed if k.endswith("List")]
    get, drop = getattr(s3, "get_bucket_%s_configuration" % what), getattr(s3, "delete_bucket_%s_configuration" % what)
    assert refused(get, Bucket=bucket, Id="x") == ("NoSuchConfiguration", 404)
    assert refused(drop, Bucket=bucket, Id="x") == ("NoSuchConfiguration", 404)
    query = "%s?%s&id=x" % (bucket, what.replace("_", "-"))
    assert send(cloud, "PUT", query, b"<x/>").status_code == 501
    assert send(cloud, "GET", query, access="test2:tester2", secret="testing2").status_code == 403
    assert refused(s3.head_bucket, Bucket="none-" + bucket) == ("404", 404)
    assert send(cloud, "PUT", "none-" + query, b"").status_code == 501
    assert refused(s3.head_bucket, Bucket="none-" + bucket) == ("404", 404)


def test_objects(cloud, s3, alt, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n")
    restore = {"Bucket": bucket, "Key": "k", "RestoreRequest": {"Days": 1}}
    assert refused(s3.restore_object, **restore) == ("InvalidObjectState", 403)
    assert refused(s3.restore_object, **{**restore, "Key": "none"}) == ("NoSuchKey", 404)
    assert refused(alt.restore_object, **restore) == ("AccessDenied", 403)
    assert send(cloud, "POST", bucket + "/k?restore", b"<Other/>").status_code == 400
    assert refused(s3.select_object_content, Bucket=bucket, Key="k", Expression="select 1", ExpressionType="SQL",
                   InputSerialization={"CSV": {}}, OutputSerialization={"CSV": {}}) == ("MethodNotAllowed", 405)
    assert refused(s3.get_object_torrent, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
