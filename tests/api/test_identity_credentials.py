"""Credentials: /v3/credentials, EC2 keys and what they are good for, secrets at rest."""
import base64
import datetime
import hashlib
import hmac
import json
import os
import sqlite3

import pytest
import requests

from test_identity import ADMIN, Identity

from keystoneclient.contrib.ec2.utils import Ec2Signer


@pytest.fixture(scope="module")
def identity():
    i = Identity()
    yield i
    i.close()


@pytest.fixture(scope="module")
def admin(identity):
    return identity.token(scope=ADMIN)


class Member:
    """A user with the role member in a project of its own."""

    def __init__(self, identity, admin, name):
        self.identity, self.name = identity, name
        self.id = identity.ask(admin, "POST", "/users", 201, json={"user": {"name": name, "password": "pw"}})["user"]["id"]
        self.project = identity.ask(admin, "POST", "/projects", 201, json={"project": {"name": name}})["project"]["id"]
        role = identity.ask(admin, "GET", "/roles?name=member")["roles"][0]["id"]
        self.grant = "/projects/%s/users/%s/roles/%s" % (self.project, self.id, role)
        identity.ask(admin, "PUT", self.grant, 204)
        self.login()

    def login(self):
        self.token = self.identity.token(self.name, "pw", {"project": {"id": self.project}})

    def ask(self, *args, **kw):
        return self.identity.ask(self.token, *args, **kw)


@pytest.fixture(scope="module")
def one(identity, admin):
    return Member(identity, admin, "one")


@pytest.fixture(scope="module")
def two(identity, admin):
    return Member(identity, admin, "two")


# --- /v3/credentials ---

def test_any_type(identity, admin, one, two):
    made = one.ask("POST", "/credentials", 201, json={"credential": {
        "user_id": one.id, "type": "cert", "blob": "\u2603 any text", "note": "kept"}})["credential"]
    assert made["blob"] == "\u2603 any text" and made["project_id"] is None and made["note"] == "kept"
    assert made["links"]["self"].endswith("/v3/credentials/" + made["id"]) and "sealed" not in made
    path = "/credentials/" + made["id"]
    assert one.ask("GET", path)["credential"] == made
    assert one.ask("PATCH", path, json={"credential": {"blob": "new", "type": "seed"}})["credential"]["blob"] == "new"
    assert one.ask("GET", path)["credential"]["type"] == "seed"
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": "x"}}), ("DELETE", None)):
        two.ask(method, path, 403, json=body)
    two.ask("GET", "/credentials/" + "0" * 32, 403)
    identity.ask(admin, "GET", "/credentials/" + "0" * 32, 404)
    one.ask("PATCH", path, 403, json={"credential": {"user_id": two.id}})
    assert identity.ask(admin, "PATCH", path, json={"credential": {"user_id": two.id}})["credential"]["user_id"] == two.id
    two.ask("DELETE", path, 204)
    two.ask("GET", path, 403)


@pytest.mark.parametrize("credential,says", [
    ({"type": "cert", "blob": "x"}, "user_id"), ({"user_id": "u", "blob": "x"}, "type"),
    ({"user_id": "u", "type": "cert"}, "blob"), ({"user_id": "u", "type": "cert", "blob": {}}, "blob"),
    ({"user_id": "u", "type": "cert", "blob": "x", "project_id": 1}, "project_id"),
    ({"user_id": "u", "type": "ec2", "blob": '{"access": "a"}'}, "project_id"),
    ({"user_id": "u", "type": "ec2", "blob": '{"abc":"def"d}', "project_id": "p"}, "Invalid blob in credential"),
    ({"user_id": "u", "type": "EC2", "blob": '{"secret": "a"}', "project_id": "p"}, "access")])
def test_what_is_refused(identity, admin, credential, says):
    r = identity.ask(admin, "POST", "/credentials", 400, json={"credential": credential})
    assert says in r["error"]["message"]


def test_lists(identity, admin, one, two):
    ids = {}
    for member in (one, two):
        for kind in ("cert", "other"):
            ids[member.name, kind] = member.ask("POST", "/credentials", 201, json={"credential": {
                "user_id": member.id, "type": kind, "blob": kind}})["credential"]["id"]

    def listed(who, query=""):
        return {c["id"] for c in identity.ask(who, "GET", "/credentials" + query)["credentials"]}
    assert listed(one.token) == {ids["one", "cert"], ids["one", "other"]}
    assert listed(one.token, "?type=cert") == {ids["one", "cert"]}
    assert listed(one.token, "?user_id=" + two.id) == set()
    assert listed(admin) >= set(ids.values())
    assert listed(admin, "?user_id=%s&type=other" % two.id) == {ids["two", "other"]}
    assert {c["blob"] for c in identity.ask(admin, "GET", "/credentials?user_id=" + two.id)["credentials"]} == {"cert", "other"}


def test_an_ec2_blob(identity, admin, one):
    blob = {"access": "AKIA-one", "secret": "s3cret"}
    new = {"user_id": one.id, "project_id": one.project, "type": "ec2", "blob": json.dumps(blob)}
    made = one.ask("POST", "/credentials", 201, json={"credential": new})["credential"]
    assert made["id"] == hashlib.sha256(b"AKIA-one").hexdigest()
    one.ask("POST", "/credentials", 409, json={"credential": new})
    path = "/credentials/" + made["id"]
    for key in ("trust_id", "app_cred_id", "access_token_id", "access_id"):
        r = one.ask("PATCH", path, 400, json={"credential": {"blob": json.dumps(dict(blob, **{key: "x"}))}})
        assert key in r["error"]["message"]
    one.ask("PATCH", path, json={"credential": {"blob": json.dumps(dict(blob, secret="other"))}})
    one.ask("DELETE", path, 204)


def test_what_becomes_an_ec2_credential(one):
    made = one.ask("POST", "/credentials", 201, json={"credential": {"user_id": one.id, "type": "cert", "blob": "x"}})
    path = "/credentials/" + made["credential"]["id"]
    one.ask("PATCH", path, 400, json={"credential": {"type": "ec2"}})
    one.ask("PATCH", path, json={"credential": {"type": "ec2", "project_id": one.project}})


def test_they_go_with_their_user_and_project(identity, admin):
    gone = Member(identity, admin, "gone")
    ids = [gone.ask("POST", "/credentials", 201, json={"credential": {
        "user_id": gone.id, "type": "cert", "blob": "x", "project_id": p}})["credential"]["id"] for p in (None, gone.project)]
    identity.ask(admin, "DELETE", "/projects/" + gone.project, 204)
    identity.ask(admin, "GET", "/credentials/" + ids[1], 404)
    identity.ask(admin, "GET", "/credentials/" + ids[0])
    identity.ask(admin, "DELETE", "/users/" + gone.id, 204)
    identity.ask(admin, "GET", "/credentials/" + ids[0], 404)


# --- at rest ---

def test_no_secret_is_in_the_database(identity, admin, one):
    secret = "a-secret-that-nobody-else-has"
    made = one.ask("POST", "/credentials", 201, json={"credential": {"user_id": one.id, "type": "cert", "blob": secret}})
    path = "/credentials/" + made["credential"]["id"]
    keys = identity.dir + "/credential-keys"
    assert os.stat(keys).st_mode & 0o777 == 0o700 and os.stat(keys + "/1").st_mode & 0o777 == 0o600
    for name in os.listdir(identity.dir):
        if os.path.isfile(identity.dir + "/" + name):
            assert secret.encode() not in open(identity.dir + "/" + name, "rb").read(), name
    other = one.ask("POST", "/credentials", 201, json={"credential": {"user_id": one.id, "type": "cert", "blob": "y"}})
    # What is sealed opens for its own credential alone.
    db = sqlite3.connect(identity.dir + "/identity.db", timeout=20)
    sealed = db.execute("SELECT sealed FROM credential WHERE id = ?", (made["credential"]["id"],)).fetchone()[0]
    assert secret.encode() not in base64.b64decode(sealed)
    db.execute("UPDATE credential SET sealed = ? WHERE id = ?", (sealed, other["credential"]["id"]))
    db.commit()
    one.ask("GET", "/credentials/" + other["credential"]["id"], 500)
    db.execute("DELETE FROM credential WHERE id = ?", (other["credential"]["id"],))
    db.commit()
    db.close()
    assert one.ask("GET", path)["credential"]["blob"] == secret
    # A newer key seals; what the older one has sealed opens still.
    with open(os.open(keys + "/2", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(os.urandom(32))
    identity.stop()
    identity.start()
    assert one.ask("GET", path)["credential"]["blob"] == secret
    one.ask("PATCH", path, json={"credential": {"blob": "newer"}})
    db = sqlite3.connect(identity.dir + "/identity.db", timeout=20)
    sealed = db.execute("SELECT sealed FROM credential WHERE id = ?", (made["credential"]["id"],)).fetchone()[0]
    db.close()
    assert base64.b64decode(sealed)[:4] == b"\2\0\0\0"
