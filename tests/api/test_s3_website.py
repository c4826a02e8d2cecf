"""Buckets as web sites: what is set, and what who asks for a page is answered."""
import os

import pytest
import requests

from conftest import Cloud
from s3 import client, refused


@pytest.fixture(scope="module")
def cloud():
    with Cloud(devices=3, conf={"s3": ["domains = s3.example.org", "website_domains = web.example.org"]}) as cloud:
        yield cloud


@pytest.fixture
def bucket(s3):
    name = "b-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name, ACL="public-read")
    return name


def page(s3, bucket, key, text=None, acl="public-read", **more):
    s3.put_object(Bucket=bucket, Key=key, Body=(text or key).encode(), ContentType="text/html", ACL=acl, **more)


SITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}


class Site:
    def __init__(self, cloud, bucket):
        self.cloud, self.host = cloud, bucket + ".web.example.org"

    def get(self, path="/", method="GET", **headers):
        return requests.request(method, self.cloud.url + path, headers={"Host": self.host, **headers}, allow_redirects=False)

    def says(self, path, **headers):
        r = self.get(path, **headers)
        return r.status_code, r.headers["Location"] if "Location" in r.headers else r.text


@pytest.fixture
def site(cloud, s3, bucket):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    for key in ("index.html", "a/index.html", "page", "error.html"):
        page(s3, bucket, key)
    return Site(cloud, bucket)


def test_pages(s3, bucket, site):
    assert site.says("/") == (200, "index.html")
    assert site.says("/a/") == (200, "a/index.html")
    assert site.says("/a") == (302, "/a/")
    assert site.says("/page?versionId=x&response-content-type=text/x") == (200, "page")
    r = site.get("/page", method="HEAD")
    assert (r.status_code, r.headers["Content-Length"], r.headers["Content-Type"]) == (200, "4", "text/html")
    assert r.headers["ETag"] == s3.head_object(Bucket=bucket, Key="page")["ETag"]
    assert site.says("/page", Range="bytes=1-2") == (206, "ag")
    assert site.get("/page", **{"If-None-Match": r.headers["ETag"]}).status_code == 304
    # The API at the other names is as it was.
    host = {"Host": bucket + ".s3.example.org"}
    assert requests.get(site.cloud.url + "/", headers=host).text.startswith("<?xml")


def test_errors(s3, bucket, site):
    for path in ("/none", "/none/", "/index.html/"):
        r = site.get(path)
        assert (r.status_code, r.text, r.headers["Content-Type"]) == (404, "error.html", "text/html")
        assert r.headers["x-amz-error-code"] == "NoSuchKey"
    assert site.get("/none", method="HEAD").headers["Content-Length"] == "10"
    page(s3, bucket, "mine", acl="private")
    assert site.says("/mine") == (403, "error.html")
    s3.put_object_acl(Bucket=bucket, Key="error.html", ACL="private")
    r = site.get("/none<b>")
    assert (r.status_code, r.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "<li>Code: NoSuchKey</li>" in r.text and "<li>Key: none&lt;b&gt;</li>" in r.text
    s3.delete_object(Bucket=bucket, Key="error.html")
    assert "<li>Code: AccessDenied</li>" in site.get("/mine").text
    assert site.get("/none", method="HEAD").status_code == 404
    # Who may not list is not told what is not there; nor is who signs told more than others.
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    r = site.get("/none", Authorization="AWS test:tester:x")
    assert r.status_code == 403 and "AccessDenied" in r.text
    for method in ("PUT", "POST", "DELETE"):
        r = site.get("/page", method=method)
        assert r.status_code == 405 and "<li>Code: MethodNotAllowed</li>" in r.text


def test_no_site(cloud, s3, bucket):
    r = Site(cloud, bucket).get()
    assert r.status_code == 404 and "<li>Code: NoSuchWebsiteConfiguration</li>" in r.text
    assert "<li>BucketName: %s</li>" % bucket in r.text
    r = Site(cloud, "none-such").get()
    assert r.status_code == 404 and "<li>Code: NoSuchBucket</li>" in r.text


def test_redirect_all(cloud, s3, bucket):
    all_to = {"RedirectAllRequestsTo": {"HostName": "other.example", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=all_to)
    told = s3.get_bucket_website(Bucket=bucket)
    assert told["RedirectAllRequestsTo"] == all_to["RedirectAllRequestsTo"]
    site = Site(cloud, bucket)
    assert site.says("/") == (301, "https://other.example/")
    assert site.says("/a/b%20c") == (301, "https://other.example/a/b%20c")


def test_rules(s3, bucket, site):
    rules = [{"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
             {"Condition": {"KeyPrefixEquals": "old"}, "Redirect": {"ReplaceKeyWith": "page", "HttpRedirectCode": "307"}},
             {"Condition": {"KeyPrefixEquals": "app/", "HttpErrorCodeReturnedEquals": "404"},
              "Redirect": {"ReplaceKeyPrefixWith": "#!/", "HostName": "a.example", "Protocol": "https"}}]
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={**SITE, "RoutingRules": rules})
    assert s3.get_bucket_website(Bucket=bucket)["RoutingRules"] == rules
    here = "http://%s/" % site.host
    assert site.says("/docs/a") == (301, here + "documents/a")
    assert site.says("/older") == (307, here + "page")
    assert site.says("/app/x%0d%0ay") == (301, "https://a.example/#!/x%0D%0Ay")
    page(s3, bucket, "app/x")
    assert site.says("/app/x") == (200, "app/x")
    assert site.says("/none") == (404, "error.html")


def test_redirects_of_objects(s3, bucket, site):
    page(s3, bucket, "moved", WebsiteRedirectLocation="/page")
    assert site.says("/moved") == (301, "/page")
    assert s3.get_object(Bucket=bucket, Key="moved")["WebsiteRedirectLocation"] == "/page"
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=bucket + "/moved", ACL="public-read")
    assert site.says("/copied") == (200, "moved")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource=bucket + "/page", WebsiteRedirectLocation="https://a.example/b")
    assert "WebsiteRedirectLocation" in s3.head_object(Bucket=bucket, Key="copied")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", WebsiteRedirectLocation="/x", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert site.says("/parts") == (301, "/x")
    assert refused(s3.put_object, Bucket=bucket, Key="bad", WebsiteRedirectLocation="page") == ("InvalidRedirectLocation", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="bad") == ("404", 404)


def test_versions(s3, bucket, site):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    page(s3, bucket, "page", "new")
    assert site.says("/page") == (200, "new")
    s3.delete_object(Bucket=bucket, Key="page")
    assert site.says("/page") == (404, "error.html")


def test_cors(s3, bucket, site):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    ask = {"Origin": "http://x", "Access-Control-Request-Method": "GET"}
    assert site.get("/page", method="OPTIONS", **ask).status_code == 200
    assert site.get("/page", Origin="http://x").headers["Access-Control-Allow-Origin"] == "*"


BAD = [({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"), ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument"),
       ({"ErrorDocument": {"Key": "k"}}, "InvalidArgument"),
       ({**SITE, "RedirectAllRequestsTo": {"HostName": "a"}}, "InvalidRequest"),
       ({"RedirectAllRequestsTo": {"HostName": "a", "Protocol": "ftp"}}, "InvalidRequest"),
       ({"RedirectAllRequestsTo": {"HostName": "a\nb"}}, "InvalidRequest")] + [
    ({**SITE, "RoutingRules": [r]}, "InvalidRequest") for r in (
        {"Condition": {}, "Redirect": {"HostName": "a"}}, {"Redirect": {}},
        {"Redirect": {"HttpRedirectCode": "200"}}, {"Redirect": {"HttpRedirectCode": "300"}}, {"Redirect": {"HttpRedirectCode": "3o1"}},
        {"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "200"}, "Redirect": {"HostName": "a"}})] + [
    ({**SITE, "RoutingRules": [{"Redirect": {"HostName": "a"}}] * 51}, "InvalidRequest")]


@pytest.mark.parametrize("conf,code", BAD)
def test_bad_configurations(s3, bucket, conf, code):
    assert refused(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=conf) == (code, 400)
    assert refused(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)


def test_settings(cloud, s3, bucket):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    told = s3.get_bucket_website(Bucket=bucket)
    assert {k: told[k] for k in SITE} == SITE
    alt = client(cloud, "test2:tester2", "testing2")
    for call in (alt.get_bucket_website, alt.delete_bucket_website):
        assert refused(call, Bucket=bucket) == ("AccessDenied", 403)
    s3.delete_bucket_website(Bucket=bucket)
    s3.delete_bucket_website(Bucket=bucket)
    assert refused(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
