"""Rates: who is too fast waits, or is refused."""
import concurrent.futures
import os
import time

import pytest
import requests

from conftest import Cloud, User, wait_for


@pytest.fixture(scope="module")
def limited():
    c = Cloud(conf={"ratelimit": ["account_ratelimit = 5", "container_ratelimit = 1=10 4=2",
                                  "container_listing_ratelimit = 1=4", "max_sleep_time_seconds = 3",
                                  "log_sleep_time_seconds = 0.05", "rate_buffer_seconds = 0"]})
    c.up()
    yield c
    c.close()


@pytest.fixture
def user(limited):
    return User(limited, "test:tester", "testing")


def timed(call, count, threads=1):
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        codes = list(pool.map(lambda i: call(i), range(count)))
    return codes, time.monotonic() - start


def test_containers_are_made_at_the_rate_of_the_account(limited, user):
    name = "c-" + os.urandom(4).hex()
    users = [User(limited, "test:tester", "testing") for _ in range(8)]  # connections on all loops
    codes, took = timed(lambda i: users[i % 8].request("PUT", "/%s-%d" % (name, i)).status_code, 9, threads=8)
    assert codes == [201] * 9 and 1.5 < took < 6, took
    codes, took = timed(lambda i: users[i % 8].request("DELETE", "/%s-%d" % (name, i)).status_code, 9, threads=8)
    assert codes == [204] * 9 and 1.5 < took < 6, took
    assert "ratelimit-sleep" in limited.log()
    # Another account has a rate of its own, and reading none.
    codes, took = timed(lambda i: user.request("HEAD", "").status_code, 30)
    assert set(codes) == {204} and took < 2


def test_containers_by_their_size(limited, user):
    path = "/s-" + os.urandom(4).hex()
    assert user.request("PUT", path).status_code == 201
    codes, took = timed(lambda i: user.request("PUT", path + "/o", data=b"x").status_code, 1)
    assert codes == [201]
    for i in range(5):
        assert user.request("PUT", "%s/%d" % (path, i), data=b"x").status_code == 201

    def big():  # the proxies' knowledge of its size is a few seconds old at most
        start = time.monotonic()
        user.request("POST", path + "/o")
        return time.monotonic() - start > 0.3
    wait_for(big, 40)
    codes, took = timed(lambda i: user.request("POST", path + "/o").status_code, 4)
    assert codes == [202] * 4 and took > 1.4, took
    codes, took = timed(lambda i: user.request("GET", path).status_code, 5)
    assert codes == [200] * 5 and took > 0.7, took
    codes, took = timed(lambda i: user.request("GET", path + "/o").status_code, 20)
    assert codes == [200] * 20 and took < 2, took


def test_who_would_wait_too_long_is_refused(limited, user):
    name = "many-" + os.urandom(4).hex()
    users = [User(limited, "test2:tester2", "testing2") for _ in range(30)]
    codes, took = timed(lambda i: users[i].request("PUT", "/%s-%d" % (name, i)).status_code, 30, threads=30)
    assert codes.count(498) >= 10 and codes.count(201) >= 10 and took < 8, (codes, took)
    time.sleep(3.2)
    r = [users[0].request("PUT", "/%s-x" % name) for _ in range(1)][0]
    assert r.status_code == 201


def test_accounts_are_marked(limited, user):
    admin = User(limited, "admin:admin", "admin")
    mark = "X-Account-Global-Write-Ratelimit"
    assert user.request("POST", headers={mark: "WHITELIST"}).status_code == 403

    def marked(value):
        assert admin.request("POST", storage=user.storage, headers={mark: value}).status_code == 204
        if value != "BLACKLIST":
            assert admin.request("HEAD", storage=user.storage).headers.get(mark, "") == value
        assert mark not in user.request("HEAD").headers
    name = "m-" + os.urandom(4).hex()
    marked("WHITELIST")
    codes, took = timed(lambda i: user.request("PUT", "/%s-%d" % (name, i)).status_code, 20)
    assert codes == [201] * 20 and took < 2, took
    marked("4")
    codes, took = timed(lambda i: user.request("PUT", "/%s-0/o%d" % (name, i), data=b"").status_code, 6)
    assert codes == [201] * 6 and took > 1, took
    marked("nonsense")
    assert user.request("PUT", "/%s-0/o" % name, data=b"").status_code == 201
    marked("BLACKLIST")
    codes, took = timed(lambda i: user.request("GET", "/%s-0/o" % name).status_code, 1)
    assert codes == [497] and took > 0.9
    assert user.request("GET", headers={mark: "WHITELIST"}).status_code == 497
    # Who marked it can say otherwise.
    start = time.monotonic()
    while admin.request("POST", storage=user.storage, headers={mark: ""}).status_code != 204:
        assert time.monotonic() < start + 20
    assert user.request("GET", "/%s-0/o" % name).status_code == 200


def test_a_client_that_leaves_while_it_waits(limited):
    users = [User(limited, "test:tester", "testing") for _ in range(10)]
    for i, u in enumerate(users):
        try:
            requests.put(u.storage + "/left-%d" % i, headers={"X-Auth-Token": u.token}, timeout=0.05)
        except requests.Timeout:
            pass
    wait_for(lambda: requests.get(limited.url + "/healthcheck").text == "OK")


def test_info_and_what_is_wrong_is_told(limited, cloud):
    assert requests.get(limited.url + "/info").json()["ratelimit"] == {
        "account_ratelimit": 5.0, "max_sleep_time_seconds": 3.0, "container_ratelimits": [[1, 10.0], [4, 2.0]],
        "container_listing_ratelimits": [[1, 4.0]]}
    assert requests.get(cloud.url + "/info").json()["ratelimit"]["account_ratelimit"] == 0
    path = limited.dir + "/bad.conf"
    text = open(limited.state + "/cairn.conf").read()
    for good, bad in (("= 5\n", "= five\n"), ("1=10 4=2", "4=10 1=2"), ("seconds = 3\n", "seconds = -3\n")):
        open(path, "w").write(text.replace(good, bad, 1))
        out = limited.cairn("node", "--config", path, "--check", check=False)
        assert out.returncode != 0 and "[ratelimit]" in out.stdout, bad
