"""Encryption at rest: clients notice nothing, the devices have no plaintext, secrets are rotated, damage is noticed."""
import base64
import hashlib
import os
import signal
import subprocess

import pytest

from conftest import CAIRN, Cloud, User, free_port, wait_for

CHUNK, PIECE = 65536, 1 << 20  # plain bytes of a chunk, and of a stored piece: the first
LATER_CHUNK, LATER_PIECE = CHUNK - 16, PIECE - 16 * 16  # and those after it
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 200000, 262144, 262145, PIECE - 1, PIECE, PIECE + 1, PIECE + LATER_CHUNK,
         PIECE + LATER_CHUNK + 1, PIECE + LATER_PIECE, PIECE + LATER_PIECE + 1, 2 * PIECE, 5000000]


def line(name):
    return "%s %s\n" % (name, base64.b64encode(os.urandom(32)).decode())


def keys_of(cloud):
    return cloud.dir + "/keys"


def write_keys(cloud, text):
    with open(os.open(keys_of(cloud), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)


def start(conf=(), **kw):
    cloud = Cloud(**kw)
    cloud.keys = line("first")
    write_keys(cloud, cloud.keys)
    cloud.conf = {"encryption": ["enabled = yes", "secrets = " + keys_of(cloud)], **dict(conf)}
    cloud.up()
    return cloud


@pytest.fixture(scope="module", params=["replicas", "ec"])
def sealed(request):
    ec = [("cluster", ["policy = 2 ec type=ec k=2 m=1"])] if request.param == "ec" else []
    cloud = start(ec, devices=4 if ec else 3)
    cloud.policy = {"X-Storage-Policy": "ec"} if ec else {}
    yield cloud
    cloud.close()


def body_of(size):
    return hashlib.shake_128(b"%d" % size).digest(size)


def test_clients_notice_nothing(sealed):
    user = User(sealed, "test:tester", "testing")
    assert user.request("PUT", "/c", headers=sealed.policy).status_code == 201
    for size in SIZES:
        body, path = body_of(size), "/c/o%d" % size
        for data in (body, iter([body[:7], body[7:]]) if size > 7 else body):
            r = user.request("PUT", path, data=data, headers={"X-Object-Meta-Color": "blue"})
            assert r.status_code == 201 and r.headers["Etag"] == hashlib.md5(body).hexdigest()
        r = user.request("GET", path)
        assert r.content == body and r.headers["X-Object-Meta-Color"] == "blue"
        assert r.headers["Etag"] == hashlib.md5(body).hexdigest() and not [h for h in r.headers if "crypt" in h.lower()]
        r = user.request("HEAD", path)
        assert int(r.headers["Content-Length"]) == size and r.headers["Etag"] == hashlib.md5(body).hexdigest()
        assert user.request("GET", path, headers={"If-None-Match": r.headers["Etag"]}).status_code == 304
        for first, last in ((0, 0), (size // 2, size - 1), (CHUNK - 5, CHUNK + 5), (size - 3, size - 1),
                            (PIECE - 5, PIECE + 70000), (CHUNK, 2 * CHUNK - 1), (PIECE + LATER_CHUNK, PIECE + 2 * LATER_CHUNK - 1),
                            (PIECE + LATER_PIECE - 1, PIECE + LATER_PIECE), (1000000, 3500000)):
            if 0 <= first <= last < size:
                r = user.request("GET", path, headers={"Range": "bytes=%d-%d" % (first, last)})
                assert r.status_code == 206 and r.content == body[first:last + 1], (size, first, last)
    r = user.request("GET", "/c/o5000000", headers={"Range": "bytes=5-9,4000000-4000004"})
    assert body_of(5000000)[5:10] in r.content and body_of(5000000)[4000000:4000005] in r.content
    rows = {o["name"]: o for o in user.request("GET", "/c?format=json").json()}
    assert {n: (o["bytes"], o["hash"]) for n, o in rows.items()} == {
        "o%d" % s: (s, hashlib.md5(body_of(s)).hexdigest()) for s in SIZES}
    wait_for(lambda: int(user.request("HEAD", "/c").headers["X-Container-Bytes-Used"]) == sum(SIZES))


def test_posts_and_copies(sealed):
    user = User(sealed, "test:tester", "testing")
    user.request("PUT", "/p", headers=sealed.policy)
    user.request("PUT", "/p/a", data=body_of(200000), headers={"X-Object-Meta-One": "1", "Content-Type": "text/x"})
    assert user.request("POST", "/p/a", headers={"X-Object-Meta-Two": "zwei"}).status_code == 202
    r = user.request("GET", "/p/a")
    assert r.content == body_of(200000) and r.headers["X-Object-Meta-Two"] == "zwei" and "X-Object-Meta-One" not in r.headers
    assert user.request("COPY", "/p/a", headers={"Destination": "/p/b", "X-Object-Meta-Three": "3"}).status_code == 201
    r = user.request("GET", "/p/b")
    assert r.content == body_of(200000) and r.headers["X-Object-Meta-Two"] == "zwei" and r.headers["X-Object-Meta-Three"] == "3"
    rows = user.request("GET", "/p?format=json").json()
    assert [o["hash"] for o in rows] == [hashlib.md5(body_of(200000)).hexdigest()] * 2
    user.request("PUT", "/p/m", data=b"", headers={"X-Object-Manifest": "p/b"})
    user.request("PUT", "/p/b2", data=body_of(5000000))
    assert user.request("GET", "/p/m").content == body_of(200000) + body_of(5000000)
    assert user.request("POST", "/p/b2").status_code == 202
    assert user.request("GET", "/p/b2").content == body_of(5000000)


def test_nothing_plain_on_the_devices(sealed):
    user = User(sealed, "test:tester", "testing")
    user.request("PUT", "/secret", headers=sealed.policy)
    word = b"tell-nobody-%s" % os.urandom(8).hex().encode()
    assert user.request("PUT", "/secret/small", data=word * 10).status_code == 201
    assert user.request("PUT", "/secret/large", data=word * 100000).status_code == 201
    h = {"X-Object-Meta-Word": word.decode(), "X-Object-Meta-%s" % word.decode(): "x"}
    assert user.request("POST", "/secret/small", headers=h).status_code == 202
    assert user.request("PUT", "/secret/meta", data=b"x", headers=h).status_code == 201
    assert user.request("GET", "/secret?format=json").json()[0]["name"] == "large"
    hashes = [hashlib.md5(word * n).hexdigest() for n in (10, 100000)]
    sealed.down()
    found = subprocess.run(["grep", "-rlaFi"] + ["-e" + t for t in [word.decode()] + hashes] + [sealed.state + "/devices"],
                           stdout=subprocess.PIPE, text=True).stdout
    names = subprocess.run(["grep", "-rlaF", "small", sealed.state + "/devices"], stdout=subprocess.PIPE, text=True).stdout
    sealed.up()
    assert not found and names  # names are not encrypted: what is looked for would be found
    user = User(sealed, "test:tester", "testing")
    assert user.request("GET", "/secret/large").content == word * 100000
    assert user.request("HEAD", "/secret/small").headers["X-Object-Meta-Word"] == word.decode()


def test_rotation_without_restart():
    cloud = start()
    try:
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/c")
        user.request("PUT", "/c/old", data=body_of(200000), headers={"X-Object-Meta-A": "1"})
        write_keys(cloud, cloud.keys + line("second"))
        os.kill(cloud.node_pid(), signal.SIGHUP)
        wait_for(lambda: " reload " in cloud.log())
        assert user.request("PUT", "/c/new", data=b"x" * 1000).status_code == 201
        assert user.request("GET", "/c/old").content == body_of(200000)
        # Without the first secret what it sealed cannot be read, and what the second did can.
        second = open(keys_of(cloud)).read().split("\n")[1]
        cloud.down()
        write_keys(cloud, second + "\n")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("GET", "/c/new").content == b"x" * 1000
        assert user.request("GET", "/c/old").status_code == 503 and "no secret first" in cloud.log()
        # Encryption may end: what is there is still read.
        cloud.down()
        write_keys(cloud, cloud.keys + second + "\n")
        conf = cloud.state + "/cairn.conf"
        text = open(conf).read().replace("enabled = yes", "enabled = no")
        open(conf, "w").write(text)
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("GET", "/c/old").content == body_of(200000)
        user.request("PUT", "/c/plain", data=b"p" * 5000)
        assert user.request("GET", "/c/plain", headers={"Range": "bytes=4990-"}).content == b"p" * 10
        assert user.request("POST", "/c/old", headers={"X-Object-Meta-B": "2"}).status_code == 202
        assert user.request("HEAD", "/c/old").headers["X-Object-Meta-B"] == "2"
    finally:
        cloud.close()


def start_with(tmp_path, keys, mode, more=""):
    path = tmp_path / "keys"
    if keys is not None:
        path.write_text(keys)
        path.chmod(mode)
    conf = tmp_path / "cairn.conf"
    conf.write_text("[node]\nstate_dir = %s\nport = %d\n[wire]\nport = %d\nkey = a %s\n[cluster]\nhash_suffix = abcdefgh\n"
                    "[devices]\ndevice = d1\n[encryption]\nenabled = yes\nsecrets = %s\n%s\n"
                    % (tmp_path, free_port(), free_port(), "b" * 32, path, more))
    conf.chmod(0o600)
    out = subprocess.run([CAIRN, "node", "--conf", str(conf)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, timeout=60)
    return out.returncode, out.stdout


def test_the_active_secret_is_named(tmp_path):
    code, out = start_with(tmp_path, line("a") + line("b"), 0o600, "active = nobody")
    assert code == 2 and "[encryption] active: there is no 'nobody'" in out, out


@pytest.mark.parametrize("keys, mode, text", [
    ("first\n", 0o600, ":1: a line wants"), ("a b c\n", 0o600, ":1: a line wants"),
    ("# x\nfirst AAAA\n", 0o600, ":2: a secret has 32 bytes"), ("\n", 0o600, "there is no secret"),
    (line("a") + line("a"), 0o600, ":2: the same id"), (line("a"), 0o644, "chmod 600"), (None, 0, "cannot be read")],
    ids=["half", "more", "short", "none", "twice", "open", "missing"])
def test_a_mistake_is_told(tmp_path, keys, mode, text):
    code, out = start_with(tmp_path, keys, mode)
    assert code == 2 and text in out, out
