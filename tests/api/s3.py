"""Clients of the S3 API for the tests."""
import hashlib
import hmac
import os
import time
import urllib.parse

os.environ["BOTO_DISABLE_CRT"] = "true"  # it signs otherwise, where awscli has brought it

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import requests
from botocore.config import Config
from botocore.exceptions import ClientError


def client(cloud, access="test:tester", secret="testing", signature="s3v4", **config):
    """No retries: a failure is a failure."""
    config = Config(signature_version=signature, retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **config)
    return boto3.client("s3", endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id=access,
                        aws_secret_access_key=secret, config=config)


def anonymous(cloud):
    config = Config(signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=cloud.url, region_name="us-east-1", config=config)


def refused(call, **args):
    """The code and status of the error that a call ends with."""
    try:
        call(**args)
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("%s was not refused" % args)


def send(cloud, method, path, body=b"", access="test:tester", secret="testing", **headers):
    """A request as it is, signed: what boto3 would not send."""
    credentials = botocore.credentials.Credentials(access, secret)
    request = botocore.awsrequest.AWSRequest(method, "%s/%s" % (cloud.url, path), data=body, headers=headers)
    botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    prepared = request.prepare()
    return requests.request(method, prepared.url, data=body, headers=dict(prepared.headers))


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Chunks:
    """A body in S3's own chunks: what boto3 of this age cannot send."""

    def __init__(self, method, url, body, size, access="test:tester", secret="testing", how="", trailer=None, **headers):
        self.parts = [body[i:i + size] for i in range(0, len(body), size)] + [b""]
        self.trailer = trailer or {}
        self.signed = not how.startswith("STREAMING-UNSIGNED")
        self.time = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.scope = self.time[:8] + "/us-east-1/s3/aws4_request"
        self.method, self.url = method, urllib.parse.urlsplit(url)
        self.headers = {"x-amz-date": self.time, "x-amz-content-sha256": how, "content-encoding": "aws-chunked",
                        "x-amz-decoded-content-length": str(len(body)), "host": self.url.netloc,
                        **{k.replace("_", "-"): v for k, v in headers.items()}}
        if trailer:
            self.headers["x-amz-trailer"] = ",".join(trailer)
        self.key = ("AWS4" + secret).encode()
        for part in self.scope.split("/"):
            self.key = _hmac(self.key, part)
        names = ";".join(sorted(self.headers))
        canonical = "\n".join([method, self.url.path, self.url.query] +
                              ["%s:%s" % (n, self.headers[n]) for n in sorted(self.headers)] + ["", names, how])
        text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (self.time, self.scope, hashlib.sha256(canonical.encode()).hexdigest())
        self.signature = _hmac(self.key, text).hex()
        self.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            access, self.scope, names, self.signature)

    def _next(self, kind, what):
        text = "AWS4-HMAC-SHA256-%s\n%s\n%s\n%s\n%s" % (kind, self.time, self.scope, self.before, what)
        self.before = _hmac(self.key, text).hex()
        return self.before

    def encode(self):
        self.before, out = self.signature, b""
        empty = hashlib.sha256(b"").hexdigest()
        for part in self.parts:
            out += b"%x" % len(part)
            if self.signed:
                what = empty + "\n" + hashlib.sha256(part).hexdigest()
                out += b";chunk-signature=" + self._next("PAYLOAD", what).encode()
            out += b"\r\n" + part + (b"\r\n" if part else b"")
        lines = "".join("%s:%s\n" % t for t in self.trailer.items())
        out += lines.replace("\n", "\r\n").encode()
        if self.signed and self.trailer:
            signature = self._next("TRAILER", hashlib.sha256(lines.encode()).hexdigest())
            out += b"x-amz-trailer-signature:%s\r\n" % signature.encode()
        return out + b"\r\n"

    def send(self, body=None):
        return requests.request(self.method, self.url.geturl(), headers=self.headers,
                                data=self.encode() if body is None else body)
