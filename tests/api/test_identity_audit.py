"""Events of what was changed, by whom, in CADF."""
import json

import pytest
import requests

from test_identity import ADMIN, PASSWORD, Identity


def events(i):
    with open(i.log_path) as f:
        return [json.loads(line.split("cadf=", 1)[1]) for line in f if "cadf=" in line]


@pytest.mark.parametrize("mode", ["changes", "all", "none"])
def test_events(mode):
    i = Identity(more="audit = %s\n" % mode)
    try:
        admin = i.token(scope=ADMIN)
        me = i.ask(admin, "GET", "/users?name=admin")["users"][0]["id"]
        user = i.ask(admin, "POST", "/users", 201, json={"user": {"name": "secret-name", "password": "hidden"}})["user"]
        path = "/users/" + user["id"]
        i.ask(admin, "PATCH", path, json={"user": {"description": "hidden"}})
        i.ask(admin, "PATCH", path, 400, json={"user": {"enabled": "hidden"}})
        i.login("secret-name", "hidden")
        i.login("secret-name", "wrong", status=401)
        i.login("nobody", "hidden", status=401)
        r = requests.post(i.url + path + "/password", json={"user": {"original_password": "hidden", "password": "h2"}})
        assert r.status_code == 204
        token = i.token("secret-name", "h2")
        i.ask(token, "DELETE", path + "?hidden=1", 403)
        i.ask(admin, "DELETE", path, 204)
        found = [(e["action"], e["outcome"], e["reason"]["reasonCode"], e["initiator"]["id"], e["target"]["typeURI"],
                  e["target"]["id"]) for e in events(i)]
        kind = "data/security/users"
        changes = [("create", "success", "201", me, kind, user["id"]), ("update", "success", "200", me, kind, user["id"]),
                   ("update", "failure", "400", me, kind, user["id"]),
                   ("create", "success", "204", "unknown", "data/security/password", user["id"]),
                   ("delete", "failure", "403", user["id"], kind, user["id"]),
                   ("delete", "success", "204", me, kind, user["id"])]
        logins = [e for e in found if e[0] == "authenticate"]
        assert [e for e in found if e[0] != "authenticate"] == ([] if mode == "none" else changes)
        assert [e[1:4] for e in logins] == ([] if mode != "all" else [
            ("success", "201", me), ("success", "201", user["id"]), ("failure", "401", user["id"]),
            ("failure", "401", "unknown"), ("success", "201", user["id"])])
        for e in events(i):
            assert e["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event" and e["requestPath"].startswith("/v3/")
            assert e["initiator"]["host"]["address"] == "127.0.0.1" and e["initiator"]["request_id"].startswith("req-")
        with open(i.log_path) as f:
            log = f.read()
        assert not any(word in log for word in ("hidden", "secret-name", PASSWORD, token, admin))
    finally:
        i.close()
