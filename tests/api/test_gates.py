"""What requests pass before it is known who asks: names, hosts, marks of accounts, headers of our own."""
import http.client
import json
import os
import re
import time
import urllib.parse

import pytest
import requests

from conftest import Cloud, User


@pytest.fixture(scope="module")
def strict():
    """A cloud with all that is off by default."""
    c = Cloud(conf={"name_check": ["enabled = yes"], "list_endpoints": ["enabled = yes"],
                    "domain_remap": ["storage_domain = example.net, .other.example", "default_reseller_prefix = AUTH"]})
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def user(strict):
    return User(strict, "test:tester", "testing")


def raw(cloud, method, path, headers=None, body=None):
    conn = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    conn.putrequest(method, path, skip_host=True)
    for k, v in (headers or {}).items():
        conn.putheader(k, v)
    if body is not None:
        conn.putheader("Content-Length", str(len(body)))
    conn.endheaders(body)
    r = conn.getresponse()
    r.text = r.read()
    conn.close()
    return r


# --- headers that we keep for ourselves ---

@pytest.mark.parametrize("name", [
    "X-Object-Sysmeta-A", "x_object_sysmeta_a", "X-Container-Sysmeta-A", "X-Account-Sysmeta-A",
    "X-Object-Transient-Sysmeta-A", "X-Backend-Storage-Policy-Index", "X-Backend-Timestamp", "X-Container-Host",
    "X-Delete-At-Container", "X-Account-Partition"])
def test_headers_of_our_own_are_not_taken(tester, container, name):
    for path in ("", "/" + container, "/%s/o" % container):
        for method in ("PUT", "POST"):
            if path:
                assert tester.request(method, path, headers={name: "1"}).status_code in (201, 202, 204)
            else:
                assert tester.request("POST", path, headers={name: "1"}).status_code == 204
        told = tester.request("HEAD", path).headers
        assert not [h for h in told if h.lower().replace("_", "-") == name.lower().replace("_", "-")]


# --- name_check ---

@pytest.mark.parametrize("name,text", [
    ("a%27b", "forbidden chars"), ("a%22", "forbidden chars"), ("a<b", "forbidden chars"), ("a%60", "forbidden chars"),
    ("x" * 250, "longer than"), ("c/./o", "substring"), ("c/../o", "substring"), ("c/..", "substring"),
    ("c/%2E%2E/o", "substring"), ("%2e", "substring")])
def test_names_that_are_not_wanted(strict, user, name, text):
    base = urllib.parse.urlsplit(user.storage).path
    r = raw(strict, "PUT", base + "/" + name, {"Host": "x", "X-Auth-Token": user.token}, b"")
    assert r.status == 400 and text in r.text.decode(), r.text


def test_other_names_are(strict, user):
    base = urllib.parse.urlsplit(user.storage).path
    for name in ("c", "c/a..b", "c/.a", "c/" + "x" * 200):
        assert raw(strict, "PUT", base + "/" + name, {"Host": "x", "X-Auth-Token": user.token}, b"").status in (201, 202)
    assert requests.get(strict.url + "/info").json()["name_check"] == {
        "forbidden_chars": "'\"`<>", "maximum_length": 255, "forbidden_regexp": "/\\./|/\\.\\./|/\\.$|/\\.\\.$"}


def test_by_default_all_names_are(tester, container):
    assert tester.request("PUT", "/%s/%s" % (container, "a'b" + "y" * 300), data=b"").status_code == 201
    info = requests.get(tester.cloud.url + "/info").json()
    assert "name_check" not in info and "read_only" not in info


def test_a_pattern_that_is_none_is_told(strict):
    path = strict.dir + "/bad.conf"
    text = open(strict.state + "/cairn.conf").read()
    open(path, "w").write(text.replace("[name_check]\n", "[name_check]\nforbidden_regexp = (\n"))
    out = strict.cairn("node", "--config", path, "--check", check=False)
    assert out.returncode != 0 and "forbidden_regexp" in out.stdout


# --- read_only ---

def writes(user, container, account=None):
    s = dict(storage=account) if account else {}
    o = "/%s/o" % container
    return [user.request("PUT", o, data=b"x", **s).status_code, user.request("POST", o, **s).status_code,
            user.request("COPY", o, headers={"Destination": container + "/copy"}, **s).status_code,
            user.request("PUT", "/" + container, **s).status_code, user.request("POST", "", **s).status_code]


def test_marked_accounts_are_read_only(cloud):
    user, admin = User(cloud, "test2:tester2", "testing2"), User(cloud, "admin:admin", "admin")
    name = "ro-" + os.urandom(5).hex()
    user.request("PUT", "/" + name)
    user.request("PUT", "/%s/o" % name, data=b"body")
    assert user.request("POST", headers={"X-Account-Read-Only": "true"}).status_code == 403
    assert admin.request("POST", storage=user.storage, headers={"X-Account-Read-Only": "true"}).status_code == 204
    try:
        assert writes(user, name) == [405] * 5
        r = user.request("DELETE", "/%s/o" % name)
        assert r.status_code == 405 and r.text == "Writes are disabled for this account."
        assert user.request("GET", "/%s/o" % name).text == "body"
        assert not [h for h in user.request("HEAD").headers if "read-only" in h.lower()]
        assert admin.request("HEAD", storage=user.storage).headers["X-Account-Read-Only"] == "true"
        # Nor does a copy from elsewhere get in.
        tester = User(cloud, "test:tester", "testing")
        tester.request("PUT", "/" + name)
        tester.request("PUT", "/%s/o" % name, data=b"x")
        r = tester.request("COPY", "/%s/o" % name, headers={
            "Destination": name + "/in", "Destination-Account": user.storage.rsplit("/", 1)[1]})
        assert r.status_code == 405
        assert user.request("POST", headers={"X-Account-Read-Only": ""}).status_code == 403
    finally:
        assert admin.request("POST", storage=user.storage, headers={"X-Account-Read-Only": ""}).status_code == 204
    assert writes(user, name)[0] == 201


def test_a_cluster_is_read_only():
    c = Cloud()
    c.up()
    try:
        user, admin = User(c, "test:tester", "testing"), User(c, "admin:admin", "admin")
        other = User(c, "test2:tester2", "testing2")
        user.request("PUT", "/c")
        user.request("PUT", "/c/o", data=b"x")
        other.request("PUT", "/c")
        assert admin.request("POST", storage=other.storage, headers={"X-Account-Read-Only": "false"}).status_code == 204
        c.set_conf({"read_only": ["read_only = yes"]})
        assert writes(user, "c") == [405] * 5
        assert user.request("DELETE", "/c/o").status_code == 405 and user.request("GET", "/c/o").text == "x"
        assert writes(other, "c")[0] == 201
        assert requests.get(c.url + "/info").json()["read_only"] == {}
        c.set_conf({"read_only": ["allow_deletes = yes"]})
        assert user.request("DELETE", "/c/o").status_code == 204 and writes(user, "c") == [405] * 5
    finally:
        c.close()


# --- domain_remap ---

def test_hosts_stand_for_paths(strict, user):
    token = {"X-Auth-Token": user.token}
    user.request("PUT", "/c")
    user.request("PUT", "/c/o", data=b"by its host")
    user.request("PUT", "/c/v1/o", data=b"v1")
    for host, path, status, text in (
            ("c.AUTH_test.example.net", "/o", 200, b"by its host"), ("c.auth-test.example.net", "/o", 200, b"by its host"),
            ("c.auth_test.example.net:8080", "/o", 200, b"by its host"), ("c.test.example.net", "/o", 200, b"by its host"),
            ("c.auth-test.other.example", "/o", 200, b"by its host"), ("c.auth-test.example.net", "/v1/o", 200, b"v1"),
            ("auth-test.example.net", "/c/o", 200, b"by its host"), ("x.c.auth-test.example.net", "/o", 400, b"Bad domain"),
            ("c.auth-test.example.com", "/o", 412, None), ("c.auth-test.notexample.net", "/o", 412, None),
            ("example.net", "/v1/AUTH_test/c/o", 200, b"by its host")):
        r = raw(strict, "GET", path, dict(token, Host=host))
        assert r.status == status and (text is None or text in r.text), (host, path, r.status, r.text)
    r = raw(strict, "GET", "/", dict(token, Host="c.auth-test.example.net"))
    assert r.status in (200, 204) and b"o\n" in r.text
    assert raw(strict, "GET", "/healthcheck", {"Host": "c.auth-test.example.net"}).text == b"OK"
    # Rights are those of the path.
    assert raw(strict, "GET", "/o", {"Host": "c.auth-test.example.net"}).status == 401
    for host in ("%2e.auth-test.example.net", "c%2Fo.auth-test.example.net", "é.auth-test.example.net", "..example.net",
                 ".example.net", "a..example.net", ":", "[::1]:80", ""):
        r = raw(strict, "GET", "/o", dict(token, Host=host.encode()))
        assert r.status in (400, 401, 403, 404, 412), (host, r.status)
    assert requests.get(strict.url + "/info").json()["domain_remap"] == {"default_reseller_prefix": "AUTH"}


# --- list_endpoints ---

def test_endpoints(strict, user):
    user.request("PUT", "/c")
    user.request("PUT", "/c/a b/o", data=b"x")
    for path, parts in (("AUTH_test", "AUTH_test"), ("AUTH_test/c", "AUTH_test/c"),
                        ("AUTH_test/c/a%20b/o", "AUTH_test/c/a%20b/o")):
        for version in ("", "v1/", "v1.0/"):
            urls = requests.get(strict.url + "/endpoints/" + version + path).json()
            assert len(urls) == 3 and len(set(urls)) == 3
            for url in urls:
                assert re.match(r"http://127\.0\.0\.1:\d+/d\d/\d+/" + re.escape(parts) + "$", url), url
        two = requests.get(strict.url + "/endpoints/v2/" + path).json()
        assert two["endpoints"] == urls
        assert two["headers"] == ({"X-Backend-Storage-Policy-Index": "0"} if "o" in path else {})
    for path in ("", "v1", "v1/", "v3/AUTH_test", "v2x/AUTH_test", "v/a", "AUTH_test/%00", "%ff"):
        assert requests.get(strict.url + "/endpoints/" + path).status_code == 400, path
    assert requests.put(strict.url + "/endpoints/v1/AUTH_test").status_code == 405


def test_endpoints_are_not_told_by_default(cloud):
    assert requests.get(cloud.url + "/endpoints/v1/AUTH_test").status_code in (400, 412)
