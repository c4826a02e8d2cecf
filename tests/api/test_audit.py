"""`cairn audit` tells where things are and what is not as it should be."""
import hashlib
import hmac
import os
import re
import time

import pytest
import requests

from conftest import Cloud, User, wait_for
from test_repair import bring_back, login, take_away, wait_equal

SLOW = {"devices": ["replicate_pause = 3600"]}


def audit(cloud, name, ok=True):
    out = cloud.cairn("audit", "--state", cloud.state, name, check=False)
    assert (out.returncode == 0) == ok, out.stdout
    return out.stdout


def lines(text, what):
    return [line for line in text.splitlines() if line.startswith(what)]


@pytest.fixture
def cloud():
    cloud = Cloud(devices=4, conf=SLOW)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


def test_what_is_well(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c d").status_code == 201
    assert user.request("PUT", "/c d/o%2F%C3%A4 1", data=b"hello").status_code == 201
    text = audit(cloud, "AUTH_test/c d/o/ä 1")
    assert len(lines(text, "primary")) == 3 and len(lines(text, "handoff")) == 1, text
    assert all("size 5 etag 5d41402abc4b2a76b9719d911017c592" in line for line in lines(text, "primary")), text
    assert len([line for line in lines(text, "listing") if "size 5" in line]) == 3, text
    assert "health     all is well" in text, text
    for name in ("AUTH_test/c d", "AUTH_test"):
        text = audit(cloud, name)
        assert len(lines(text, "primary")) == 3, text
        assert "rows 1" in text and "all is well" in text, text
    text = audit(cloud, "AUTH_test/c d/none")
    assert [line.split()[-1] for line in lines(text, "primary")] == ["nothing"] * 3
    assert "all is well" in text


def test_what_differs_is_explained(cloud):
    user = login(cloud)
    assert user.request("PUT", "/c").status_code == 201
    names = ["o%d" % i for i in range(24)]
    for name in names:
        assert user.request("PUT", "/c/" + name, data=b"1").status_code == 201
    take_away(cloud, 1)
    user = login(cloud)
    for i, name in enumerate(names):
        if i % 3 == 0:
            assert user.request("DELETE", "/c/" + name).status_code == 204
        elif i % 3 == 1:
            assert user.request("PUT", "/c/" + name, data=b"22").status_code == 201
        else:
            assert user.request("POST", "/c/" + name, headers={"X-Object-Meta-A": "b"}).status_code == 202
    away = "\n".join(audit(cloud, "AUTH_test/c/" + name) for name in names)
    assert "no answer: unavailable" in away and "does not answer" in away
    bring_back(cloud, 1) # it is some seconds until the first round
    texts = [audit(cloud, "AUTH_test/c/" + name) for name in names]
    back = "\n".join(texts)
    assert "here/d1" in back and "not all is as it should be" in back
    assert "has what was before: the others bring the newest" in back
    assert "missed a POST: the others bring the metadata" in back
    handed = [t for t in texts if "has a copy, until all primaries have it" in t]
    assert handed and all(lines(t, "handoff") for t in handed)
    wait_equal(cloud)
    for name in names:
        text = audit(cloud, "AUTH_test/c/" + name)
        assert "all is well" in text, text


def test_only_who_has_the_secret_may_ask(cloud):
    login(cloud)
    path = "/audit/AUTH_test"
    with open(cloud.state + "/token.key", "rb") as f:
        key = f.read()

    def ask(key, when, path_signed=path, method="GET"):
        stamp = str(int(when))
        sign = hmac.new(key, ("audit\n%s\n%s" % (stamp, path_signed)).encode(), hashlib.sha256).hexdigest()
        return requests.request(method, cloud.url + path,
                                headers={"X-Audit-Time": stamp, "X-Audit-Sign": sign}).status_code
    assert ask(key, time.time()) == 200
    assert requests.get(cloud.url + path).status_code == 403
    assert ask(os.urandom(32), time.time()) == 403
    assert ask(key, time.time() - 120) == 403
    assert ask(key, time.time() + 120) == 403
    assert ask(key, time.time(), "/audit/AUTH_other") == 403
    assert ask(key, time.time(), method="POST") == 403
    for bad in ("/audit/", "/audit//c", "/audit/%00"):
        assert requests.get(cloud.url + bad).status_code in (403, 412)


def test_status_tells_of_replication():
    cloud = Cloud(devices=4, conf={"devices": ["replicate_pause = 1"]})
    try:
        cloud.up()
        user = login(cloud)
        assert user.request("PUT", "/c").status_code == 201
        wait_equal(cloud)
        line = lines(cloud.cairn("status", "--state", cloud.state).stdout, "replication")[0]
        assert "complete" in line and "all equal" in line and "not since" not in line, line
        take_away(cloud, 2)
        login(cloud)
        wait_for(lambda: sum(cloud.metric("cairn_replicate_rounds")) >= 3)
        out = cloud.cairn("status", "--state", cloud.state, check=False).stdout
        assert "devices that could not reach all others" in out.split("replication")[1], out
        assert re.search(r"^PROBLEMS\n  device 2 has failed", out, re.M), out
    finally:
        cloud.close()
