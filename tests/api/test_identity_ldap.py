"""A domain whose users and groups are in an LDAP directory: Debian's slapd, started here."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import time

import pytest
import requests

from conftest import free_port, wait_for
from test_identity import ADMIN, Identity

BASE = "dc=example,dc=org"
ROOT = "cn=admin," + BASE
SLAPD = shutil.which("slapd", path=os.environ.get("PATH", "") + ":/usr/sbin")


def person(uid, **more):
    lines = ["dn: uid=%s,ou=People,%s" % (uid.replace("\\", "\\5c"), BASE), "objectClass: inetOrgPerson", "uid: " + uid, "cn: " + uid,
             "sn: " + uid, "userPassword: pw-" + uid, "mail: %s@example.org" % uid]
    return "\n".join(lines + ["%s: %s" % pair for pair in more.items()]) + "\n"


def team(cn, *members):
    return "\n".join(["dn: cn=%s,ou=Teams,%s" % (cn, BASE), "objectClass: groupOfNames", "cn: " + cn,
                      "description: the " + cn] + ["member: uid=%s, ou=people,%s" % (m, BASE) for m in members]) + "\n"


class Slapd:
    def __init__(self):
        self.dir, self.port = tempfile.mkdtemp(prefix="cairn-ldap-"), free_port()
        self.url = "ldap://127.0.0.1:%d" % self.port
        os.mkdir(self.dir + "/db")
        with open(self.dir + "/slapd.conf", "w") as f:
            for schema in "core", "cosine", "inetorgperson":
                f.write("include /etc/ldap/schema/%s.schema\n" % schema)
            f.write("modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nmaxsize 67108864\nsuffix %s\n"
                    "rootdn %s\nrootpw secret\ndirectory %s/db\naccess to attrs=userPassword by anonymous auth\n"
                    "access to * by users read by anonymous auth\n" % (BASE, ROOT, self.dir))
        self.start()
        self.change("dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n" % BASE,
                    "dn: ou=People,%s\nobjectClass: organizationalUnit\nou: People\n" % BASE,
                    "dn: ou=Teams,%s\nobjectClass: organizationalUnit\nou: Teams\n" % BASE,
                    person("ann", description="first"), person("bob"), person("(odd)*\\", description="odd"),
                    person("off", employeeType="FALSE"), team("crew", "ann", "bob"), team("lone", "bob"))

    def start(self):
        self.process = subprocess.Popen([SLAPD, "-h", self.url + "/", "-f", self.dir + "/slapd.conf", "-d", "0"],
                                        stderr=subprocess.DEVNULL)
        wait_for(lambda: subprocess.run(["ldapwhoami", "-x", "-H", self.url], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL).returncode == 0, 20)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def change(self, *entries):
        r = subprocess.run(["ldapmodify", "-a", "-x", "-H", self.url, "-D", ROOT, "-w", "secret"], text=True,
                           input="\n".join(entries), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert r.returncode == 0, r.stdout

    def close(self):
        self.stop()
        shutil.rmtree(self.dir)


class World:
    def __init__(self):
        self.slapd, self.i = Slapd(), Identity()
        self.admin = self.i.token(scope=ADMIN)
        self.domain = self.ask("POST", "/domains", 201, domain={"name": "corp"})["domain"]["id"]
        self.config = {"identity": {"driver": "ldap"}, "ldap": {
            "url": self.slapd.url, "user": ROOT, "password": "secret", "suffix": BASE, "user_tree_dn": "ou=People," + BASE,
            "user_id_attribute": "uid", "user_name_attribute": "uid", "user_enabled_attribute": "employeeType",
            "group_tree_dn": "ou=Teams," + BASE, "group_name_attribute": "cn", "page_size": 2}}
        self.ask("PUT", "/domains/%s/config" % self.domain, 201, config=self.config)

    def ask(self, method, path, status=200, **json):
        return self.i.ask(self.admin, method, path, status, json=json)

    def login(self, who, password, scope=None, status=201, **user):
        user = user or {"name": who, "domain": {"id": self.domain}}
        auth = {"identity": {"methods": ["password"], "password": {"user": dict(user, password=password)}}}
        if scope:
            auth["scope"] = scope
        r = requests.post(self.i.url + "/auth/tokens", json={"auth": auth})
        assert r.status_code == status, r.text
        return r

    def users(self):
        return {u["name"]: u for u in self.ask("GET", "/users?domain_id=" + self.domain)["users"]}

    def groups(self):
        return {g["name"]: g["id"] for g in self.ask("GET", "/groups?domain_id=" + self.domain)["groups"]}

    def later(self):
        """When lists are asked for anew."""
        time.sleep(5.2)

    def close(self):
        try:
            self.i.close()
        finally:
            self.slapd.close()


@pytest.fixture(scope="module")
def w():
    if not SLAPD:
        pytest.fail("slapd is not installed")
    world = World()
    yield world
    world.close()


def test_users_and_groups(w):
    users, groups = w.users(), w.groups()
    assert set(users) == {"ann", "bob", "off", "(odd)*\\"} and set(groups) == {"crew", "lone"}
    ann = users["ann"]
    assert ann["id"] == hashlib.sha256((w.domain + "user" + "ann").encode()).hexdigest()  # as Keystone's
    assert ann["email"] == "ann@example.org" and ann["description"] == "first" and ann["enabled"] is True
    assert users["off"]["enabled"] is False
    assert w.ask("GET", "/users/" + ann["id"])["user"]["name"] == "ann"
    assert w.ask("GET", "/users?name=ann&domain_id=" + w.domain)["users"][0]["id"] == ann["id"]
    members = w.ask("GET", "/groups/%s/users" % groups["crew"])["users"]
    assert sorted(u["name"] for u in members) == ["ann", "bob"]
    assert sorted(g["name"] for g in w.ask("GET", "/users/%s/groups" % users["bob"]["id"])["groups"]) == ["crew", "lone"]
    assert "ann" in w.i.names("user", "list", "--domain", "corp")
    assert len(w.ask("GET", "/users")["users"]) == 5  # with admin


def test_logins(w):
    user = w.login("ann", "pw-ann").json()["token"]["user"]
    assert user["name"] == "ann" and user["domain"]["name"] == "corp"
    w.login(None, "pw-ann", id=user["id"])
    w.login(None, "pw-ann", name="ann", domain={"name": "corp"})
    w.login("(odd)*\\", "pw-(odd)*\\")
    denied = w.login("ann", "wrong", status=401).json()
    for name, password in (("nobody", "x"), ("ann", ""), ("off", "pw-off"), ("nobody", ""), ("off", "wrong")):
        assert w.login(name, password, status=401).json() == denied
    # What a filter would take for its own.
    for name in ("*", "a*", "ann)(uid=*", "*)(objectClass=*", "ann)(|(uid=*", "\\61nn", "ann\\00", ")", "(", "\\"):
        assert w.login(name, "pw-ann", status=401).json() == denied
    w.i.login("ann", "pw-ann", None, 401)  # not of the default domain


def test_grants_and_tokens(w):
    users, groups = w.users(), w.groups()
    project = w.ask("POST", "/projects", 201, project={"name": "shop", "domain_id": w.domain})["project"]["id"]
    role = w.ask("GET", "/roles?name=member")["roles"][0]["id"]
    w.ask("PUT", "/projects/%s/groups/%s/roles/%s" % (project, groups["crew"], role), 204)
    scope = {"project": {"id": project}}
    r = w.login("ann", "pw-ann", scope)
    assert sorted(x["name"] for x in r.json()["token"]["roles"]) == ["member", "reader"]
    token = r.headers["X-Subject-Token"]
    w.i.ask(token, "GET", "/users/" + users["ann"]["id"])
    w.i.ask(token, "GET", "/users", 403)
    assert [p["id"] for p in w.i.ask(token, "GET", "/auth/projects")["projects"]] == [project]
    # Who leaves a group has its roles no more, and whose account ends has no token.
    w.slapd.change("dn: cn=crew,ou=Teams,%s\nchangetype: modify\ndelete: member\nmember: uid=ann,ou=People,%s\n" % (BASE, BASE))
    w.login("ann", "pw-ann", scope, 401)
    w.slapd.change("dn: cn=crew,ou=Teams,%s\nchangetype: modify\nadd: member\nmember: uid=ann,ou=People,%s\n" % (BASE, BASE))
    token = w.login("ann", "pw-ann", scope).headers["X-Subject-Token"]
    w.slapd.change("dn: uid=ann,ou=People,%s\nchangetype: modify\nreplace: employeeType\nemployeeType: FALSE\n" % BASE)
    w.later()
    assert w.users()["ann"]["enabled"] is False
    w.i.ask(token, "GET", "/auth/projects", 401)
    w.login("ann", "pw-ann", status=401)
    w.slapd.change("dn: uid=ann,ou=People,%s\nchangetype: modify\nreplace: employeeType\nemployeeType: TRUE\n" % BASE)
    token = w.login("ann", "pw-ann", scope).headers["X-Subject-Token"]
    w.slapd.change("dn: uid=ann,ou=People,%s\nchangetype: delete\n" % BASE, "dn: cn=lone,ou=Teams,%s\nchangetype: delete\n"
                   % BASE, person("new"))
    w.later()
    assert set(w.users()) == {"bob", "off", "(odd)*\\", "new"} and set(w.groups()) == {"crew"}
    w.i.ask(token, "GET", "/auth/projects", 401)
    w.login("ann", "pw-ann", status=401)
    w.ask("GET", "/users/" + users["ann"]["id"], 404)


def domain_of_directory(w, name, **ldap):
    domain = w.ask("POST", "/domains", 201, domain={"name": name})["domain"]["id"]
    config = {"identity": w.config["identity"], "ldap": dict(w.config["ldap"], **ldap)}
    return domain, lambda: w.ask("PUT", "/domains/%s/config" % domain, 201, config=config)


def drop_domain(w, domain):
    w.ask("PATCH", "/domains/" + domain, domain={"enabled": False})
    w.ask("DELETE", "/domains/" + domain, 204)


def test_a_name_that_a_user_of_ours_has(w):
    """A password of the directory is good for who has it there, and for nobody else of that name."""
    domain, configure = domain_of_directory(w, "both")
    w.ask("POST", "/users", 201, user={"name": "bob", "domain_id": domain, "password": "local"})
    configure()
    try:
        w.login(None, "pw-bob", name="bob", domain={"id": domain}, status=401)
    finally:
        drop_domain(w, domain)


def test_a_name_that_was_another_ones(w):
    domain, configure = domain_of_directory(w, "renamed", user_name_attribute="sn")
    configure()
    bob = {"name": "bob", "domain": {"id": domain}}
    first = w.login(None, "pw-bob", **bob).json()["token"]["user"]["id"]
    w.slapd.change("dn: uid=bob,ou=People,%s\nchangetype: modify\nreplace: sn\nsn: robert\n" % BASE, person("second"),
                   "dn: uid=second,ou=People,%s\nchangetype: modify\nreplace: sn\nsn: bob\n" % BASE)
    try:
        w.login(None, "pw-bob", status=401, **bob)
        user = w.login(None, "pw-second", **bob).json()["token"]["user"]
        assert user["name"] == "bob" and user["id"] != first
        assert w.login(None, "pw-bob", id=first).json()["token"]["user"]["name"] == "robert"
    finally:
        drop_domain(w, domain)


def test_nothing_is_changed(w):
    bob, crew = w.users()["bob"]["id"], w.groups()["crew"]
    member = w.ask("POST", "/users", 201, user={"name": "outside", "password": "x"})["user"]["id"]
    for method, path, body in (
            ("POST", "/users", {"user": {"name": "x", "domain_id": w.domain}}),
            ("PATCH", "/users/" + bob, {"user": {"description": "x"}}),
            ("PATCH", "/users/" + bob, {"user": {"password": "x"}}), ("DELETE", "/users/" + bob, {}),
            ("POST", "/groups", {"group": {"name": "x", "domain_id": w.domain}}),
            ("PATCH", "/groups/" + crew, {"group": {"name": "x"}}), ("DELETE", "/groups/" + crew, {}),
            ("PUT", "/groups/%s/users/%s" % (crew, member), {}), ("DELETE", "/groups/%s/users/%s" % (crew, bob), {})):
        assert "directory" in w.ask(method, path, 403, **body)["error"]["message"]
    w.login(None, "x", id=bob, status=401)
    r = requests.post("%s/users/%s/password" % (w.i.url, bob), json={"user": {"original_password": "pw-bob",
                                                                            "password": "x"}})
    assert r.status_code == 401
    w.login("bob", "pw-bob")


def test_a_directory_that_is_away(w):
    w.slapd.stop()
    began = time.time()
    w.login("bob", "pw-bob", status=503)
    w.later()
    assert "bob" in w.users()  # as it was
    assert time.time() - began < 20
    w.i.login()  # nobody else waits for it
    w.slapd.start()
    w.login("bob", "pw-bob")
    bad = "/domains/%s/config/ldap/password" % w.domain
    w.ask("PATCH", bad, config={"password": "wrong"})
    w.login("bob", "pw-bob", status=503)
    w.ask("PATCH", bad, config={"password": "secret"})
    w.login("bob", "pw-bob")
    w.ask("PATCH", "/domains/" + w.domain, domain={"enabled": False})
    w.login("bob", "pw-bob", status=401)
    w.ask("DELETE", "/domains/" + w.domain, 204)
    assert [u["name"] for u in w.ask("GET", "/users")["users"]] in (["admin", "outside"], ["outside", "admin"])
