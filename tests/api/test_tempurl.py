"""Temporary URLs: what is signed is good, and nothing else."""
import base64
import hashlib
import hmac
import os
import time
import urllib.parse

import pytest
import requests

from conftest import User

KEY, KEY2, CONTAINER_KEY = "a key", "second-" + "x" * 40, "kéy of the container"


@pytest.fixture(scope="module")
def owner(cloud):
    user = User(cloud, "test:tester", "testing")
    r = user.request("POST", headers={"X-Account-Meta-Temp-URL-Key": KEY, "X-Account-Meta-Temp-Url-Key-2": KEY2})
    assert r.status_code == 204
    yield user
    user.request("POST", headers={"X-Account-Meta-Temp-URL-Key": "", "X-Account-Meta-Temp-Url-Key-2": ""})


@pytest.fixture
def place(owner):
    name = "c-" + os.urandom(5).hex()
    headers = {"X-Container-Meta-Temp-Url-Key": CONTAINER_KEY.encode()}
    assert owner.request("PUT", "/" + name, headers=headers).status_code == 201
    return name


def sign(path, method="GET", key=KEY, expires=None, digest="sha256", prefix=None, ip=None, form="hex", **more):
    """The query of a temporary URL for a decoded path."""
    expires = int(time.time()) + 60 if expires is None else expires
    signed = path if prefix is None else "prefix:%s%s" % ("/".join(path.split("/")[:4]) + "/", prefix)
    text = "%s\n%s\n%s" % (method, expires, signed)
    if ip:
        text = "ip=%s\n%s" % (ip, text)
    made = hmac.new(key.encode(), text.encode(), getattr(hashlib, digest))
    sig = made.hexdigest() if form == "hex" else digest + ":" + (
        base64.b64encode if form == "base64" else base64.urlsafe_b64encode)(made.digest()).decode().rstrip("=")
    query = {"temp_url_sig": sig, "temp_url_expires": str(expires)}
    if prefix is not None:
        query["temp_url_prefix"] = prefix
    if ip:
        query["temp_url_ip_range"] = ip
    query.update(more)
    return query


class Signed:
    def __init__(self, user, path):
        self.user, self.path = user, "/v1/%s%s" % (user.storage.rsplit("/", 1)[1], path)

    def url(self, query, path=None):
        return self.user.cloud.url + urllib.parse.quote(path or self.path) + "?" + urllib.parse.urlencode(query)

    def ask(self, method, path=None, headers=None, data=None, query=None, signs=None, **kw):
        query = query or sign(signs or path or self.path, kw.pop("like", method), **kw)
        return requests.request(method, self.url(query, path), headers=headers, data=data, timeout=60)


def put(owner, place, name="o", body=b"body", **headers):
    h = {k.replace("_", "-"): v for k, v in headers.items()}
    assert owner.request("PUT", "/%s/%s" % (place, name), data=body, headers=h).status_code == 201
    return Signed(owner, "/%s/%s" % (place, urllib.parse.unquote(name)))


def test_each_method_key_digest_and_form(owner, place):
    o = put(owner, place)
    for key in (KEY, KEY2, CONTAINER_KEY):
        for digest in ("sha1", "sha256", "sha512"):
            for form in ("hex", "base64", "url"):
                r = o.ask("GET", key=key, digest=digest, form=form)
                assert r.status_code == 200 and r.content == b"body", (key, digest, form)
    assert o.ask("PUT", data=b"new").status_code == 201
    assert o.ask("GET").content == b"new"
    assert o.ask("POST", headers={"X-Object-Meta-A": "b"}).status_code == 202
    assert o.ask("DELETE").status_code == 204
    assert o.ask("GET").status_code == 404
    # Behind it goes no other method, and no method than the signed one.
    o = put(owner, place)
    for method in ("GET", "PUT", "POST", "DELETE"):
        for signed in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            if signed != method:
                assert o.ask(method, like=signed).status_code == 401, (method, signed)
    assert o.ask("COPY", headers={"Destination": place + "/x"}).status_code == 401
    for signed, status in (("GET", 200), ("HEAD", 200), ("PUT", 200), ("POST", 200), ("DELETE", 401)):
        assert o.ask("HEAD", like=signed).status_code == status, signed


def test_the_refusal(owner, place):
    o = put(owner, place)
    r = o.ask("GET", key="wrong")
    assert r.status_code == 401 and r.text == "401 Unauthorized: Temp URL invalid\n"
    assert r.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert r.headers["Www-Authenticate"].startswith('Swift realm="AUTH_')
    # A token does not help a bad signature.
    r = requests.get(o.url(sign(o.path, key="wrong")), headers={"X-Auth-Token": owner.token}, timeout=60)
    assert r.status_code == 401


def test_nothing_of_it_can_be_changed(owner, place):
    o, now = put(owner, place), int(time.time())
    put(owner, place, "o2")
    good = sign(o.path, expires=now + 600)
    assert o.ask("GET", query=good).status_code == 200
    for i in range(0, 64, 7):
        bad = good["temp_url_sig"]
        bad = bad[:i] + ("0" if bad[i] != "0" else "1") + bad[i + 1:]
        assert o.ask("GET", query=dict(good, temp_url_sig=bad)).status_code == 401
    sig = good["temp_url_sig"]
    for bad in ("", "x", sig[:-1], sig + "0", sig[:40], sig + sig, sig.upper() if sig.upper() != sig else "y",
                "sha256:", "sha256:!!", "sha512:" + base64.b64encode(bytes.fromhex(sig)).decode(), "md5:" + sig,
                ":" + sig, "\0" * 64, "é" * 32):
        assert o.ask("GET", query=dict(good, temp_url_sig=bad)).status_code == 401, bad
    for expires in (now + 601, now - 1, 0, -1, "", "x", "99999999999999999999", "1e9", "2030-01-01", "nan",
                    "2030-02-30T00:00:00Z", "2030-01-01T00:00:00", "0x7fffffff"):
        assert o.ask("GET", query=dict(good, temp_url_expires=str(expires))).status_code == 401, expires
    assert o.ask("GET", path=o.path + "2", query=good).status_code == 401
    assert o.ask("GET", path=o.path.replace("/v1/", "/v1.0/"), query=good).status_code == 401
    assert o.ask("GET", query={k: v for k, v in good.items() if k != "temp_url_sig"}).status_code == 401
    assert o.ask("GET", query={k: v for k, v in good.items() if k != "temp_url_expires"}).status_code == 401
    for more in ({"temp_url_prefix": ""}, {"temp_url_prefix": "o"}, {"temp_url_ip_range": "127.0.0.1"}):
        assert o.ask("GET", query=dict(good, **more)).status_code == 401, more
    # The first of a name counts.
    url = o.url(good)
    assert requests.get(url + "&temp_url_sig=x", timeout=60).status_code == 200
    assert requests.get(url.replace("?", "?temp_url_sig=x&"), timeout=60).status_code == 401


def test_times(owner, place):
    o, now = put(owner, place), int(time.time())
    assert o.ask("GET", expires=now - 2).status_code == 401
    assert o.ask("GET", expires=99999999999999).status_code == 200
    for zone, status in (("Z", 200), ("", 401), ("+00:00", 401)):
        q = sign(o.path, expires=now // 3600 * 3600 + 7200)
        q["temp_url_expires"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 3600 * 3600 + 7200)) + zone
        r = o.ask("GET", query=q)
        assert r.status_code == status, zone
        if zone == "Z":
            assert r.headers["Expires"] == time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                                                         time.gmtime(now // 3600 * 3600 + 7200))
    q = sign(o.path, expires=now - 7200)
    q["temp_url_expires"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 7200))
    assert o.ask("GET", query=q).status_code == 401


def test_prefixes(owner, place):
    put(owner, place, "ab/c"), put(owner, place, "b")
    o, root = Signed(owner, "/%s/ab/c" % place), Signed(owner, "/" + place)
    for prefix, status in (("", 200), ("a", 200), ("ab/", 200), ("ab/c", 200), ("ab/cd", 401), ("b", 401)):
        assert o.ask("GET", prefix=prefix).status_code == status, prefix
    assert Signed(owner, "/%s/b" % place).ask("GET", signs=o.path, prefix="a").status_code == 401
    # No listing by it, of which site ever.
    for path in (root.path, root.path + "/"):
        for method in ("GET", "HEAD"):
            assert root.ask(method, path=path, prefix="", signs=root.path + "/").status_code == 401
            assert root.ask(method, path=path).status_code == 401
    for method in ("PUT", "POST", "DELETE"):
        assert root.ask(method, prefix="", signs=root.path + "/").status_code == 401
    account = root.path.rsplit("/", 1)[0]
    assert root.ask("GET", path=account, signs=account).status_code == 401
    assert owner.request("GET", "/" + place).text == "ab/c\nb\n"


@pytest.mark.parametrize("ip,status", [
    ("127.0.0.1", 200), ("127.0.0.1/32", 200), ("127.0.0.0/8", 200), ("127.0.0.0/255.0.0.0", 200),
    ("127.0.0.0/0.255.255.255", 200), ("0.0.0.0/0", 200), ("127.0.0.1/8", 401), ("127.0.0.2", 401),
    ("10.0.0.0/8", 401), ("::1", 401), ("::/0", 401), ("127.0.0.0/33", 401), ("127.0.0.0/", 401), ("x", 401),
    ("127.0.0.0/-1", 401), ("127.0.0.0/255.0.255.0", 401), ("127.1", 401)])
def test_addresses(owner, place, ip, status):
    o = put(owner, place)
    assert o.ask("GET", ip=ip).status_code == status
    q = sign(o.path, ip=ip)
    del q["temp_url_ip_range"]
    assert o.ask("GET", query=q).status_code == 401


def test_how_it_is_shown(owner, place):
    name = "a b/ü\".txt"
    o = put(owner, place, urllib.parse.quote(name), X_Object_Meta_Secret="s", X_Object_Meta_Public_Open="p",
            Content_Type="text/plain")
    quoted = "%C3%BC%22.txt"
    r = o.ask("GET")
    assert r.headers["Content-Disposition"] == "attachment; filename=\"%s\"; filename*=UTF-8''%s" % (quoted, quoted)
    assert "X-Object-Meta-Secret" not in r.headers and r.headers["X-Object-Meta-Public-Open"] == "p"
    r = o.ask("GET", filename="my \"file\".txt")
    assert r.headers["Content-Disposition"] == (
        "attachment; filename=\"my %22file%22.txt\"; filename*=UTF-8''my%20%22file%22.txt")
    assert o.ask("GET", filename="a\r\nX-Evil: b").headers["Content-Disposition"] == (
        "attachment; filename=\"a%0D%0AX-Evil%3A b\"; filename*=UTF-8''a%0D%0AX-Evil%3A%20b")
    assert o.ask("HEAD", inline="").headers["Content-Disposition"] == "inline"
    assert o.ask("GET", inline="", filename="f").headers["Content-Disposition"] == (
        "inline; filename=\"f\"; filename*=UTF-8''f")
    o = put(owner, place, "own", Content_Disposition="attachment; filename=own")
    assert o.ask("GET").headers["Content-Disposition"] == "attachment; filename=own"
    assert o.ask("GET", filename="f").headers["Content-Disposition"].startswith('attachment; filename="f"')
    o = put(owner, place, "dir/")
    assert o.ask("GET").headers["Content-Disposition"].startswith('attachment; filename="dir"')
    r = o.ask("GET", headers={"Range": "bytes=1-2"})
    assert r.status_code == 206 and r.content == b"od"


def test_what_is_put_does_not_lead_elsewhere(owner, place):
    put(owner, place, "secret", b"secret")
    o = Signed(owner, "/%s/new" % place)
    for name in ("X-Object-Manifest", "x-object-manifest", "X-Symlink-Target", "X_Symlink_Target"):
        for method in ("PUT", "POST"):
            r = o.ask(method, data=b"", headers={name: place + "/secret"})
            assert r.status_code == 400 and "is not allowed in this tempurl" in r.text, (name, method)
    # What is no part of a temporary URL does not count: this is a body like any other.
    manifest = b'[{"path": "/%s/secret"}]' % place.encode()
    r = o.ask("PUT", data=manifest, query=dict(sign(o.path, "PUT"), **{"multipart-manifest": "put"}))
    assert r.status_code == 201 and o.ask("GET").content == manifest
    assert o.ask("POST", data=b"/%s/secret\n" % place.encode(),
                 query=dict(sign(o.path, "POST"), **{"bulk-delete": ""})).status_code == 401
    assert owner.request("HEAD", "/%s/secret" % place).status_code == 200


def test_scope(cloud, owner, place):
    """The account's key reaches all of the account, a container's that container, none another account."""
    other = User(cloud, "test2:tester2", "testing2")
    theirs = "/t-" + place
    assert other.request("PUT", theirs, headers={"X-Container-Write": "*:*"}).status_code == 201
    other.request("PUT", theirs + "/o", data=b"theirs")
    put(owner, place, "o", b"ours")
    second = "s-" + place
    owner.request("PUT", "/" + second)
    put(owner, second, "o", b"second")
    o = Signed(owner, "/%s/copy" % place)

    def copy(source, key, account=None):
        h = {"X-Copy-From": source}
        if account:
            h["X-Copy-From-Account"] = account
        return o.ask("PUT", key=key, headers=h, data=b"").status_code
    assert copy("/%s/o" % place, KEY) == 201
    assert copy("/%s/o" % place, CONTAINER_KEY) == 201
    assert copy("/%s/o" % second, KEY) == 201
    assert copy("/%s/o" % second, CONTAINER_KEY) == 401
    for key in (KEY, CONTAINER_KEY):
        assert copy(theirs + "/o", key, other.storage.rsplit("/", 1)[1]) == 401
    # A link by its owner leads as far as the key does.
    for name, target in (("l1", place + "/o"), ("l2", second + "/o")):
        owner.request("PUT", "/%s/%s" % (place, name), headers={"X-Symlink-Target": target})
    for name, key, status in (("l1", KEY, 200), ("l1", CONTAINER_KEY, 200), ("l2", KEY, 200), ("l2", CONTAINER_KEY, 401)):
        assert Signed(owner, "/%s/%s" % (place, name)).ask("GET", key=key).status_code == status, (name, key)
    # Keys of others are no keys here.
    assert Signed(other, theirs + "/o").ask("GET", key=KEY).status_code == 401


def test_keys_are_for_owners(cloud, owner, place):
    other = User(cloud, "test:tester3", "testing3")
    owner.request("POST", "/" + place, headers={"X-Container-Read": "test:tester3"})
    assert "X-Container-Meta-Temp-Url-Key" in owner.request("HEAD", "/" + place).headers
    r = other.request("HEAD", "/" + place)
    assert r.status_code == 204 and not [h for h in r.headers if "temp-url" in h.lower()]
    put(owner, place)
    o = Signed(owner, "/%s/o" % place)
    assert not [h for h in o.ask("HEAD").headers if "temp-url" in h.lower()]


def test_a_key_that_is_gone_signs_nothing(owner, place):
    o = put(owner, place)
    assert o.ask("GET", key=CONTAINER_KEY).status_code == 200
    owner.request("POST", "/" + place, headers={"X-Container-Meta-Temp-Url-Key": "another"})
    assert o.ask("GET", key=CONTAINER_KEY).status_code == 401
    owner.request("POST", "/" + place, headers={"X-Remove-Container-Meta-Temp-Url-Key": "x"})
    assert o.ask("GET", key="another").status_code == 401
    assert o.ask("GET", key="").status_code == 401
    assert Signed(owner, "/none/o").ask("GET").status_code == 404
    nobody = o.path.replace("AUTH_test", "AUTH_nobody-" + place)
    assert o.ask("GET", path=nobody, key="").status_code == 401


def test_info(cloud):
    assert requests.get(cloud.url + "/info", timeout=60).json()["tempurl"] == {
        "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
        "incoming_remove_headers": ["x-timestamp", "x-open-expired"], "incoming_allow_headers": [],
        "outgoing_remove_headers": ["x-object-meta-*"], "outgoing_allow_headers": ["x-object-meta-public-*"],
        "allowed_digests": ["sha1", "sha256", "sha512"], "deprecated_digests": ["sha1"]}
