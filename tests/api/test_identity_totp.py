"""One-time passwords, alone and with a password."""
import base64
import hashlib
import hmac
import os
import struct
import time

import pytest
import requests

from test_identity import ADMIN, Identity
from test_identity_tokens import World


@pytest.fixture(scope="module")
def identity():
    i = Identity("[security]\nlockout_failure_attempts = 5\nlockout_duration = 600\n")
    yield i
    i.close()


@pytest.fixture
def world(identity):
    while time.time() % 30 > 24:  # no half minute ends during a test
        time.sleep(0.5)
    w = World(identity, identity.token(scope=ADMIN))
    w.secret = base64.b32encode(os.urandom(20)).decode().rstrip("=")
    body = {"credential": {"type": "totp", "user_id": w.user, "blob": w.secret}}
    w.i.ask(w.admin, "POST", "/credentials", 201, json=body)
    return w


def code(secret, steps=0):
    step = int(time.time()) // 30 + steps
    mac = hmac.new(base64.b32decode(secret + "=" * (-len(secret) % 8)), struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[19] & 15
    return "%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000)


def login(w, status, passcode=None, password=None, user=None, other=None, receipt=None):
    identity = {"methods": []}
    if password is not None:
        identity["methods"].append("password")
        identity["password"] = {"user": {"id": other or w.user, "password": password}}
    if passcode is not None:
        identity["methods"].append("totp")
        identity["totp"] = {"user": {"id": user or w.user, "passcode": passcode}}
    r = requests.post(w.i.url + "/auth/tokens", json={"auth": {"identity": identity}},
                      headers={"Openstack-Auth-Receipt": receipt} if receipt else {})
    assert r.status_code == status, r.text
    return r


def test_a_code_counts_once(world):
    r = login(world, 201, code(world.secret))
    assert r.json()["token"]["methods"] == ["totp"] and r.json()["token"]["user"]["id"] == world.user
    assert world.valid(r.headers["X-Subject-Token"])
    login(world, 401, code(world.secret, 0))
    login(world, 201, code(world.secret, -1))  # one of the half minute before
    login(world, 401, code(world.secret, -3))
    login(world, 401, code(world.secret, 3))


def test_with_a_password(world):
    w = world
    assert sorted(login(w, 201, code(w.secret), "pw").json()["token"]["methods"]) == ["password", "totp"]
    login(w, 401, code(w.secret, -1), "wrong")
    login(w, 401, "000000", "pw")
    other = World(w.i, w.admin)
    login(w, 401, code(w.secret, -1), "pw", other=other.user)  # two users
    rules = {"multi_factor_auth_rules": [["password", "totp"]], "multi_factor_auth_enabled": True}
    w.patch("/users/" + w.user, options=rules)
    login(w, 401, None, "pw")
    r = login(w, 201, code(w.secret, -1), "pw")
    again = requests.post(w.i.url + "/auth/tokens", json={"auth": {"identity": {
        "methods": ["token"], "token": {"id": r.headers["X-Subject-Token"]}}}})
    assert again.status_code == 201  # what was shown counts on


def test_one_after_the_other(world):
    w = world
    rules = [["password", "totp"]]
    w.patch("/users/" + w.user, options={"multi_factor_auth_rules": rules, "multi_factor_auth_enabled": True})
    r = login(w, 401, None, "pw")
    receipt, said = r.headers["Openstack-Auth-Receipt"], r.json()
    assert said["receipt"]["methods"] == ["password"] and said["receipt"]["user"]["id"] == w.user
    assert said["required_auth_methods"] == rules
    assert "Openstack-Auth-Receipt" not in login(w, 401, None, "wrong").headers
    # It is no token, and nobody else's.
    for head in {"X-Auth-Token": receipt}, {"X-Auth-Token": w.admin, "X-Subject-Token": receipt}:
        assert requests.get(w.i.url + "/auth/tokens", headers=dict(head, **{"X-Subject-Token": receipt})).status_code in (
            401, 404)
    other = World(w.i, w.admin)
    login(w, 401, None, "pw", other=other.user, receipt=receipt)
    wrong = receipt[:-10] + ("B" if receipt[-10] == "A" else "A") + receipt[-9:]
    login(w, 401, code(w.secret, -1), receipt=wrong)
    login(w, 401, "000000", receipt=receipt)
    got = login(w, 201, code(w.secret), receipt=receipt)
    assert sorted(got.json()["token"]["methods"]) == ["password", "totp"]
    # The other way round: a code that has earned a receipt is used.
    receipt = login(w, 401, code(w.secret, -1)).headers["Openstack-Auth-Receipt"]
    login(w, 401, code(w.secret, -1))
    login(w, 201, None, "pw", receipt=receipt)
    w.patch("/users/" + w.user, password="other")
    login(w, 401, None, "other", receipt=receipt)  # of before the change


def test_who_tries_is_locked_out(world):
    w = world
    for _ in range(5):
        login(w, 401, "12345")
    login(w, 401, code(w.secret))
    login(w, 401, None, "pw")
    none = login(w, 401, "123456", user="none")
    assert none.json() == login(w, 401, "123456").json()


@pytest.mark.parametrize("bad", [{}, {"user": {}}, {"user": {"id": "x"}}, {"user": {"id": "x", "passcode": 123456}}, 1])
def test_bad_input(identity, bad):
    r = requests.post(identity.url + "/auth/tokens", json={"auth": {"identity": {"methods": ["totp"], "totp": bad}}})
    assert r.status_code == 400, r.text
