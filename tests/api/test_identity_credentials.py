"""Credentials: /v3/credentials, EC2 keys and what they are good for, secrets at rest."""
import base64
import datetime
import hashlib
import hmac
import json
import os

import pytest
import requests

from keystoneclient.contrib.ec2.utils import Ec2Signer


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
    keys = one.ask("GET", "/users/%s/credentials/OS-EC2" % one.id)["credentials"]
    assert [(k["access"], k["secret"]) for k in keys] == [("", None)]
    one.ask("DELETE", path, 204)


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
    ((sealed,),) = identity.sql("SELECT sealed FROM credential WHERE id = ?", made["credential"]["id"])
    assert secret.encode() not in base64.b64decode(sealed)
    identity.sql("UPDATE credential SET sealed = ? WHERE id = ?", sealed, other["credential"]["id"])
    one.ask("GET", "/credentials/" + other["credential"]["id"], 500)
    identity.sql("DELETE FROM credential WHERE id = ?", other["credential"]["id"])
    assert one.ask("GET", path)["credential"]["blob"] == secret
    # A newer key seals; what the older one has sealed opens still.
    with open(os.open(keys + "/2", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
        f.write(os.urandom(32))
    identity.stop()
    identity.start()
    assert one.ask("GET", path)["credential"]["blob"] == secret
    one.ask("PATCH", path, json={"credential": {"blob": "newer"}})
    ((sealed,),) = identity.sql("SELECT sealed FROM credential WHERE id = ?", made["credential"]["id"])
    assert base64.b64decode(sealed)[:4] == b"\2\0\0\0"


# --- EC2 ---

def ec2_key(member, status=201, **more):
    return member.ask("POST", "/users/%s/credentials/OS-EC2" % member.id, status,
                      json=dict({"tenant_id": member.project}, **more)).get("credential")


def test_ec2_keys(identity, admin, one, two):
    made = ec2_key(one)
    assert made["tenant_id"] == one.project and made["user_id"] == one.id and made["trust_id"] is None
    path = "/users/%s/credentials/OS-EC2" % one.id
    assert made["links"]["self"].endswith("/v3%s/%s" % (path, made["access"]))
    assert one.ask("GET", path + "/" + made["access"])["credential"] == made
    assert made in one.ask("GET", path)["credentials"]
    two.ask("GET", path, 403)
    two.ask("POST", path, 403, json={"tenant_id": two.project})
    two.ask("GET", path + "/" + made["access"], 403)
    two.ask("DELETE", path + "/" + made["access"], 403)
    assert identity.ask(admin, "GET", path + "/" + made["access"])["credential"] == made
    as_credential = one.ask("GET", "/credentials/" + hashlib.sha256(made["access"].encode()).hexdigest())["credential"]
    assert json.loads(as_credential["blob"])["secret"] == made["secret"] and as_credential["type"] == "ec2"
    one.ask("POST", path, 404, json={"tenant_id": "nowhere"})
    one.ask("POST", path, 404, json={"other": 1})
    identity.ask(admin, "GET", "/users/nobody/credentials/OS-EC2", 404)
    one.ask("DELETE", path + "/" + made["access"], 204)
    assert one.ask("GET", path)["credentials"] == []
    for who in (admin, one.token):
        identity.ask(who, "GET", path + "/" + made["access"], 404)
        identity.ask(who, "DELETE", path + "/" + made["access"], 404)


def test_the_client_makes_them(identity):
    made = identity.show("ec2", "credentials", "create")
    assert [c["Access"] for c in identity.show("ec2", "credentials", "list")] == [made["access"]]
    assert identity.show("ec2", "credentials", "show", made["access"])["secret"] == made["secret"]
    identity.openstack("ec2", "credentials", "delete", made["access"])
    made = identity.show("credential", "create", "--type", "cert", "admin", "a blob")
    identity.openstack("credential", "set", "--user", "admin", "--type", "cert", "--data", "new", made["id"])
    assert identity.show("credential", "show", made["id"])["blob"] == "new"
    assert [c["Data"] for c in identity.show("credential", "list", "--type", "cert", "--user", "admin")] == ["new"]
    identity.openstack("credential", "delete", made["id"])


def signed(key, version, host="cloud.example.com:8773", **params):
    """An EC2 request as a client of AWS's signs it."""
    shown = {"access": key["access"], "host": host, "verb": "GET", "path": "/services/Cloud",
             "params": dict({"Action": "Describe Images*", "Filter": "\u2603~/", "AWSAccessKeyId": key["access"]}, **params),
             "headers": {}, "body_hash": hashlib.sha256(b"").hexdigest()}
    if version == "4":
        date = params.get("X-Amz-Date", "20261121T200000Z")
        shown["headers"] = {"Host": "cloud.example.com:8773", "X-Amz-Date": date, "X-Other": "  spaced ", "Authorization":
                            "AWS4-HMAC-SHA256 Credential=%s/%s/region/ec2/aws4_request,SignedHeaders=host;x-amz-date;x-other,"
                            "Signature=x" % (key["access"], date[:8])}
    else:
        shown["params"]["SignatureVersion"] = version
    shown["signature"] = Ec2Signer(key["secret"]).generate(json.loads(json.dumps(shown)))
    return shown


def now(form="%Y-%m-%dT%H:%M:%SZ", ago=0):
    return (datetime.datetime.utcnow() - datetime.timedelta(seconds=ago)).strftime(form)


@pytest.fixture(scope="module")
def key(one):
    return ec2_key(one)


@pytest.fixture(scope="module")
def service(identity, admin):
    """Who may show what others have signed."""
    user = identity.ask(admin, "POST", "/users", 201, json={"user": {"name": "nova", "password": "pw"}})["user"]["id"]
    project = identity.ask(admin, "POST", "/projects", 201, json={"project": {"name": "service"}})["project"]["id"]
    role = identity.ask(admin, "GET", "/roles?name=service")["roles"][0]["id"]
    identity.ask(admin, "PUT", "/projects/%s/users/%s/roles/%s" % (project, user, role), 204)
    return identity.token("nova", "pw", {"project": {"id": project}})


@pytest.mark.parametrize("version", ["0", "1", "2", "4"])
@pytest.mark.parametrize("name", ["credentials", "ec2Credentials"])
def test_ec2_tokens(identity, one, key, service, version, name):
    stamp = {"X-Amz-Date": now("%Y%m%dT%H%M%SZ")} if version == "4" else {"Timestamp": now()}
    shown = signed(key, version, **stamp)
    r = requests.post(identity.url + "/ec2tokens", json={name: shown}, headers={"X-Auth-Token": service})
    assert r.status_code == 200, r.text
    token = r.json()["token"]
    assert token["user"]["id"] == one.id and token["project"]["id"] == one.project and token["methods"] == ["ec2credential"]
    assert {role["name"] for role in token["roles"]} >= {"member"} and token["catalog"]
    assert identity.ask(r.headers["X-Subject-Token"], "GET", "/users/" + one.id)["user"]["name"] == "one"
    other = ("B" if shown["signature"][0] == "A" else "A") + shown["signature"][1:]
    for wrong in (dict(shown, signature=other), dict(shown, signature=None),
                  dict(shown, params=dict(shown["params"], Action="Other", Timestamp="x", SignatureMethod="y")
                       if version != "4" else shown["params"], path="/other")):
        identity.ask(service, "POST", "/ec2tokens", 401, json={name: wrong})
    identity.ask(one.token, "POST", "/ec2tokens", 403, json={name: shown})
    identity.ask(service, "POST", "/ec2tokens", 404, json={name: dict(shown, access="nobody")})
    identity.ask(service, "POST", "/ec2tokens", 401, json={name: {"x": 1}})


def test_a_host_without_its_port(identity, key, service):
    shown = signed(key, "2", host="cloud.example.com")
    identity.ask(service, "POST", "/ec2tokens", json={"credentials": dict(shown, host="cloud.example.com:8773")})


@pytest.mark.parametrize("version,form,name", [("2", "%Y-%m-%dT%H:%M:%SZ", "Timestamp"), ("4", "%Y%m%dT%H%M%SZ", "X-Amz-Date")])
def test_old_signatures(identity, key, service, version, form, name):
    identity.ask(service, "POST", "/ec2tokens", json={"credentials": signed(key, version, **{name: now(form, 600)})})
    r = identity.ask(service, "POST", "/ec2tokens", 401, json={"credentials": signed(key, version, **{name: now(form, 1000)})})
    assert "expired" in r["error"]["message"]


@pytest.mark.parametrize("shown", [
    {"verb": 1}, {"params": {"SignatureVersion": "3"}}, {"params": []}, {"params": {"SignatureVersion": "2"}, "host": {}},
    {"headers": {"Authorization": "AWS4-HMAC-SHA256"}}, {"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=a"}},
    {"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=;;", "X-Amz-Date": "b"}},
    {"params": {"SignatureVersion": "0"}}, {"params": {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": ""}},
    {"params": {"a": [1, {"b": None}], "SignatureVersion": "1", "c": True}}])
def test_what_is_no_signature(identity, key, service, shown):
    shown = dict({"access": key["access"], "signature": "x", "verb": "GET", "host": "h", "path": "/", "params": {},
                  "headers": {}, "body_hash": "x"}, **shown)
    identity.ask(service, "POST", "/ec2tokens", 401, json={"credentials": shown})


# --- S3 ---

def s3(key, text, version):
    text = text.encode()
    if version == 1:
        sign = base64.b64encode(hmac.new(key["secret"].encode(), text, hashlib.sha1).digest()).decode()
    else:
        sign = hmac.new(signing_key(key, *text.decode().split("\n")[2].split("/")[:3]), text, hashlib.sha256).hexdigest()
    return {"access": key["access"], "token": base64.urlsafe_b64encode(text).decode(), "signature": sign}


def signing_key(key, date, region, service):
    k = ("AWS4" + key["secret"]).encode()
    for part in (date, region, service, "aws4_request"):
        k = hmac.new(k, part.encode(), hashlib.sha256).digest()
    return k


V4 = "AWS4-HMAC-SHA256\n20261121T200000Z\n20261121/region/s3/aws4_request\n" + "0" * 64


def test_s3_tokens(identity, one, key, service):
    for shown in (s3(key, "GET\n\n\nSat, 21 Nov 2026 20:00:00 GMT\n/bucket/\xff?~", 1), s3(key, V4, 4)):
        r = requests.post(identity.url + "/s3tokens", json={"credentials": shown}, headers={"X-Auth-Token": service})
        assert r.status_code == 200 and "X-Subject-Token" not in r.headers, r.text
        assert r.json()["token"]["user"]["id"] == one.id and r.json()["token"]["project"]["id"] == one.project
        wrong = dict(shown, signature=shown["signature"][:-3] + "abc")
        identity.ask(service, "POST", "/s3tokens", 401, json={"credentials": wrong})
        identity.ask(one.token, "POST", "/s3tokens", 403, json={"credentials": shown})


@pytest.mark.parametrize("text", [
    V4 + "\n", V4.replace("\n2026", " 2026"), V4.replace("/s3/", "/ec2/"), V4.replace("/aws4_request", "/other"),
    V4.replace("SHA256", "SHA1"), V4.replace("20261121/region/s3/", "20261121/region/s3/more/"), "AWS4", "AWS4\n\n\n"])
def test_what_is_no_s3_request(identity, key, service, text):
    good = s3(key, V4, 4)
    identity.ask(service, "POST", "/s3tokens", 401, json={"credentials": dict(
        good, token=base64.urlsafe_b64encode(text.encode()).decode())})
    identity.ask(service, "POST", "/s3tokens", 401, json={"credentials": dict(good, token="*")})


# --- who may not any more ---

def test_what_ends_them(identity, admin, service):
    some = Member(identity, admin, "some")
    key = ec2_key(some)
    shown = {"credentials": s3(key, V4, 4)}

    def status():
        return requests.post(identity.url + "/s3tokens", json=shown, headers={"X-Auth-Token": service}).status_code
    assert status() == 200
    identity.ask(admin, "PATCH", "/users/" + some.id, json={"user": {"enabled": False}})
    assert status() == 401
    identity.ask(admin, "PATCH", "/users/" + some.id, json={"user": {"enabled": True}})
    identity.ask(admin, "PATCH", "/projects/" + some.project, json={"project": {"enabled": False}})
    assert status() == 401
    identity.ask(admin, "PATCH", "/projects/" + some.project, json={"project": {"enabled": True}})
    assert status() == 200
    identity.ask(admin, "DELETE", some.grant, 204)
    assert status() == 401
    identity.ask(admin, "PUT", some.grant, 204)
    some.login()
    some.ask("DELETE", "/users/%s/credentials/OS-EC2/%s" % (some.id, key["access"]), 204)
    assert status() == 404


def test_application_credentials(identity, admin, one, service):
    """A key that one has made gives what it may itself, and no more."""
    def application(name, **more):
        a = one.ask("POST", "/users/%s/application_credentials" % one.id, 201, json={
            "application_credential": dict({"name": name}, **more)})["application_credential"]
        r = requests.post(identity.url + "/auth/tokens", json={"auth": {"identity": {
            "methods": ["application_credential"], "application_credential": {"id": a["id"], "secret": a["secret"]}}}})
        return a["id"], r.headers["X-Subject-Token"]
    path = "/users/%s/credentials/OS-EC2" % one.id
    _, token = application("plain")
    identity.ask(token, "POST", path, 403, json={"tenant_id": one.project})
    identity.ask(token, "POST", "/credentials", 403, json={"credential": {
        "user_id": one.id, "type": "ec2", "project_id": one.project, "blob": '{"access": "x", "secret": "y"}'}})
    a, token = application("free", unrestricted=True)
    key = identity.ask(token, "POST", path, 201, json={"tenant_id": one.project})["credential"]
    r = identity.ask(service, "POST", "/s3tokens", json={"credentials": s3(key, V4, 4)})["token"]
    assert r["application_credential"]["id"] == a and r["user"]["id"] == one.id
    made = identity.ask(token, "POST", "/credentials", 201, json={"credential": {
        "user_id": one.id, "type": "ec2", "project_id": one.project, "blob": '{"access": "x", "secret": "y"}'}})
    assert json.loads(made["credential"]["blob"]) == {"access": "x", "secret": "y", "app_cred_id": a}
    # Its own project's alone.
    other = one.ask("POST", "/credentials", 201, json={"credential": {"user_id": one.id, "type": "totp", "blob": "seed"}})
    other = "/credentials/" + other["credential"]["id"]
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": "x"}}), ("DELETE", None)):
        identity.ask(token, method, other, 403, json=body)
    assert {c["project_id"] for c in identity.ask(token, "GET", "/credentials")["credentials"]} == {one.project}
    one.ask("DELETE", "/users/%s/application_credentials/%s" % (one.id, a), 204)
    identity.ask(service, "POST", "/s3tokens", 401, json={"credentials": s3(key, V4, 4)})


@pytest.mark.parametrize("impersonation", [True, False])
def test_trusts(identity, admin, one, two, service, impersonation):
    member = next(r["id"] for r in identity.ask(admin, "GET", "/roles?name=member")["roles"])
    trust = one.ask("POST", "/OS-TRUST/trusts", 201, json={"trust": {
        "trustor_user_id": one.id, "trustee_user_id": two.id, "project_id": one.project,
        "impersonation": impersonation, "roles": [{"id": member}]}})["trust"]["id"]
    token = identity.token("two", "pw", {"OS-TRUST:trust": {"id": trust}})
    who = one if impersonation else two
    key = identity.ask(token, "POST", "/users/%s/credentials/OS-EC2" % who.id, 201, json={"tenant_id": one.project})["credential"]
    assert key["trust_id"] == trust
    r = identity.ask(service, "POST", "/s3tokens", json={"credentials": s3(key, V4, 4)})["token"]
    assert r["OS-TRUST:trust"]["id"] == trust and r["user"]["id"] == who.id
    one.ask("DELETE", "/OS-TRUST/trusts/" + trust, 204)
    identity.ask(service, "POST", "/s3tokens", 401, json={"credentials": s3(key, V4, 4)})


def test_a_trust_of_others(identity, admin, one, two, service):
    """Who knows of a trust and names it in a credential gets nothing by that."""
    member = next(r["id"] for r in identity.ask(admin, "GET", "/roles?name=member")["roles"])
    trust = one.ask("POST", "/OS-TRUST/trusts", 201, json={"trust": {
        "trustor_user_id": one.id, "trustee_user_id": two.id, "project_id": one.project,
        "impersonation": True, "roles": [{"id": member}]}})["trust"]["id"]
    third = Member(identity, admin, "three")
    key = {"access": "AKIA-three", "secret": "s3cret", "trust_id": trust}
    third.ask("POST", "/credentials", 201, json={"credential": {
        "user_id": third.id, "project_id": third.project, "type": "ec2", "blob": json.dumps(key)}})
    r = requests.post(identity.url + "/s3tokens", headers={"X-Auth-Token": service},
                      json={"credentials": s3(key, V4, 4)})
    assert r.status_code in (401, 403), r.text


# --- keys for services ---

def test_signing_keys(identity, admin, one, key, service):
    path = "/OS-CAIRN/signing-key?access=%s&date=20261121&region=region&service=s3" % key["access"]
    r = identity.ask(service, "GET", path)["signing_key"]
    assert bytes.fromhex(r["key"]) == signing_key(key, "20261121", "region", "s3")
    assert r["credential_id"] == hashlib.sha256(key["access"].encode()).hexdigest()
    assert r["user_name"] == one.name
    token = identity.ask(r["token"], "GET", "/auth/projects")
    assert [p["id"] for p in token["projects"]] == [one.project]
    identity.ask(one.token, "GET", path, 403)
    assert requests.get(identity.url + path).status_code == 401
    for wrong in ("&date=", "&region=a/b", "&service=" + "x" * 65):
        name = wrong[1:wrong.index("=")]
        broken = "&".join(p for p in path.split("&") if not p.startswith(name + "="))
        identity.ask(service, "GET", broken + wrong, 400)
    identity.ask(service, "GET", path.replace(key["access"], "nobody"), 404)
    # Its end is news.
    one.ask("DELETE", "/users/%s/credentials/OS-EC2/%s" % (one.id, key["access"]), 204)
    news = identity.ask(service, "GET", "/OS-CAIRN/news")["news"]["revocations"]
    assert ("credential", r["credential_id"]) in [(n["kind"], n["first"]) for n in news]


def test_no_secret_is_logged(identity, key):
    with open(identity.log_path) as f:
        assert key["secret"] not in f.read()
