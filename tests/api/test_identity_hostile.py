"""Every route of the identity service with bodies, ids and queries that nobody sensible sends: a 4xx, never a 5xx, and the
service goes on."""
import itertools
import json
import re
import subprocess

import pytest
import requests

from conftest import CAIRN
from test_identity import ADMIN

ROUTES = json.loads(subprocess.run([CAIRN, "identity", "--print-api"], stdout=subprocess.PIPE, check=True).stdout)
IDS = ["nonsense", "%27%20OR%201=1--", "a" * 300, "%E2%98%83", "default", "..", "%00", "*)(uid=*"]
VALUES = [None, True, 7, -1, 1e300, "", "x" * 70000, "a\u0000b", "\ud83d\ude00" * 40, [], [[]], {}, {"id": {}}, "' OR '1'='1"]
QUERIES = ["?limit=x", "?limit=-1", "?marker=nothing", "?name=%27;--", "?enabled=maybe", "?name__contains=%25_%5C", "?sort_key=no",
           "?" + "&".join("a%d=b" % n for n in range(200)), "?effective&include_names&scope.project.id=%00", "?%FF=%FE"]
RAW = [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"a":' * 3000 + b"1" + b"}" * 3000, b"[" * 100000, b'{"a": 1, "a": 2}',
       b"{" + b" " * 200000 + b"}"]


@pytest.fixture(scope="module")
def ask(identity):
    session, token = requests.Session(), identity.token(scope=ADMIN)

    def ask(method, path, **more):
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        r = session.request(method, identity.url[:-3] + path, headers=headers, timeout=30, allow_redirects=False, **more)
        assert r.status_code < 500, (method, path, str(more)[:200], r.text)
        if r.status_code >= 400 and method != "HEAD" and r.content:
            assert r.json()["error"]["code"] == r.status_code
        return r

    return ask


def paths(route, ids):
    return [re.sub(r"\{\w+\}", lambda _: next(turn), route["path"]) for turn in (itertools.repeat(i) for i in ids)]


def envelope(route):
    """What a body of this route is wrapped in: users are sent as {"user": ...}."""
    words = [w for w in route["path"].split("/") if w and not w.startswith("{")]
    last = words[-1] if words else "x"
    return "auth" if last == "tokens" else last[:-3] + "y" if last.endswith("ies") else last[:-1] if last.endswith("s") else last


@pytest.fixture(scope="module")
def victim(ask):
    """The id of a domain with which anything may be done."""
    return ask("POST", "/v3/domains", json={"domain": {"name": "victim"}}).json()["domain"]["id"]


@pytest.mark.parametrize("routes", [[r for r in ROUTES if r["method"] in ("GET", "DELETE")][n::8] for n in range(8)])
def test_ids_and_queries(ask, routes):
    for route in routes:
        for path in paths(route, IDS):
            ask(route["method"], path)
        if route["method"] == "GET":
            for query in QUERIES:
                ask("GET", paths(route, ["nonsense"])[0] + query)
                ask("HEAD", paths(route, ["nonsense"])[0] + query)


@pytest.mark.parametrize("routes", [[r for r in ROUTES if r["method"] in ("POST", "PUT", "PATCH")][n::8] for n in range(8)])
def test_bodies(ask, victim, routes):
    for route in routes:
        path, name = paths(route, [victim])[0], envelope(route)
        for raw in RAW:
            ask(route["method"], path, data=raw)
        for value in VALUES:
            ask(route["method"], path, json={name: value})
            for field in ("name", "id", "enabled", "description", "domain_id", "options", "password", "identity", "blob", "type", "url"):
                ask(route["method"], path, json={name: {field: value}})


def test_all_is_as_it_was(identity):
    """Nothing of it was taken for an order to remove or change what was there."""
    token = identity.token(scope=ADMIN)
    assert identity.ask(token, "GET", "/domains/default")["domain"]["enabled"]
    assert [u["name"] for u in identity.ask(token, "GET", "/users?name=admin")["users"]] == ["admin"]
    identity.show("token", "issue")
