"""Tokens of the identity service at the object store: who may do what, and for how long."""
import datetime
import os
import signal
import subprocess
import sys
import time

import pytest
import requests

from conftest import CAIRN, Cloud, User, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mariadb  # noqa: E402

DEFAULT = {"id": "default"}


class Keystone:
    """An administrator's hands, and everybody's logins."""

    def __init__(self, cloud):
        self.cloud, self.url = cloud, cloud.openrc()["OS_AUTH_URL"]
        self.session = requests.Session()
        self.admin = self.login("admin", cloud.openrc()["OS_PASSWORD"], "admin")
        self.roles = {r["name"]: r["id"] for r in self.ask("GET", "/roles")["roles"]}
        self.admin_project = next(p["id"] for p in self.ask("GET", "/projects?name=admin")["projects"])

    def ask(self, method, path, status=(200, 201, 204), token=None, **body):
        r = self.session.request(method, self.url + path, json=body or None, timeout=30,
                                 headers={"X-Auth-Token": token or self.admin})
        assert r.status_code in status, r.text
        return r.json() if r.content else None

    def login(self, user, password, project=None, domain=DEFAULT, scope=None):
        auth = {"identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": domain, "password": password}}}}
        if project:
            scope = {"project": {"name": project, "domain": domain}}
        if scope:
            auth["scope"] = scope
        r = self.session.post(self.url + "/auth/tokens", json={"auth": auth}, timeout=30)
        assert r.status_code == 201, r.text
        return r.headers["X-Subject-Token"]

    def role(self, name):
        if name not in self.roles:
            self.roles[name] = self.ask("POST", "/roles", role={"name": name})["role"]["id"]
        return self.roles[name]

    def project(self, name, domain="default"):
        return self.ask("POST", "/projects", project={"name": name, "domain_id": domain})["project"]["id"]

    def user(self, name, domain="default"):
        return self.ask("POST", "/users", user={"name": name, "domain_id": domain, "password": "pw"})["user"]["id"]

    def grant(self, project, user, role):
        self.ask("PUT", "/projects/%s/users/%s/roles/%s" % (project, user, self.role(role)))


class Somebody:
    """A user with a role in a project, logged in there."""

    def __init__(self, keystone, name, project, project_name, role, domain=DEFAULT):
        self.keystone, self.name, self.project, self.project_name = keystone, name, project, project_name
        self.domain = domain
        self.id = keystone.user(name, domain["id"])
        keystone.grant(project, self.id, role)
        self.account = "AUTH_" + project
        self.login()

    def login(self):
        self.token = self.keystone.login(self.name, "pw", self.project_name, self.domain)
        return self.token

    def __call__(self, method, path="", status=None, account=None, token=None, **headers):
        h = {k.replace("_", "-"): v for k, v in headers.items()}
        h["X-Auth-Token"] = token or self.token
        r = requests.request(method, "%s/v1/%s%s" % (self.keystone.cloud.url, account or self.account, path), headers=h,
                             timeout=30, data=h.pop("data", None))
        assert status is None or r.status_code == status, (r.status_code, r.text)
        return r


def on_mariadb(cloud):
    """Begins anew with a database of that."""
    conf, database = cloud.state + "/identity.conf", mariadb.new_database()
    with open(conf, "a") as f:
        f.write("database = %s\n" % database)
    subprocess.run([CAIRN, "identity", "--config", conf, "bootstrap", "object-store", "swift",
                    cloud.url + "/v1/AUTH_$(project_id)s"], check=True, env=cloud.openrc(), timeout=120)


def cloud_with_identity():
    """For a fixture; on MariaDB with CAIRN_TEST_DATABASE=mariadb."""
    c = Cloud(devices=1, replicas=1, identity=True)
    c.up()
    with open(c.state + "/identity.conf", "a") as f:
        f.write("password_hash_rounds = 4\n")
    c.down()
    if os.environ.get("CAIRN_TEST_DATABASE") == "mariadb":
        on_mariadb(c)
    c.up()
    yield c
    c.close()


@pytest.fixture(scope="module")
def cloud():
    yield from cloud_with_identity()


@pytest.fixture(scope="module")
def keystone(cloud):
    return Keystone(cloud)


@pytest.fixture(scope="module")
def one(keystone):
    return keystone.project("one")


@pytest.fixture(scope="module")
def owner(keystone, one):
    return Somebody(keystone, "owner", one, "one", "member")


@pytest.fixture(scope="module")
def other(keystone):
    return Somebody(keystone, "other", keystone.project("two"), "two", "member")


@pytest.fixture(scope="module")
def service(keystone):
    return Somebody(keystone, "glance", keystone.project("services"), "services", "service")


@pytest.fixture
def container(owner):
    name = "/c-" + os.urandom(6).hex()
    owner("PUT", name, 201)
    owner("PUT", name + "/o", 201, data="hello")
    return name


# --- accounts and roles ---

def test_a_project_has_an_account(owner, container):
    assert owner("GET", container + "/o", 200).text == "hello"
    assert container[1:] in owner("GET", "", 200).text
    owner("POST", "", 204, X_Account_Meta_Color="blue")
    assert owner("HEAD", "", 204).headers["X-Account-Meta-Color"] == "blue"
    owner("DELETE", "", 403)  # an account goes by a reseller administrator alone
    owner("GET", "", 403, account="AUTH_" + "0" * 32)
    owner("GET", "", 403, account="OTHER_" + owner.project)


def test_others_are_kept_out(cloud, keystone, owner, other, container):
    for method in ("GET", "PUT", "POST", "DELETE"):
        other(method, container + "/o", 403, account=owner.account)
    url = "%s/v1/%s%s/o" % (cloud.url, owner.account, container)
    for headers in ({}, {"X-Auth-Token": "nonsense"}, {"X-Auth-Token": owner.token[:-4] + "AAAA"}):
        r = requests.get(url, headers=headers, timeout=10)
        assert r.status_code == 401
        assert 'Swift realm="%s"' % owner.account in r.headers["WWW-Authenticate"]
        assert 'Keystone uri="http://127.0.0.1:%d"' % cloud.identity_port in r.headers["WWW-Authenticate"]
    unscoped = keystone.login("owner", "pw")
    assert owner("GET", container, token=unscoped).status_code == 403


@pytest.mark.parametrize("role,reads,writes", [
    ("admin", True, True), ("manager", True, True), ("swiftoperator", True, True), ("SwiftOperator2", False, False),
    ("reader", True, False), ("service", False, False)])
def test_roles(keystone, one, owner, container, role, reads, writes):
    some = Somebody(keystone, "with-" + role, one, "one", role)
    some("GET", container + "/o", 200 if reads else 403)
    some("PUT", container + "/p", 201 if writes else 403)
    some("PUT", "/%s-made" % container[1:], 201 if writes else 403)
    assert ("X-Container-Read" in some("HEAD", container).headers) is False
    owner("POST", container, 204, X_Container_Read=".r:*")
    assert ("X-Container-Read" in some("HEAD", container).headers) == writes


def test_a_reseller_administrator(keystone, owner, other, container):
    admin = Somebody(keystone, "reseller", keystone.project("resellers"), "resellers", "ResellerAdmin")
    assert admin("GET", container + "/o", 200, account=owner.account).text == "hello"
    admin("PUT", container + "/p", 201, account=owner.account)
    gone = "AUTH_" + keystone.project("gone")
    admin("PUT", "", 201, account=gone)
    admin("DELETE", "", 204, account=gone)
    assert admin("HEAD", "", account=gone).status_code == 410


def test_v1_auth_beside(cloud, owner):
    tester = User(cloud, "test:tester", "testing")
    assert tester.request("PUT", "/v1-container").status_code == 201
    owner("GET", "/v1-container", 403, account="AUTH_test")
    assert tester.request("GET", "", storage="%s/v1/%s" % (cloud.url, owner.account)).status_code == 403
    r = requests.get(cloud.url + "/v1/AUTH_test", headers={"X-Auth-Token": tester.token + "0"}, timeout=10)
    assert r.status_code == 401


# --- ACLs ---

@pytest.mark.parametrize("acl,allowed", [
    ("{two}:{other}", True), ("*:{other}", True), ("{two}:*", True), ("*:*", True), ("two:other", True),
    ("two:{other}", True), ("nobody:x, {two}:{other}", True), (".r:*", True),
    ("{one}:{other}", False), ("{two}:{owner}", False), ("{two}", False), ("{other}", False), ("member", False),
    ("one:other", False), ("two:owner", False), (".r:example.com", False)])
def test_acls(owner, other, container, acl, allowed):
    acl = acl.format(one=owner.project, two=other.project, owner=owner.id, other=other.id)
    owner("POST", container, 204, X_Container_Read=acl)
    other("GET", container + "/o", 200 if allowed else 403, account=owner.account)
    other("PUT", container + "/o", 403, account=owner.account)
    listed = allowed and acl != ".r:*"
    assert other("GET", container, 200 if listed else 403, account=owner.account) is not None
    if not acl.startswith("."):
        owner("POST", container, 204, X_Container_Read="", X_Container_Write=acl)
        other("PUT", container + "/new", 201 if allowed else 403, account=owner.account)
        other("GET", container + "/o", 403, account=owner.account)
        other("POST", container, 403, account=owner.account, X_Container_Meta_Mine="1")


def test_an_acl_that_names_its_owner(owner, container):
    """It takes nothing from it."""
    acl = "%s:*" % owner.project
    owner("POST", container, 204, X_Container_Read=acl)
    assert owner("HEAD", container, 204).headers["X-Container-Read"] == acl


def test_an_acl_of_a_role(keystone, one, owner, other, container):
    """A role counts in its own project, whoever writes it how."""
    helper = Somebody(keystone, "helper", one, "one", "auditor")
    helper("GET", container + "/o", 403)
    owner("POST", container, 204, X_Container_Read="Auditor")
    helper("GET", container + "/o", 200)
    helper("PUT", container + "/o", 403)
    keystone.grant(other.project, other.id, "auditor")
    other.login()
    other("GET", container + "/o", 403, account=owner.account)


def test_everybody_may_read(cloud, owner, other, container):
    url = "%s/v1/%s%s" % (cloud.url, owner.account, container)
    owner("POST", container, 204, X_Container_Read=".r:*")
    assert requests.get(url + "/o", timeout=10).text == "hello"
    assert requests.get(url + "/o", headers={"X-Auth-Token": "nonsense"}, timeout=10).text == "hello"
    assert requests.get(url, timeout=10).status_code == 401
    owner("POST", container, 204, X_Container_Read=".r:*,.rlistings")
    assert requests.get(url, timeout=10).text == "o\n"


def test_names_are_for_one_domain(keystone, owner, container):
    """Names are not unique: somebody of another domain may have the same."""
    domain = keystone.ask("POST", "/domains", domain={"name": "elsewhere"})["domain"]["id"]
    project = keystone.project("two", domain)
    same = Somebody(keystone, "other", project, "two", "member", {"id": domain})
    owner("POST", container, 204, X_Container_Read="two:other")
    same("GET", container + "/o", 403, account=owner.account)
    owner("POST", container, 204, X_Container_Read="%s:%s" % (same.project, same.id))
    same("GET", container + "/o", 200, account=owner.account)
    # And in an account of another domain no names count at all.
    same("PUT", "/named", 201, X_Container_Read="one:owner")
    same("PUT", "/named/o", 201)
    assert same("HEAD", "", 204).headers["X-Account-Project-Domain-Id"] == domain
    owner("GET", "/named/o", 403, account=same.account)
    same("POST", "/named", 204, X_Container_Read="%s:%s" % (owner.project, owner.id))
    owner("GET", "/named/o", 200, account=same.account)


def test_copies_need_both(owner, other, container):
    other("PUT", "/mine")
    to = "/mine/copy"
    other("PUT", to, 403, X_Copy_From=container + "/o", X_Copy_From_Account=owner.account, Content_Length="0")
    owner("POST", container, 204, X_Container_Read="%s:*" % other.project)
    other("PUT", to, 201, X_Copy_From=container + "/o", X_Copy_From_Account=owner.account, Content_Length="0")
    assert other("GET", to, 200).text == "hello"
    other("COPY", to, 403, Destination=container + "/back", Destination_Account=owner.account)


def test_many_at_once(cloud, owner, other, container):
    """Bulk deletes and objects in segments ask for each of what they touch."""
    url = "%s/v1/%s?bulk-delete" % (cloud.url, owner.account)
    owner("PUT", container + "/p", 201)

    def bulk(who):
        return requests.post(url, data="%s/p\n%s/o\n" % (container, container), timeout=30, headers={
            "X-Auth-Token": who.token, "Content-Type": "text/plain", "Accept": "application/json"}).json()
    assert {status for _, status in bulk(other)["Errors"]} == {"403 Forbidden"}
    owner("GET", container + "/o", 200)
    owner("PUT", "/manifests")
    owner("PUT", "/manifests/m", 201, X_Object_Manifest=container[1:] + "/o")
    owner("POST", "/manifests", 204, X_Container_Read="%s:*" % other.project)
    assert owner("GET", "/manifests/m", 200).text == "hello"
    other("GET", "/manifests/m", 403, account=owner.account)  # its segments are not for it
    owner("POST", container, 204, X_Container_Read="%s:*" % other.project)
    assert other("GET", "/manifests/m", 200, account=owner.account).text == "hello"
    assert bulk(owner)["Number Deleted"] == 2
    assert requests.post(url, data="x", timeout=10, headers={"Content-Type": "text/plain"}).status_code == 401


# --- access rules ---

def test_access_rules(keystone, owner, other, service, container):
    """An application credential that may only do what it was made for."""
    path = "/v1/%s/{container}" % owner.account
    a = keystone.ask("POST", "/users/%s/application_credentials" % owner.id, token=owner.token, application_credential={
        "name": "limited", "access_rules": [
            {"service": "object-store", "method": "GET", "path": path + "/*"},
            {"service": "object-store", "method": "PUT", "path": "/v1/*%s/**" % container},
            {"service": "image", "method": "DELETE", "path": "/**"}]})["application_credential"]
    r = requests.post(keystone.url + "/auth/tokens", timeout=10, json={"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": {"id": a["id"], "secret": a["secret"]}}}})
    token = r.headers["X-Subject-Token"]
    for _ in range(2):  # asked for, and remembered
        owner("GET", container + "/o", 200, token=token)
        owner("PUT", container + "/a/b/c", 201, token=token)
        for method, name in (("GET", ""), ("GET", container), ("GET", container + "/a/b/c"), ("PUT", "/other/o"),
                             ("DELETE", container + "/o"), ("HEAD", container + "/o")):
            owner(method, name, 401, token=token)
    # A service that passes it on may do more; somebody who merely has a token is none.
    owner("GET", container, 401, token=token, X_Service_Token=other.token)
    owner("GET", container, 200, token=token, X_Service_Token=service.token)
    keystone.ask("DELETE", "/users/%s/application_credentials/%s" % (owner.id, a["id"]), token=owner.token)
    wait_for(lambda: owner("GET", container + "/o", token=token).status_code == 401, 5)


# --- service tokens ---

def test_service_tokens(owner, other, service):
    """An account of a service, in the project's name: its user and the service only together."""
    account = "SERVICE_" + owner.project
    owner("PUT", "/images", 403, account=account)
    service("PUT", "/images", 403, account=account)
    owner("PUT", "/images", 201, account=account, X_Service_Token=service.token)
    owner("GET", "/images", 403, account=account, X_Service_Token=other.token)
    owner("GET", "/images", 204, account=account, X_Service_Token=service.token)
    other("GET", "/images", 403, account=account, X_Service_Token=service.token)
    owner("GET", "/images", 401, account=account, X_Service_Token="nonsense")


def test_what_a_service_goes_on_with(keystone, owner, other, service, container):
    """A user's token may expire while a service still works for it: not for anybody else."""
    def token(name, life):
        end = (datetime.datetime.utcnow() + datetime.timedelta(seconds=life)).isoformat() + "Z"
        a = keystone.ask("POST", "/users/%s/application_credentials" % owner.id, token=owner.token,
                         application_credential={"name": name, "expires_at": end})["application_credential"]
        return requests.post(keystone.url + "/auth/tokens", timeout=10, json={"auth": {"identity": {
            "methods": ["application_credential"], "application_credential": {
                "id": a["id"], "secret": a["secret"]}}}}).headers["X-Subject-Token"]
    path, short, ended = container + "/o", token("short", 2), token("ended", 2)
    owner("GET", path, 200, token=short)
    requests.delete(keystone.url + "/auth/tokens", headers={"X-Auth-Token": ended, "X-Subject-Token": ended},
                    timeout=10).raise_for_status()
    wait_for(lambda: owner("GET", path, token=short).status_code == 401, 10)
    time.sleep(1)
    for _ in range(2):
        owner("GET", path, 200, token=short, X_Service_Token=service.token)
        owner("PUT", path, 201, token=short, X_Service_Token=service.token, data="hello")
        owner("GET", path, 401, token=short)
        owner("GET", path, 401, token=short, X_Service_Token=other.token)
        owner("GET", path, 401, token=short, X_Service_Token=short)
        owner("GET", path, 401, token=short, X_Service_Token="nonsense")
        owner("GET", path, 401, token=ended, X_Service_Token=service.token)
        owner("GET", path, 401, token="nonsense", X_Service_Token=service.token)
    other("POST", "", 204)
    other("PUT", container, 201)
    other("POST", container, 204, X_Container_Read="one:owner")
    owner("GET", container, 204, account=other.account, token=short, X_Service_Token=service.token)
    owner("GET", container, 401, account=other.account, token=short)


# --- the life of a token ---

def ends(somebody, status=401, seconds=5):
    """How long a token lived on."""
    begin = time.monotonic()
    wait_for(lambda: all(somebody("HEAD", "").status_code == status for _ in range(8)), seconds)
    return time.monotonic() - begin


def test_logout(keystone, owner):
    owner("PUT", "/for-a-token", 201)
    owner("GET", "", 200)
    requests.delete(
        keystone.url + "/auth/tokens", headers={"X-Auth-Token": owner.token, "X-Subject-Token": owner.token},
        timeout=10).raise_for_status()
    assert ends(owner) < 3
    owner.login()
    owner("GET", "", 200)


def test_a_disabled_user_and_a_lost_role(keystone, one):
    some = Somebody(keystone, "somebody", one, "one", "member")
    some("GET", "", 200)
    keystone.ask("PATCH", "/users/" + some.id, user={"enabled": False})
    assert ends(some) < 3
    keystone.ask("PATCH", "/users/" + some.id, user={"enabled": True})
    some.login()
    some("GET", "", 200)
    keystone.ask("DELETE", "/projects/%s/users/%s/roles/%s" % (one, some.id, keystone.role("member")))
    assert ends(some) < 3


def test_a_token_without_its_roles(keystone, one):
    """Too many to be in it: they are asked for."""
    some = Somebody(keystone, "busy", one, "one", "member")
    for i in range(20):
        keystone.grant(one, some.id, "a-role-with-a-long-name-%d" % i)
    some.login()
    some("PUT", "/by-many", 201)
    some("GET", "/by-many", 204)
    keystone.ask("DELETE", "/projects/%s/users/%s/roles/%s" % (one, some.id, keystone.role("member")))
    assert ends(some) < 3
    some.login()
    some("GET", "/by-many", 403)


def test_without_news(cloud, keystone, owner):
    """For ten seconds what is known counts; then nobody is believed, and nobody is turned away for good."""
    pid = cloud.pid("identity")
    os.kill(pid, signal.SIGSTOP)
    try:
        owner("GET", "", 200)
        wait_for(lambda: owner("GET", "").status_code == 503, 40)
        assert "no news from the identity service" in cloud.cairn("status", "--state", cloud.state).stdout
        tester = User(cloud, "test:tester", "testing")
        assert tester.request("GET", "").status_code in (200, 204)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: owner("GET", "").status_code == 200, 20)


def test_keys_are_rotated(cloud, keystone, owner):
    before = owner.token
    subprocess.run([CAIRN, "identity", "--config", cloud.state + "/identity.conf", "rotate-keys"], check=True, timeout=30)
    os.kill(cloud.pid("identity"), signal.SIGHUP)
    wait_for(lambda: "reload keys=2" in open(cloud.state + "/log/identity.log").read())
    owner("GET", "", 200, token=owner.login())
    owner("GET", "", 200, token=before)


def test_a_restart_in_the_middle(cloud, keystone, owner):
    """The node may come first, and has heard nothing yet: it asks, or says so; it refuses nobody."""
    pid = cloud.pid("identity")
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        owner("GET", "", 200)
    cloud.kill_node()
    seen = set()
    wait_for(lambda: seen.add(owner("GET", "").status_code) or 200 in seen, 20)
    assert seen <= {200, 503}


def test_no_token_is_logged(cloud, keystone, owner):
    for log in ("node", "identity"):
        text = open(cloud.state + "/log/%s.log" % log).read()
        assert owner.token not in text and keystone.admin not in text
