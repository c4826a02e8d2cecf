"""Notifications of buckets: what is set, and what comes to whom, by HTTP."""
import re
import subprocess

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for
from events import Receiver
from s3 import anonymous, client, refused, send

HOOK, SLOW = "arn:cairn:sqs::hook:webhook", "arn:cairn:sns:us-east-1:slow:webhook"


@pytest.fixture(scope="module")
def hook():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def slow():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def cloud(hook, slow):
    with Cloud(devices=3, conf={"s3": ["lifecycle_day = 5", "notify = hook:http://127.0.0.1:%d/a?b=c, slow:http://me:secret@127.0.0.1:%d/"
                                          % (hook.port, slow.port)]}) as cloud:
        yield cloud


def queue(events, arn=HOOK, **more):
    return {"QueueArn": arn, "Events": events if isinstance(events, list) else [events], **more}


def filters(**rules):
    return {"Filter": {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in rules.items()]}}}


def put(s3, bucket, *queues, **more):
    return s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": list(queues)} if queues else {}, **more)


def told(receiver, bucket, count):
    wait_for(lambda: len(receiver.records(bucket)) >= count)
    return receiver.records(bucket)


def names(records):
    return [(r["eventName"], r["s3"]["object"]["key"]) for r in records]


def test_is_kept_as_it_was_sent(s3, bucket):
    def get():
        return {k: v for k, v in s3.get_bucket_notification_configuration(Bucket=bucket).items() if k != "ResponseMetadata"}
    assert get() == {}
    config = {
        "QueueConfigurations": [{"Id": "one <&>", **queue(["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], **filters(prefix="a, b/", suffix=""))}],
        "TopicConfigurations": [{"Id": "two", "TopicArn": SLOW, "Events": ["s3:ObjectCreated:Put"], **filters(prefix="c", suffix=".jpg")}],
        "LambdaFunctionConfigurations": [{"Id": "three", "LambdaFunctionArn": "arn:cairn:lambda::hook:webhook", "Events": ["s3:ObjectAcl:Put"]}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=config)
    assert get() == config
    put(s3, bucket, queue("s3:ObjectRestore:Post"))
    assert len(get()["QueueConfigurations"][0]["Id"]) > 8
    put(s3, bucket)
    assert get() == {}


@pytest.mark.parametrize("queues, text", [
    ([queue("s3:ObjectCreated:Nothing")], "A specified event is not supported"),
    ([queue("s3:ObjectCreated:*", "arn:cairn:sqs::other:webhook")], "Unable to validate"),
    ([queue("s3:ObjectCreated:*", "arn:cairn:sqs::hook:amqp")], "Unable to validate"),
    ([queue("s3:ObjectCreated:*", "arn:aws:sqs:us-east-1:1:hook")], "Unable to validate"),
    ([queue("s3:ObjectCreated:*"), queue("s3:ObjectCreated:Put", SLOW)], "Configurations overlap"),
    ([queue("s3:ObjectCreated:*", **filters(prefix="a")), queue("s3:ObjectCreated:Put", **filters(prefix="ab"))], "ambiguously defined"),
    ([queue("s3:ObjectCreated:*", **filters(suffix=".x")), queue("s3:ObjectCreated:Put", **filters(suffix="a.x"))], "ambiguously defined"),
    ([queue("s3:ObjectCreated:*", Id="i"), queue("s3:ObjectRemoved:*", Id="i")], "IDs must be unique"),
    ([queue("s3:ObjectCreated:*", **filters(infix="a"))], "either prefix or suffix"),
    ([queue("s3:ObjectCreated:*", **filters(prefix="a" * 1025))], "1024 bytes"),
    ([queue("s3:ObjectCreated:*", Id="i" * 256)], "255"),
])
def test_what_is_refused_changes_nothing(s3, bucket, queues, text):
    before = queue("s3:ObjectTagging:*", Id="before")
    put(s3, bucket, before)
    with pytest.raises(s3.exceptions.ClientError) as e:
        put(s3, bucket, *queues)
    assert e.value.response["Error"]["Code"] == "InvalidArgument" and text in e.value.response["Error"]["Message"]
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == [before]


@pytest.mark.parametrize("body, code", [
    ("<NotificationConfiguration><QueueConfiguration><Queue>%s</Queue></QueueConfiguration></NotificationConfiguration>", "MalformedXML"),
    ("<NotificationConfiguration><QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>",
     "MalformedXML"),
    ("<NotificationConfiguration><Other/></NotificationConfiguration>", "MalformedXML"),
    ("<Other/>", "MalformedXML"), ("<NotificationConfiguration>", "MalformedXML"),
    ("<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>", "NotImplemented")])
def test_other_documents(cloud, bucket, body, code):
    answer = send(cloud, "PUT", bucket + "?notification", body.replace("%s", HOOK).encode())
    assert "<Code>%s</Code>" % code in answer.text


def test_disjoint_rules_and_no_validation(s3, bucket, hook):
    put(s3, bucket, queue("s3:ObjectCreated:*", **filters(prefix="a")), queue("s3:ObjectCreated:*", **filters(prefix="b")),
        queue("s3:ObjectCreated:*", "arn:cairn:sqs::gone:webhook", **filters(prefix="c")), SkipDestinationValidation=True)
    for key in "cba":
        s3.put_object(Bucket=bucket, Key=key)
    assert names(told(hook, bucket, 2)) == [("ObjectCreated:Put", "b"), ("ObjectCreated:Put", "a")]


def test_a_record(s3, bucket, hook):
    put(s3, bucket, queue("s3:ObjectCreated:*", Id="my id"))
    answer = s3.put_object(Bucket=bucket, Key="a b/ü+.txt", Body=b"12345")
    record = told(hook, bucket, 1)[0]
    assert record["eventSource"] == "aws:s3" and record["eventVersion"] == "2.1" and record["awsRegion"] == "us-east-1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["userIdentity"] == {"principalId": "test:tester"}
    assert record["requestParameters"]["sourceIPAddress"].startswith("127.0.0.1")
    assert record["responseElements"]["x-amz-request-id"] == answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert record["s3"]["s3SchemaVersion"] == "1.0" and record["s3"]["configurationId"] == "my id"
    assert record["s3"]["bucket"] == {"name": bucket, "ownerIdentity": {"principalId": "test:tester"}, "arn": "arn:aws:s3:::" + bucket}
    thing = record["s3"]["object"]
    assert re.fullmatch("[0-9A-F]{16}", thing.pop("sequencer"))
    assert thing == {"key": "a+b/%C3%BC%2B.txt", "size": 5, "eTag": answer["ETag"].strip('"')}
    path, headers, _ = [g for g in hook.got if g[2].get("Records") == [record]][0]
    assert path == "/a?b=c" and headers["Content-Type"] == "application/json"


def test_test_event(s3, bucket, hook, slow):
    put(s3, bucket, queue("s3:ObjectCreated:*"), queue("s3:ObjectRemoved:*"), queue("s3:ObjectAcl:Put", SLOW))
    for receiver in hook, slow:
        wait_for(lambda: [b for _, _, b in receiver.got if b.get("Event") == "s3:TestEvent" and b["Bucket"] == bucket])
        tests = [b for _, _, b in receiver.got if b.get("Bucket") == bucket]
        assert len(tests) == 1 and tests[0]["Service"] == "Amazon S3" and set(tests[0]) == {
            "Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    assert [h for _, h, _ in slow.got][0]["Authorization"].startswith("Basic ")


def test_what_is_told(s3, cloud, bucket, hook):
    put(s3, bucket, queue(["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]))
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"x" * 100)
    etag = s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})["ETag"].strip('"')
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    s3.put_object_acl(Bucket=bucket, Key="a", ACL="public-read")
    form = s3.generate_presigned_post(bucket, "d")
    assert requests.post(form["url"], data=form["fields"], files={"file": b"form"}).status_code == 204
    s3.delete_object(Bucket=bucket, Key="d")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}, {"Key": "c"}]})
    records = told(hook, bucket, 11)
    assert names(records[:8]) == [
        ("ObjectCreated:Put", "a"), ("ObjectCreated:Copy", "b"), ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectTagging:Put", "a"), ("ObjectTagging:Delete", "a"), ("ObjectAcl:Put", "a"), ("ObjectCreated:Post", "d"),
        ("ObjectRemoved:Delete", "d")]
    assert sorted(names(records[8:])) == [("ObjectRemoved:Delete", k) for k in "abc"]
    assert records[2]["s3"]["object"]["eTag"] == etag and records[2]["s3"]["object"]["size"] == 100
    assert "size" not in records[7]["s3"]["object"] and "eTag" not in records[7]["s3"]["object"]
    of_a = [r["s3"]["object"]["sequencer"] for r in records if r["s3"]["object"]["key"] == "a"]
    assert of_a == sorted(of_a) and len(set(of_a)) == len(of_a)


def test_swift_writes_are_told_too(s3, cloud, bucket, hook):
    put(s3, bucket, queue(["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], **filters(suffix=".txt")))
    user = User(cloud, "test:tester", "testing")
    path = "%s/%s/" % (user.storage, bucket)
    headers = {"X-Auth-Token": user.token}
    assert requests.put(path + "a.txt", data=b"123", headers=headers).status_code == 201
    assert requests.put(path + "a.bin", data=b"123", headers=headers).status_code == 201
    assert requests.request("COPY", path + "a.bin", headers={**headers, "Destination": bucket + "/b.txt"}).status_code == 201
    assert requests.delete(path + "a.txt", headers=headers).status_code == 204
    records = told(hook, bucket, 3)
    assert names(records) == [("ObjectCreated:Put", "a.txt"), ("ObjectCreated:Copy", "b.txt"), ("ObjectRemoved:Delete", "a.txt")]
    assert records[1]["s3"]["object"]["size"] == 3


def version(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def test_versions(s3, bucket, hook):
    put(s3, bucket, queue(["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]))
    version(s3, bucket, "Enabled")
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % i)["VersionId"] for i in range(3)]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=ids[0], Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[2])  # the current one
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[0])
    copied = s3.copy_object(Bucket=bucket, Key="k2", CopySource={"Bucket": bucket, "Key": "k"})["VersionId"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k3")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k3", UploadId=upload, PartNumber=1, Body=b"x")
    whole = s3.complete_multipart_upload(Bucket=bucket, Key="k3", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})["VersionId"]
    s3.put_object(Bucket=bucket, Key="last")
    wait_for(lambda: ("ObjectCreated:Put", "last") in names(hook.records(bucket)))
    seen = [(r["eventName"], r["s3"]["object"].get("versionId")) for r in hook.records(bucket)][:-1]
    assert seen == [("ObjectCreated:Put", i) for i in ids] + [
        ("ObjectRemoved:DeleteMarkerCreated", marker), ("ObjectTagging:Put", ids[0]), ("ObjectRemoved:Delete", marker),
        ("ObjectRemoved:Delete", ids[2]), ("ObjectRemoved:Delete", ids[0]), ("ObjectCreated:Copy", copied),
        ("ObjectCreated:CompleteMultipartUpload", whole)]


def test_versions_suspended(s3, bucket, hook):
    put(s3, bucket, queue(["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]))
    version(s3, bucket, "Enabled")
    s3.put_object(Bucket=bucket, Key="k")
    version(s3, bucket, "Suspended")
    s3.put_object(Bucket=bucket, Key="k")
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    s3.put_object(Bucket=bucket, Key="last")
    wait_for(lambda: ("ObjectCreated:Put", "last") in names(hook.records(bucket)))
    assert [n for n, _ in names(hook.records(bucket))] == [
        "ObjectCreated:Put", "ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", "ObjectCreated:Put"]
    assert hook.records(bucket)[2]["s3"]["object"]["versionId"] == "null"


@pytest.mark.parametrize("versioned", [False, True])
def test_lifecycle(s3, bucket, hook, versioned):
    put(s3, bucket, queue(["s3:LifecycleExpiration:*", "s3:ObjectRemoved:*"]))
    if versioned:
        version(s3, bucket, "Enabled")
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]})
    record = told(hook, bucket, 1)[0]
    assert record["eventName"] == "LifecycleExpiration:" + ("DeleteMarkerCreated" if versioned else "Delete")
    assert record["s3"]["object"]["key"] == "k" and ("versionId" in record["s3"]["object"]) == versioned
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"} and record["eventVersion"] == "2.3"


@pytest.mark.parametrize("versioned", [False, True])
def test_what_rules_move_is_told_as_that(s3, bucket, hook, versioned):
    put(s3, bucket, queue(["s3:LifecycleTransition", "s3:ObjectRemoved:*"]),
        queue(["s3:ObjectCreated:*"]))
    if versioned:
        version(s3, bucket, "Enabled")
    made = s3.put_object(Bucket=bucket, Key="k", Body=b"text")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 0, "StorageClass": "SILVER"}]}]})
    first, second = told(hook, bucket, 2)
    assert (first["eventName"], second["eventName"]) == ("ObjectCreated:Put", "LifecycleTransition")
    thing = second["s3"]["object"]
    assert (thing["key"], thing["eTag"], thing["size"]) == ("k", made["ETag"].strip('"'), 4)
    assert thing.get("versionId") == made.get("VersionId")
    assert second["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    s3.delete_object(Bucket=bucket, Key="k")
    assert told(hook, bucket, 3)[2]["eventName"].startswith("ObjectRemoved")


def test_a_target_that_fails_holds_up_no_other_and_loses_nothing(s3, cloud, bucket, hook, slow):
    put(s3, bucket, queue("s3:ObjectCreated:*", SLOW, **filters(prefix="s")), queue("s3:ObjectCreated:*", **filters(prefix="h")))
    wait_for(lambda: [b for _, _, b in slow.got if b.get("Bucket") == bucket])
    slow.status = 503
    keys = ["s%03d" % i for i in range(150)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)
    s3.put_object(Bucket=bucket, Key="h")
    assert names(told(hook, bucket, 1)) == [("ObjectCreated:Put", "h")]
    text = requests.get(cloud.url + "/metrics").text
    assert wait_for(lambda: 'cairn_notify_failing{target="slow"} 1' in requests.get(cloud.url + "/metrics").text)
    assert 'cairn_notify_failing{target="hook"} 0' in text
    status = cloud.cairn("status", "--state", cloud.state).stdout
    assert re.search(r"notify: .*slow", status) and "secret" not in status + text + cloud.log()
    cloud.kill_node()
    slow.status = 200
    records = told(slow, bucket, 150)
    assert sorted(set(k for _, k in names(records))) == keys
    wait_for(lambda: 'cairn_notify_pending 0' in requests.get(cloud.url + "/metrics").text)
    assert "slow" not in cloud.cairn("status", "--state", cloud.state).stdout


def test_an_event_that_is_refused_is_dropped(s3, bucket, hook):
    put(s3, bucket, queue("s3:ObjectCreated:*"))
    hook.status = lambda body: 400 if "Records" in body and body["Records"][0]["s3"]["object"]["key"] == "bad" else 200
    s3.put_object(Bucket=bucket, Key="bad")
    s3.put_object(Bucket=bucket, Key="good")
    assert names(told(hook, bucket, 1)) == [("ObjectCreated:Put", "good")]
    hook.status = 200


def test_encrypted_objects(s3, bucket, hook):
    put(s3, bucket, queue("s3:ObjectCreated:*"))
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"secret", ServerSideEncryption="AES256")["ETag"]
    assert told(hook, bucket, 1)[0]["s3"]["object"]["eTag"] == etag.strip('"')
    assert hook.records(bucket)[0]["s3"]["object"]["size"] == 6


def test_nobody_in_particular(cloud, s3, bucket, hook):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    put(s3, bucket, queue("s3:ObjectCreated:*"))
    anonymous(cloud).put_object(Bucket=bucket, Key="k")
    assert told(hook, bucket, 1)[0]["userIdentity"] == {"principalId": "Anonymous"}


def test_policies_say_who_may(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    assert refused(other.get_bucket_notification_configuration, Bucket=bucket) == ("AccessDenied", 403)
    assert refused(put, s3=other, bucket=bucket) == ("AccessDenied", 403)


@pytest.mark.parametrize("targets", ["hook", "hook:ftp://me:pass@host/", "a:http://h/ a:http://g/", "a b:http://h/", ":http://h/",
                                     "a:http://", "a:http://h:99999/", "a:amqp://me:pass@h/v", "a:amqp://me:pass@h/v?exchnge=e",
                                     "a:amqp://me:pass@h/v?exchange=e&key=k", "a:amqp://me:pass@h:x/v?exchange=e"])
def test_bad_targets_are_refused_at_start(tmp_path, cloud, targets):
    text = open(cloud.state + "/cairn.conf").read()
    text = re.sub("(?m)^notify = .*$", "notify = " + targets, text)
    line = text[:text.index("notify = ")].count("\n") + 1
    (tmp_path / "cairn.conf").write_text(text)
    out = subprocess.run([CAIRN, "node", "--config", str(tmp_path / "cairn.conf"), "--check"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert out.returncode != 0 and "cairn.conf:%d: [s3] notify: " % line in out.stdout and "pass" not in out.stdout
