"""Who may do what: container ACLs (read, write, referrer, rlistings) and account ACLs, for four
users and every method."""
import json
import os

import pytest

from conftest import User, wait_for

OWNER, SAME, OTHER, NOBODY = "owner", "same account", "other account", "anonymous"
METHODS = ["list", "head container", "get", "head", "put", "post", "delete", "copy",
           "put container", "post container", "delete container"]
READS, WRITES = {"get", "head"}, {"put", "post", "delete"}
LISTS = {"list", "head container"}
ALL = set(METHODS)
READ_ALL = READS | LISTS

# setup (headers of the container, account ACL), referer -> what each user but the owner may do
CASES = [
    ("nothing", {}, None, None, {SAME: set(), OTHER: set(), NOBODY: set()}),
    ("read by account", {"X-Container-Read": "test"}, None, None,
     {SAME: READ_ALL, OTHER: set(), NOBODY: set()}),
    ("read by user", {"X-Container-Read": "test2:tester2"}, None, None,
     {SAME: set(), OTHER: READ_ALL, NOBODY: set()}),
    ("write by account", {"X-Container-Write": "test"}, None, None,
     {SAME: WRITES, OTHER: set(), NOBODY: set()}),
    ("write by user", {"X-Container-Write": "test2:tester2"}, None, None,
     {SAME: set(), OTHER: WRITES, NOBODY: set()}),
    ("read and write", {"X-Container-Read": "test,test2", "X-Container-Write": "test,test2"}, None,
     None, {SAME: READ_ALL | WRITES | {"copy"}, OTHER: READ_ALL | WRITES | {"copy"}, NOBODY: set()}),
    ("any referrer", {"X-Container-Read": ".r:*"}, None, None, {SAME: READS, OTHER: READS, NOBODY: READS}),
    ("any referrer and listings", {"X-Container-Read": ".r:*,.rlistings"}, None, None,
     {SAME: READ_ALL, OTHER: READ_ALL, NOBODY: READ_ALL}),
    ("listings without referrer", {"X-Container-Read": ".rlistings"}, None, None,
     {SAME: set(), OTHER: set(), NOBODY: set()}),
    ("domain, without referer", {"X-Container-Read": ".r:.example.com"}, None, None,
     {SAME: set(), OTHER: set(), NOBODY: set()}),
    ("domain, with referer", {"X-Container-Read": ".r:.example.com"}, None, "http://www.example.com/x",
     {SAME: READS, OTHER: READS, NOBODY: READS}),
    ("domain, but not that host", {"X-Container-Read": ".r:.example.com,.r:-www.example.com"}, None,
     "http://www.example.com/x", {SAME: set(), OTHER: set(), NOBODY: set()}),
    ("account ACL: read-only", {}, {"read-only": ["test:tester3", "test2:tester2"]}, None,
     {SAME: READ_ALL, OTHER: READ_ALL, NOBODY: set()}),
    ("account ACL: read-write", {}, {"read-write": ["test:tester3", "test2:tester2"]}, None,
     {SAME: ALL, OTHER: ALL, NOBODY: set()}),
    ("account ACL: admin", {}, {"admin": ["test:tester3", "test2:tester2"]}, None,
     {SAME: ALL, OTHER: ALL, NOBODY: set()}),
]


def perform(user, storage, container, what, headers, token):
    c, o = "/" + container, "/%s/o" % container

    def ask(method, path, more=None, data=None):
        h = dict(headers or {}, **(more or {}))
        return user.request(method, path, storage=storage, token=token, headers=h, data=data).status_code
    return {
        "list": lambda: ask("GET", c), "head container": lambda: ask("HEAD", c),
        "get": lambda: ask("GET", o), "head": lambda: ask("HEAD", o),
        "put": lambda: ask("PUT", "/%s/new" % container, data=b"n"),
        "post": lambda: ask("POST", o, {"X-Object-Meta-A": "b"}),
        "delete": lambda: ask("DELETE", "/%s/victim" % container),
        "copy": lambda: ask("COPY", o, {"Destination": "%s/copy" % container}),
        "put container": lambda: ask("PUT", c + "-new"), "post container": lambda: ask("POST", c),
        "delete container": lambda: ask("DELETE", c + "-victim"),
    }[what]()


@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_acl(cloud, tester, case):
    _, container_headers, account_acl, referer, allowed = case
    users = {OWNER: tester, SAME: User(cloud, "test:tester3", "testing3"),
             OTHER: User(cloud, "test2:tester2", "testing2"), NOBODY: tester}
    allowed = dict(allowed, **{OWNER: ALL})
    container = "acl-" + os.urandom(6).hex()
    assert tester.request("PUT", "/" + container, headers=container_headers).status_code == 201
    acl = json.dumps(account_acl) if account_acl else ""
    assert tester.request("POST", headers={"X-Account-Access-Control": acl}).status_code == 204
    headers = {"Referer": referer} if referer else {}
    wrong = []
    try:
        for who, user in users.items():
            for what in METHODS:
                tester.request("PUT", "/%s/o" % container, data=b"o")
                tester.request("PUT", "/%s/victim" % container, data=b"v")
                tester.request("PUT", "/%s-victim" % container)
                code = perform(user, tester.storage, container, what, headers, who != NOBODY)
                good = code in (200, 201, 202, 204)
                refused = code == (401 if who == NOBODY else 403)
                if (what in allowed[who]) != good or not (good or refused):
                    wrong.append((who, what, code))
    finally:
        tester.request("POST", headers={"X-Account-Access-Control": ""})
    assert not wrong


def test_only_owners_see_acls(cloud, tester):
    container = "acl-" + os.urandom(6).hex()
    tester.request("PUT", "/" + container, headers={"X-Container-Read": "test", "X-Container-Meta-A": "b"})
    other = User(cloud, "test:tester3", "testing3")
    assert tester.request("HEAD", "/" + container).headers["X-Container-Read"] == "test"
    seen = other.request("HEAD", "/" + container, storage=tester.storage)
    assert seen.headers["X-Container-Meta-A"] == "b" and "X-Container-Read" not in seen.headers


def test_bad_acls_are_refused(tester, container):
    for header, value in (("X-Container-Read", ".r:"), ("X-Container-Read", ".r:-"),
                          ("X-Container-Read", ".x:y"), ("X-Container-Write", ".r:*")):
        r = tester.request("POST", "/" + container, headers={header: value})
        assert r.status_code == 400 and "ACL" in r.text
    for value in ("x", "[]", '{"a": []}', '{"admin": 1}', '{"admin": [1]}'):
        r = tester.request("POST", headers={"X-Account-Access-Control": value})
        assert r.status_code == 400 and r.text.startswith("X-Account-Access-Control invalid:")


def test_service_accounts_need_both_tokens(cloud):
    user = User(cloud, "test:tester", "testing")
    service = User(cloud, "test5:tester5", "testing5")
    storage = user.storage.replace("AUTH_", "SERVICE_")
    assert user.request("PUT", "/s", storage=storage).status_code == 403
    assert service.request("PUT", "/s", storage=storage).status_code == 403
    both = {"X-Service-Token": service.token}
    assert user.request("PUT", "/s", storage=storage, headers=both).status_code == 201
    assert user.request("PUT", "/s/o", storage=storage, headers=both, data=b"x").status_code == 201
    assert user.request("GET", "/s/o", storage=storage).status_code == 403


def test_reseller_admin_manages_accounts(cloud, tester):
    admin = User(cloud, "admin:admin", "admin")
    url = cloud.url + "/v1/AUTH_made" + os.urandom(4).hex()
    assert tester.request("PUT", storage=url).status_code == 403
    assert admin.request("PUT", storage=url).status_code == 201
    assert admin.request("PUT", storage=url).status_code == 202
    assert admin.request("PUT", "/c", storage=url).status_code == 201
    assert admin.request("DELETE", storage=url).status_code == 204
    assert admin.request("HEAD", storage=url).status_code == 410


def test_a_deleted_account_is_emptied(cloud):
    """Its objects and containers go by themselves; then it may be made again, and is empty."""
    admin = User(cloud, "admin:admin", "admin")
    url = cloud.url + "/v1/AUTH_reap" + os.urandom(4).hex()
    for c in ("a", "b"):
        assert admin.request("PUT", "/" + c, storage=url).status_code == 201
        for n in range(12):
            assert admin.request("PUT", "/%s/%d" % (c, n), storage=url, data=b"x").status_code == 201
    assert admin.request("DELETE", storage=url).status_code == 204
    wait_for(lambda: admin.request("GET", "/a", storage=url).status_code == 404 and
             admin.request("GET", "/b", storage=url).status_code == 404, 30)
    wait_for(lambda: admin.request("PUT", storage=url).status_code in (201, 202), 30)
    assert admin.request("HEAD", storage=url).headers["X-Account-Container-Count"] == "0"
