"""Trusts: what a trustee may do by them, how they are passed on, and what ends them."""
import datetime
import json
import time

import pytest
import requests

from test_identity import ADMIN
from test_identity_tokens import World


class Trusts(World):
    """A trustor with a role in a project, and somebody else."""

    def __init__(self, i):
        super().__init__(i, i.token(scope=ADMIN))
        self.other = self.name + " the trustee"
        self.trustee = self.make("user", name=self.other, password="pw")
        self.mine = self.token()

    def trust(self, status=201, token=None, **members):
        trust = {"trustor_user_id": self.user, "trustee_user_id": self.trustee, "project_id": self.project,
                 "impersonation": True, "roles": [{"name": "member"}]}
        trust.update(members)
        trust = {k: v for k, v in trust.items() if v != "leave out"}
        got = self.i.ask(token or self.mine, "POST", "/OS-TRUST/trusts", status, json={"trust": trust})
        return got["trust"] if status == 201 else got["error"]["message"]

    def use(self, trust, status=201, user=None):
        r = self.i.login(user or self.other, "pw", {"OS-TRUST:trust": {"id": trust["id"]}}, status)
        return r.headers["X-Subject-Token"] if status == 201 else None

    def about(self, token):
        return requests.get(self.i.url + "/auth/tokens", headers={
            "X-Auth-Token": self.admin, "X-Subject-Token": token}).json()["token"]


@pytest.fixture
def world(identity):
    return Trusts(identity)


def test_made_shown_and_used(world):
    w, i = world, world.i
    trust = w.trust()
    assert trust["impersonation"] is True and trust["remaining_uses"] is None and trust["expires_at"] is None
    assert [r["name"] for r in trust["roles"]] == ["member"] and trust["redelegation_count"] == 0
    path = "/OS-TRUST/trusts/" + trust["id"]
    assert trust["links"]["self"] == i.url + path and trust["deleted_at"] is None
    trustee = i.token(w.other, "pw", "unscoped")
    for token in w.mine, trustee, w.admin:
        assert i.ask(token, "GET", path)["trust"] == trust
    assert [r["name"] for r in i.ask(trustee, "GET", path + "/roles")["roles"]] == ["member"]
    assert i.ask(trustee, "GET", path + "/roles/" + w.roles["member"])["role"]["name"] == "member"
    i.ask(trustee, "HEAD", path + "/roles/" + w.roles["member"])
    i.ask(trustee, "GET", path + "/roles/" + w.roles["admin"], 404)
    listed = i.ask(w.mine, "GET", "/OS-TRUST/trusts?trustor_user_id=" + w.user)["trusts"]
    assert [t["id"] for t in listed] == [trust["id"]] and "roles" not in listed[0]
    assert i.ask(trustee, "GET", "/OS-TRUST/trusts?trustee_user_id=" + w.trustee)["trusts"] == listed
    i.ask(trustee, "GET", "/OS-TRUST/trusts?trustor_user_id=" + w.user, 403)
    i.ask(trustee, "GET", "/OS-TRUST/trusts", 403)
    assert listed[0] in i.ask(w.admin, "GET", "/OS-TRUST/trusts")["trusts"]
    token = w.about(w.use(trust))
    assert token["user"]["id"] == w.user and token["project"]["id"] == w.project
    assert token["OS-TRUST:trust"] == {"id": trust["id"], "impersonation": True, "trustor_user": {"id": w.user},
                                       "trustee_user": {"id": w.trustee}}
    assert sorted(r["name"] for r in token["roles"]) == ["member", "reader"]
    other = World(i, w.admin)
    i.ask(other.token(), "GET", path, 403)
    i.ask(other.token(), "DELETE", path, 403)
    i.ask(trustee, "DELETE", path, 403)
    w.use(trust, 403, other.name)
    plain = w.trust(impersonation=False)
    token = w.about(w.use(plain))
    assert token["user"]["id"] == w.trustee and token["OS-TRUST:trust"]["impersonation"] is False
    i.ask(w.mine, "GET", "/OS-TRUST/trusts/none", 404)


def test_the_client_uses_it(world):
    w, i = world, world.i
    env = {"OS_USERNAME": w.name, "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "", "OS_PROJECT_ID": w.project,
           "OS_PROJECT_DOMAIN_NAME": ""}
    trust = json.loads(i.openstack("trust", "create", "--project", w.project, "--role", w.roles["member"], "-f",
                                   "json", w.user, w.trustee, env=env))
    assert trust["id"] in i.openstack("trust", "list")
    assert i.openstack("trust", "show", trust["id"], env=env)
    used = {"OS_USERNAME": w.other, "OS_PASSWORD": "pw", "OS_PROJECT_NAME": "", "OS_PROJECT_DOMAIN_NAME": "",
            "OS_TRUST_ID": trust["id"]}
    assert w.project in i.openstack("token", "issue", env=used)
    i.openstack("trust", "delete", trust["id"], env=env)
    i.openstack("token", "issue", env=used, code=1)


def test_what_is_refused(world):
    w, i = world, world.i
    w.trust(403, roles=[])
    w.trust(403, roles="leave out")
    w.trust(403, trustor_user_id=w.trustee)
    w.trust(403, token=i.token(w.other, "pw", "unscoped"))
    w.trust(404, trustee_user_id="none")
    w.trust(404, roles=[{"name": "no such role"}])
    w.trust(404, roles=[{"name": "admin"}])
    w.trust(404, project_id="none")
    for bad in ({"impersonation": "leave out"}, {"impersonation": "yes"}, {"trustee_user_id": "leave out"},
                {"trustor_user_id": 1}, {"remaining_uses": 0}, {"remaining_uses": "x"}, {"remaining_uses": 1.5},
                {"roles": "x"}, {"roles": [1]}, {"expires_at": "x"}, {"expires_at": "2001-01-01T00:00:00Z"},
                {"redelegation_count": -1}, {"project_id": 1}, {"allow_redelegation": 1}):
        w.trust(400, **bad)
    token = w.use(w.trust())
    assert requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": token}}}}).status_code == 403
    # What was delegated makes nothing that outlives it.
    i.ask(token, "POST", "/users/%s/application_credentials" % w.user, 403,
          json={"application_credential": {"name": "x"}})
    i.ask(token, "GET", "/users/%s/application_credentials" % w.user, 403)
    app = i.ask(w.mine, "POST", "/users/%s/application_credentials" % w.user, 201,
                json={"application_credential": {"name": "x", "unrestricted": True}})["application_credential"]
    by = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": {
            "id": app["id"], "secret": app["secret"]}}}}).headers["X-Subject-Token"]
    w.trust(403, token=by)
    i.ask(by, "GET", "/OS-TRUST/trusts?trustor_user_id=" + w.user, 403)


def test_uses_and_time(world):
    w, i = world, world.i
    twice = w.trust(remaining_uses=2)
    token = w.use(twice)
    assert i.ask(w.mine, "GET", "/OS-TRUST/trusts/" + twice["id"])["trust"]["remaining_uses"] == 1
    w.use(twice)
    w.use(twice, 401)
    i.ask(w.mine, "GET", "/OS-TRUST/trusts/" + twice["id"], 404)
    assert w.valid(token)
    end = (datetime.datetime.utcnow() + datetime.timedelta(seconds=3)).isoformat() + "Z"
    short = w.trust(expires_at=end)
    assert short["expires_at"] == end
    assert w.about(w.use(short))["expires_at"] <= end
    time.sleep(3)
    w.use(short, 401)
    i.ask(w.mine, "GET", "/OS-TRUST/trusts/" + short["id"], 404)


def test_passed_on(world):
    w, i = world, world.i
    third = w.make("user", name=w.name + " the third", password="pw")
    w.trust(403, allow_redelegation=True, redelegation_count=4)
    w.trust(400, allow_redelegation=True, remaining_uses=2)
    first = w.trust(allow_redelegation=True)
    assert first["redelegation_count"] == 3
    token = w.use(first)
    on = {"token": token, "trustee_user_id": third}
    w.trust(403, redelegation_count=1, allow_redelegation=True, **on)
    w.trust(403, remaining_uses=1, **on)
    w.trust(403, roles=[{"name": "reader"}], **on)  # it is implied, but was not delegated
    second = w.trust(allow_redelegation=True, **on)
    assert second["redelegation_count"] == 2 and second["redelegated_trust_id"] == first["id"]
    by_third = w.use(second, user=w.name + " the third")
    assert w.about(by_third)["user"]["id"] == w.user
    last = w.trust(**on)
    assert last["redelegation_count"] == 0
    w.trust(403, token=w.use(last, user=w.name + " the third"), trustee_user_id=w.trustee)
    plain = w.trust(allow_redelegation=True, impersonation=False)
    w.trust(403, token=w.use(plain), trustee_user_id=third)  # the trustor is the trustee of that one
    w.patch("/users/" + w.trustee, enabled=False)
    w.use(second, 403, w.name + " the third")
    w.patch("/users/" + w.trustee, enabled=True)
    i.ask(w.mine, "DELETE", "/OS-TRUST/trusts/" + first["id"], 204)
    w.use(second, 401, w.name + " the third")
    assert not w.valid(by_third)


def test_what_ends_it(world):
    w, i = world, world.i

    def ends(change, gone=False):
        trust, plain = w.trust(), w.trust(impersonation=False)
        one, two = w.use(trust), w.use(plain)
        assert w.valid(one) and w.valid(two)
        change(trust, plain)
        assert not w.valid(one) and not w.valid(two)
        w.mine = w.token()
        assert i.ask(w.mine, "GET", "/OS-TRUST/trusts/" + trust["id"], 404 if gone else 200)

    def disable(user):
        w.patch("/users/" + user, enabled=False)
        w.patch("/users/" + user, enabled=True)

    def delete(*trusts):
        for t in trusts:
            i.ask(w.mine, "DELETE", "/OS-TRUST/trusts/" + t["id"], 204)

    def role_lost(*trusts):
        i.ask(w.admin, "DELETE", w.grant, 204)
        for t in trusts:
            w.use(t, 403)
        i.ask(w.admin, "PUT", w.grant, 204)
    ends(lambda *_: disable(w.user))
    ends(lambda *_: disable(w.trustee))
    ends(lambda *_: w.patch("/users/" + w.trustee, password="pw"))
    ends(role_lost)
    ends(delete, True)
    trust = w.trust()
    w.patch("/users/" + w.user, enabled=False)
    w.use(trust, 403)
    w.patch("/users/" + w.user, enabled=True)
    w.mine = w.token()
    ends(lambda *_: i.ask(w.admin, "DELETE", "/users/" + w.trustee, 204), True)
    assert i.ask(w.mine, "GET", "/OS-TRUST/trusts?trustor_user_id=" + w.user)["trusts"] == []


def test_passed_on_it_stays_in_its_project(world):
    w, i = world, world.i
    third = w.make("user", name=w.name + " the third", password="pw")
    other = w.make("project", name="another", domain_id=w.domain)
    i.ask(w.admin, "PUT", w.grant.replace(w.project, other), 204)
    token = w.use(w.trust(allow_redelegation=True))
    w.trust(403, token=token, trustee_user_id=third, project_id=other)
    w.trust(token=token, trustee_user_id=third)


def test_what_ends_those_passed_on(world):
    """By a trust that does not impersonate the next one is its trustee's, and still of the first one's roles."""
    w, i = world, world.i
    third = w.make("user", name=w.name + " the third", password="pw")

    def ends(change):
        first = w.trust(allow_redelegation=True, impersonation=False)
        second = w.trust(token=w.use(first), trustor_user_id=w.trustee, trustee_user_id=third, impersonation=False)
        token = w.use(second, user=w.name + " the third")
        assert w.valid(token)
        change()
        assert not w.valid(token)
        w.mine = w.token()

    def role_lost():
        i.ask(w.admin, "DELETE", w.grant, 204)
        i.ask(w.admin, "PUT", w.grant, 204)

    def disable():
        w.patch("/users/" + w.user, enabled=False)
        w.patch("/users/" + w.user, enabled=True)
    ends(role_lost)
    ends(disable)


def test_a_domain_ends_those_of_its_users(world):
    w, i = world, world.i
    domain = w.make("domain", name="of trustees of " + w.name)
    trustee = w.make("user", name="one of them", domain_id=domain, password="pw")
    for impersonation in True, False:
        trust = w.trust(trustee_user_id=trustee, impersonation=impersonation)
        token = requests.post(i.url + "/auth/tokens", json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": trustee, "password": "pw"}}},
            "scope": {"OS-TRUST:trust": {"id": trust["id"]}}}}).headers["X-Subject-Token"]
        assert w.valid(token)
        w.patch("/domains/" + domain, enabled=False)
        assert not w.valid(token)
        w.patch("/domains/" + domain, enabled=True)
