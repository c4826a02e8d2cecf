"""Multipart uploads of the S3 API, and what Swift's clients see of them."""
import hashlib
import json
import os
import time

import pytest
import requests

from s3 import client, refused

MB = 1 << 20


@pytest.fixture(scope="module")
def bucket(s3):
    name = "m-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    return name


def begin(s3, bucket, key, **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def put(s3, bucket, key, upload, number, body):
    etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
    assert etag == '"%s"' % hashlib.md5(body).hexdigest()
    return {"PartNumber": number, "ETag": etag}


def complete(s3, bucket, key, upload, parts, **more):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more)


def etag_of(bodies):
    return '"%s-%d"' % (hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest(), len(bodies))


def upload(s3, bucket, key, bodies, **more):
    id = begin(s3, bucket, key, **more)
    return complete(s3, bucket, key, id, [put(s3, bucket, key, id, i + 1, b) for i, b in enumerate(bodies)])


def names(s3, bucket):
    return [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def parts_kept(swift, bucket, key):
    r = swift.request("GET", "/" + "%s+segments?prefix=%s/&format=json" % (bucket, key))
    return [row["name"] for row in r.json()] if r.status_code == 200 else []


@pytest.fixture(scope="module")
def bodies():
    return [os.urandom(5 * MB), os.urandom(6 * MB), os.urandom(1234)]


def test_whole(s3, bucket, bodies, swift):
    done = upload(s3, bucket, "dir/whole", bodies, ContentType="text/x", Metadata={"color": "red", "a_b": "c"},
                  CacheControl="no-cache", ContentDisposition="inline")
    etag = etag_of(bodies)
    assert done["ETag"] == etag and done["Bucket"] == bucket and done["Key"] == "dir/whole"
    got = s3.get_object(Bucket=bucket, Key="dir/whole")
    assert got["Body"].read() == b"".join(bodies)
    head = s3.head_object(Bucket=bucket, Key="dir/whole")
    for r in (got, head):
        assert r["ETag"] == etag and r["ContentLength"] == sum(map(len, bodies))
        assert r["ContentType"] == "text/x" and r["Metadata"] == {"color": "red", "a_b": "c"}
        assert r["CacheControl"] == "no-cache" and r["ContentDisposition"] == "inline"
    row, = s3.list_objects_v2(Bucket=bucket, Prefix="dir/whole")["Contents"]
    assert row["ETag"] == etag and row["Size"] == sum(map(len, bodies))
    assert names(s3, bucket) == []
    # Conditions and ranges go by what S3 knows of it.
    assert s3.get_object(Bucket=bucket, Key="dir/whole", IfMatch=etag, Range="bytes=5242870-5242889")["Body"].read() == \
        b"".join(bodies)[5242870:5242890]
    assert refused(s3.get_object, Bucket=bucket, Key="dir/whole", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(s3.get_object, Bucket=bucket, Key="dir/whole", IfNoneMatch=etag) == ("304", 304)


def test_swift_sees_a_static_large_object(s3, bucket, bodies, swift):
    upload(s3, bucket, "both", bodies)
    segments = [hashlib.md5(b).hexdigest() for b in bodies]
    slo_etag = hashlib.md5("".join(segments).encode()).hexdigest()
    r = swift.request("GET", "/" + bucket + "/both")
    assert r.content == b"".join(bodies)
    assert r.headers["Etag"] == '"%s"' % slo_etag and r.headers["X-Static-Large-Object"] == "True"
    manifest = swift.request("GET", "/" + bucket + "/both?multipart-manifest=get").json()
    assert [s["hash"] for s in manifest] == segments and [s["bytes"] for s in manifest] == [len(b) for b in bodies]
    row, = swift.request("GET", "/" + bucket + "?format=json&prefix=both").json()
    assert row["slo_etag"] == '"%s"' % slo_etag and row["s3_etag"] == etag_of(bodies)
    assert row["bytes"] == sum(map(len, bodies)) and len(row["hash"]) == 32
    assert bucket + "+segments" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert len(parts_kept(swift, bucket, "both")) == 3


def test_parts_are_listed(s3, bucket, bodies):
    id = begin(s3, bucket, "listed")
    for n in (1, 2, 7):
        put(s3, bucket, "listed", id, n, b"x" * n)
    r = s3.list_parts(Bucket=bucket, Key="listed", UploadId=id)
    assert [(p["PartNumber"], p["Size"]) for p in r["Parts"]] == [(1, 1), (2, 2), (7, 7)]
    assert r["Parts"][2]["ETag"] == '"%s"' % hashlib.md5(b"x" * 7).hexdigest()
    assert not r["IsTruncated"] and r["UploadId"] == id and r["Owner"]["ID"]
    r = s3.list_parts(Bucket=bucket, Key="listed", UploadId=id, MaxParts=2)
    assert r["IsTruncated"] and r["NextPartNumberMarker"] == 2 and len(r["Parts"]) == 2
    r = s3.list_parts(Bucket=bucket, Key="listed", UploadId=id, MaxParts=2, PartNumberMarker=2)
    assert not r["IsTruncated"] and [p["PartNumber"] for p in r["Parts"]] == [7]
    s3.abort_multipart_upload(Bucket=bucket, Key="listed", UploadId=id)
    assert refused(s3.list_parts, Bucket=bucket, Key="listed", UploadId=id) == ("NoSuchUpload", 404)


def test_a_key_that_looks_like_a_part(s3, bucket):
    id = begin(s3, bucket, "look")
    put(s3, bucket, "look", id, 1, b"a")
    other = "look/%s/00001" % id
    inner = begin(s3, bucket, other)
    put(s3, bucket, other, inner, 1, b"b")
    assert [p["PartNumber"] for p in s3.list_parts(Bucket=bucket, Key="look", UploadId=id)["Parts"]] == [1]
    s3.abort_multipart_upload(Bucket=bucket, Key="look", UploadId=id)
    assert len(s3.list_parts(Bucket=bucket, Key=other, UploadId=inner)["Parts"]) == 1
    s3.abort_multipart_upload(Bucket=bucket, Key=other, UploadId=inner)


def test_uploads_are_listed(s3, bucket):
    fresh = bucket + "-l"
    s3.create_bucket(Bucket=fresh)
    assert s3.list_multipart_uploads(Bucket=fresh).get("Uploads") is None
    ids = {k: begin(s3, fresh, k) for k in ("a/1", "a/2", "b!", "ü")}
    ids["a/1", 2] = begin(s3, fresh, "a/1")
    r = s3.list_multipart_uploads(Bucket=fresh)
    assert [u["Key"] for u in r["Uploads"]] == ["a/1", "a/1", "a/2", "b!", "ü"]
    assert [u["UploadId"] for u in r["Uploads"]] == [ids["a/1"], ids["a/1", 2], ids["a/2"], ids["b!"], ids["ü"]]
    assert r["Uploads"][0]["Initiator"]["ID"] == "test:tester" and not r["IsTruncated"]
    r = s3.list_multipart_uploads(Bucket=fresh, Delimiter="/")
    assert [p["Prefix"] for p in r["CommonPrefixes"]] == ["a/"] and [u["Key"] for u in r["Uploads"]] == ["b!", "ü"]
    assert len(s3.list_multipart_uploads(Bucket=fresh, Prefix="a/")["Uploads"]) == 3
    seen, more = [], {}
    for _ in range(10):
        r = s3.list_multipart_uploads(Bucket=fresh, MaxUploads=1, **more)
        seen += [u["UploadId"] for u in r["Uploads"]]
        if not r["IsTruncated"]:
            break
        more = {"KeyMarker": r["NextKeyMarker"], "UploadIdMarker": r["NextUploadIdMarker"]}
    assert seen == [ids["a/1"], ids["a/1", 2], ids["a/2"], ids["b!"], ids["ü"]]
    for u in s3.list_multipart_uploads(Bucket=fresh)["Uploads"]:
        s3.abort_multipart_upload(Bucket=fresh, Key=u["Key"], UploadId=u["UploadId"])
    assert names(s3, fresh) == []


def test_refusals(s3, bucket, bodies, swift):
    id = begin(s3, bucket, "r")
    one = put(s3, bucket, "r", id, 1, b"small")
    two = put(s3, bucket, "r", id, 2, b"last")
    for number in (0, 10001):
        assert refused(s3.upload_part, Bucket=bucket, Key="r", UploadId=id, PartNumber=number, Body=b"") == \
            ("InvalidArgument", 400)
    bad = lambda parts, **more: refused(complete, s3=s3, bucket=bucket, key="r", upload=id, parts=parts, **more)
    assert bad([one, two]) == ("EntityTooSmall", 400)
    assert bad([two, one]) == ("InvalidPartOrder", 400)
    assert bad([]) == ("MalformedXML", 400)
    assert bad([{"PartNumber": 3, "ETag": one["ETag"]}]) == ("InvalidPart", 400)
    assert bad([{"PartNumber": 1, "ETag": '"%s"' % ("0" * 32)}]) == ("InvalidPart", 400)
    assert bad([{"PartNumber": 10001, "ETag": one["ETag"]}]) == ("InvalidArgument", 400)
    for wrong in ("x", "u" + "0" * 32, "../" + id):
        assert refused(s3.upload_part, Bucket=bucket, Key="r", UploadId=wrong, PartNumber=1, Body=b"") == \
            ("NoSuchUpload", 404)
        assert refused(s3.abort_multipart_upload, Bucket=bucket, Key="r", UploadId=wrong) == ("NoSuchUpload", 404)
        assert refused(s3.complete_multipart_upload, Bucket=bucket, Key="r", UploadId=wrong,
                       MultipartUpload={"Parts": [one]}) == ("NoSuchUpload", 404)
        assert refused(s3.complete_multipart_upload, Bucket=bucket, Key="r", UploadId=wrong,
                       MultipartUpload={"Parts": [{"ETag": "x", "PartNumber": -1}]}) == ("NoSuchUpload", 404)
    assert refused(s3.upload_part, Bucket=bucket, Key="other", UploadId=id, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="r") == ("404", 404)
    url = s3.generate_presigned_url("complete_multipart_upload", Params={"Bucket": bucket, "Key": "r", "UploadId": id})
    assert requests.post(url, data="").status_code == 400
    for text in ("<", "<CompleteMultipartUpload/>", "<Other><Part/></Other>",
                 "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>y</ETag></Part></CompleteMultipartUpload>"):
        r = requests.post(url, data=text)
        assert r.status_code == 400 and "MalformedXML" in r.text
    assert len(s3.list_parts(Bucket=bucket, Key="r", UploadId=id)["Parts"]) == 2
    s3.abort_multipart_upload(Bucket=bucket, Key="r", UploadId=id)
    assert parts_kept(swift, bucket, "r") == []
    assert refused(s3.abort_multipart_upload, Bucket=bucket, Key="r", UploadId=id) == ("NoSuchUpload", 404)


def test_parts_again_and_parts_left_out(s3, bucket, bodies, swift):
    id = begin(s3, bucket, "again")
    put(s3, bucket, "again", id, 1, b"not this")
    one = put(s3, bucket, "again", id, 1, bodies[0])
    put(s3, bucket, "again", id, 2, b"left out")
    three = put(s3, bucket, "again", id, 3, b"end")
    first = complete(s3, bucket, "again", id, [one, three])
    assert s3.get_object(Bucket=bucket, Key="again")["Body"].read() == bodies[0] + b"end"
    assert [name[:-17] for name in parts_kept(swift, bucket, "again")] == ["again/%s/%05d" % (id, n) for n in (1, 3)]
    # Who did not hear the answer asks again.
    second = complete(s3, bucket, "again", id, [one, three])
    assert second["ETag"] == first["ETag"]
    assert refused(s3.abort_multipart_upload, Bucket=bucket, Key="again", UploadId=id) == ("NoSuchUpload", 404)
    assert s3.get_object(Bucket=bucket, Key="again")["Body"].read() == bodies[0] + b"end"


def test_parts_uploaded_many_times(s3, bucket, swift):
    id = begin(s3, bucket, "many")
    for i in range(40):
        parts = [put(s3, bucket, "many", id, n, b"%d" % i * n) for n in (1, 5)]
    assert [(p["PartNumber"], p["ETag"]) for p in s3.list_parts(Bucket=bucket, Key="many", UploadId=id)["Parts"]] == \
        [(p["PartNumber"], p["ETag"]) for p in parts]
    s3.abort_multipart_upload(Bucket=bucket, Key="many", UploadId=id)
    assert parts_kept(swift, bucket, "many") == []


def test_one_empty_part(s3, bucket):
    upload(s3, bucket, "empty", [b""])
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def test_only_if_absent(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="there", Body=b"x")
    for key, status in (("there", 412), ("not-there", 200)):
        id = begin(s3, bucket, key)
        part = put(s3, bucket, key, id, 1, b"y")
        url = s3.generate_presigned_url("complete_multipart_upload", Params={
            "Bucket": bucket, "Key": key, "UploadId": id})
        text = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>"
        r = requests.post(url, data=text % part["ETag"], headers={"If-None-Match": "*"})
        assert r.status_code == status, r.text
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == b"x"


def test_others_may_not(cloud, s3, bucket):
    other = client(cloud, "test2:tester2", "testing2")
    id = begin(s3, bucket, "mine")
    assert refused(other.upload_part, Bucket=bucket, Key="mine", UploadId=id, PartNumber=1, Body=b"") == ("AccessDenied", 403)
    assert refused(other.list_parts, Bucket=bucket, Key="mine", UploadId=id) == ("AccessDenied", 403)
    assert refused(other.create_multipart_upload, Bucket=bucket, Key="mine") == ("AccessDenied", 403)
    assert refused(other.list_multipart_uploads, Bucket=bucket) == ("AccessDenied", 403)
    s3.abort_multipart_upload(Bucket=bucket, Key="mine", UploadId=id)


def test_clients_cannot_say_what_is_ours(cloud, s3, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "ours"})
    r = requests.put(url, data=b"text", headers={"X-Object-Sysmeta-S3Api-Etag": "x", "X-Object-Sysmeta-Slo-Size": "7"})
    assert r.status_code == 200
    assert s3.head_object(Bucket=bucket, Key="ours")["ETag"] == '"%s"' % hashlib.md5(b"text").hexdigest()


def test_one_part_of_the_whole(s3, bucket, bodies):
    etag = upload(s3, bucket, "by-part", bodies)["ETag"]
    for n, body in enumerate(bodies):
        r = s3.get_object(Bucket=bucket, Key="by-part", PartNumber=n + 1)
        assert r["Body"].read() == body and r["PartsCount"] == 3 and r["ETag"] == etag
        r = s3.head_object(Bucket=bucket, Key="by-part", PartNumber=n + 1)
        assert r["ContentLength"] == len(body) and r["PartsCount"] == 3
    assert refused(s3.get_object, Bucket=bucket, Key="by-part", PartNumber=4) == ("InvalidPartNumber", 416)
    s3.put_object(Bucket=bucket, Key="no-parts", Body=b"text")
    assert s3.get_object(Bucket=bucket, Key="no-parts", PartNumber=1)["Body"].read() == b"text"
    assert refused(s3.get_object, Bucket=bucket, Key="no-parts", PartNumber=2) == ("InvalidPartNumber", 416)
    r = s3.head_object(Bucket=bucket, Key="no-parts", PartNumber=1)
    assert r["ResponseMetadata"]["HTTPStatusCode"] == 206 and r["ContentLength"] == 4
    assert refused(s3.get_object, Bucket=bucket, Key="no-parts", PartNumber=10001) == ("InvalidArgument", 400)
    assert refused(s3.get_object, Bucket=bucket, Key="no-parts", PartNumber=1, Range="bytes=0-1") == ("InvalidRequest", 400)


def test_attributes(cloud, s3, bucket, bodies):
    etag = upload(s3, bucket, "attributes", bodies)["ETag"]
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    r = s3.get_object_attributes(Bucket=bucket, Key="attributes", ObjectAttributes=every, MaxParts=1, PartNumberMarker=1)
    assert r["ETag"] == etag.strip('"') and r["ObjectSize"] == sum(map(len, bodies)) and r["StorageClass"] == "STANDARD"
    parts = r["ObjectParts"]
    assert parts["TotalPartsCount"] == 3 and parts["IsTruncated"] and parts["NextPartNumberMarker"] == 2
    assert [(p["PartNumber"], p["Size"]) for p in parts["Parts"]] == [(2, len(bodies[1]))]
    s3.put_object(Bucket=bucket, Key="plain", Body=b"text", ChecksumAlgorithm="SHA256")
    r = s3.get_object_attributes(Bucket=bucket, Key="plain", ObjectAttributes=every)
    assert "ObjectParts" not in r and r["Checksum"]["ChecksumSHA256"] and r["ObjectSize"] == 4
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="plain", ObjectAttributes=["Nothing"]) == ("InvalidArgument", 400)
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="none", ObjectAttributes=every) == ("NoSuchKey", 404)
    other = client(cloud, "test2:tester2", "testing2")
    assert refused(other.get_object_attributes, Bucket=bucket, Key="plain", ObjectAttributes=every) == ("AccessDenied", 403)


def gone(swift, bucket, key, left, seconds=30):
    """Parts go behind the answer."""
    end = time.time() + seconds
    while time.time() < end and len(parts_kept(swift, bucket, key)) != left:
        time.sleep(0.2)
    return len(parts_kept(swift, bucket, key)) == left


def test_parts_go_with_the_whole(s3, bucket, bodies, swift):
    deletes = [lambda k: s3.delete_object(Bucket=bucket, Key=k),
               lambda k: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k}]}),
               lambda k: s3.put_object(Bucket=bucket, Key=k, Body=b"small"),
               lambda k: s3.copy_object(Bucket=bucket, Key=k, CopySource={"Bucket": bucket, "Key": "source"})]
    s3.put_object(Bucket=bucket, Key="source", Body=b"s")
    for i, delete in enumerate(deletes):
        upload(s3, bucket, "goes-%d" % i, bodies[:2])
        delete("goes-%d" % i)
    upload(s3, bucket, "twice", bodies[:2])
    upload(s3, bucket, "twice", [bodies[2]])
    for i in range(len(deletes)):
        assert gone(swift, bucket, "goes-%d" % i, 0), i
    assert gone(swift, bucket, "twice", 1) and s3.get_object(Bucket=bucket, Key="twice")["Body"].read() == bodies[2]


def test_parts_stay_with_their_version(s3, bucket, bodies, swift):
    name = bucket + "-v"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    done = upload(s3, name, "k", bodies[:2])
    s3.put_object(Bucket=name, Key="k", Body=b"other")
    s3.delete_object(Bucket=name, Key="k")
    assert s3.get_object(Bucket=name, Key="k", VersionId=done["VersionId"])["Body"].read() == b"".join(bodies[:2])
    assert len(parts_kept(swift, name, "k")) == 2
    s3.delete_object(Bucket=name, Key="k", VersionId=done["VersionId"])
    assert gone(swift, name, "k", 0)


def test_storage_classes(s3, bucket):
    s3.put_object(Bucket=bucket, Key="class", Body=b"", StorageClass="STANDARD")
    assert refused(s3.put_object, Bucket=bucket, Key="class", Body=b"", StorageClass="NONE_SUCH") == ("InvalidStorageClass", 400)
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="class", StorageClass="NONE_SUCH") == \
        ("InvalidStorageClass", 400)


def test_the_longest_key(s3, bucket):
    key = "k" * 1024
    upload(s3, bucket, key, [b"text"])
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"text"
    id = begin(s3, bucket, key)
    s3.upload_part_copy(Bucket=bucket, Key=key, UploadId=id, PartNumber=1, CopySource={"Bucket": bucket, "Key": key})
    s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=id)
    s3.delete_object(Bucket=bucket, Key=key)
