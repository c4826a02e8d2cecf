"""If-Match and If-None-Match of what is written: nothing comes between."""
import concurrent.futures
import os

import pytest

from conftest import Cloud
from s3 import client, send


@pytest.fixture(params=[False, True], ids=["plain", "versioned"])
def new_bucket(request):
    def make(s3):
        name = "i-" + os.urandom(6).hex()
        s3.create_bucket(Bucket=name)
        if request.param:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name
    return make


@pytest.fixture
def bucket(s3, new_bucket):
    return new_bucket(s3)


@pytest.fixture(scope="module")
def classes():
    """A cloud with a class of its own."""
    c = Cloud(conf={"s3": ["storage_classes = OTHER:silver"]})
    c.up()
    yield c
    c.close()


def put(cloud, bucket, text, **headers):
    r = send(cloud, "PUT", bucket + "/k", text, **{k.replace("_", "-"): v for k, v in headers.items()})
    return r.status_code, r.headers.get("ETag")


def test_one_after_the_other(cloud, s3, bucket):
    assert put(cloud, bucket, b"1", If_Match="*")[0] == 404
    assert put(cloud, bucket, b"1", If_Match='"x"')[0] == 404
    status, etag = put(cloud, bucket, b"1", If_None_Match="*")
    assert status == 200
    assert put(cloud, bucket, b"2", If_None_Match="*")[0] == 412
    assert put(cloud, bucket, b"2", If_None_Match=etag)[0] == 412
    assert put(cloud, bucket, b"2", If_Match='"x"')[0] == 412
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    status, other = put(cloud, bucket, b"2", If_Match=etag)
    assert status == 200 and put(cloud, bucket, b"3", If_Match=etag)[0] == 412
    assert put(cloud, bucket, b"3", If_Match=other)[0] == 200
    assert put(cloud, bucket, b"4", If_Match="*")[0] == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"4"
    s3.delete_object(Bucket=bucket, Key="k")
    assert put(cloud, bucket, b"5", If_Match="*")[0] == 404
    assert put(cloud, bucket, b"5", If_None_Match="*")[0] == 200


def test_a_counter_loses_no_step(cloud, s3, bucket):
    """Several add one under If-Match, again when they were not first."""
    put(cloud, bucket, b"0")

    def add(_):
        for _ in range(200):
            got = s3.get_object(Bucket=bucket, Key="k")
            text = got["Body"].read()
            status, _etag = put(cloud, bucket, b"%d" % (int(text) + 1), If_Match=got["ETag"])
            if status == 200:
                return 1
            assert status in (412, 409, 503), status
        return 0
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = sum(pool.map(add, range(24)))
    assert done == 24 and s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"24"


def test_what_is_said_anew_of_an_object_is_no_other(cloud, s3, bucket):
    body = b"x"
    for attempt in (lambda e: send(cloud, "PUT", bucket + "/k", b"y", **{"If-Match": e}),
                    lambda e: send(cloud, "DELETE", bucket + "/k", **{"If-Match": e})):
        etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
        made = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        assert s3.head_object(Bucket=bucket, Key="k")["LastModified"] == made
        assert attempt(etag).status_code // 100 == 2


def copy(cloud, bucket, source, **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    return send(cloud, "PUT", bucket + "/k", **{"x-amz-copy-source": "%s/%s" % (bucket, source), **headers}).status_code


@pytest.mark.parametrize("more", [{}, {"x_amz_storage_class": "OTHER"}], ids=["same-class", "other-class"])
def test_a_copy_has_those_of_its_place(classes, more, new_bucket):
    s3, cloud = client(classes), classes
    bucket = new_bucket(s3)
    first = s3.put_object(Bucket=bucket, Key="first", Body=b"1")["ETag"]
    second = s3.put_object(Bucket=bucket, Key="second", Body=b"2")["ETag"]
    there = lambda: s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    # Nothing is there: what the source has does not count.
    assert copy(cloud, bucket, "first", If_Match=first, **more) == 404
    assert copy(cloud, bucket, "first", If_Match="*", **more) == 404
    assert copy(cloud, bucket, "first", If_None_Match="*", **more) == 200 and there() == b"1"
    assert copy(cloud, bucket, "second", If_None_Match="*", **more) == 412
    assert copy(cloud, bucket, "second", If_Match=second, **more) == 412 and there() == b"1"
    assert copy(cloud, bucket, "second", If_Match=first, **more) == 200 and there() == b"2"
    # Each its own.
    source = {"x_amz_copy_source_if_match": first}
    assert copy(cloud, bucket, "first", If_Match=first, **source, **more) == 412 and there() == b"2"
    assert copy(cloud, bucket, "second", If_Match=second, **source, **more) == 412 and there() == b"2"
    assert copy(cloud, bucket, "first", If_Match=second, **source, **more) == 200 and there() == b"1"
    assert copy(cloud, bucket, "second", **{"x_amz_copy_source_if_none_match": second}, **more) == 412 and there() == b"1"


def test_one_of_many_copies_is_first(cloud, s3, bucket):
    for i in range(8):
        s3.put_object(Bucket=bucket, Key="s%d" % i, Body=b"%d" % i)
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda i: copy(cloud, bucket, "s%d" % i, If_None_Match="*"), range(8)))
        assert done.count(200) == 1 and set(done) <= {200, 412, 503}, done
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % done.index(200)
        s3.delete_object(Bucket=bucket, Key="k")
