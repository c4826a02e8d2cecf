"""Container sync: what another cluster of a realm has signed, is done whoever asks."""
import hashlib
import hmac
import multiprocessing
import os
import signal
import time
import urllib.parse

import pytest
import requests

from conftest import Cloud, User, wait_for

REALM_KEY, REALM_KEY2, KEY = "key of the realm", "the realm's second key", "kéy of the container"


def realms(path, **clusters):
    with open(path, "w") as f:
        f.write("[DEFAULT]\nmtime_check_interval = 5\n[Test]\nkey = %s\nkey2 = %s\n" % (REALM_KEY, REALM_KEY2))
        for name, cloud in clusters.items():
            f.write("cluster_%s = %s/v1/\n" % (name, cloud.url))
        f.write("[other]\nkey = not that one\n")
    return path


@pytest.fixture(scope="module")
def pair():
    """Two clouds of a realm."""
    both = [Cloud(devices=3), Cloud(devices=3)]
    try:
        for cloud in both:
            cloud.up()
            path = realms(cloud.dir + "/realms.conf", one=both[0], two=both[1])
            cloud.set_conf({"container_sync": ["realms = " + path, "current = //test/" + ("one", "two")[both.index(cloud)],
                                               "allowed_sync_hosts = 192.0.2.1"]})
        yield both
    finally:
        for cloud in both:
            cloud.close()


@pytest.fixture(scope="module")
def users(pair):
    return [User(cloud, "test:tester", "testing") for cloud in pair]


@pytest.fixture
def place(users):
    name = "c-" + os.urandom(5).hex()
    assert users[0].request("PUT", "/" + name, headers={"X-Container-Sync-Key": KEY.encode()}).status_code == 201
    return name


def signed(user, method, path, at, realm="test", realm_key=REALM_KEY, key=KEY, nonce=None, data=None, **headers):
    path = urllib.parse.quote("/v1/%s%s" % (user.storage.rsplit("/", 1)[1], path))
    nonce = nonce or os.urandom(8).hex()
    text = "\n".join([method, path, at or "0", nonce, key])
    sig = hmac.new(realm_key.encode(), text.encode(), hashlib.sha1).hexdigest()
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if at:
        headers["X-Timestamp"] = at
    headers.setdefault("X-Container-Sync-Auth", "%s %s %s" % (realm, nonce, sig))
    return requests.request(method, user.cloud.url + path, headers=headers, data=data, timeout=60)


def test_info_names_realms_and_clusters(pair):
    told = requests.get(pair[1].url + "/info").json()["container_sync"]
    assert told == {"realms": {"TEST": {"clusters": {"ONE": {}, "TWO": {"current": True}}}}}


def test_what_is_signed_is_done_at_its_own_time(users, place):
    user, path = users[0], "/%s/an öbject" % place
    assert signed(user, "PUT", path, "1500000000.00010", data=b"new", X_Object_Meta_A="b").status_code == 201
    r = user.request("GET", path)
    assert (r.content, r.headers["X-Timestamp"], r.headers["X-Object-Meta-A"]) == (b"new", "1500000000.00010", "b")
    # The later write wins, whenever it comes.
    assert signed(user, "PUT", path, "1400000000.00000", data=b"old").status_code in (201, 202, 409)
    assert user.request("GET", path).content == b"new"
    assert signed(user, "DELETE", path, "1400000000.00000").status_code in (204, 409)
    assert user.request("GET", path).content == b"new"
    assert signed(user, "HEAD", path, "1500000000.00010").headers["X-Timestamp"] == "1500000000.00010"
    assert signed(user, "PUT", path, "1600000000.00000_0000000000000001", data=b"newest").status_code == 201
    assert user.request("GET", path).content == b"newest"
    assert signed(user, "DELETE", path, "1600000001.00000").status_code == 204
    assert user.request("GET", path).status_code == 404
    assert signed(user, "PUT", path, "1600000000.50000", data=b"late").status_code in (201, 202, 409)
    assert user.request("GET", path).status_code == 404


def test_both_keys_of_a_realm_are_good(users, place):
    assert signed(users[0], "PUT", "/%s/o" % place, "1500000000.00000", realm="TEST", realm_key=REALM_KEY2,
                  data=b"x").status_code == 201


@pytest.mark.parametrize("wrong", [
    {"realm_key": "another"}, {"key": "another"}, {"realm": "other"}, {"realm": "nobody"},
    {"X_Container_Sync_Auth": "test nonce"}, {"X_Container_Sync_Auth": "test nonce sig more"},
    {"X_Container_Sync_Auth": "test nonce " + "0" * 40}, {"X_Container_Sync_Auth": "test nonce é".encode()},
])
def test_what_is_signed_otherwise_is_refused(users, place, wrong):
    r = signed(users[0], "PUT", "/%s/o" % place, "1500000000.00000", data=b"x", **wrong)
    assert (r.status_code, r.text) == (401, "X-Container-Sync-Auth header not valid; contact cluster operator for support.")
    assert r.headers["Www-Authenticate"].startswith("SwiftContainerSync realm=")
    assert users[0].request("GET", "/%s/o" % place).status_code == 404


def test_a_signature_is_good_for_one_method_path_and_time(users, place):
    user, at = users[0], "1500000000.00000"
    sent = []

    def take(method, path, **kw):
        r = signed(user, method, path, at, data=b"x", **kw)
        sent.append(r.request.headers["X-Container-Sync-Auth"])
        return r
    assert take("PUT", "/%s/o" % place).status_code == 201
    auth = sent[0]
    assert signed(user, "PUT", "/%s/o" % place, at, data=b"x", X_Container_Sync_Auth=auth).status_code in (201, 202, 409)
    for method, path, when in (("DELETE", "o", at), ("PUT", "p", at), ("PUT", "o", "1500000000.00001"), ("PUT", "o", None)):
        r = signed(user, method, "/%s/%s" % (place, path), when, data=b"x", X_Container_Sync_Auth=auth)
        assert r.status_code == 401, (method, path, when)


def test_a_container_without_a_key_takes_nothing(users, place):
    bare = "c-" + os.urandom(5).hex()
    assert users[0].request("PUT", "/" + bare).status_code == 201
    assert signed(users[0], "PUT", "/%s/o" % bare, "1500000000.00000", data=b"x").status_code == 401
    assert signed(users[0], "PUT", "/%s/o" % bare, "1500000000.00000", key="", data=b"x").status_code == 401
    assert signed(users[0], "PUT", "/%s-none/o" % bare, "1500000000.00000", data=b"x").status_code == 401
    # A time of its own takes a signature.
    r = users[0].request("PUT", "/%s/o" % place, headers={"X-Timestamp": "1500000000.00000"}, data=b"x")
    assert r.status_code == 201 and float(r.headers.get("X-Timestamp", time.time())) > 1600000000


@pytest.mark.parametrize("to, text", [
    ("//test/two/AUTH_x", "Invalid X-Container-Sync-To format"),
    ("//nowhere/two/AUTH_x/c", "No realm key for 'nowhere'"),
    ("//test/three/AUTH_x/c", "No cluster endpoint for 'test' 'three'"),
    ("ftp://192.0.2.1/v1/a/c", "Invalid scheme 'ftp' in X-Container-Sync-To"),
    ("http://127.0.0.1/v1/a/c", "Invalid host '127.0.0.1' in X-Container-Sync-To"),
    ("http://192.0.2.1", "Path required in X-Container-Sync-To"),
])
def test_where_containers_cannot_be_synced_to(users, place, to, text):
    for method in "POST", "PUT":
        r = users[0].request(method, "/" + place, headers={"X-Container-Sync-To": to})
        assert r.status_code == 400 and text in r.text
    assert "X-Container-Sync-To" not in users[0].request("HEAD", "/" + place).headers


def test_only_owners_set_and_see_where_to_and_the_key(pair, users, place):
    other = User(pair[0], "test:tester3", "testing3")
    to = "//test/two/AUTH_test/c"
    users[0].request("POST", "/" + place, headers={"X-Container-Sync-To": to, "X-Container-Read": "test:tester3",
                                                   "X-Container-Write": "test:tester3"})
    shown = users[0].request("HEAD", "/" + place).headers
    assert shown["X-Container-Sync-To"] == to and "X-Container-Sync-Key" in shown
    seen = other.request("GET", "/" + place)
    assert seen.status_code == 204
    assert not {"x-container-sync-to", "x-container-sync-key"} & {k.lower() for k in seen.headers}


def test_synced_manifests_and_links_may_come_before_what_they_name(users, place):
    user = users[0]
    manifest = '[{"name": "/%s/part", "bytes": 4, "hash": "%s", "content_type": "text/plain", ' \
               '"last_modified": "2020-01-01T00:00:00.000000"}]' % (place, hashlib.md5(b"part").hexdigest())
    assert signed(user, "PUT", "/%s/large" % place, "1500000000.00000", data=manifest.encode(),
                  X_Static_Large_Object="True").status_code == 201
    assert signed(user, "PUT", "/%s/link" % place, "1500000000.00000", data=b"", X_Symlink_Target=place + "/part",
                  X_Symlink_Target_Etag=hashlib.md5(b"part").hexdigest(), X_Symlink_Target_Bytes="4").status_code == 201
    assert signed(user, "PUT", "/%s/part" % place, "1500000000.00000", data=b"part").status_code == 201
    assert user.request("GET", "/%s/large" % place).content == b"part"
    assert user.request("GET", "/%s/link" % place).content == b"part"


class Source:
    """A cluster of Swift's, as far as its daemon looks into it."""

    def __init__(self):
        self.objects = {}

    def get_object(self, account, container, name, **kw):
        headers, data = self.objects[name]
        return 200, type(headers)(headers), iter([data])


def test_swifts_own_daemon_brings_what_it_has(pair, place, tmp_path):
    """In a process of its own: its modules change threads and sockets for all that comes after."""
    child = multiprocessing.get_context("fork").Process(target=swifts_own_daemon, args=(pair, place, tmp_path))
    child.start()
    child.join(240)
    assert child.exitcode == 0


def swifts_own_daemon(pair, place, tmp_path):
    from swift.container import sync as swift_sync
    from swift.common.header_key_dict import HeaderKeyDict
    from swift.common.utils import Timestamp
    user, name = User(pair[0], "test:tester", "testing"), "päth/to an object"
    realms(str(tmp_path / "container-sync-realms.conf"), one=pair[0])
    source = Source()
    original, swift_sync.InternalClient = swift_sync.InternalClient, lambda *a, **kw: source
    try:
        daemon = swift_sync.ContainerSync({"swift_dir": str(tmp_path), "internal_client_conf_path": "/dev/null"},
                                          container_ring=object())
    finally:
        swift_sync.InternalClient = original
    url = "%s/v1/%s/%s" % (pair[0].url, user.storage.rsplit("/", 1)[1], place)
    info = {"account": "a", "container": "c", "storage_policy_index": 0}

    def bring(at, deleted=False, data=None, key=KEY):
        stamp = Timestamp(at).internal
        if data is not None:
            source.objects[name] = HeaderKeyDict({
                "X-Timestamp": stamp, "Etag": hashlib.md5(data).hexdigest(), "Content-Length": str(len(data)),
                "Content-Type": "text/x-it", "X-Object-Meta-Colour": "blue", "Last-Modified": "never"}), data
        row = {"name": name, "created_at": stamp, "deleted": deleted, "size": len(data or b"")}
        return daemon.container_sync_row(row, url, key, None, info, "TEST", REALM_KEY)

    assert bring("1500000000.00000", data=b"first")
    r = user.request("GET", "/%s/%s" % (place, name))
    assert (r.content, r.headers["Content-Type"], r.headers["X-Object-Meta-Colour"]) == (b"first", "text/x-it", "blue")
    assert r.headers["X-Timestamp"] == "1500000000.00000"
    puts = daemon.container_puts
    assert bring("1500000000.00000", data=b"first") and daemon.container_puts == puts  # it is there
    assert bring("1500000001.00000", data=b"second!")
    assert user.request("GET", "/%s/%s" % (place, name)).content == b"second!"
    assert not bring("1500000002.00000", data=b"third", key="wrong")
    assert user.request("GET", "/%s/%s" % (place, name)).content == b"second!"
    assert bring("1500000000.50000", deleted=True)
    assert user.request("GET", "/%s/%s" % (place, name)).status_code == 200
    assert bring("1500000003.00000", deleted=True)
    assert user.request("GET", "/%s/%s" % (place, name)).status_code == 404
    assert bring("1500000003.00000", deleted=True)  # nothing is there: that is as good
    rows = user.request("GET", "/%s?format=json" % place).json()
    assert rows == []


def test_what_is_synced_into_a_container_with_versions(users, place):
    user = users[0]
    assert user.request("POST", "/" + place, headers={"X-Versions-Enabled": "true"}).status_code == 204
    assert signed(user, "PUT", "/%s/o" % place, "1500000000.00000", data=b"one").status_code == 201
    assert signed(user, "PUT", "/%s/o" % place, "1500000001.00000", data=b"two").status_code == 201
    assert user.request("GET", "/%s/o" % place).content == b"two"
    assert len(user.request("GET", "/%s?versions&format=json" % place).json()) == 2
    r = user.request("POST", "/" + place, headers={"X-Container-Sync-To": "//test/two/AUTH_test/c"})
    assert r.status_code == 400 and "object versioning" in r.text


def test_a_time_that_is_none_is_refused(users, place):
    for at in "yesterday", "-5", "99999999999.00000":
        assert signed(users[0], "PUT", "/%s/o" % place, at, data=b"x").status_code == 400
    assert users[0].request("GET", "/%s/o" % place).status_code == 404


def test_realms_are_read_again_at_sighup(pair, users):
    cloud, user, name = pair[1], users[1], "c-" + os.urandom(5).hex()
    assert user.request("PUT", "/" + name, headers={"X-Container-Sync-Key": KEY.encode()}).status_code == 201

    def told():
        os.kill(cloud.node_pid(), signal.SIGHUP)
        return signed(user, "PUT", "/%s/o" % name, "1500000000.00000", realm="new", data=b"x").status_code
    path = cloud.dir + "/realms.conf"
    assert told() == 401
    text = open(path).read()
    with open(path, "w") as f:
        f.write(text + "[broken\n")
    assert told() == 401
    wait_for(lambda: "wants a ']'" in cloud.log())
    assert signed(user, "PUT", "/%s/p" % name, "1500000000.00000", data=b"x").status_code == 201  # as before
    with open(path, "w") as f:
        f.write(text + "[new]\nkey = %s\n" % REALM_KEY)
    wait_for(lambda: told() == 201)


def test_signed_requests_to_the_container_itself(users, place):
    assert signed(users[0], "PUT", "/%s/o" % place, "1500000000.00000", data=b"x").status_code == 201
    r = signed(users[0], "GET", "/" + place, None)
    assert r.status_code == 200 and r.text == "o\n"
    assert signed(users[0], "HEAD", "/" + place, None).status_code == 204
    assert signed(users[0], "GET", "/" + place, None, key="wrong").status_code == 401
