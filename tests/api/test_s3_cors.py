"""CORS of buckets: rules, what browsers ask first, and what answers say."""
import os

import pytest
import requests

from s3 import refused


@pytest.fixture
def bucket(s3):
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name, ACL="public-read")
    return name


def told(r):
    return r.status_code, {h[len("access-control-"):]: v for h, v in r.headers.lower_items() if h.startswith("access-control-")}


def test_rules(cloud, s3, bucket):
    url = "%s/%s" % (cloud.url, bucket)
    ask = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"}
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
    assert requests.options(url, headers=ask).status_code == 403
    rules = [{"AllowedMethods": ["PUT", "POST"], "AllowedOrigins": ["http://*.example"], "AllowedHeaders": ["X-Amz-*"],
              "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
             {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    told_put = {"allow-origin": "http://a.example", "allow-credentials": "true", "allow-methods": "PUT, POST",
                "expose-headers": "ETag", "max-age": "60"}
    assert told(requests.options(url + "/k", headers=ask)) == (200, told_put)
    r = requests.options(url + "/k", headers={**ask, "Access-Control-Request-Headers": "x-amz-acl, x-amz-date"})
    assert told(r) == (200, {**told_put, "allow-headers": "x-amz-acl, x-amz-date"})
    for other in ({"Access-Control-Request-Headers": "x-other"}, {"Access-Control-Request-Method": "DELETE"},
                  {"Origin": "http://other"}):
        assert told(requests.options(url, headers={**ask, **other})) == (403, {})
    assert requests.options(url).status_code == 400
    assert requests.options(url, headers={"Origin": "x"}).status_code == 400
    assert requests.options(cloud.url + "/none-such", headers=ask).status_code == 404
    assert told(requests.get(url, headers={"Origin": "x"})) == (200, {"allow-origin": "*", "allow-methods": "GET"})
    assert told(requests.get(url)) == (200, {})
    assert told(requests.put(url + "/k", headers={"Origin": "http://a.example"})) == (403, told_put)
    presigned = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert told(requests.options(presigned, headers=ask)) == (200, told_put)
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
    assert told(requests.get(url, headers={"Origin": "x"})) == (200, {})


def test_bad_rules(s3, bucket):
    for bad in ({"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}, {"AllowedMethods": ["GET"], "AllowedOrigins": ["*a*"]}):
        assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [bad]}) == ("InvalidRequest", 400)
    good = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [good] * 101}) == ("MalformedXML", 400)
    assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": []}) == ("MalformedXML", 400)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
