"""The clients that people have for S3, each with bodies of 0 bytes to 100 MB in parts, 1,500 keys, names that are none of a
file, copies, deletions and presigned URLs, as far as it has words for them."""
import filecmp
import json
import os
import shutil
import subprocess

import boto3.s3.transfer
import pytest
import requests

from conftest import CAIRN, Cloud, wait_for

from test_clients import same
from test_swift_clients import MB, random_file, run, tree

NAMES = ["ünïcode 文字", "a b+c&d=e?f#g%h", "quote'\"<>&", "a//b", "../up/./x", "%41%2f", "tab\tand 😀", "~!@$^*()[]{}|;:,"]
SIZES = (0, 1, 5 * MB, 100 * MB)


@pytest.fixture(scope="module")
def cloud():
    c = Cloud(devices=3, replicas=3)
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    top = tmp_path_factory.mktemp("files")
    return [random_file(top / ("f%d" % size), size) for size in SIZES]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    top = tmp_path_factory.mktemp("many")
    for i in range(1500):
        (top / ("%04d" % i)).write_bytes(b"%d" % i)
    return top


def keys(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [o["Key"] for page in pages for o in page.get("Contents", [])]


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def clean(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "S3_", "OS_", "ST_"))}
    return dict(env, AWS_EC2_METADATA_DISABLED="true", AWS_ACCESS_KEY_ID="test:tester", AWS_SECRET_ACCESS_KEY="testing",
                AWS_DEFAULT_REGION="us-east-1", AWS_CONFIG_FILE="/dev/null", **more)


def test_boto3(cloud, s3, bucket, files, tmp_path):
    config = boto3.s3.transfer.TransferConfig(multipart_chunksize=8 * MB, max_concurrency=4)
    for path in files:
        s3.upload_file(str(path), bucket, "f", Config=config)
        s3.download_file(bucket, "f", str(tmp_path / "back"), Config=config)
        assert filecmp.cmp(path, tmp_path / "back", shallow=False)
    assert s3.head_object(Bucket=bucket, Key="f")["ETag"].endswith('-13"')
    s3.copy({"Bucket": bucket, "Key": "f"}, bucket, "copy", Config=config)
    assert body(s3, bucket, "copy") == files[-1].read_bytes()
    for name in NAMES:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
        assert body(s3, bucket, name) == name.encode()
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": name})
        assert name.startswith("..") or requests.get(url).content == name.encode()  # which requests resolves
    assert set(NAMES) < set(keys(s3, bucket))
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys(s3, bucket)]})
    assert not keys(s3, bucket)


def test_libs3(cloud, s3, bucket, files, tmp_path):
    env = clean(S3_ACCESS_KEY_ID="test:tester", S3_SECRET_ACCESS_KEY="testing", S3_HOSTNAME=cloud.url[7:])

    def tool(*args):
        return run(["s3", "-u", *args], env)

    tool("create", bucket + "-own")
    assert bucket + "-own" in tool("list")
    for path in files:
        tool("put", bucket + "/f", "filename=%s" % path, "x-amz-meta-colour=blue")
        tool("get", bucket + "/f", "filename=%s" % (tmp_path / "back"))
        assert filecmp.cmp(path, tmp_path / "back", shallow=False)
    assert "blue" in tool("head", bucket + "/f")
    tool("copy", bucket + "/f", bucket + "/copy")
    assert body(s3, bucket, "copy") == files[-1].read_bytes()
    tool("delete", bucket + "/copy")
    assert keys(s3, bucket) == ["f"]
    tool("delete", bucket + "-own")


def test_s3cmd(cloud, s3, bucket, files, many, tmp_path):
    place = "s3://" + bucket

    def tool(*args):
        return run(["s3cmd", "--config=/dev/null", "--access_key=test:tester", "--secret_key=testing", "--no-ssl", "--no-progress",
                    "--host=" + cloud.url[7:], "--host-bucket=" + cloud.url[7:], *args], clean())

    for path in files:
        tool("put", "--multipart-chunk-size-mb=15", str(path), place + "/f")
        tool("get", "--force", place + "/f", str(tmp_path / "back"))
        assert filecmp.cmp(path, tmp_path / "back", shallow=False)
    for name in NAMES[:3]:
        tool("put", str(files[1]), "%s/%s" % (place, name))
        assert body(s3, bucket, name) == files[1].read_bytes()
    tool("cp", place + "/f", place + "/copy")
    assert body(s3, bucket, "copy") == files[-1].read_bytes()
    url = tool("signurl", place + "/" + "copy", "+60").strip()
    assert requests.get(url.replace("https:", "http:")).content == files[-1].read_bytes()
    tool("sync", "-q", str(many) + "/", place + "/many/")
    assert len(tool("ls", place + "/many/").splitlines()) == 1500
    tool("rm", "-r", "-q", "--force", place + "/many/")
    assert not keys(s3, bucket, "many/")


def test_awscli(cloud, s3, bucket, files, many, tmp_path):
    place = "s3://" + bucket

    def tool(*args):
        return run(["/usr/bin/aws", "--endpoint-url", cloud.url, *args], clean(AWS_RETRY_MODE="standard", AWS_MAX_ATTEMPTS="1"))

    for path in files:
        tool("s3", "cp", "--no-progress", str(path), place + "/f")
        tool("s3", "cp", "--no-progress", place + "/f", str(tmp_path / "back"))
        assert filecmp.cmp(path, tmp_path / "back", shallow=False)
    for name in NAMES[:3]:
        tool("s3", "cp", str(files[1]), "%s/%s" % (place, name))
        assert body(s3, bucket, name) == files[1].read_bytes()
    tool("s3", "cp", "--no-progress", place + "/f", place + "/copy")
    assert body(s3, bucket, "copy") == files[-1].read_bytes()
    assert requests.get(tool("s3", "presign", place + "/copy").strip()).content == files[-1].read_bytes()
    tool("s3", "sync", "--quiet", str(many), place + "/many")
    assert len(tool("s3", "ls", place + "/many/").splitlines()) == 1500
    assert tool("s3", "sync", str(many), place + "/many") == ""
    tool("s3", "rm", "--quiet", "--recursive", place + "/many")
    assert not keys(s3, bucket, "many/")


def test_rclone(cloud, s3, bucket, files, many, tmp_path):
    env = clean(RCLONE_CONFIG=str(tmp_path / "rclone.conf"), RCLONE_CONFIG_C_TYPE="s3", RCLONE_CONFIG_C_PROVIDER="Other",
                RCLONE_CONFIG_C_ENDPOINT=cloud.url, RCLONE_CONFIG_C_ACCESS_KEY_ID="test:tester",
                RCLONE_CONFIG_C_SECRET_ACCESS_KEY="testing", RCLONE_CONFIG_C_REGION="us-east-1",
                RCLONE_CONFIG_C_UPLOAD_CUTOFF="20M", RCLONE_CONFIG_C_CHUNK_SIZE="8M", RCLONE_RETRIES="1")
    (tmp_path / "rclone.conf").touch()
    place = "c:" + bucket
    top = tree(tmp_path / "tree", 20 * MB)
    for path in files:
        shutil.copy(path, top)
    run(["rclone", "copy", str(top), place], env)
    run(["rclone", "check", "--download", str(top), place], env)
    run(["rclone", "copyto", place + "/f%d" % SIZES[-1], place + "/copy"], env)
    assert body(s3, bucket, "copy") == files[-1].read_bytes()
    assert requests.get(run(["rclone", "link", place + "/copy"], env).split()[-1]).status_code == 200
    run(["rclone", "sync", str(many), place + "/many"], env)
    assert len(run(["rclone", "lsf", place + "/many"], env).splitlines()) == 1500
    run(["rclone", "purge", place], env)
    assert bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_s3fs(cloud, s3, bucket, files, tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    process = subprocess.Popen(["s3fs", bucket, str(mount), "-f", "-o", "url=" + cloud.url, "-o", "use_path_request_style",
                                "-o", "endpoint=us-east-1", "-o", "multipart_size=10"],
                               env=dict(clean(), AWSACCESSKEYID="test:tester", AWSSECRETACCESSKEY="testing"),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: os.path.ismount(mount))
        for path in files:
            shutil.copyfile(path, mount / path.name)
            assert s3.head_object(Bucket=bucket, Key=path.name)["ContentLength"] == path.stat().st_size
            assert filecmp.cmp(path, mount / path.name, shallow=False)
        (mount / "folder").mkdir()
        for name in ("ünïcode 文字", "a b+c&d=e?f#g%h", "quote'\"<>&"):
            (mount / "folder" / name).write_text(name)
        assert body(s3, bucket, "folder/ünïcode 文字") == "ünïcode 文字".encode()
        os.rename(mount / files[1].name, mount / "renamed")
        assert body(s3, bucket, "renamed") == files[1].read_bytes()
        for path in (mount / "folder").iterdir():
            path.unlink()
        (mount / "folder").rmdir()
        assert sorted(p.name for p in mount.iterdir()) == sorted(k for k in keys(s3, bucket))
    finally:
        subprocess.run(["fusermount3", "-u", str(mount)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_restic(cloud, bucket, tmp_path):
    env = clean(RESTIC_PASSWORD="p", RESTIC_REPOSITORY="s3:%s/%s" % (cloud.url, bucket), RESTIC_CACHE_DIR=str(tmp_path / "cache"))
    source = tree(tmp_path / "source", 60 * MB)
    run(["restic", "init"], env)
    run(["restic", "backup", "."], env, cwd=str(source))
    (source / "late").write_bytes(b"x" * MB)
    run(["restic", "backup", "."], env, cwd=str(source))
    run(["restic", "check", "--read-data"], env)
    run(["restic", "restore", "latest", "--target", str(tmp_path / "back")], env)
    same(source, tmp_path / "back")
    run(["restic", "forget", "--keep-last", "1", "--prune"], env)
    run(["restic", "check"], env)


def test_duplicity(cloud, bucket, tmp_path):
    env = clean(PASSPHRASE="p", HOME=str(tmp_path))
    place = ["--s3-endpoint-url", cloud.url]
    url = "boto3+s3://%s/backup" % bucket
    source = tree(tmp_path / "source", 30 * MB)
    run(["duplicity", "full", "--no-encryption", "--volsize", "10", *place, str(source), url], env)
    (source / "late").write_bytes(b"x" * MB)
    run(["duplicity", "incr", "--no-encryption", *place, str(source), url], env)
    run(["duplicity", "verify", "--no-encryption", "--compare-data", *place, url, str(source)], env)
    run(["duplicity", "restore", "--no-encryption", *place, url, str(tmp_path / "back")], env)
    same(source, tmp_path / "back")


@pytest.fixture(scope="module")
def scripts():
    """Node's clients, as npm has them today."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    top = os.path.join(os.path.dirname(CAIRN), "js")
    shutil.copytree(os.path.join(os.path.dirname(__file__), "js"), top, dirs_exist_ok=True)
    run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"], os.environ, cwd=top)
    return top


@pytest.mark.parametrize("script", ["sdk.js", "minio.js"])
def test_javascript(cloud, scripts, script):
    assert run(["node", script, cloud.url, "js-" + os.urandom(6).hex(), json.dumps(NAMES)], clean(), cwd=scripts).endswith("whole\n")
