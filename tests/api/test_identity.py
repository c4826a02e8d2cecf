"""The identity service as OpenStack's own client sees it, and by plain requests where that is not sharp enough."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

import pytest
import requests

from conftest import CAIRN, free_port, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mariadb  # noqa: E402

PASSWORD = "a secret: \u2603 '%s\\"


class Identity:
    """On SQLite; on MariaDB with CAIRN_TEST_DATABASE=mariadb, or where a database is given. One `beside` another has
    its folder, with the keys, and its database."""

    def __init__(self, more="", database=None, beside=None):
        self.beside, self.port = beside, free_port()
        if database is None and os.environ.get("CAIRN_TEST_DATABASE") == "mariadb":
            database = mariadb.new_database()
        self.database = beside.database if beside else database or ""
        self.dir = beside.dir if beside else tempfile.mkdtemp(prefix="cairn-api-")
        self.url = "http://127.0.0.1:%d/v3" % self.port
        self.conf, self.log_path = ("%s/identity-%d.%s" % (self.dir, self.port, end) for end in ("conf", "log"))
        with open(self.conf, "w") as f:
            f.write("[identity]\nstate_dir = %s\nport = %d\npassword_hash_rounds = 4\ndatabase = %s\n%s" % (
                self.dir, self.port, self.database, more))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        self.env.update(OS_AUTH_URL=self.url, OS_USERNAME="admin", OS_PASSWORD=PASSWORD, OS_PROJECT_NAME="admin",
                        OS_USER_DOMAIN_NAME="Default", OS_PROJECT_DOMAIN_NAME="Default", OS_IDENTITY_API_VERSION="3",
                        PYTHONIOENCODING="utf-8", LC_ALL="C.UTF-8")
        if not beside:
            self.command("bootstrap")
        self.start()

    def command(self, *args, code=0):
        r = subprocess.run([CAIRN, "identity", "--config", self.conf, *args], env=self.env, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=60)
        assert r.returncode == code, r.stdout
        return r.stdout

    def start(self):
        self.log = open(self.log_path, "a")
        self.process = subprocess.Popen([CAIRN, "identity", "--config", self.conf], stderr=self.log)
        wait_for(self.serves, 20)

    def serves(self):
        try:
            return requests.get("http://127.0.0.1:%d/healthcheck" % self.port, timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.log.close()
        return code

    def close(self):
        code = self.stop()
        with open(self.log_path) as f:
            log = f.read()
        if not self.beside:
            shutil.rmtree(self.dir)
        assert code == 0 and "Sanitizer" not in log and "runtime error" not in log, log[-6000:]
        assert PASSWORD not in log

    def sql(self, statement, *values):
        """Rows, straight from the database."""
        if self.database:
            return mariadb.run(self.database, statement, values)
        db = sqlite3.connect(self.dir + "/identity.db", timeout=20)
        with db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def openstack(self, *args, code=0, env=None):
        r = subprocess.run(["/usr/bin/openstack", *args], env=dict(self.env, **(env or {})), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60)
        assert (r.returncode == 0) == (code == 0), (args, r.stdout, r.stderr)
        return r.stdout if code == 0 else r.stderr

    def show(self, *args):
        return json.loads(self.openstack(*args, "-f", "json"))

    def names(self, *args):
        return sorted(row["Name"] for row in self.show(*args))

    def login(self, user="admin", password=PASSWORD, scope=None, status=201, **more):
        auth = {"identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"id": "default"}, "password": password}}}}
        if scope is not None:
            auth["scope"] = scope
        r = requests.post(self.url + "/auth/tokens", json={"auth": auth}, **more)
        assert r.status_code == status, r.text
        return r

    def token(self, *args, **kw):
        return self.login(*args, **kw).headers["X-Subject-Token"]

    def ask(self, token, method, path, status=200, **more):
        r = requests.request(method, self.url + path, headers={"X-Auth-Token": token}, **more)
        assert r.status_code == status, r.text
        return r.json() if r.content else None


ADMIN = {"project": {"name": "admin", "domain": {"id": "default"}}}


def test_a_cloud_begins(identity):
    token = identity.show("token", "issue")
    assert set(token) == {"expires", "id", "project_id", "user_id"} and len(token["id"]) <= 512
    assert identity.names("role", "list") == ["admin", "manager", "member", "reader", "service"]
    assert [row["Name"] for row in identity.show("catalog", "list")] == ["keystone"]
    identity.command("bootstrap")  # again: all is there
    assert identity.names("project", "list") == ["admin"] and identity.names("user", "list") == ["admin"]
    assert identity.names("domain", "list") == ["Default"]


def test_a_new_password_for_the_first_user():
    """Who has lost it, or lost it to somebody, begins again: nothing got by the old one is good any more."""
    i = Identity()
    try:
        token = i.token(scope=ADMIN)
        i.command("bootstrap", "object-store", "swift", "http://127.0.0.1:8080/v1/AUTH_$(project_id)s")
        i.ask(token, "GET", "/users")
        assert "ResellerAdmin" in [r["name"] for r in i.ask(token, "GET", "/roles")["roles"]]
        i.env["OS_PASSWORD"] = "another"
        i.command("bootstrap")
        wait_for(lambda: requests.get(i.url + "/users", headers={"X-Auth-Token": token}).status_code == 401, 5)
        i.login(status=401)
        i.ask(i.token(password="another", scope=ADMIN), "GET", "/users")
    finally:
        i.close()


def test_discovery(identity):
    """Any client begins there."""
    base = identity.url[:-3]
    for path in "", "/", "/?x":
        r = requests.get(base + path)
        assert r.status_code == 300 and [v["id"] for v in r.json()["versions"]["values"]] == ["v3.14"]
    for path in "/v3", "/v3/":
        r = requests.get(base + path)
        version = r.json()["version"]
        assert r.status_code == 200 and version["status"] == "stable" and version["links"][0]["href"] == base + "/v3/"


def test_what_administrators_manage(identity):
    i = identity
    domain = i.show("domain", "create", "--description", "its own", "one")
    assert i.show("domain", "show", "one")["description"] == "its own"
    project = i.show("project", "create", "--domain", "one", "--property", "color=blue", "p")
    assert project["domain_id"] == project["parent_id"] == domain["id"] and project["color"] == "blue"
    i.openstack("project", "set", "--domain", "one", "--name", "q", "--description", "new", "p")
    assert i.show("project", "show", "--domain", "one", "q")["description"] == "new"
    child = i.show("project", "create", "--domain", "one", "--parent", "q", "r")
    assert child["parent_id"] == project["id"]
    assert "not a leaf" in i.openstack("project", "delete", "--domain", "one", "q", code=1)
    user = i.show("user", "create", "--domain", "one", "--password", "pw", "--email", "u@x", "u")
    assert user["domain_id"] == domain["id"] and user["email"] == "u@x" and "password" not in user
    i.openstack("user", "create", "--domain", "one", "u", code=1)
    assert i.names("user", "list", "--domain", "one") == ["u"]
    i.show("group", "create", "--domain", "one", "g")
    i.openstack("group", "add", "user", "--group-domain", "one", "--user-domain", "one", "g", "u")
    assert i.names("user", "list", "--domain", "one", "--group", "g") == ["u"]
    assert "u in group g" in i.openstack("group", "contains", "user", "--group-domain", "one", "--user-domain",
                                         "one", "g", "u")
    i.show("role", "create", "operator")
    assert "operator" in i.names("role", "list")
    assert "enabled" in i.openstack("domain", "delete", "one", code=1)
    i.openstack("domain", "set", "--disable", "one")
    i.openstack("domain", "delete", "one")
    i.openstack("user", "show", user["id"], code=1)
    i.openstack("role", "delete", "operator")
    assert i.names("domain", "list") == ["Default"] and i.names("project", "list") == ["admin"]


def test_the_catalog(identity):
    i = identity
    i.show("region", "create", "--description", "far", "R2")
    i.show("service", "create", "--name", "swift", "object-store")
    i.show("endpoint", "create", "object-store", "public", "http://x:8080/v1/AUTH_%(project_id)s")
    project = i.show("token", "issue")["project_id"]
    endpoints = i.show("catalog", "show", "object-store")["endpoints"]
    assert [e["url"] for e in endpoints] == ["http://x:8080/v1/AUTH_" + project]
    i.openstack("service", "delete", "swift")
    assert [row["Name"] for row in i.show("catalog", "list")] == ["keystone"]
    i.openstack("region", "delete", "R2")


def test_who_may_do_what(identity, admin):
    i = identity
    for name in "member", "nobody":
        i.ask(admin, "POST", "/users", 201, json={"user": {"name": name, "password": "pw"}})
    ids = {u["name"]: u["id"] for u in i.ask(admin, "GET", "/users")["users"]}
    roles = {r["name"]: r["id"] for r in i.ask(admin, "GET", "/roles")["roles"]}
    project = i.ask(admin, "POST", "/projects", 201, json={"project": {"name": "shop"}})["project"]
    grant = "/projects/%s/users/%s/roles/%s" % (project["id"], ids["member"], roles["member"])
    i.ask(admin, "PUT", grant, 204)
    i.ask(admin, "HEAD", grant, 204)
    scope = {"project": {"id": project["id"]}}
    r = i.login("member", "pw", scope)
    body = r.json()["token"]
    assert sorted(role["name"] for role in body["roles"]) == ["member", "reader"]  # the second is implied
    assert body["project"]["name"] == "shop" and body["user"]["name"] == "member"
    token = r.headers["X-Subject-Token"]
    i.ask(token, "GET", "/users/" + ids["member"])
    for method, path in (("GET", "/users"), ("GET", "/users/" + ids["admin"]), ("GET", "/users/none"),
                         ("DELETE", "/users/" + ids["nobody"]), ("POST", "/projects"), ("PUT", grant),
                         ("DELETE", grant)):
        assert i.ask(token, method, path, 403, json={"project": {"name": "x"}})["error"]["title"] == "Forbidden"
    i.login("nobody", "pw", scope, 401)
    i.login("member", "pw", {"system": {"all": True}}, 401)
    assert "roles" not in i.login("member", "pw", "unscoped").json()["token"]
    system = i.token(scope={"system": {"all": True}})
    assert len(i.ask(system, "GET", "/users?name=nobody")["users"]) == 1
    # What is inherited counts in projects below, and not where it was granted.
    i.ask(admin, "PUT", "/OS-INHERIT/domains/default/users/%s/roles/%s/inherited_to_projects" %
          (ids["nobody"], roles["reader"]), 204)
    i.login("nobody", "pw", scope)
    i.login("nobody", "pw", {"domain": {"id": "default"}}, 401)
    i.ask(admin, "DELETE", grant, 204)
    i.ask(admin, "DELETE", grant, 404)
    i.login("member", "pw", scope, 401)
    i.ask(admin, "PATCH", "/users/" + ids["nobody"], json={"user": {"enabled": False}})
    i.login("nobody", "pw", None, 401)
    i.ask(admin, "PATCH", "/users/" + ids["member"], json={"user": {"password": "other"}})
    i.login("member", "pw", None, 401)
    i.login("member", "other")


def test_tokens(identity, admin):
    i = identity
    head = {"X-Auth-Token": admin, "X-Subject-Token": admin}
    r = requests.get(i.url + "/auth/tokens", headers=head)
    assert r.status_code == 200 and r.headers["X-Subject-Token"] == admin
    token = r.json()["token"]
    assert token["catalog"] and token["methods"] == ["password"] and len(token["audit_ids"]) == 1
    assert "catalog" not in requests.get(i.url + "/auth/tokens?nocatalog", headers=head).json()["token"]
    assert requests.head(i.url + "/auth/tokens", headers=head).status_code == 200
    again = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": admin}}}}).json()["token"]
    assert again["expires_at"] == token["expires_at"] and "project" not in again
    assert again["audit_ids"][1] == token["audit_ids"][0] and again["methods"] == ["password", "token"]
    for bad in "x", admin[:-2], admin[:-20] + ("A" if admin[-20] != "A" else "B") + admin[-19:], "A" * 600, "":
        assert requests.get(i.url + "/users", headers={"X-Auth-Token": bad}).status_code == 401
        r = requests.get(i.url + "/auth/tokens", headers={"X-Auth-Token": admin, "X-Subject-Token": bad})
        assert r.status_code == 404
    # With a new key those of before stay valid.
    i.command("rotate-keys")
    i.process.send_signal(signal.SIGHUP)
    wait_for(lambda: i.token(scope=ADMIN)[:8] != admin[:8], 20)
    assert requests.get(i.url + "/auth/tokens", headers=head).status_code == 200
    i.stop()
    i.start()
    assert requests.get(i.url + "/auth/tokens", headers=head).status_code == 200
    assert i.token(scope=ADMIN)[:8] != admin[:8]


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b"{}", b'{"auth": 1}', b'{"auth": {}}', b'{"auth": {"identity": {}}}',
    b'{"auth": {"identity": {"methods": []}}}', b'{"auth": {"identity": {"methods": "password"}}}',
    b'{"auth": {"identity": {"methods": [1]}}}', b'{"auth": {"identity": {"methods": ["password"]}}}',
    b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}}}',
    b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x"}}}}}',
    b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "x"}}}}}',
    b'{"auth": {"identity": {"methods": ["token"], "token": {}}}}',
    b"[" * 100000, b'{"auth": "\xff"}'])
def test_logins_that_are_none(identity, body):
    r = requests.post(identity.url + "/auth/tokens", data=body, headers={"Content-Type": "application/json"})
    assert r.status_code == 400 and r.json()["error"]["code"] == 400, r.text


def test_bad_input_changes_nothing(identity, admin):
    i = identity
    before = i.ask(admin, "GET", "/users")["users"]
    for user, field in (({}, "name"), ({"name": 1}, "name"), ({"name": ""}, "name"), ({"name": "x" * 256}, "name"),
                        ({"name": "x", "enabled": "yes"}, "enabled"), ({"name": "x", "id": "y"}, "id"),
                        ({"name": "x", "password": "p" * 73}, "password"), ({"name": "x", "options": []}, "options")):
        assert field in i.ask(admin, "POST", "/users", 400, json={"user": user})["error"]["message"]
    i.ask(admin, "POST", "/users", 404, json={"user": {"name": "x", "domain_id": "none"}})
    i.ask(admin, "POST", "/users", 409, json={"user": {"name": "admin"}})
    i.ask(admin, "POST", "/users", 400, json={"users": {"name": "x"}})
    i.ask(admin, "POST", "/users", 413, data=b" " * 200000, )
    i.ask(admin, "PUT", "/users", 405)
    for method in "PATCH", "DELETE", "GET":
        said = i.ask(admin, method, "/users/none", 404, json={"user": {"name": "x"}})["error"]["message"]
        assert said == "Could not find user: none."
    said = i.ask(admin, "PATCH", "/projects/default", json={"project": {"description": "by its other name"}})
    assert said["project"]["is_domain"] and said["project"]["domain_id"] is None
    assert i.ask(admin, "GET", "/domains/default")["domain"]["description"] == "by its other name"
    i.ask(admin, "GET", "/none", 404)
    i.ask(admin, "GET", "/users?limit=x", 400)
    i.ask(admin, "GET", "/users/%00", 404)
    assert i.ask(admin, "GET", "/users")["users"] == before
    injected = i.ask(admin, "GET", "/users?name=" + requests.utils.quote("admin' OR '1'='1"))
    assert injected["users"] == []


def test_lists(identity, admin):
    i = identity
    for n in range(25):
        i.ask(admin, "POST", "/groups", 201, json={"group": {"name": "Team_%02d%%" % n}})
    assert len(i.ask(admin, "GET", "/groups")["groups"]) == 25
    seen, path = [], "/groups?limit=10"
    while path:
        page = i.ask(admin, "GET", path)
        seen += [g["name"] for g in page["groups"]]
        path = page["links"]["next"] and page["links"]["next"][len(i.url):]
    assert sorted(seen) == ["Team_%02d%%" % n for n in range(25)]

    def found(query):
        return len(i.ask(admin, "GET", "/groups?" + query)["groups"])
    assert found("name=Team_07%25") == 1 and found("name=team_07%25") == 0
    assert found("name__startswith=Team_1") == 10 and found("name__startswith=team_1") == 0
    assert found("name__istartswith=team_1") == 10 and found("name__contains=_") == 25
    assert found("name__endswith=4%25") == 3 and found("name__icontains=EAM_2") == 5
    assert found("name__icontains=%25") == 25 and found("name__icontains=a_0") == 0
    for g in i.ask(admin, "GET", "/groups")["groups"]:
        i.ask(admin, "DELETE", "/groups/" + g["id"], 204)


def test_what_users_are_there_is_not_told(identity):
    """Neither by what is answered nor by how long it takes: a hash is made either way."""
    there = identity.login("admin", "wrong", None, 401)
    none = identity.login("nobody at all", "wrong", None, 401)
    assert there.json() == none.json()


def test_configuration(identity, tmp_path):
    assert "upgrade" in subprocess.run([CAIRN, "identity", "--help"], stdout=subprocess.PIPE, text=True).stdout
    version, steps = identity.command("db", "version").strip().split(" of ")
    assert version == steps
    for text, words in (("[identity]\nport = x\n", ":2:"), ("[identity]\ndatabase = oracle:x\n", "sqlite:///"),
                        ("[identity]\npolicy_file = %s/p.yaml\n" % tmp_path, "p.yaml:1:")):
        path = tmp_path / "conf"
        path.write_text(text)
        (tmp_path / "p.yaml").write_text("\"identity:get_user\": \"role\"\n")
        r = subprocess.run([CAIRN, "identity", "--config", str(path), "--check"], stderr=subprocess.PIPE, text=True)
        assert r.returncode == 2 and words in r.stderr, r.stderr
    for what in "--print-config", "--print-policy", "--print-api":
        assert subprocess.run([CAIRN, "identity", what], stdout=subprocess.DEVNULL).returncode == 0
