"""Versions of objects by S3: ids, delete markers, "null", and what Swift sees of them."""
import concurrent.futures
import threading
import time

import pytest

from conftest import wait_for
from s3 import refused, send


def switch(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def versions(s3, bucket, **args):
    """What is listed: (key, id, latest, marker), in order of keys and then from the newest on."""
    page = s3.list_object_versions(Bucket=bucket, **args)
    rows = [(v["Key"], v["VersionId"], v["IsLatest"], False) for v in page.get("Versions", [])]
    rows += [(v["Key"], v["VersionId"], v["IsLatest"], True) for v in page.get("DeleteMarkers", [])]
    return rows


def body(s3, bucket, key="k", **args):
    return s3.get_object(Bucket=bucket, Key=key, **args)["Body"].read()


def put(s3, bucket, text, key="k"):
    return s3.put_object(Bucket=bucket, Key=key, Body=text).get("VersionId")


def test_configuration(cloud, s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        switch(s3, bucket, status)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    for document, code in ((b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", "MalformedXML"),
                           (b"<VersioningConfiguration/>", "MalformedXML"), (b"<Other/>", "MalformedXML"),
                           (b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
                            b"</VersioningConfiguration>", "NotImplemented")):
        assert code in send(cloud, "PUT", bucket + "?versioning=", document).text
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    never = bucket + "-s"
    s3.create_bucket(Bucket=never)
    switch(s3, never, "Suspended")
    assert s3.get_bucket_versioning(Bucket=never)["Status"] == "Suspended"
    assert put(s3, never, b"1") is None
    s3.delete_object(Bucket=never, Key="k")
    assert versions(s3, never) == [("k", "null", True, True)]


def test_ids_and_markers(s3, bucket):
    switch(s3, bucket, "Enabled")
    first, second = put(s3, bucket, b"1"), put(s3, bucket, b"2")
    assert first != second and body(s3, bucket) == b"2"
    assert body(s3, bucket, VersionId=first) == b"1"
    head = s3.head_object(Bucket=bucket, Key="k", VersionId=first)
    assert head["VersionId"] == first and head["ContentLength"] == 1
    gone = s3.delete_object(Bucket=bucket, Key="k")
    marker = gone["VersionId"]
    assert gone["DeleteMarker"]
    with pytest.raises(Exception) as e:
        s3.get_object(Bucket=bucket, Key="k")
    headers = e.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert e.value.response["Error"]["Code"] == "NoSuchKey"
    assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == marker
    with pytest.raises(Exception) as e:
        s3.get_object(Bucket=bucket, Key="k", VersionId=marker)
    headers = e.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert e.value.response["Error"]["Code"] == "MethodNotAllowed" and headers["allow"] == "DELETE"
    assert headers["x-amz-delete-marker"] == "true"
    assert versions(s3, bucket) == [("k", second, False, False), ("k", first, False, False), ("k", marker, True, True)]
    # Without the marker the newest is there again, and so it goes on.
    assert s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)["DeleteMarker"]
    assert body(s3, bucket) == b"2"
    assert "DeleteMarker" not in s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert body(s3, bucket) == b"1" and versions(s3, bucket) == [("k", first, True, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert versions(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


def test_ids_that_are_none(s3, bucket):
    put(s3, bucket, b"0")
    for call in (s3.get_object, s3.head_object, s3.delete_object):
        code = "400" if call == s3.head_object else "InvalidArgument"
        assert refused(call, Bucket=bucket, Key="k", VersionId="garbage") == (code, 400)
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="1700000000.00000") == ("NoSuchVersion", 404)
    assert body(s3, bucket, VersionId="null") == b"0"
    switch(s3, bucket, "Enabled")
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="1700000000.00000") == ("NoSuchVersion", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="other", VersionId="null") == ("NoSuchVersion", 404)
    assert refused(s3.list_object_versions, Bucket=bucket, VersionIdMarker="x") == ("InvalidArgument", 400)


def test_null(s3, bucket):
    put(s3, bucket, b"before")
    assert versions(s3, bucket) == [("k", "null", True, False)]
    switch(s3, bucket, "Enabled")
    assert body(s3, bucket, VersionId="null") == b"before"
    first = put(s3, bucket, b"1")
    assert versions(s3, bucket) == [("k", first, True, False), ("k", "null", False, False)]
    assert body(s3, bucket, VersionId="null") == b"before"
    assert s3.head_object(Bucket=bucket, Key="k", VersionId="null")["VersionId"] == "null"
    switch(s3, bucket, "Suspended")
    assert put(s3, bucket, b"after") in (None, "null")
    assert versions(s3, bucket) == [("k", "null", True, False), ("k", first, False, False)]
    assert body(s3, bucket, VersionId="null") == body(s3, bucket) == b"after"
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"] and gone["VersionId"] == "null"
    assert versions(s3, bucket) == [("k", first, False, False), ("k", "null", True, True)]
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="null") == ("MethodNotAllowed", 405)
    # One marker takes the place of the other.
    s3.delete_object(Bucket=bucket, Key="k")
    assert len(versions(s3, bucket)) == 2
    put(s3, bucket, b"again")
    assert versions(s3, bucket) == [("k", "null", True, False), ("k", first, False, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert body(s3, bucket) == b"1" and versions(s3, bucket) == [("k", first, True, False)]


def test_pages(s3, bucket):
    switch(s3, bucket, "Enabled")
    want = []
    for key in ("a", "a/b", "a/c", "b", "ü/1"):
        ids = [put(s3, bucket, b"%d" % i, key) for i in range(3)]
        want += [(key, i) for i in reversed(ids)]
    for size in (1, 2, 4, 7, 15, 100):
        got, args = [], {}
        for _ in range(40):
            page = s3.list_object_versions(Bucket=bucket, MaxKeys=size, **args)
            got += [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
            if not page["IsTruncated"]:
                break
            args = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        assert got == want, size
    assert [v[0] for v in versions(s3, bucket, Prefix="a/")] == ["a/b"] * 3 + ["a/c"] * 3
    page = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/", "ü/"]
    assert [v["Key"] for v in page["Versions"]] == ["a"] * 3 + ["b"] * 3
    assert [v["Key"] for v in s3.list_object_versions(Bucket=bucket, KeyMarker="a/b")["Versions"]][0] == "a/c"
    got, args = [], {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, Delimiter="/", MaxKeys=2, **args)
        got += [p["Prefix"] for p in page.get("CommonPrefixes", [])] + [v["Key"] for v in page.get("Versions", [])]
        if not page["IsTruncated"]:
            break
        args = {"KeyMarker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            args["VersionIdMarker"] = page["NextVersionIdMarker"]
    assert sorted(got) == sorted(["a"] * 3 + ["b"] * 3 + ["a/", "ü/"])


def test_many_at_once(s3, bucket):
    switch(s3, bucket, "Enabled")
    ids = [put(s3, bucket, b"%d" % i) for i in range(5)]
    other = put(s3, bucket, b"x", "other")
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "k", "VersionId": ids[4]}, {"Key": "other"}, {"Key": "none"}, {"Key": "k", "VersionId": "bad"}]})
    by_key = {(d["Key"], d.get("VersionId")): d for d in gone["Deleted"]}
    assert by_key[("other", None)]["DeleteMarker"] and "DeleteMarker" not in by_key[("k", ids[4])]
    assert [(e["Key"], e["Code"]) for e in gone["Errors"]] == [("k", "InvalidArgument")]
    assert body(s3, bucket) == b"3" and body(s3, bucket, "other", VersionId=other) == b"x"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": v[0], "VersionId": v[1]}
                                                         for v in versions(s3, bucket)]})
    assert versions(s3, bucket) == []


def test_one_version_after_the_other_goes(s3, bucket):
    """Readers find the one or the other; nothing is left when all are deleted at once."""
    switch(s3, bucket, "Enabled")
    ids = [put(s3, bucket, b"%d" % i) for i in range(12)]
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(int(body(s3, bucket)))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        reader = pool.submit(read)
        for i in reversed(ids[1:]):
            s3.delete_object(Bucket=bucket, Key="k", VersionId=i)
        stop.set()
        reader.result()
        assert seen and seen == sorted(seen, reverse=True)
        for _ in range(3):
            ids = list(pool.map(lambda i: put(s3, bucket, b"%d" % i), range(8)))
            assert len(set(ids)) == 8
            list(pool.map(lambda v: s3.delete_object(Bucket=bucket, Key="k", VersionId=v[1]), versions(s3, bucket)))
            assert versions(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


def test_a_version_that_becomes_the_current_one_again_is_as_old_as_it_is(s3, bucket):
    switch(s3, bucket, "Enabled")
    put(s3, bucket, b"1")
    before, = s3.list_objects_v2(Bucket=bucket)["Contents"]
    wait_for(lambda: time.time() > before["LastModified"].timestamp() + 2)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=put(s3, bucket, b"22"))
    after, = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert after == before
    s3.delete_object(Bucket=bucket, Key="k", VersionId=s3.delete_object(Bucket=bucket, Key="k")["VersionId"])
    assert s3.list_objects_v2(Bucket=bucket)["Contents"] == [before]


def test_swift_sees_the_same(tester, s3, bucket):
    switch(s3, bucket, "Enabled")
    first = put(s3, bucket, b"1")
    r = tester.request("GET", "/%s/k" % bucket)
    assert r.content == b"1" and r.headers["X-Object-Version-Id"] == first
    second = tester.request("PUT", "/%s/k" % bucket, data=b"2").headers["X-Object-Version-Id"]
    assert [v[1] for v in versions(s3, bucket)] == [second, first]
    assert tester.request("HEAD", "/" + bucket).headers["X-Versions-Enabled"] == "True"
    tester.request("DELETE", "/%s/k" % bucket)
    assert [v[3] for v in versions(s3, bucket)] == [False, False, True]


def test_swifts_words_are_none_of_s3s(cloud, tester, s3, bucket):
    r = send(cloud, "PUT", bucket + "/k", b"text", **{"X-Object-Meta-A": "b", "X-Object-Sysmeta-S3api-Etag": "x",
                                                      "X-Object-Manifest": "a/b"})
    assert r.status_code == 200, r.text
    head = tester.request("HEAD", "/%s/k" % bucket).headers
    assert not [n for n in head if n.lower() in ("x-object-meta-a", "x-object-manifest")]
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] != '"x"'
