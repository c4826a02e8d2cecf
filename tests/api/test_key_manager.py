"""Root secrets from a key manager: one that speaks Barbican's API to whom our identity service knows."""
import base64
import http.server
import json
import os
import signal
import subprocess
import threading

import pytest
import requests

from conftest import CAIRN, Cloud, User, free_port, wait_for
from test_encryption import body_of
from test_identity import ADMIN

PASSWORD = 'keep "it"\\ \u2603'
PLAIN = body_of(200000)


class Manager:
    """Secrets for whoever has a token for the project that they belong to."""

    def __init__(self, identity, project):
        self.identity, self.project, self.secrets, self.asked, self.status = identity, project, {}, [], None
        manager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                manager.asked.append((self.path, self.headers["Accept"]))
                status, kind, body = manager.answer(self.path, self.headers)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, headers):
        if self.status:
            return self.status, "text/plain", b"no"
        token = headers["X-Auth-Token"]
        r = requests.get(self.identity.url + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
        if r.status_code != 200:
            return 401, "text/plain", b"who?"
        if r.json()["token"]["project"]["id"] != self.project:
            return 403, "text/plain", b"not yours"
        parts = path.split("/")
        if parts[:3] != ["", "v1", "secrets"] or len(parts) < 4 or parts[3] not in self.secrets:
            return 404, "text/plain", b"nothing"
        payload, about = self.secrets[parts[3]]
        if parts[4:] == ["payload"] and headers["Accept"] == "application/octet-stream":
            return 200, "application/octet-stream", payload
        if parts[4:] or headers["Accept"] != "application/json":
            return 406, "text/plain", b"not so"
        return 200, "application/json", json.dumps(about).encode()

    def add(self, name, payload=None, **about):
        payload = os.urandom(32) if payload is None else payload
        self.secrets[name] = payload, {"status": "ACTIVE", "algorithm": "AES", "bit_length": 256, "mode": "cbc",
                                       "secret_type": "symmetric", "secret_ref": "%s/v1/secrets/%s" % (self.url, name),
                                       "content_types": {"default": "application/octet-stream"}, **about}
        return payload

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def manager(identity):
    token = identity.token(scope=ADMIN)
    ask = identity.ask
    project = ask(token, "POST", "/projects", 201, json={"project": {"name": "keys"}})["project"]["id"]
    user = ask(token, "POST", "/users", 201, json={"user": {"name": "keeper", "password": PASSWORD}})["user"]["id"]
    ask(token, "POST", "/projects", 201, json={"project": {"name": "other"}})
    role = [r["id"] for r in ask(token, "GET", "/roles")["roles"] if r["name"] == "reader"][0]
    ask(token, "PUT", "/projects/%s/users/%s/roles/%s" % (project, user, role), 204)
    m = Manager(identity, project)
    service = ask(token, "POST", "/services", 201, json={"service": {"type": "key-manager", "name": "barbican"}})
    for region, url in (("elsewhere", "http://127.0.0.1:1"), ("here", m.url)):
        ask(token, "POST", "/regions", 201, json={"region": {"id": region}})
        ask(token, "POST", "/endpoints", 201, json={"endpoint": {
            "service_id": service["service"]["id"], "interface": "public", "url": url, "region_id": region}})
    yield m
    m.close()


def lines(manager, *keys, **more):
    """The section, with some lines in place of others; None: without it."""
    values = {"auth_endpoint": manager.identity.url, "username": "keeper", "password": PASSWORD, "project_name": "keys",
              "region": "here", **more}
    return ["%s = %s" % (k, v) for k, v in values.items() if v is not None] + ["key_id = " + k for k in keys]


def change(cloud, old, new):
    path = cloud.state + "/cairn.conf"
    text = open(path).read()
    assert old in text
    open(path, "w").write(text.replace(old, new))


def reload(cloud, word):
    seen = cloud.log().count(word)
    os.kill(cloud.node_pid(), signal.SIGHUP)
    wait_for(lambda: cloud.log().count(word) > seen)


def test_objects_are_encrypted_with_its_secrets(manager):
    first, second = manager.add("1111-aa"), manager.add("2222-bb")
    cloud = Cloud(devices=3, conf={"encryption": ["enabled = yes"], "key_manager": lines(manager, "first 1111-aa")})
    try:
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        user.request("PUT", "/c")
        assert user.request("PUT", "/c/old", data=PLAIN).status_code == 201
        assert manager.asked[-2:] == [("/v1/secrets/1111-aa", "application/json"),
                                      ("/v1/secrets/1111-aa/payload", "application/octet-stream")]
        os.remove(cloud.state + "/encryption.keys")  # of the first start, without a key manager

        # Rotation: another one is active, the one before stays for what it has sealed.
        change(cloud, "key_id = first 1111-aa\n", "key_id = first 1111-aa\nkey_id = second 2222-bb\n")
        reload(cloud, "secrets=2")
        assert user.request("PUT", "/c/new", data=PLAIN).status_code == 201
        assert user.request("GET", "/c/old").content == user.request("GET", "/c/new").content == PLAIN

        # While nobody answers what there is stays in use.
        manager.status = 503
        reload(cloud, "[key_manager] endpoint")
        assert user.request("GET", "/c/old").content == user.request("GET", "/c/new").content == PLAIN
        manager.status = None

        # Which secret sealed which: without the first one the old object cannot be read.
        cloud.down()
        change(cloud, "key_id = first 1111-aa\n", "")
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("GET", "/c/new").content == PLAIN
        assert user.request("GET", "/c/old").status_code == 503 and "no secret first" in cloud.log()

        # Beside secrets of a file, as who moves from one to the other has them.
        cloud.down()
        assert not os.path.exists(cloud.state + "/encryption.keys")
        with open(os.open(cloud.state + "/encryption.keys", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("first %s\n" % base64.b64encode(first).decode())
        cloud.up()
        user = User(cloud, "test:tester", "testing")
        assert user.request("GET", "/c/old").content == user.request("GET", "/c/new").content == PLAIN
        os.remove(cloud.state + "/encryption.keys")

        # It is nowhere but in memory.
        cloud.down()
        words = [key for k in (first, second) for key in (base64.b64encode(k), k.hex().encode(), k)]
        for folder, _, names in os.walk(cloud.state):
            for name in names:
                data = open(os.path.join(folder, name), "rb").read()
                assert not any(word in data for word in words), name
    finally:
        cloud.close()


def test_the_node_waits_for_it(manager):
    """Nobody answers at the start: that is said, and the supervisor tries again until somebody does."""
    manager.add("3333-cc")
    cloud = Cloud(devices=3, conf={"encryption": ["enabled = yes"], "key_manager": lines(manager, "a 3333-cc")})
    cloud.refuses = True
    try:
        cloud.up()
        manager.status = 503
        os.kill(cloud.node_pid(), signal.SIGKILL)
        wait_for(lambda: "it is not given (503)" in cloud.log())
        manager.status = None
        cloud.wait_serving()
        assert User(cloud, "test:tester", "testing").request("PUT", "/c").status_code == 201
    finally:
        manager.status = None
        cloud.close()


def start(tmp_path, section, keys=None):
    conf = tmp_path / "cairn.conf"
    if keys:
        (tmp_path / "keys").write_text(keys)
        (tmp_path / "keys").chmod(0o600)
    conf.write_text("[node]\nstate_dir = %s\nport = %d\n[cluster]\nhash_suffix = abcdefgh\n[devices]\ndevice = d1\n"
                    "[encryption]\nenabled = yes\n%s[key_manager]\n%s\n"
                    % (tmp_path, free_port(), "secrets = %s\n" % (tmp_path / "keys") if keys else "", "\n".join(section)))
    out = subprocess.run([CAIRN, "node", "--config", str(conf)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=60)
    return conf, out.returncode, out.stdout


CLOSED = "http://127.0.0.1:1"


@pytest.mark.parametrize("more, key, code, option, text", [
    ({"auth_endpoint": CLOSED}, "a good", 1, "auth_endpoint", "/v3/auth/tokens: nobody answers"),
    ({"auth_endpoint": None}, "a good", 2, None, "[key_manager] auth_endpoint: is wanted"),
    ({"password": "wrong"}, "a good", 2, "username", "refuses keeper in project keys (401)"),
    ({"project_name": "other"}, "a good", 2, "username", "refuses keeper in project other (401)"),
    ({"region": "nowhere"}, "a good", 2, None, "names no key-manager"),
    ({"region": "elsewhere"}, "a good", 1, None, "/v1/secrets/good: nobody answers"),
    ({"endpoint": CLOSED + "/v1/"}, "a good", 1, "endpoint", CLOSED + "/v1/secrets/good: nobody answers"),
    ({}, "a none", 2, "key_id", "there is no such secret (404)"),
    ({}, "a ../../x", 2, "key_id", "there is no such secret (404)"),
    ({}, "a short", 2, "key_id", "an active AES key of 256 bit is wanted; it is ACTIVE AES of 128 bit"),
    ({}, "a rsa", 2, "key_id", "it is ACTIVE rsa of 256 bit"),
    ({}, "a pending", 2, "key_id", "it is PENDING AES of 256 bit"),
    ({}, "a text", 2, "key_id", "a key of 32 bytes is wanted; it has 44"),
    ({}, "a", 2, "key_id", "wants an id here and the one of the key manager"),
    ({}, "a good more", 2, "key_id", "wants an id here and the one of the key manager"),
    ({}, "a/b good", 2, "key_id", "an id has letters"),
    ({}, "filed good", 2, "key_id", "filed: the same id is there twice")],
    ids=lambda v: v.replace("/", "-") if isinstance(v, str) and " " not in v else None)
def test_a_mistake_is_told(tmp_path, manager, more, key, code, option, text):
    manager.add("good")
    manager.add("short", os.urandom(16), bit_length=128)
    manager.add("rsa", algorithm="rsa")
    manager.add("pending", status="PENDING")
    manager.add("text", base64.b64encode(os.urandom(32)))
    filed = "filed %s\n" % base64.b64encode(os.urandom(32)).decode()
    conf, exited, out = start(tmp_path, lines(manager, key, **more), filed)
    line = [i for i, words in enumerate(conf.read_text().splitlines(), 1) if option and words.startswith(option)]
    at = "%s:%d: [key_manager] %s: " % (conf, line[0], option) if line else "%s: [key_manager] " % conf
    assert exited == code and at in out and text in out, out
    assert PASSWORD not in out


def test_a_manager_that_answers_nonsense(tmp_path, manager):
    class Nonsense(Manager):
        def answer(self, path, headers):
            return 200, "application/json", b"{" * 100
    other = Nonsense(manager.identity, manager.project)
    try:
        _, code, out = start(tmp_path, lines(manager, "a good", endpoint=other.url))
        assert code == 2 and "what it says is not JSON" in out, out
    finally:
        other.close()
