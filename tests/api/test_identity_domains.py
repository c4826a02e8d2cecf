"""Configuration of domains."""
import pytest

from test_identity import ADMIN, Identity
from test_identity_limits import Asking


@pytest.fixture(scope="module")
def a():
    i = Identity()
    yield Asking(i)
    i.close()


LDAP = {"url": "ldap://x", "user_tree_dn": "ou=people", "password": "hidden", "page_size": 7,
        "user_attribute_ignore": ["a", "b"], "use_tls": True}
SHOWN = {k: v for k, v in LDAP.items() if k != "password"}


def test_configuration_of_domains(a):
    path = "/domains/%s/config" % a.make("domain", name="configured")
    a.ask("GET", path, 404)
    config = {"ldap": LDAP, "identity": {"driver": "ldap"}}
    shown = {"ldap": SHOWN, "identity": {"driver": "ldap"}}
    assert a.ask("PUT", path, 201, config=config)["config"] == shown
    assert a.ask("PUT", path, 200, config=config)["config"] == shown
    assert a.ask("GET", path)["config"] == shown
    assert a.ask("GET", path + "/ldap")["config"] == {"ldap": SHOWN}
    assert a.ask("GET", path + "/ldap/page_size")["config"] == {"page_size": 7}
    a.ask("HEAD", path + "/ldap/page_size")
    a.ask("GET", path + "/ldap/password", 404)
    a.ask("GET", path + "/ldap/suffix", 404)
    shown["ldap"]["url"] = "ldaps://y"
    assert a.ask("PATCH", path, config={"ldap": {"url": "ldaps://y"}})["config"] == shown
    shown["ldap"]["url"] = "ldap://z"
    assert a.ask("PATCH", path + "/ldap", config={"ldap": {"url": "ldap://z"}})["config"] == shown
    shown["ldap"]["page_size"] = 8
    assert a.ask("PATCH", path + "/ldap/page_size", config={"page_size": 8})["config"] == shown
    a.ask("PATCH", path + "/ldap/suffix", 404, config={"suffix": "x"})
    for tail, bad in (("", {}), ("", {"other": {"x": 1}}), ("", {"ldap": {"other": 1}}), ("", {"ldap": {}}),
                      ("", {"ldap": 1}), ("/other", {"other": {"x": 1}}), ("/ldap", {"identity": {"driver": "sql"}}),
                      ("/ldap", {"ldap": {"url": "x"}, "identity": {"driver": "sql"}}),
                      ("/ldap/url", {"page_size": 1}), ("/ldap/url", {"url": "x", "page_size": 1}),
                      ("/ldap/other", {"other": 1})):
        said = a.ask("PATCH", path + tail, 403, config=bad)["error"]["message"]
        assert said.startswith("Invalid domain specific configuration")
        if not tail:
            a.ask("PUT", path, 403, config=bad)
    assert a.ask("GET", path)["config"] == shown
    a.ask("DELETE", path + "/ldap/page_size", 204)
    a.ask("DELETE", path + "/ldap/page_size", 404)
    a.ask("DELETE", path + "/identity", 204)
    a.ask("GET", path + "/identity", 404)
    a.ask("GET", path + "/other", 403)
    a.ask("DELETE", path, 204)
    a.ask("GET", path, 404)
    for method in "GET", "PUT", "PATCH", "DELETE":
        a.ask(method, "/domains/none/config", 404, config=config)


def test_defaults(a):
    config = a.ask("GET", "/domains/config/default")["config"]
    assert set(config) == {"identity", "ldap"} and "password" not in config["ldap"] and len(config["ldap"]) > 40
    assert a.ask("GET", "/domains/config/ldap/default")["config"] == {"ldap": config["ldap"]}
    assert a.ask("GET", "/domains/config/ldap/url/default")["config"] == {"url": "ldap://localhost"}
    for bad in "other", "ldap/other", "ldap/password":
        a.ask("GET", "/domains/config/%s/default" % bad, 403)
    security = a.ask("GET", "/domains/default/config/security_compliance")["config"]["security_compliance"]
    assert security == {"password_regex": None, "password_regex_description": None}
    user = a.make("user", name="plain", password="pw")
    role = a.ask("GET", "/roles?name=member")["roles"][0]["id"]
    project = a.ask("GET", "/projects?name=admin")["projects"][0]["id"]
    a.ask("PUT", "/projects/%s/users/%s/roles/%s" % (project, user, role), 204)
    token = a.i.token("plain", "pw", ADMIN)
    path = "/domains/default/config/security_compliance"
    assert a.ask("GET", path + "/password_regex", token=token)["config"] == {"password_regex": None}
    a.ask("GET", path + "/lockout_duration", 403)
    a.ask("GET", "/domains/config/default", 403, token=token)
    a.ask("GET", "/domains/default/config", 403, token=token)
    a.ask("PUT", "/domains/default/config", 403, token=token, config={"identity": {"driver": "sql"}})
