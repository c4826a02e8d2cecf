"""Real clients with real files: python-swiftclient and rclone."""
import filecmp
import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tree of real files of many kinds, as plain copies."""
    top = tmp_path_factory.mktemp("files") / "tree"
    source = os.environ.get("CLIENT_TREE", "/usr/share/doc/python3")
    for root, _, names in os.walk(source, followlinks=True):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and os.access(path, os.R_OK):
                to = top / os.path.relpath(path, source)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
    (top / "empty").write_bytes(b"")
    (top / "one").write_bytes(b"1")
    (top / "ünïcode 文字").write_bytes(b"u")
    (top / "large").write_bytes(os.urandom(20 << 20))
    return top


def same(a, b):
    c = filecmp.dircmp(a, b)
    assert not c.left_only and not c.right_only and not c.funny_files
    match, mismatch, errors = filecmp.cmpfiles(a, b, c.common_files, shallow=False)
    assert not mismatch and not errors
    for d in c.common_dirs:
        same(os.path.join(a, d), os.path.join(b, d))


def test_swift_upload_and_download(tester, files, tmp_path):
    tester.swift("upload", "client-swift", ".", cwd=str(files))
    tester.swift("download", "client-swift", cwd=str(tmp_path))
    same(str(files), str(tmp_path))
    before = tester.request("GET", "/client-swift?format=json").json()
    tester.swift("upload", "--changed", "client-swift", ".", cwd=str(files))
    assert tester.request("GET", "/client-swift?format=json").json() == before
    tester.swift("delete", "client-swift")
    assert tester.request("GET", "/client-swift").status_code == 404


def test_swift_upload_survives_a_kill(cloud, tester, files, tmp_path):
    process = subprocess.Popen(["/usr/bin/swift", "upload", "client-kill", "."], cwd=str(files),
                               env=tester.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cloud.kill_node()
    process.wait(timeout=300)
    tester.swift("upload", "client-kill", ".", cwd=str(files))
    cloud.down()
    cloud.up()
    tester.swift("download", "client-kill", cwd=str(tmp_path))
    same(str(files), str(tmp_path))
    tester.swift("delete", "client-kill")


def test_segmented_upload_reads_back(tester, files, tmp_path):
    tester.swift("upload", "-S", str(3 << 20), "client-seg", "large", cwd=str(files))
    tester.swift("download", "client-seg", "large", "-o", str(tmp_path / "large"))
    assert filecmp.cmp(str(files / "large"), str(tmp_path / "large"), shallow=False)


def test_rclone_sync_and_check(cloud, tester, files, tmp_path):
    env = dict(os.environ, RCLONE_CONFIG=str(tmp_path / "rclone.conf"), RCLONE_CONFIG_C_TYPE="swift",
               RCLONE_CONFIG_C_USER="test:tester", RCLONE_CONFIG_C_KEY="testing",
               RCLONE_CONFIG_C_AUTH=cloud.url + "/auth/v1.0", RCLONE_CONFIG_C_AUTH_VERSION="1")

    def rclone(*args):
        r = subprocess.run(["rclone"] + list(args), env=env, timeout=300, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert r.returncode == 0, r.stdout
        return r.stdout
    rclone("sync", str(files), "c:client-rclone")
    rclone("check", str(files), "c:client-rclone")
    rclone("copy", "c:client-rclone", str(tmp_path / "back"))
    same(str(files), str(tmp_path / "back"))
    rclone("purge", "c:client-rclone")
