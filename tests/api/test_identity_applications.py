"""Application credentials: what is kept of them, what they let a program do, and what ends them."""
import datetime
import time

import pytest
import requests

from test_identity import ADMIN
from test_identity_tokens import World


@pytest.fixture
def world(identity):
    return World(identity, identity.token(scope=ADMIN))


class Mine:
    def __init__(self, w):
        self.w, self.i, self.path = w, w.i, "/users/%s/application_credentials" % w.user
        self.token = w.token()

    def make(self, status=201, token=None, **members):
        members.setdefault("name", "app%f" % time.monotonic())
        got = self.i.ask(token or self.token, "POST", self.path, status, json={"application_credential": members})
        return got["application_credential"] if status == 201 else got["error"]["message"]

    def login(self, app, status=201, **more):
        by = {"id": app["id"], "secret": app["secret"]}
        by.update(more)
        by = {k: v for k, v in by.items() if v is not None}
        r = requests.post(self.i.url + "/auth/tokens", json={"auth": {"identity": {
            "methods": ["application_credential"], "application_credential": by}}})
        assert r.status_code == status, r.text
        return r


@pytest.fixture
def mine(world):
    return Mine(world)


def test_made_shown_and_used(mine):
    w, i = mine.w, mine.i
    app = mine.make(name="one", description="first")
    assert len(app["secret"]) == 86 and app["project_id"] == w.project and app["unrestricted"] is False
    assert sorted(r["name"] for r in app["roles"]) == ["member", "reader"] and app["expires_at"] is None
    assert app["links"]["self"] == i.url + mine.path + "/" + app["id"]
    shown = i.ask(mine.token, "GET", mine.path + "/" + app["id"])["application_credential"]
    assert shown == {k: v for k, v in app.items() if k != "secret"}
    assert i.ask(mine.token, "GET", mine.path + "?name=one")["application_credentials"] == [shown]
    assert i.ask(mine.token, "GET", mine.path + "?name=two")["application_credentials"] == []
    r = mine.login(app)
    token = r.json()["token"]
    assert token["methods"] == ["application_credential"] and token["project"]["id"] == w.project
    assert token["application_credential"] == {"id": app["id"], "name": "one", "restricted": True}
    assert sorted(role["name"] for role in token["roles"]) == ["member", "reader"]
    by_name = {"id": None, "name": "one", "user": {"name": w.name, "domain": {"id": "default"}}}
    assert mine.login(app, **by_name).json()["token"]["user"]["id"] == w.user
    head = {"X-Auth-Token": w.admin, "X-Subject-Token": r.headers["X-Subject-Token"]}
    assert requests.get(i.url + "/auth/tokens", headers=head).json()["token"] == token
    # A token that is got by it has no more than it has.
    again = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": r.headers["X-Subject-Token"]}}}})
    assert again.json()["token"]["application_credential"]["id"] == app["id"]
    assert again.json()["token"]["project"]["id"] == w.project
    scope = {"project": {"id": w.project}}
    assert requests.post(i.url + "/auth/tokens", json={"auth": {"scope": scope, "identity": {
        "methods": ["token"], "token": {"id": r.headers["X-Subject-Token"]}}}}).status_code == 403
    assert requests.post(i.url + "/auth/tokens", json={"auth": {"scope": scope, "identity": {
        "methods": ["application_credential"], "application_credential": {
            "id": app["id"], "secret": app["secret"]}}}}).status_code == 401


def test_the_client_uses_it(mine):
    w, i = mine.w, mine.i
    env = {"OS_USERNAME": w.name, "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "", "OS_PROJECT_ID": w.project,
           "OS_PROJECT_DOMAIN_NAME": ""}
    import json
    app = json.loads(i.openstack("application", "credential", "create", "--role", "reader", "--secret", "a word",
                                 "cli", "-f", "json", env=env))
    assert app["roles"] == "reader" and app["secret"] == "a word"
    mine.login({"id": app["id"], "secret": "a word"})
    used = {"OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID": app["id"],
            "OS_APPLICATION_CREDENTIAL_SECRET": "a word"}
    for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME", "OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME"):
        used[name] = ""
    assert w.project in i.openstack("token", "issue", env=used)
    assert app["id"] in i.openstack("application", "credential", "list", env=env)
    i.openstack("application", "credential", "delete", "cli", env=env)
    i.openstack("token", "issue", env=used, code=1)


def test_wrong_secrets(mine):
    app, given = mine.make(), mine.make(secret="x" * 100)
    mine.login(given)
    said = set()
    for bad in ({"secret": ""}, {"secret": app["secret"][:-1]}, {"secret": app["secret"] + "x"}, {"id": "none"},
                {"id": None, "name": "none", "user": {"id": mine.w.user}},
                {"id": None, "name": app["name"], "user": {"id": "none"}}):
        said.add(mine.login(app, 401, **bad).text)
    said.add(mine.login(given, 401, secret="x" * 99).text)
    said.add(mine.login(given, 401, secret="x" * 100 + "y").text)
    assert len(said) == 1
    for bad in ({"secret": None}, {"secret": 1}, {"id": None}, {"id": None, "name": "x"}, {"id": 7}):
        mine.login(app, 400, **bad)


def test_roles_and_what_is_refused(mine):
    w, i = mine.w, mine.i
    one = mine.make(roles=[{"name": "reader"}])
    assert [r["name"] for r in mine.login(one).json()["token"]["roles"]] == ["reader"]
    assert len(mine.make(roles=[{"id": w.roles["member"]}])["roles"]) == 2  # with what it implies
    assert "unassigned" in mine.make(400, roles=[{"name": "admin"}])
    mine.make(404, roles=[{"name": "no such role"}])
    for bad in ({"name": ""}, {"name": 1}, {"roles": "x"}, {"roles": [1]}, {"roles": [{"id": "a", "name": "b"}]},
                {"unrestricted": "x"}, {"expires_at": "soon"}, {"expires_at": "2001-01-01T00:00:00"},
                {"color": "blue"}, {"access_rules": [{"path": "/v2", "method": "GET"}]},
                {"access_rules": [{"path": "v2", "method": "GET", "service": "s"}]},
                {"access_rules": [{"path": "/v2", "method": "TAKE", "service": "s"}]},
                {"access_rules": [{"id": "none"}]}, {"access_rules": 1}):
        mine.make(400, **bad)
    mine.make(409, name=one["name"])
    mine.make(400, token=w.token(False))
    mine.make(403, token=w.admin)  # for another user
    app = mine.make()
    token = mine.login(app).headers["X-Subject-Token"]
    mine.make(403, token=token)
    i.ask(token, "DELETE", mine.path + "/" + app["id"], 403)
    assert len(i.ask(token, "GET", mine.path)["application_credentials"]) == 3
    free = mine.login(mine.make(unrestricted=True)).headers["X-Subject-Token"]
    i.ask(free, "DELETE", mine.path + "/" + mine.make(token=free)["id"], 204)
    other = World(i, w.admin)
    # Whose it is says the credential and not the path.
    for path in (mine.path, "/users/%s/application_credentials" % other.user):
        i.ask(other.token(), "GET", path + "/" + app["id"], 403)
        i.ask(other.token(), "DELETE", path + "/" + app["id"], 403)
    i.ask(mine.token, "GET", mine.path + "/none", 404)


def test_it_expires(mine):
    end = datetime.datetime.utcnow() + datetime.timedelta(seconds=3)
    app = mine.make(expires_at=end.isoformat())
    assert app["expires_at"] == end.isoformat()
    token = mine.login(app).json()["token"]
    assert token["expires_at"] <= end.isoformat()[:19] + "Z"
    time.sleep(3)
    mine.login(app, 401)


def test_what_ends_it(mine):
    w, i = mine.w, mine.i

    def apps():
        return len(i.ask(w.admin, "GET", mine.path)["application_credentials"])
    app = mine.make()
    token = mine.login(app).headers["X-Subject-Token"]
    other = w.token()
    i.ask(mine.token, "DELETE", mine.path + "/" + app["id"], 204)
    assert not w.valid(token) and w.valid(other)
    mine.login(app, 401)
    app = mine.make()
    second = w.grant.replace(w.roles["member"], w.roles["manager"])
    i.ask(w.admin, "PUT", second, 204)
    i.ask(w.admin, "DELETE", second, 204)  # a role in the project, whichever it is
    mine.login(app, 401)
    mine.token = w.token()
    app = mine.make()
    w.patch("/users/" + w.user, enabled=False)
    mine.login(app, 401)
    w.patch("/users/" + w.user, enabled=True)
    mine.login(app, 401)
    assert apps() == 0
    mine.token = w.token()
    app, kept = mine.make(), mine.make(roles=[{"name": "reader"}])
    operator = w.make("role", name="operator of " + w.name)
    i.ask(w.admin, "PUT", w.grant.replace(w.roles["member"], operator), 204)
    mine.token = w.token()
    app = mine.make(roles=[{"id": operator}])
    i.ask(w.admin, "DELETE", "/roles/" + operator, 204)
    mine.login(app, 401)
    mine.login(kept)
    w.patch("/users/" + w.user, password="other")
    token = mine.login(kept).headers["X-Subject-Token"]  # it is for where a password is not
    w.patch("/projects/" + w.project, enabled=False)
    assert not w.valid(token)
    mine.login(kept, 401)
    i.ask(w.admin, "DELETE", "/projects/" + w.project, 204)
    assert apps() == 0


def test_access_rules(mine):
    w, i = mine.w, mine.i
    rule = {"service": "object-store", "path": "/v1/*/**", "method": "GET"}
    app = mine.make(access_rules=[rule, {"service": "compute", "path": "/v2.1/servers", "method": "POST"}])
    assert len(app["access_rules"]) == 2
    got = [r for r in app["access_rules"] if r["service"] == "object-store"][0]
    assert {k: got[k] for k in rule} == rule
    token = mine.login(app).json()["token"]
    assert token["application_credential"]["access_rules"] == app["access_rules"]
    path = "/users/%s/access_rules" % w.user
    rules = i.ask(mine.token, "GET", path)["access_rules"]
    assert len(rules) == 2 and i.ask(mine.token, "GET", path + "?method=POST")["access_rules"][0]["method"] == "POST"
    assert i.ask(mine.token, "GET", path + "/" + got["id"])["access_rule"]["path"] == "/v1/*/**"
    # The same one is used again, by its meaning or its id.
    second = mine.make(access_rules=[rule])
    third = mine.make(access_rules=[{"id": got["id"]}])
    assert second["access_rules"] == third["access_rules"] == [got]
    assert "in use" in i.ask(mine.token, "DELETE", path + "/" + got["id"], 403)["error"]["message"]
    for a in app, second, third:
        i.ask(mine.token, "DELETE", mine.path + "/" + a["id"], 204)
    i.ask(mine.token, "DELETE", path + "/" + got["id"], 204)
    i.ask(mine.token, "GET", path + "/" + got["id"], 404)
    other = World(i, w.admin)
    left = rules[0]["id"] if rules[0]["id"] != got["id"] else rules[1]["id"]
    i.ask(other.token(), "GET", path + "/" + left, 403)
    i.ask(other.token(), "GET", "/users/%s/access_rules/%s" % (other.user, left), 404)
    i.ask(other.token(), "GET", path, 403)


def test_rules_hold_here_too(mine):
    w, i = mine.w, mine.i
    app = mine.make(access_rules=[{"service": "identity", "path": "/v3/users/{id}", "method": "GET"},
                                  {"service": "compute", "path": "/**", "method": "GET"}])
    token = mine.login(app).headers["X-Subject-Token"]
    i.ask(token, "GET", "/users/" + w.user)
    for method, path in (("GET", "/auth/catalog"), ("GET", "/users/%s/groups" % w.user), ("HEAD", "/users/" + w.user),
                         ("DELETE", "/auth/tokens")):
        assert requests.request(method, i.url + path, headers={"X-Auth-Token": token}).status_code == 401
    # What it is may be asked by itself, and by who may ask about others.
    about = requests.get(i.url + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}).json()
    assert len(about["token"]["application_credential"]["access_rules"]) == 2
    assert requests.get(i.url + "/auth/tokens", headers={
        "X-Auth-Token": token, "X-Subject-Token": mine.token}).status_code == 401
    again = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": token}}}}).headers["X-Subject-Token"]
    assert requests.get(i.url + "/auth/catalog", headers={"X-Auth-Token": again}).status_code == 401


def test_services_may_ask_about_expired_ones(mine):
    w, i = mine.w, mine.i
    end = datetime.datetime.utcnow() + datetime.timedelta(seconds=2)
    token = mine.login(mine.make(expires_at=end.isoformat())).headers["X-Subject-Token"]
    service = World(i, w.admin)
    i.ask(w.admin, "PUT", service.grant.replace(w.roles["member"], w.roles["service"]), 204)
    shown = {"X-Auth-Token": service.token(), "X-Subject-Token": token}
    assert requests.get(i.url + "/auth/tokens", headers=shown).status_code == 200
    assert requests.head(i.url + "/auth/tokens", headers=shown).status_code == 403  # another rule, as in Keystone
    time.sleep(2.1)
    assert requests.get(i.url + "/auth/tokens", headers=shown).status_code == 404
    got = requests.get(i.url + "/auth/tokens?allow_expired=1", headers=shown)
    assert got.status_code == 200 and got.json()["token"]["user"]["id"] == w.user
    assert requests.get(i.url + "/auth/tokens?allow_expired=1", headers={
        "X-Auth-Token": token, "X-Subject-Token": token}).status_code == 401
