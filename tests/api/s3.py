"""Clients of the S3 API for the tests."""
import os

os.environ["BOTO_DISABLE_CRT"] = "true"  # it signs otherwise, where awscli has brought it

import boto3
import botocore.exceptions
from botocore.config import Config


def client(cloud, access="test:tester", secret="testing", signature="s3v4", **config):
    """No retries: a failure is a failure."""
    config = Config(signature_version=signature, retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **config)
    return boto3.client("s3", endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id=access,
                        aws_secret_access_key=secret, config=config)


def refused(call, **args):
    """The code and status of the error that a call ends with."""
    try:
        call(**args)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("%s was not refused" % args)
