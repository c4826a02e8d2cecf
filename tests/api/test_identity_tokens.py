"""Tokens: what ends them before their time, here and in another process, and what is told of it."""
import os
import subprocess
import threading
import time

import pytest
import requests

from conftest import CAIRN, free_port, wait_for
from test_identity import ADMIN, Identity


class World:
    """A user with a role in a project, made anew for each test."""
    count = 0

    def __init__(self, i, admin):
        World.count += 1
        self.i, self.admin, self.name = i, admin, "user%d" % World.count
        self.domain = self.make("domain", name="domain%d" % World.count)
        self.project = self.make("project", name="project%d" % World.count, domain_id=self.domain)
        self.user = self.make("user", name=self.name, password="pw")
        self.roles = {r["name"]: r["id"] for r in i.ask(admin, "GET", "/roles")["roles"]}
        self.grant = "/projects/%s/users/%s/roles/%s" % (self.project, self.user, self.roles["member"])
        i.ask(admin, "PUT", self.grant, 204)

    def make(self, kind, **members):
        return self.i.ask(self.admin, "POST", "/%ss" % kind, 201, json={kind: members})[kind]["id"]

    def patch(self, path, **members):
        kind = path.split("/")[1][:-1]
        self.i.ask(self.admin, "PATCH", path, json={kind: members})

    def token(self, scoped=True, password="pw"):
        return self.i.token(self.name, password, {"project": {"id": self.project}} if scoped else "unscoped")

    def valid(self, token):
        """By whoever looks: as the caller's, and as the subject."""
        r = requests.get(self.i.url + "/auth/catalog", headers={"X-Auth-Token": token})
        s = requests.get(self.i.url + "/auth/tokens", headers={"X-Auth-Token": self.admin, "X-Subject-Token": token})
        assert (r.status_code, s.status_code) in ((200, 200), (401, 404)), (r.text, s.text)
        return r.status_code == 200

    def ends(self, change, scoped=True, unscoped=True, again=True):
        """What a change does to tokens of before; and that those given out after it are valid."""
        one, two = self.token(), self.token(False)
        assert self.valid(one) and self.valid(two)
        change()
        assert (self.valid(one), self.valid(two)) == (not scoped, not unscoped)
        if again:
            assert self.valid(self.token())


@pytest.fixture
def world(identity, admin):
    return World(identity, admin)


def test_logout(world):
    i, one = world.i, world.token()
    other = world.token()
    derived = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": one}}}}).headers["X-Subject-Token"]
    head = {"X-Auth-Token": one, "X-Subject-Token": one}
    assert requests.delete(i.url + "/auth/tokens", headers={"X-Auth-Token": one}).status_code == 400
    assert requests.delete(i.url + "/auth/tokens", headers={
        "X-Auth-Token": one, "X-Subject-Token": world.admin}).status_code == 403
    assert requests.delete(i.url + "/auth/tokens", headers=head).status_code == 204
    assert not world.valid(one) and world.valid(other) and world.valid(derived)
    assert requests.delete(i.url + "/auth/tokens", headers=head).status_code == 401
    r = requests.post(i.url + "/auth/tokens", json={"auth": {"identity": {"methods": ["token"], "token": {"id": one}}}})
    assert r.status_code == 404
    i.openstack("token", "revoke", other)
    assert not world.valid(other)


def test_what_ends_a_users_tokens(world):
    w = world
    w.ends(lambda: w.patch("/users/" + w.user, description="nothing of it"), False, False)
    w.ends(lambda: w.patch("/users/" + w.user, password="pw"))

    def disable():
        w.patch("/users/" + w.user, enabled=False)
        w.patch("/users/" + w.user, enabled=True)
    w.ends(disable)
    w.ends(lambda: w.i.ask(w.admin, "DELETE", "/users/" + w.user, 204), again=False)


def test_what_ends_those_of_a_project(world):
    w = world

    def again(path):
        w.patch(path, enabled=False)
        w.patch(path, enabled=True)
    w.ends(lambda: again("/projects/" + w.project), True, False)
    w.ends(lambda: again("/domains/" + w.domain), True, False)
    other = w.make("project", name="other", domain_id=w.domain)
    w.ends(lambda: again("/projects/" + other), False, False)
    w.ends(lambda: w.i.ask(w.admin, "DELETE", "/projects/" + w.project, 204), True, False, False)


def test_a_domain_ends_its_users(world):
    w = world
    user = w.make("user", name="inside", domain_id=w.domain, password="pw")
    auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": user, "password": "pw"}}}}}
    token = requests.post(w.i.url + "/auth/tokens", json=auth).headers["X-Subject-Token"]
    assert w.valid(token)
    w.patch("/domains/" + w.domain, enabled=False)
    assert not w.valid(token)
    assert requests.post(w.i.url + "/auth/tokens", json=auth).status_code == 401
    w.i.ask(w.admin, "DELETE", "/domains/" + w.domain, 204)
    assert not w.valid(token)


def test_what_ends_roles(world):
    w, i = world, world.i

    def change(method, path):
        return lambda: i.ask(w.admin, method, path, 204)
    second = w.grant.replace(w.roles["member"], w.roles["manager"])
    w.ends(change("PUT", second), False, False)
    w.ends(change("DELETE", second), True, False)
    inherited = "/OS-INHERIT/domains/%s/users/%s/roles/%s/inherited_to_projects" % (
        w.domain, w.user, w.roles["manager"])
    w.ends(change("PUT", inherited), False, False)
    w.ends(change("DELETE", inherited), True, False)
    group = w.make("group", name="of " + w.name)
    member = "/groups/%s/users/%s" % (group, w.user)
    change("PUT", member)()
    w.ends(change("DELETE", member), False, False)  # the group has nothing to lose
    granted = "/projects/%s/groups/%s/roles/%s" % (w.project, group, w.roles["manager"])
    change("PUT", granted)()
    change("PUT", member)()
    w.ends(change("DELETE", member), True, False)
    change("PUT", member)()
    w.ends(change("DELETE", granted), True, False)
    change("PUT", granted)()
    w.ends(change("DELETE", "/groups/" + group), True, False)
    role = w.make("role", name="operator of " + w.name)
    change("PUT", w.grant.replace(w.roles["member"], role))()
    w.ends(change("DELETE", "/roles/" + role), True, False)
    prior, other = w.make("role", name="prior of " + w.name), w.make("role", name="implied for " + w.name)
    change("PUT", w.grant.replace(w.roles["member"], prior))()
    implied = "/roles/%s/implies/%s" % (prior, other)
    i.ask(w.admin, "PUT", implied, 201)
    w.ends(change("DELETE", implied), True, False)
    change("DELETE", w.grant.replace(w.roles["member"], prior))()
    w.ends(change("DELETE", w.grant), True, False, False)


def test_what_ends_roles_by_one_of_a_domain(world):
    """No token says that it has such a role: only what it leads to."""
    w, i = world, world.i
    local = w.make("role", name="local", domain_id=w.domain)
    above = w.make("role", name="above it", domain_id=w.domain)
    role = w.make("role", name="led to by " + w.name)
    i.ask(w.admin, "PUT", "/roles/%s/implies/%s" % (above, local), 201)
    group = w.make("group", name="of the domain of " + w.name)
    i.ask(w.admin, "PUT", "/groups/%s/users/%s" % (group, w.user), 204)
    for actor in "users/" + w.user, "groups/" + group:
        grant = "/projects/%s/%s/roles/%s" % (w.project, actor, above)
        i.ask(w.admin, "PUT", grant, 204)
        implied = "/roles/%s/implies/%s" % (local, role)
        i.ask(w.admin, "PUT", implied, 201)
        w.ends(lambda: i.ask(w.admin, "DELETE", implied, 204), True, False)
        if actor[0] == "u":
            i.ask(w.admin, "DELETE", grant, 204)
    i.ask(w.admin, "PUT", implied, 201)
    w.ends(lambda: i.ask(w.admin, "DELETE", "/roles/" + local, 204), True, False)


def test_a_domain_takes_its_groups_with_it(world):
    w, i = world, world.i
    domain = w.make("domain", name="of a group for " + w.name)
    group = w.make("group", name="g", domain_id=domain)
    i.ask(w.admin, "PUT", "/groups/%s/users/%s" % (group, w.user), 204)
    i.ask(w.admin, "PUT", "/projects/%s/groups/%s/roles/%s" % (w.project, group, w.roles["manager"]), 204)
    w.patch("/domains/" + domain, enabled=False)
    w.ends(lambda: i.ask(w.admin, "DELETE", "/domains/" + domain, 204), True, False)


def test_what_was_ended_stays_so_for_services(world):
    """They may ask about a token for as long after its end as [token] allow_expired_window says."""
    w, i = world, world.i
    token = w.token()
    assert requests.delete(i.url + "/auth/tokens", headers={
        "X-Auth-Token": token, "X-Subject-Token": token}).status_code == 204
    ((kept,),) = i.sql("SELECT expires_us - at_us FROM revocation ORDER BY number DESC LIMIT 1")
    assert kept == (3600 + 60 + 172800) * 1000000
    # Who checks by itself knows of no token that has expired, and is spared the rest.
    news = i.ask(w.admin, "GET", "/OS-CAIRN/news")["news"]
    assert news["known"] == news["last"] == news["revocations"][-1]["number"]
    assert {r["expires_us"] - r["at_us"] for r in news["revocations"]} == {3660 * 1000000}
    i.sql("UPDATE revocation SET at_us = at_us - 4000000000")
    later = i.ask(w.admin, "GET", "/OS-CAIRN/news")["news"]
    assert later["revocations"] == [] and later["known"] == later["last"] == news["last"]


def test_keys_are_kept_for_tokens_that_have_expired():
    i = Identity()

    def rotate(seconds):
        """All keys are so much older."""
        for name in os.listdir(i.dir + "/keys"):
            at = os.stat(i.dir + "/keys/" + name).st_mtime - seconds
            os.utime(i.dir + "/keys/" + name, (at, at))
        i.command("rotate-keys")
        return sorted(int(name) for name in os.listdir(i.dir + "/keys"))
    try:
        assert rotate(0) == [1, 2]
        assert rotate(3600 + 60 + 10) == [1, 2, 3]
        assert rotate(172800 - 20) == [1, 2, 3, 4]
        assert rotate(20) == [2, 3, 4, 5]
    finally:
        i.close()


def test_a_lost_role_ends_no_other_scope(world):
    w, i = world, world.i
    i.ask(w.admin, "PUT", "/system/users/%s/roles/%s" % (w.user, w.roles["reader"]), 204)
    i.ask(w.admin, "PUT", "/domains/%s/users/%s/roles/%s" % (w.domain, w.user, w.roles["reader"]), 204)
    system = i.token(w.name, "pw", {"system": {"all": True}})
    domain = i.token(w.name, "pw", {"domain": {"id": w.domain}})
    i.ask(w.admin, "DELETE", w.grant, 204)
    assert w.valid(system) and w.valid(domain)
    i.ask(w.admin, "DELETE", "/domains/%s/users/%s/roles/%s" % (w.domain, w.user, w.roles["reader"]), 204)
    assert w.valid(system) and not w.valid(domain)
    i.ask(w.admin, "DELETE", "/system/users/%s/roles/%s" % (w.user, w.roles["reader"]), 204)
    assert not w.valid(system)


def test_more_roles_than_a_token_holds(world):
    w, i = world, world.i
    names = ["%s %02d %s" % (w.name, n, "x" * 40) for n in range(20)]
    for name in names:
        i.ask(w.admin, "PUT", w.grant.replace(w.roles["member"], w.make("role", name=name)), 204)
    i.ask(w.admin, "PUT", "/projects/%s/users/%s/roles/%s" % (w.project, w.user, w.roles["admin"]), 204)
    token = w.token()
    assert len(token) <= 512
    about = requests.get(i.url + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}).json()
    assert set(names) < {r["name"] for r in about["token"]["roles"]}
    i.ask(token, "GET", "/users")  # as admin, which the token does not say


def test_events(world):
    w, i = world, world.i
    before = i.ask(w.admin, "GET", "/OS-REVOKE/events")["events"]
    i.ask(w.admin, "DELETE", w.grant, 204)
    got = i.ask(w.admin, "GET", "/OS-REVOKE/events")
    new = got["events"][len(before):]
    assert len(new) == 1 and new[0]["user_id"] == w.user and new[0]["project_id"] == w.project
    assert got["links"] == {"next": None, "previous": None, "self": i.url + "/OS-REVOKE/events"}
    since = new[0]["revoked_at"]
    assert i.ask(w.admin, "GET", "/OS-REVOKE/events?since=" + since)["events"] == new
    assert i.ask(w.admin, "GET", "/OS-REVOKE/events?since=2100-01-01T00:00:00Z")["events"] == []
    for bad in "x", "2026-01-01", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00-1":
        i.ask(w.admin, "GET", "/OS-REVOKE/events?since=" + bad, 400)
    i.ask(w.token(False), "GET", "/OS-REVOKE/events", 403)


def test_two_processes_on_one_database(world):
    w, i, port = world, world.i, free_port()
    conf = i.dir + "/second.conf"
    with open(i.conf) as f, open(conf, "w") as g:
        g.write(f.read().replace("port = %d" % i.port, "port = %d" % port))
    with open(i.dir + "/log2", "w") as log:
        second = subprocess.Popen([CAIRN, "identity", "--config", conf], stderr=log)
    try:
        url = "http://127.0.0.1:%d" % port

        def status(token):
            return requests.get(url + "/v3/auth/catalog", headers={"X-Auth-Token": token}).status_code

        def up():
            try:
                return requests.get(url + "/healthcheck").status_code == 200
            except requests.RequestException:
                return False
        wait_for(up, 20)
        for _ in range(3):
            token = w.token()
            assert status(token) == 200
            w.patch("/users/" + w.user, password="pw")
            changed = time.monotonic()
            wait_for(lambda: status(token) == 401, 5)
            assert time.monotonic() - changed < 1
        # One that was loaded at the start ends tokens, too.
        token = w.token()
        second.terminate()
        assert second.wait(timeout=30) == 0
        w.patch("/users/" + w.user, password="pw")
        with open(i.dir + "/log2", "a") as log:
            second = subprocess.Popen([CAIRN, "identity", "--config", conf], stderr=log)
        wait_for(up, 20)
        assert status(token) == 401
    finally:
        second.terminate()
        assert second.wait(timeout=30) == 0


def test_somebody_who_logs_out_over_and_over():
    i = Identity("[token]\nlogouts_max = 5\n")
    try:
        tokens, watcher = [i.token(scope=ADMIN) for _ in range(7)], i.token(scope=ADMIN)
        for n, token in enumerate(tokens[:6]):
            assert requests.delete(i.url + "/auth/tokens", headers={
                "X-Auth-Token": token, "X-Subject-Token": token}).status_code == 204
            for t in tokens[6], watcher:
                assert requests.get(i.url + "/auth/catalog", headers={"X-Auth-Token": t}).status_code == (
                    200 if n < 5 else 401)
        token = i.token(scope=ADMIN)
        events = i.ask(token, "GET", "/OS-REVOKE/events")["events"]
        assert len(events) == 1 and "user_id" in events[0] and "audit_id" not in events[0]
    finally:
        i.close()


def test_a_flood_of_logins():
    """What does not fit into the queue is told so at once, and nobody else waits for it."""
    i = Identity("queue = 4\n")
    i.stop()
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("password_hash_rounds = 4", "password_hash_rounds = 11"))
    i.start()
    try:
        token, seen = i.token(scope=ADMIN), []
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "nobody", "domain": {"id": "default"}, "password": "wrong"}}}}}  # whose hash is of that cost

        def login():
            seen.append(requests.post(i.url + "/auth/tokens", json=body, timeout=60).status_code)
        threads = [threading.Thread(target=login) for _ in range(40)]
        for t in threads:
            t.start()
        for _ in range(10):
            head = {"X-Auth-Token": token, "X-Subject-Token": token}
            assert requests.get(i.url + "/auth/tokens", headers=head, timeout=10).status_code == 200
        for t in threads:
            t.join()
        assert set(seen) == {401, 503} and seen.count(401) >= 4, seen
    finally:
        i.close()
