"""Who has a domain's scope: a reader, a manager and an administrator of one domain see and change what is in it, and
nothing of another."""
import pytest
import requests

from test_identity import ADMIN, Identity


class World:
    def __init__(self):
        self.i = Identity()
        self.root = self.i.token(scope=ADMIN)
        self.roles = {r["name"]: r["id"] for r in self.ask("GET", "/roles")["roles"]}
        self.ids, self.tokens = {}, {}
        for domain in "ours", "theirs":
            d = self.ids[domain] = self.make("domain", name=domain)
            self.ids[domain + " project"] = self.make("project", name="p", domain_id=d)
            self.ids[domain + " group"] = self.make("group", name="g", domain_id=d)
            self.ids[domain + " user"] = self.make("user", name="u", domain_id=d, password="pw")
            self.ask("PUT", "/groups/%s/users/%s" % (self.ids[domain + " group"], self.ids[domain + " user"]), 204)
        for role in "reader", "manager", "admin":
            user = self.make("user", name=role, domain_id=self.ids["ours"], password="pw")
            self.ask("PUT", "/domains/%s/users/%s/roles/%s" % (self.ids["ours"], user, self.roles[role]), 204)
            self.tokens[role] = self.login(role, {"domain": {"id": self.ids["ours"]}})

    def login(self, name, scope=None):
        auth = {"identity": {"methods": ["password"], "password": {"user": {
            "name": name, "domain": {"id": self.ids["ours"]}, "password": "pw"}}}}
        if scope:
            auth["scope"] = scope
        r = requests.post(self.i.url + "/auth/tokens", json={"auth": auth})
        assert r.status_code == 201, r.text
        return r.headers["X-Subject-Token"]

    def ask(self, method, path, status=200, token=None, **json):
        return self.i.ask(token or self.root, method, path, status, json=json)

    def make(self, kind, **members):
        return self.ask("POST", "/%ss" % kind, 201, **{kind: members})[kind]["id"]


@pytest.fixture(scope="module")
def w():
    world = World()
    yield world
    world.i.close()


@pytest.mark.parametrize("role", ["reader", "manager"])
def test_what_is_seen(w, role):
    token, ids = w.tokens[role], w.ids

    def seen(path, plural):
        return sorted(x["name"] for x in w.ask("GET", path, token=token)[plural])
    assert seen("/domains", "domains") == ["ours"]
    assert seen("/projects", "projects") == ["p"] and seen("/groups", "groups") == ["g"]
    assert seen("/users", "users") == ["admin", "manager", "reader", "u"]
    for plural in "users", "groups", "projects":
        found = w.ask("GET", "/%s?domain_id=%s" % (plural, ids["theirs"]), token=token)[plural]
        assert found == [], plural
    for kind in "user", "group", "project":
        w.ask("GET", "/%ss/%s" % (kind, ids["ours " + kind]), token=token)
        w.ask("GET", "/%ss/%s" % (kind, ids["theirs " + kind]), 403, token=token)
    w.ask("GET", "/domains/" + ids["ours"], token=token)
    w.ask("GET", "/domains/" + ids["theirs"], 403, token=token)
    assert seen("/groups/%s/users" % ids["ours group"], "users") == ["u"]
    w.ask("GET", "/groups/%s/users" % ids["theirs group"], 403, token=token)
    assert seen("/users/%s/groups" % ids["ours user"], "groups") == ["g"]
    w.ask("GET", "/users/%s/groups" % ids["theirs user"], 403, token=token)
    w.ask("GET", "/users/%s/projects" % ids["theirs user"], 403, token=token)
    assert len(w.ask("GET", "/role_assignments", token=token)["role_assignments"]) == 3


def test_what_is_changed(w):
    ids, manager, reader = w.ids, w.tokens["manager"], w.tokens["reader"]
    for kind in "user", "group", "project":
        body = {kind: {"name": "new", "domain_id": ids["ours"]}}
        w.ask("POST", "/%ss" % kind, 403, token=reader, **body)
        w.ask("POST", "/%ss" % kind, 403, token=manager, **{kind: {"name": "new", "domain_id": ids["theirs"]}})
        made = w.ask("POST", "/%ss" % kind, 201, token=manager, **body)[kind]["id"]
        change = {kind: {"description": "x"}}
        w.ask("PATCH", "/%ss/%s" % (kind, made), token=manager, **change)
        w.ask("PATCH", "/%ss/%s" % (kind, ids["theirs " + kind]), 403, token=manager, **change)
        w.ask("PATCH", "/%ss/%s" % (kind, made), 403, token=reader, **change)
        w.ask("DELETE", "/%ss/%s" % (kind, ids["theirs " + kind]), 403, token=manager)
        w.ask("DELETE", "/%ss/%s" % (kind, made), 204, token=manager)
    for name, status in (("member", 204), ("reader", 204), ("admin", 403), ("service", 403)):
        grant = "/projects/%s/users/%s/roles/%s" % (ids["ours project"], ids["ours user"], w.roles[name])
        w.ask("PUT", grant, status, token=manager)
        w.ask("PUT", grant, 403, token=reader)
        other = "/projects/%s/users/%s/roles/%s" % (ids["theirs project"], ids["ours user"], w.roles[name])
        w.ask("PUT", other, 403, token=manager)
    for path in ("/domains", "/roles", "/regions", "/services", "/policies"):
        kind = {"/policies": "policy"}.get(path, path[1:-1])
        w.ask("POST", path, 403, token=manager, **{kind: {"name": "x", "type": "x", "blob": "x"}})


def test_ones_own(w):
    token = w.login("u", None)
    me = w.ids["ours user"]
    assert w.ask("GET", "/users/" + me, token=token)["user"]["name"] == "u"
    assert [g["name"] for g in w.ask("GET", "/users/%s/groups" % me, token=token)["groups"]] == ["g"]
    w.ask("GET", "/users/%s/projects" % me, token=token)
    w.ask("GET", "/users/%s/groups" % w.ids["theirs user"], 403, token=token)
    w.ask("PATCH", "/users/" + me, 403, token=token, user={"description": "x"})
    scoped = w.login("u", {"project": {"id": w.ids["ours project"]}})
    assert w.ask("GET", "/domains/" + w.ids["ours"], token=scoped)["domain"]["name"] == "ours"
    w.ask("GET", "/domains/" + w.ids["theirs"], 403, token=scoped)
