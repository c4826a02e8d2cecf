"""`cairn dispersion`: probes all over the rings, and a report of exactly the copies that are missing."""
import hashlib
import hmac
import json
import os
import re
import time

import pytest
import requests

from conftest import Cloud
from test_repair import FAST, bring_back, take_away, wait_equal, wipe

COVERAGE = 5  # percent of 1024 partitions
PROBES = 52


def dispersion(cloud, verb, *args, code=0):
    out = cloud.cairn("dispersion", verb, "--state", cloud.state, *args, check=False)
    assert out.returncode == code, out.stdout
    return out.stdout


def dumped(cloud, *args, code=0):
    return json.loads(dispersion(cloud, "report", "-j", *args, code=code))


@pytest.fixture(params=["replicas", "ec"])
def cloud(request):
    ec = {"cluster": ["policy = 2 ec type=ec k=2 m=2"]} if request.param == "ec" else {}
    cloud = Cloud(devices=5, conf={**FAST, **ec})
    cloud.policy = "ec" if ec else "Policy-0"
    cloud.copies = 4 if ec else 3
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.close()


def test_exactly_what_is_missing(cloud):
    policy = ("-P", cloud.policy)
    assert "there are no containers to look for" in dispersion(cloud, "report", *policy, code=1)
    text = dispersion(cloud, "populate", "--coverage", str(COVERAGE), *policy)
    assert "%d containers created" % PROBES in text and "%d objects created" % PROBES in text, text
    # Once more: nothing is to be done. More of them: only what is lacking.
    text = dispersion(cloud, "populate", "--coverage", str(COVERAGE), *policy)
    assert "0 containers created" in text and "0 objects created" in text, text
    whole = dumped(cloud, *policy)
    assert whole["container"] == {"retries": 0, "overlapping": 0, "pct_found": 100.0, "copies_found": 3 * PROBES,
                                  "copies_expected": 3 * PROBES}
    assert whole["object"] == {"retries": 0, "overlapping": 0, "pct_found": 100.0,
                               "copies_found": cloud.copies * PROBES, "copies_expected": cloud.copies * PROBES}

    # A device that is away: each probe that it is a primary of misses one copy.
    take_away(cloud, 1)
    cloud.wait_serving()
    text = dispersion(cloud, "report", "-p", *policy, code=1)
    for kind, copies in (("container", 3), ("object", cloud.copies)):
        away = re.findall(r"^# %s partition (\d+) missing 1 copy: here/d1 \((.*)\)$" % kind, text, re.M)
        assert away and len(away) == len(re.findall(r"^# %s" % kind, text, re.M)), text
        assert len({part for part, _ in away}) == len(away)
        missing = len(away)
        assert "%d partitions miss 1 copy" % missing in text, text
        assert "%s copies found (%d of %d)" % (kind, copies * PROBES - missing, copies * PROBES) in text, text
        found = json.loads(dispersion(cloud, "report", "-j", "--%s-only" % kind, *policy, code=1))
        assert list(found) == [kind] and found[kind]["missing_1"] == missing
        assert found[kind]["copies_found"] == copies * PROBES - missing

    # Back with what it had, all is there; back empty, it lacks them until the others have brought them.
    bring_back(cloud, 1)
    assert dumped(cloud, *policy) == whole
    wipe(cloud, 1)
    wait_equal(cloud)
    assert dumped(cloud, *policy) == whole

    text = dispersion(cloud, "clear", *policy)
    assert "%d objects deleted" % PROBES in text, text
    assert "there are no objects to look for" in dispersion(cloud, "report", "--object-only", *policy, code=1)


def test_all_policies(cloud):
    dispersion(cloud, "populate", "--all", "--coverage", "1")
    found = dumped(cloud, "--all")
    assert {"Policy-0", "silver", cloud.policy} == set(found)
    for name, kinds in found.items():
        copies = 4 if name == "ec" else 3
        assert kinds["container"]["copies_expected"] == 33 and kinds["object"]["copies_expected"] == 11 * copies
        assert kinds["container"]["pct_found"] == kinds["object"]["pct_found"] == 100.0


def test_more_probes_and_those_that_overlap(cloud):
    dispersion(cloud, "populate", "--coverage", "1", "--object-only")
    text = dispersion(cloud, "populate", "--coverage", "3", "--object-only")
    assert "20 objects created; 31 of 1024" in text, text
    text = dispersion(cloud, "populate", "--coverage", "2", "--object-only")
    assert "0 objects created; 31 of 1024" in text, text
    # One that somebody made in a partition that has one.
    numbers = range(100000, 100000 + 2000)
    for first in numbers:
        put = ask(cloud, "PUT", "/dispersion/store/dispersion_objects_0/dispersion_%d" % first, data=b"x")
        assert put.status_code == 201
        found = dumped(cloud, "--object-only")["object"]
        if found["overlapping"]:
            break
    assert found["overlapping"] == 1 and found["copies_expected"] == found["copies_found"] == 3 * (31 + first - numbers[0])


def ask(cloud, method, target, key=None, when=None, what=None, signed=None, **kw):
    if key is None:
        with open(cloud.state + "/token.key", "rb") as f:
            key = f.read()
    stamp = str(int(time.time() if when is None else when))
    text = "%s\n%s\n%s" % (what or "dispersion " + method, stamp, signed or target)
    sign = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return requests.request(method, cloud.url + target, headers={"X-Audit-Time": stamp, "X-Audit-Sign": sign}, **kw)


def test_only_who_has_the_secret_may(cloud):
    target = "/dispersion/store?format=json"
    assert ask(cloud, "GET", target).status_code == 200
    for bad in ({"key": os.urandom(32)}, {"when": time.time() - 120}, {"when": time.time() + 120}, {"what": "audit"},
                {"what": "dispersion PUT"}, {"signed": "/dispersion/store"}):
        assert ask(cloud, "GET", target, **bad).status_code == 403, bad
    assert requests.get(cloud.url + target).status_code == 403
    for none in ("/dispersion/", "/dispersion/stores", "/dispersion/store//x", "/dispersion/store/c/",
                 "/dispersion/store/%2F", "/dispersion/look?policy=77&kind=object&probe=1",
                 "/dispersion/parts?policy=99999999999&kind=container&from=0&count=9"):
        assert ask(cloud, "GET", none).status_code == 404, none
    assert ask(cloud, "GET", "/dispersion/parts?policy=0&kind=object&from=4294967290&count=999999").status_code == 200


def test_wrong_usage_and_no_node(cloud):
    for wrong in ([], ["remove"], ["report", "more"], ["populate", "--coverage", "101"], ["report", "-a", "-P", "x"],
                  ["report", "--concurrency", "0"], ["report", "--container-only", "--object-only"]):
        out = cloud.cairn("dispersion", "--state", cloud.state, *wrong, check=False)
        assert out.returncode == 2 and out.stdout.startswith("Usage: "), out.stdout
    text = cloud.cairn("dispersion", "--help").stdout
    assert len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 80, text
    assert "no storage policy 'none'" in dispersion(cloud, "report", "-P", "none", code=1)
    cloud.down()
    assert "the node does not answer" in dispersion(cloud, "report", code=1)
