"""Quotas of containers and accounts, also when many upload at once."""
import concurrent.futures
import json
import os

import pytest
import requests

from conftest import User, wait_for

THREADS, SIZE = 64, 1000


@pytest.fixture(scope="module")
def admin(cloud):
    return User(cloud, "admin:admin", "admin")


def upload(cloud, storage, token, container, count):
    """So many uploads by each of many threads; the statuses."""
    def one(thread):
        session, codes = requests.Session(), []
        for i in range(count):
            r = session.put("%s/%s/%d-%d" % (storage, container, thread, i), data=b"x" * SIZE,
                            headers={"X-Auth-Token": token}, timeout=120)
            codes.append(r.status_code)
        return codes
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return [c for codes in pool.map(one, range(THREADS)) for c in codes]


@pytest.mark.parametrize("name,limit,per", [("X-Container-Meta-Quota-Bytes", 100 * SIZE, SIZE),
                                            ("X-Container-Meta-Quota-Count", 100, 1)])
def test_a_container_is_over_by_what_is_under_way_at_most(cloud, tester, container, name, limit, per):
    assert tester.request("POST", "/" + container, headers={name: str(limit)}).status_code == 204
    codes = upload(cloud, tester.storage, tester.token, container, 8)
    there = len(json.loads(tester.request("GET", "/%s?format=json" % container).text))
    assert codes.count(201) == there and set(codes) == {201, 413}
    assert limit <= there * per < limit + THREADS * per, there
    r = tester.request("PUT", "/%s/more" % container, data=b"x" * SIZE)
    assert r.status_code == 413 and r.text == "Upload exceeds quota."


def test_a_body_of_unknown_length_is_measured(tester, container):
    tester.request("POST", "/" + container, headers={"X-Container-Meta-Quota-Bytes": "1000"})
    r = tester.request("PUT", "/%s/o" % container, data=iter([b"x" * 900, b"x" * 101]))
    assert r.status_code == 413 and r.text == "Upload exceeds quota."
    assert tester.request("GET", "/" + container).text == ""
    assert tester.request("PUT", "/%s/o" % container, data=iter([b"x" * 900, b"x" * 100])).status_code == 201
    assert tester.request("PUT", "/%s/p" % container, data=b"x").status_code == 413


def test_copies_count(cloud, tester, container):
    tester.request("PUT", "/%s-from" % container)
    tester.request("PUT", "/%s-from/o" % container, data=b"x" * 600)
    tester.request("POST", "/" + container, headers={"X-Container-Meta-Quota-Bytes": "1000"})
    copy = {"Destination": container + "/a"}
    assert tester.request("COPY", "/%s-from/o" % container, headers=copy).status_code == 201
    assert tester.request("COPY", "/%s-from/o" % container, headers={"Destination": container + "/b"}).status_code == 413
    r = tester.request("PUT", "/%s/b" % container, headers={"X-Copy-From": "%s-from/o" % container}, data=b"")
    assert r.status_code == 413
    assert tester.request("GET", "/" + container).text == "a\n"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", "٣"])
def test_quotas_are_numbers(tester, admin, container, value):
    for name in ("X-Container-Meta-Quota-Bytes", "X-Container-Meta-Quota-Count"):
        r = tester.request("POST", "/" + container, headers={name: value.encode()})
        assert r.status_code == 400, (name, r.status_code)
    r = admin.request("POST", storage=tester.storage, headers={"X-Account-Quota-Bytes": value.encode()})
    assert r.status_code == 400


def test_account_quotas(cloud, admin):
    """Of an account of its own: only reseller administrators set them, and are bound by none."""
    user, container = User(cloud, "test2:tester2", "testing2"), "q-" + os.urandom(5).hex()
    user.request("PUT", "/" + container)
    before = user.request("HEAD").headers
    used = int(before["X-Account-Bytes-Used"])

    def set_quota(**headers):
        r = admin.request("POST", storage=user.storage, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert r.status_code == 204, r.status_code
    try:
        for name in ("X-Account-Quota-Bytes", "X-Account-Meta-Quota-Bytes", "X-Remove-Account-Quota-Count",
                     "X-Account-Quota-Bytes-Policy-" + policy_name(cloud)):
            assert user.request("POST", headers={name: "1"}).status_code == 403, name
        assert user.request("POST", headers={"X-Account-Quota-Nothing": "1"}).status_code == 204
        set_quota(X_Account_Quota_Bytes=str(used + 100 * SIZE))
        codes = upload(cloud, user.storage, user.token, container, 8)
        assert set(codes) <= {201, 413} and codes.count(201) >= 100
        # What an account holds is what its containers told it last.
        wait_for(lambda: user.request("PUT", "/%s/more" % container, data=b"x" * SIZE).status_code == 413)
        r = user.request("PUT", "/%s/more" % container, data=b"x" * SIZE)
        assert r.status_code == 413 and r.text == "Upload exceeds quota."
        assert user.request("HEAD").headers["X-Account-Quota-Bytes"] == str(used + 100 * SIZE)
        # Who set it is not bound by it.
        assert admin.request("PUT", "/%s/admins" % container, storage=user.storage, data=b"x" * SIZE).status_code == 201
        # The old form says the same; nothing takes it away.
        set_quota(X_Account_Meta_Quota_Bytes="1")
        assert user.request("HEAD").headers["X-Account-Quota-Bytes"] == "1"
        set_quota(X_Account_Meta_Quota_Bytes="")
        assert "X-Account-Quota-Bytes" not in user.request("HEAD").headers
        assert user.request("PUT", "/%s/other" % container, data=b"x").status_code == 201
        set_quota(X_Account_Quota_Count="1")
        assert user.request("PUT", "/%s/still" % container, data=b"x").status_code == 413
        name = policy_name(cloud)
        set_quota(**{"X_Account_Quota_Count": "", "X_Account_Quota_Count_Policy_" + name: "1"})
        r = user.request("PUT", "/%s/still" % container, data=b"x")
        assert r.status_code == 413 and r.text == "Upload exceeds policy quota."
        assert user.request("HEAD").headers["X-Account-Quota-Count-Policy-" + name] == "1"
        set_quota(**{"X_Account_Quota_Count_Policy_" + name: "", "X_Account_Quota_Bytes_Policy_" + name: "1"})
        r = user.request("PUT", "/%s/still" % container, data=b"x")
        assert r.status_code == 413 and r.text == "Upload exceeds policy quota."
    finally:
        name = policy_name(cloud)
        set_quota(**{"X_Account_Quota_Bytes": "", "X_Account_Quota_Count": "",
                     "X_Account_Quota_Bytes_Policy_" + name: "", "X_Account_Quota_Count_Policy_" + name: ""})
    assert user.request("PUT", "/%s/still" % container, data=b"x").status_code == 201


def policy_name(cloud):
    policies = requests.get(cloud.url + "/info").json()["swift"]["policies"]
    return [p["name"] for p in policies if p.get("default")][0]
