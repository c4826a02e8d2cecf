"""OpenStack's own middleware in front of a real Swift takes our tokens for Keystone's: what it lets through, our proxy
lets through, too."""
import os
import sys

import pytest
import requests

from conftest import wait_for
from test_keystone import Keystone, Somebody, cloud_with_identity

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from swift_servers import SwiftServers  # noqa: E402

SECTIONS = """[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = swift
password = pw
project_name = service
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
service_token_roles = service
service_token_roles_required = false
token_cache_time = -1
[filter:keystoneauth]
use = egg:swift#keystoneauth
reseller_prefix = AUTH, SERVICE
operator_roles = admin, swiftoperator, member
SERVICE_service_roles = service
AUTH_project_reader_roles = reader
"""


@pytest.fixture(scope="module")
def cloud():
    yield from cloud_with_identity()


@pytest.fixture(scope="module")
def keystone(cloud):
    return Keystone(cloud)


@pytest.fixture(scope="module")
def service(keystone):
    """The user by which the middleware asks."""
    return Somebody(keystone, "swift", keystone.project("service"), "service", "service")


@pytest.fixture(scope="module")
def swift_url(keystone, service):
    rig = SwiftServers(nodes=1, replicas=1)
    try:
        yield rig.proxy(filters="copy", auth="authtoken keystoneauth", sections=SECTIONS.format(url=keystone.url))
    finally:
        rig.close()


@pytest.fixture(scope="module")
def one(keystone):
    return Somebody(keystone, "one", keystone.project("one"), "one", "member")


@pytest.fixture(scope="module")
def two(keystone):
    return Somebody(keystone, "two", keystone.project("two"), "two", "member")


@pytest.fixture(scope="module")
def both(cloud, swift_url):
    """A request to our proxy and to Swift's: the same answer."""
    def ask(who, method, path, account=None, **headers):
        seen = []
        for url in (cloud.url, swift_url):
            h = {k.replace("_", "-"): v for k, v in headers.items()}
            if who:
                h["X-Auth-Token"] = who if isinstance(who, str) else who.token
            r = requests.request(method, "%s/v1/%s%s" % (url, account or who.account, path), headers=h, timeout=60)
            seen.append(r)
        assert seen[0].status_code == seen[1].status_code, (method, path, [r.status_code for r in seen], seen[1].text)
        return seen
    return ask


def test_tokens(keystone, one, two, both):
    assert both(one, "PUT", "/c")[0].status_code == 201
    assert both(one, "PUT", "/c/o")[0].status_code == 201
    assert both(one, "GET", "")[1].text == "c\n"
    assert both(two, "GET", "/c/o", one.account)[0].status_code == 403
    for token in (None, "nonsense", one.token[:-4] + "AAAA"):
        for r in both(token, "GET", "/c/o", one.account):
            assert r.status_code == 401 and "Keystone uri=" in r.headers["WWW-Authenticate"]
    assert both(keystone.login("one", "pw"), "GET", "/c", one.account)[0].status_code == 403
    reader = Somebody(keystone, "reads", one.project, "one", "reader")
    assert both(reader, "GET", "/c/o")[0].status_code == 200
    assert both(reader, "PUT", "/c/p")[0].status_code == 403
    assert both(one, "DELETE", "")[0].status_code == 403


@pytest.mark.parametrize("acl,status", [
    ("{project}:{user}", 200), ("*:{user}", 200), ("{project}:*", 200), ("*:*", 200), ("two:two", 200), ("two:{user}", 200),
    (".r:*", 200), ("one:two", 403), ("two:one", 403), ("{project}", 403), ("{user}", 403), ("member", 403)])
def test_acls(one, two, both, acl, status):
    both(one, "PUT", "/acl")
    both(one, "PUT", "/acl/o")
    both(one, "POST", "/acl", X_Container_Read=acl.format(project=two.project, user=two.id))
    assert both(two, "GET", "/acl/o", one.account)[0].status_code == status
    both(two, "GET", "/acl", one.account)
    both(two, "PUT", "/acl/p", one.account)
    both(None, "GET", "/acl/o", one.account)


def test_names_of_other_domains(keystone, one, both):
    domain = keystone.ask("POST", "/domains", domain={"name": "elsewhere"})["domain"]["id"]
    same = Somebody(keystone, "two", keystone.project("two", domain), "two", "member", {"id": domain})
    both(one, "PUT", "/names", X_Container_Read="two:two")
    both(one, "PUT", "/names/o")
    assert both(same, "GET", "/names/o", one.account)[0].status_code == 403
    both(same, "PUT", "/theirs", X_Container_Read="one:one")
    both(same, "PUT", "/theirs/o")
    assert both(one, "GET", "/theirs/o", same.account)[0].status_code == 403
    a, b = both(same, "HEAD", "")
    assert a.headers["X-Account-Project-Domain-Id"] == b.headers["X-Account-Project-Domain-Id"] == domain


def test_service_tokens(one, two, service, both):
    account = "SERVICE_" + one.project
    assert both(one, "PUT", "/images", account)[0].status_code == 403
    assert both(one, "PUT", "/images", account, X_Service_Token=two.token)[0].status_code == 403
    assert both(one, "PUT", "/images", account, X_Service_Token=service.token)[0].status_code == 201
    assert both(two, "GET", "/images", account, X_Service_Token=service.token)[0].status_code == 403


def test_what_ends_a_token(keystone, one, both, cloud, swift_url):
    some = Somebody(keystone, "some", one.project, "one", "member")
    assert both(some, "GET", "/c/o")[0].status_code == 200
    keystone.ask("PATCH", "/users/" + some.id, user={"enabled": False})
    for url in (cloud.url, swift_url):
        wait_for(lambda u=url: requests.get("%s/v1/%s/c/o" % (u, one.account), timeout=30,
                                            headers={"X-Auth-Token": some.token}).status_code == 401, 10)


def test_application_credentials_and_trusts(keystone, one, two, both):
    """What was delegated arrives as what it is."""
    a = keystone.ask("POST", "/users/%s/application_credentials" % one.id, token=one.token,
                     application_credential={"name": "app"})["application_credential"]
    r = requests.post(keystone.url + "/auth/tokens", timeout=10, json={"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": {"id": a["id"], "secret": a["secret"]}}}})
    assert both(r.headers["X-Subject-Token"], "GET", "/c/o", one.account)[0].status_code == 200
    trust = keystone.ask("POST", "/OS-TRUST/trusts", token=one.token, trust={
        "trustor_user_id": one.id, "trustee_user_id": two.id, "project_id": one.project, "impersonation": False,
        "roles": [{"id": keystone.role("reader")}]})["trust"]["id"]
    token = keystone.login("two", "pw", scope={"OS-TRUST:trust": {"id": trust}})
    assert both(token, "GET", "/c/o", one.account)[0].status_code == 200
    assert both(token, "PUT", "/c/p", one.account)[0].status_code == 403
