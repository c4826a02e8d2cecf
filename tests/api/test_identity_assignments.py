"""Role assignments as lists, roles that imply others, roles of a domain, and where somebody may go."""
import pytest
import requests

from test_identity import ADMIN


class Cast:
    """A domain with a tree of projects (top > mid > low), users, a group and roles."""

    def __init__(self, i):
        self.i, self.admin = i, i.token(scope=ADMIN)
        self.domain = self.make("domain", name="d")
        for name, parent in (("top", None), ("mid", "top"), ("low", "mid"), ("side", None)):
            up = getattr(self, parent) if parent else None
            setattr(self, name, self.make("project", name=name, domain_id=self.domain, **({"parent_id": up} if up else {})))
        for name in "ann", "bob":
            setattr(self, name, self.make("user", name=name, password="pw", domain_id=self.domain))
        self.team = self.make("group", name="team", domain_id=self.domain)
        self.put("/groups/%s/users/%s" % (self.team, self.bob))
        for name in "chief", "hand", "helper":
            setattr(self, name, self.make("role", name=name))
        self.roles = {r["name"]: r["id"] for r in self.ask("GET", "/roles")["roles"]}

    def ask(self, method, path, status=200, **json):
        return self.i.ask(self.admin, method, path, status, json=json)

    def make(self, kind, **members):
        return self.ask("POST", "/%ss" % kind, 201, **{kind: members})[kind]["id"]

    def put(self, path, status=204):
        self.ask("PUT", path, status)

    def list(self, query="", status=200, token=None):
        return self.i.ask(token or self.admin, "GET", "/role_assignments?" + query, status)


def short(entries):
    """(actor, target, role, inherited) of each."""
    return sorted((a.get("user", a.get("group"))["id"],
                   a["scope"].get("project", a["scope"].get("domain", {"id": "system"}))["id"],
                   a["role"]["id"], "OS-INHERIT:inherited_to" in a["scope"]) for a in entries["role_assignments"])


@pytest.fixture(scope="module")
def cast(identity):
    c = Cast(identity)
    c.put("/projects/%s/users/%s/roles/%s" % (c.top, c.ann, c.chief))
    c.put("/projects/%s/groups/%s/roles/%s" % (c.mid, c.team, c.hand))
    c.put("/OS-INHERIT/projects/%s/users/%s/roles/%s/inherited_to_projects" % (c.top, c.ann, c.helper))
    c.put("/OS-INHERIT/domains/%s/groups/%s/roles/%s/inherited_to_projects" % (c.domain, c.team, c.helper))
    c.put("/domains/%s/users/%s/roles/%s" % (c.domain, c.ann, c.hand))
    c.put("/system/users/%s/roles/%s" % (c.ann, c.roles["reader"]))
    c.put("/roles/%s/implies/%s" % (c.chief, c.hand), 201)
    return c


def test_as_granted(cast):
    c = cast
    ann = [(c.ann, c.top, c.chief, False), (c.ann, c.top, c.helper, True), (c.ann, c.domain, c.hand, False),
           (c.ann, "system", c.roles["reader"], False)]
    team = [(c.team, c.mid, c.hand, False), (c.team, c.domain, c.helper, True)]
    assert short(c.list("user.id=" + c.ann)) == sorted(ann)
    assert short(c.list("group.id=" + c.team)) == sorted(team)
    everything = short(c.list())
    assert set(ann + team) < set(everything) and len(everything) == len(ann) + len(team) + 2  # admin's
    assert short(c.list("role.id=%s&user.id=%s" % (c.hand, c.ann))) == [ann[2]]
    assert short(c.list("scope.project.id=" + c.top)) == sorted(ann[:2])
    assert short(c.list("scope.project.id=%s&include_subtree" % c.top)) == sorted(ann[:2] + team[:1])
    assert short(c.list("scope.domain.id=" + c.domain)) == sorted([ann[2], team[1]])
    assert ann[3] in short(c.list("scope.system=all")) and len(short(c.list("scope.system=all"))) == 2
    inherited = "scope.OS-INHERIT:inherited_to=projects"
    assert short(c.list(inherited)) == sorted([ann[1], team[1]])
    assert c.list("user.id=none")["role_assignments"] == []


def test_links_and_names(cast):
    c = cast
    one = c.list("include_names&scope.project.id=%s&role.id=%s" % (c.top, c.chief))["role_assignments"]
    domain = {"id": c.domain, "name": "d"}
    assert one == [{"links": {"assignment": "%s/projects/%s/users/%s/roles/%s" % (c.i.url, c.top, c.ann, c.chief)},
                    "scope": {"project": {"id": c.top, "name": "top", "domain": domain}},
                    "user": {"id": c.ann, "name": "ann", "domain": domain}, "role": {"id": c.chief, "name": "chief"}}]
    one = c.list("effective&scope.project.id=%s&role.id=%s" % (c.low, c.helper))["role_assignments"]
    links = {a["user"]["id"]: a["links"] for a in one}
    assert links[c.ann]["assignment"] == "%s/OS-INHERIT/projects/%s/users/%s/roles/%s/inherited_to_projects" % (
        c.i.url, c.top, c.ann, c.helper)
    assert links[c.bob] == {
        "assignment": "%s/OS-INHERIT/domains/%s/groups/%s/roles/%s/inherited_to_projects" % (
            c.i.url, c.domain, c.team, c.helper),
        "membership": "%s/groups/%s/users/%s" % (c.i.url, c.team, c.bob)}
    one = c.list("effective&scope.project.id=%s&role.id=%s" % (c.top, c.hand))["role_assignments"]
    assert [a["links"]["prior_role"] for a in one] == ["%s/prior_role/%s/implies/%s" % (c.i.url, c.hand, c.chief)]
    rows = c.i.show("role", "assignment", "list", "--names", "--user", "ann", "--user-domain", "d", "--system", "all")
    assert rows == [{"Role": "reader", "User": "ann@d", "Group": "", "Project": "", "Domain": "", "System": "all",
                     "Inherited": False}]


def test_effective(cast):
    c = cast
    ann = [(c.ann, c.top, c.chief, False), (c.ann, c.top, c.hand, False), (c.ann, c.domain, c.hand, False),
           (c.ann, c.mid, c.helper, True), (c.ann, c.low, c.helper, True)]
    bob = [(c.bob, c.mid, c.hand, False)] + [(c.bob, p, c.helper, True) for p in (c.top, c.mid, c.low, c.side)]
    assert short(c.list("effective&user.id=" + c.ann)) == sorted(ann)
    assert short(c.list("effective=1&user.id=" + c.bob)) == sorted(bob)
    assert short(c.list("effective=0&user.id=" + c.bob)) == []
    assert short(c.list("effective&scope.project.id=" + c.mid)) == sorted([ann[3], bob[0], bob[2]])
    assert short(c.list("effective&include_subtree&scope.project.id=" + c.mid)) == sorted(
        [ann[3], ann[4], bob[0], bob[2], bob[3]])
    assert short(c.list("effective&scope.domain.id=" + c.domain)) == [ann[2]]
    assert short(c.list("effective&role.id=%s&user.id=%s" % (c.hand, c.ann))) == sorted(ann[1:3])
    # It is what tokens have.
    r = requests.post(c.i.url + "/auth/tokens", json={"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"id": c.bob, "password": "pw"}}}, "scope": {"project": {"id": c.mid}}}})
    assert sorted(role["name"] for role in r.json()["token"]["roles"]) == ["hand", "helper"]


@pytest.mark.parametrize("query", [
    "scope.domain.id=x&scope.project.id=y", "scope.domain.id=x&scope.system=all", "scope.project.id=x&scope.system=all",
    "user.id=x&group.id=y", "effective&group.id=x", "include_subtree",
    "effective&scope.domain.id=x&scope.OS-INHERIT:inherited_to=projects"])
def test_filters_that_exclude_each_other(cast, query):
    cast.list(query, 400)


def test_who_may_list_assignments(cast):
    c = cast
    user = {"name": "ann", "domain": {"id": c.domain}, "password": "pw"}

    def token(scope):
        r = requests.post(c.i.url + "/auth/tokens", json={"auth": {"identity": {
            "methods": ["password"], "password": {"user": user}}, "scope": scope}})
        assert r.status_code == 201, r.text
        return r.headers["X-Subject-Token"]
    c.list("", 403, token({"project": {"id": c.top}}))
    c.list("include_subtree&scope.project.id=" + c.top, 403, token({"project": {"id": c.top}}))
    assert c.list("", token=token({"system": {"all": True}}))["role_assignments"]
    c.put("/domains/%s/users/%s/roles/%s" % (c.domain, c.ann, c.roles["reader"]))
    domain = token({"domain": {"id": c.domain}})
    seen = short(c.list("", token=domain))
    assert len(seen) == 6 and all(s[1] in (c.domain, c.top, c.mid) for s in seen)
    c.ask("DELETE", "/domains/%s/users/%s/roles/%s" % (c.domain, c.ann, c.roles["reader"]), 204)
    # Where ann and bob may go, as they and others see it.
    mine = c.i.ask(token("unscoped"), "GET", "/auth/projects")["projects"]
    assert sorted(p["name"] for p in mine) == ["low", "mid", "top"]
    assert c.i.ask(token("unscoped"), "GET", "/OS-FEDERATION/projects")["projects"] == mine
    domains = c.i.ask(token("unscoped"), "GET", "/auth/domains")
    assert [d["name"] for d in domains["domains"]] == ["d"] and domains["links"]["self"].endswith("/auth/domains")
    assert c.i.ask(token("unscoped"), "GET", "/auth/system")["system"] == [{"all": True}]
    assert [p["name"] for p in c.ask("GET", "/users/%s/projects?name=low" % c.bob)["projects"]] == ["low"]
    assert len(c.ask("GET", "/users/%s/projects" % c.bob)["projects"]) == 4
    assert len(c.i.ask(token("unscoped"), "GET", "/users/%s/projects" % c.ann)["projects"]) == 3
    c.i.ask(token("unscoped"), "GET", "/users/%s/projects" % c.bob, 403)
    c.ask("GET", "/users/none/projects", 404)
    user.update(name="bob")
    assert c.i.ask(token("unscoped"), "GET", "/auth/system")["system"] == []
    assert c.i.ask(token("unscoped"), "GET", "/auth/domains")["domains"] == []


def test_implied_roles(cast):
    c = cast
    path = "/roles/%s/implies" % c.hand
    for implied in c.roles["reader"], c.roles["service"]:
        said = c.ask("PUT", path + "/" + implied, 201)
        assert said["role_inference"]["prior_role"]["name"] == "hand"
        assert said["role_inference"]["implies"]["id"] == implied
        assert said["links"]["self"] == c.i.url + path + "/" + implied
        assert c.ask("GET", path + "/" + implied) == said
        c.ask("HEAD", path + "/" + implied, 204)
    c.ask("PUT", path + "/" + implied, 409)
    one = c.ask("GET", path)["role_inference"]
    assert sorted(r["name"] for r in one["implies"]) == ["reader", "service"]
    assert one["prior_role"]["links"]["self"] == c.i.url + "/roles/" + c.hand
    rules = {r["prior_role"]["name"]: sorted(i["name"] for i in r["implies"])
             for r in c.ask("GET", "/role_inferences")["role_inferences"]}
    assert rules == {"admin": ["manager"], "manager": ["member"], "member": ["reader"], "chief": ["hand"],
                     "hand": ["reader", "service"]}
    assert len(c.i.show("implied", "role", "list")) == 6
    c.ask("PUT", path + "/" + c.roles["admin"], 403)
    c.ask("PUT", path + "/none", 404)
    c.ask("PUT", "/roles/none/implies/" + c.hand, 404)
    for implied in c.roles["reader"], c.roles["service"]:
        c.ask("DELETE", path + "/" + implied, 204)
        c.ask("DELETE", path + "/" + implied, 404)
        c.ask("GET", path + "/" + implied, 404)
        c.ask("HEAD", path + "/" + implied, 404)
    # A circle ends.
    c.put("/roles/%s/implies/%s" % (c.hand, c.chief), 201)
    assert len(short(c.list("effective&scope.domain.id=" + c.domain))) == 3
    c.ask("DELETE", "/roles/%s/implies/%s" % (c.hand, c.chief), 204)


def test_roles_of_a_domain(cast):
    c = cast
    local = c.make("role", name="local", domain_id=c.domain)
    assert c.ask("GET", "/roles/" + local)["role"]["domain_id"] == c.domain
    assert local not in [r["id"] for r in c.ask("GET", "/roles")["roles"]]
    assert [r["id"] for r in c.ask("GET", "/roles?domain_id=" + c.domain)["roles"]] == [local]
    c.make("role", name="local")  # of no domain: another one
    c.ask("PUT", "/roles/%s/implies/%s" % (c.chief, local), 403)
    c.put("/roles/%s/implies/%s" % (local, c.helper), 201)
    other = c.make("project", name="elsewhere")
    c.ask("PUT", "/projects/%s/users/%s/roles/%s" % (other, c.ann, local), 403)
    c.put("/projects/%s/users/%s/roles/%s" % (c.side, c.ann, local))
    # No token has it, but what it implies.
    assert short(c.list("effective&user.id=%s&scope.project.id=%s" % (c.ann, c.side))) == [
        (c.ann, c.side, c.helper, False)]
    r = requests.post(c.i.url + "/auth/tokens", json={"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"id": c.ann, "password": "pw"}}}, "scope": {"project": {"id": c.side}}}})
    assert [role["name"] for role in r.json()["token"]["roles"]] == ["helper"]
    c.ask("PATCH", "/roles/" + local, role={"name": "renamed"})
    c.ask("DELETE", "/roles/" + local, 204)
    c.ask("GET", "/roles/" + local, 404)
