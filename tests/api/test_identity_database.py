"""Identity on MariaDB: two processes on one database, one of them killed, the database away for a while. (All other
tests of identity run on it, too, with CAIRN_TEST_DATABASE=mariadb.)"""
import os
import signal
import sys
import threading

import pytest
import requests

from conftest import wait_for
from test_identity import ADMIN, Identity

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from mariadb import MariaDB  # noqa: E402


@pytest.fixture
def server():
    s = MariaDB()
    yield s
    s.close()


@pytest.fixture
def pair(server):
    one = Identity(database=server.database())
    two = Identity(beside=one)
    yield one, two
    two.close()
    one.close()


def create(identity, token, name):
    """Status, or None when there was no answer."""
    try:
        return requests.post(identity.url + "/users", json={"user": {"name": name}}, headers={"X-Auth-Token": token},
                             timeout=30).status_code
    except requests.RequestException:
        return None


def together(*jobs):
    threads = [threading.Thread(target=job) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def names(identity, token):
    return {user["name"] for user in identity.ask(token, "GET", "/users")["users"]}


def test_two_serve_together(pair):
    one, two = pair
    token = one.token(scope=ADMIN)
    assert two.ask(token, "GET", "/projects")["projects"][0]["name"] == "admin"
    user = two.ask(token, "POST", "/users", 201, json={"user": {"name": "eve", "password": "old"}})["user"]
    hers = one.token("eve", "old")
    assert requests.get(two.url + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": hers}).status_code == 200
    one.ask(token, "PATCH", "/users/" + user["id"], json={"user": {"enabled": False}})
    wait_for(lambda: requests.get(two.url + "/auth/tokens", headers={
        "X-Auth-Token": token, "X-Subject-Token": hers}).status_code == 404, 5)
    two.login("eve", "old", status=401)


def test_both_write_at_once(pair):
    token, statuses = pair[0].token(scope=ADMIN), []

    def write(identity, mark):
        for n in range(15):
            assert create(identity, token, "%s-%d" % (mark, n)) == 201
            statuses.append(create(identity, token, "both-%d" % n))

    together(*(lambda i=i, m=m: write(i, m) for i in pair for m in ("%d-a" % i.port, "%d-b" % i.port)))
    assert len(statuses) == 60 and statuses.count(201) == 15 and statuses.count(409) == 45
    users = names(pair[0], token)
    assert users == names(pair[1], token) and len(users) == 1 + 60 + 15


def test_one_is_killed(pair):
    """What was answered 201 is there; the other serves on."""
    one, two = pair
    token, made, begun = one.token(scope=ADMIN), [], threading.Event()

    def write(identity, mark):
        for n in range(40):
            status = create(identity, token, "%s-%d" % (mark, n))
            if status is None:
                return
            assert status == 201
            made.append("%s-%d" % (mark, n))
            if n == 5:
                begun.set()

    def kill():
        begun.wait(30)
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()

    together(lambda: write(one, "a"), lambda: write(one, "b"), lambda: write(two, "c"), kill)
    assert {"c-%d" % n for n in range(40)} <= set(made) <= names(two, token)
    one.start()
    assert names(one, token) == names(two, token)


def test_the_database_goes_away(server, pair):
    token = pair[0].token(scope=ADMIN)
    server.stop(kill=True)
    r = requests.get(pair[0].url + "/users", headers={"X-Auth-Token": token}, timeout=30)
    assert r.status_code == 503 and r.json()["error"]["code"] == 503
    assert create(pair[1], token, "nobody") == 503
    server.start()
    wait_for(lambda: create(pair[1], token, "somebody") == 201, 20)
    assert "somebody" in names(pair[0], token) and "nobody" not in names(pair[0], token)
