"""What people keep their data with: the swift command's large objects, rclone mounted, duplicity and restic. In total more
than 1 GiB goes in and comes back."""
import filecmp
import hashlib
import json
import os
import subprocess
import time

import pytest

from conftest import Cloud, User, wait_for
from test_clients import same

MB = 1 << 20


@pytest.fixture(scope="module")
def cloud():
    c = Cloud(devices=3, replicas=3)
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def user(cloud):
    return User(cloud, "test:tester", "testing")


def random_file(path, size):
    with open(path, "wb") as f:
        for _ in range(size // MB):
            f.write(os.urandom(MB))
        f.write(os.urandom(size % MB))
    return path


def tree(top, size):
    """Files of many sizes, together about so large."""
    top.mkdir()
    for i, share in enumerate((0.5, 0.25, 0.1, 0.05, 0.05)):
        d = top / ("d%d" % i)
        d.mkdir()
        random_file(d / ("file %d" % i), int(size * share))
    for i in range(50):
        (top / "d0" / ("small-%d" % i)).write_bytes(os.urandom(i * 331))
    (top / "empty").write_bytes(b"")
    (top / "ünïcode 文字").write_bytes(b"u" * 1000)
    return top


def run(args, env, cwd=None):
    r = subprocess.run(args, env=env, cwd=cwd, timeout=120, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    assert r.returncode == 0, r.stdout
    return r.stdout


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_large_objects_by_the_swift_command(user, tmp_path, kind):
    name = "large-" + kind
    source = random_file(tmp_path / "file", 200 * MB + 12345)
    upload = ["upload", "-S", str(16 * MB), "--use-slo" if kind == "slo" else "--ignore-checksum", name, "file"]
    user.swift(*upload, cwd=str(tmp_path))
    head = user.request("HEAD", "/%s/file" % name).headers
    assert int(head["Content-Length"]) == source.stat().st_size
    assert ("X-Static-Large-Object" in head) == (kind == "slo") and ("X-Object-Manifest" in head) == (kind == "dlo")
    user.swift("download", name, "file", "-o", str(tmp_path / "back"))
    assert filecmp.cmp(str(source), str(tmp_path / "back"), shallow=False)
    segments = user.request("GET", "/%s_segments" % name).text
    assert segments.count("\n") == 13
    # The same file once more: nothing is sent; a changed one replaces its segments.
    user.swift(*upload, "--changed", cwd=str(tmp_path))
    assert user.request("GET", "/%s_segments" % name).text == segments
    os.truncate(source, 40 * MB)
    user.swift(*upload, "--changed", cwd=str(tmp_path))
    assert int(user.request("HEAD", "/%s/file" % name).headers["Content-Length"]) == 40 * MB
    assert user.request("GET", "/%s_segments" % name).text.count("\n") == 3
    out = user.swift("stat", name, "file").stdout
    assert "Content Length: %d" % (40 * MB) in out
    user.swift("delete", name, "file")
    assert user.request("GET", "/%s_segments" % name).text == ""


def test_the_rest_of_the_swift_command(cloud, user, tmp_path):
    out = json.loads(user.swift("capabilities", "--json").stdout)
    assert out["swift"]["version"].startswith("cairn") and "slo" in out and "bulk_delete" in out
    for i in range(120):
        (tmp_path / ("f%03d" % i)).write_bytes(b"x" * i)
    user.swift("upload", "rest", ".", cwd=str(tmp_path))
    user.swift("post", "rest", "f001", "-m", "Color:Blue", "-H", "Content-Language: de")
    out = user.swift("stat", "rest", "f001").stdout
    assert "Meta Color: Blue" in out and "Content-Language: de" in out
    user.swift("post", "-m", "Temp-URL-Key:secret")
    path = user.storage[user.storage.index("/v1/"):] + "/rest/f100"
    signed = user.swift("tempurl", "GET", "300", path, "secret").stdout.strip()
    assert user.request("GET", storage=cloud.url + signed, token=False).content == b"x" * 100
    assert user.request("PUT", storage=cloud.url + signed, token=False, data=b"").status_code == 401
    user.swift("copy", "-d", "/rest/copy", "rest", "f050")
    assert user.request("GET", "/rest/copy").content == b"x" * 50
    user.swift("delete", "rest", "--prefix", "f0")
    assert user.request("GET", "/rest").text.split() == ["copy"] + ["f%03d" % i for i in range(100, 120)]
    user.swift("delete", "rest")
    assert user.request("GET", "/rest").status_code == 404


def rclone_env(cloud, tmp_path):
    return dict(os.environ, RCLONE_CONFIG=str(tmp_path / "rclone.conf"), RCLONE_CONFIG_C_TYPE="swift",
                RCLONE_CONFIG_C_USER="test:tester", RCLONE_CONFIG_C_KEY="testing",
                RCLONE_CONFIG_C_AUTH=cloud.url + "/auth/v1.0", RCLONE_CONFIG_C_AUTH_VERSION="1",
                RCLONE_CONFIG_C_CHUNK_SIZE="16M")


def test_rclone(cloud, user, tmp_path):
    env = rclone_env(cloud, tmp_path)
    source = tree(tmp_path / "source", 150 * MB)
    run(["rclone", "copy", str(source), "c:rclone"], env)
    run(["rclone", "check", str(source), "c:rclone"], env)
    (source / "d0" / "file 0").unlink()
    (source / "new").write_bytes(b"new")
    run(["rclone", "sync", str(source), "c:rclone"], env)
    run(["rclone", "check", str(source), "c:rclone"], env)
    run(["rclone", "copy", "c:rclone", str(tmp_path / "back")], env)
    same(str(source), str(tmp_path / "back"))
    run(["rclone", "purge", "c:rclone"], env)
    assert user.request("GET", "/rclone").status_code == 404


def test_rclone_mounted(cloud, user, tmp_path):
    env, mount = rclone_env(cloud, tmp_path), tmp_path / "mount"
    mount.mkdir()
    user.request("PUT", "/mounted")
    process = subprocess.Popen(["rclone", "mount", "c:mounted", str(mount), "--vfs-cache-mode", "writes", "--vfs-write-back",
                                "100ms", "--dir-cache-time", "0s", "--cache-dir", str(tmp_path / "cache")], env=env)
    try:
        wait_for(lambda: os.path.ismount(mount))
        body = os.urandom(30 * MB)
        (mount / "a").mkdir()
        (mount / "a" / "file").write_bytes(body)
        wait_for(lambda: user.request("GET", "/mounted/a/file").content == body)
        user.request("PUT", "/mounted/b/there", data=b"by the API")
        wait_for(lambda: (mount / "b" / "there").exists())
        assert (mount / "b" / "there").read_bytes() == b"by the API"
        with open(mount / "a" / "file", "rb") as f:
            f.seek(20 * MB)
            assert f.read(1000) == body[20 * MB:20 * MB + 1000]
        os.rename(mount / "a" / "file", mount / "moved")
        wait_for(lambda: user.request("HEAD", "/mounted/moved").status_code == 200)
        assert user.request("HEAD", "/mounted/a/file").status_code == 404
        (mount / "moved").unlink()
        wait_for(lambda: user.request("HEAD", "/mounted/moved").status_code == 404)
    finally:
        subprocess.run(["fusermount3", "-u", str(mount)])
        process.wait(timeout=60)


def test_restic(cloud, user, tmp_path):
    env = dict(user.env(), RESTIC_PASSWORD="p", RESTIC_REPOSITORY="swift:restic:/repo", RESTIC_CACHE_DIR=str(tmp_path / "cache"))
    source = tree(tmp_path / "source", 130 * MB)
    run(["restic", "init"], env)
    run(["restic", "backup", "."], env, cwd=str(source))
    (source / "d2" / "more").write_bytes(os.urandom(MB))
    run(["restic", "backup", "."], env, cwd=str(source))
    run(["restic", "check", "--read-data"], env)
    run(["restic", "restore", "latest", "--target", str(tmp_path / "back")], env)
    same(str(source), str(tmp_path / "back"))
    run(["restic", "forget", "--keep-last", "1", "--prune"], env)
    run(["restic", "check"], env)


def test_duplicity(cloud, user, tmp_path):
    # Its sizes are asked for by swiftclient's service, which has variables of its own.
    env = dict(user.env(), SWIFT_USERNAME="test:tester", SWIFT_PASSWORD="testing", SWIFT_AUTHURL=cloud.url + "/auth/v1.0",
               SWIFT_AUTHVERSION="1", HOME=str(tmp_path))
    source = tree(tmp_path / "source", 130 * MB)
    common = ["--no-encryption", "--archive-dir", str(tmp_path / "archive"), "--volsize", "25"]
    run(["duplicity", "full"] + common + [str(source), "swift://duplicity"], env)
    (source / "later").write_bytes(os.urandom(MB))
    time.sleep(1)  # its backups are named by whole seconds
    run(["duplicity", "incremental"] + common + [str(source), "swift://duplicity"], env)
    run(["duplicity", "verify", "--compare-data"] + common + ["swift://duplicity", str(source)], env)
    run(["duplicity", "restore"] + common + ["swift://duplicity", str(tmp_path / "back")], env)
    same(str(source), str(tmp_path / "back"))
