"""Objects that have expired, and are not reaped yet."""
import pytest
import requests

from conftest import Cloud, User, wait_for

OPEN = {"X-Open-Expired": "true"}


@pytest.fixture(scope="module")
def opened():
    c = Cloud(conf={"cluster": ["allow_open_expired = yes"]})
    c.up()
    yield c
    c.close()


def expired(user, path):
    """An object that has just expired."""
    r = user.request("PUT", path, data=b"body", headers={"X-Delete-After": "1", "X-Object-Meta-A": "b"})
    assert r.status_code == 201
    wait_for(lambda: user.request("HEAD", path).status_code == 404)


def test_it_is_there_for_who_asks(opened):
    user = User(opened, "test:tester", "testing")
    user.request("PUT", "/c")
    for i in range(20):  # one that was reaped in that very moment is tried again
        path = "/c/o%d" % i
        expired(user, path)
        there = user.request("GET", path, headers=OPEN).status_code == 200
        closed = user.request("POST", path).status_code
        r = user.request("POST", path, headers=dict(OPEN, **{"X-Object-Meta-C": "d"}))
        assert closed == 404 and r.status_code in (202, 404)
        if there and r.status_code == 202:
            break
    r = user.request("GET", path)  # it does not expire any more
    assert r.status_code == 200 and r.text == "body" and r.headers["X-Object-Meta-C"] == "d"
    assert "X-Delete-At" not in r.headers
    assert requests.get(opened.url + "/info").json()["swift"]["allow_open_expired"] is True


def test_nothing_else_finds_it(opened):
    user = User(opened, "test:tester", "testing")
    user.request("PUT", "/d")
    expired(user, "/d/o")
    assert user.request("COPY", "/d/o", headers=dict(OPEN, Destination="d/p")).status_code == 404
    assert user.request("DELETE", "/d/o", headers=OPEN).status_code == 404
    for value in ("false", "", "no", "2"):
        assert user.request("GET", "/d/o", headers={"X-Open-Expired": value}).status_code == 404


def test_by_default_it_is_gone(cloud, tester, container):
    expired(tester, "/%s/o" % container)
    assert tester.request("GET", "/%s/o" % container, headers=OPEN).status_code == 404
    assert requests.get(cloud.url + "/info").json()["swift"]["allow_open_expired"] is False
