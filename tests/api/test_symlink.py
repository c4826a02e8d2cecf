"""Symbolic links: chains, loops, rights, and what is said of them where."""
import hashlib
import json
import os
import time

import pytest

from conftest import User


def md5(data):
    return hashlib.md5(data).hexdigest()


def link(user, path, target, **headers):
    h = {"X-Symlink-Target": target}
    h.update({k.replace("_", "-"): v for k, v in headers.items()})
    return user.request("PUT", path, headers=h)


def account(user):
    return user.storage.rsplit("/", 1)[1]


def test_a_link_is_what_it_leads_to(tester, container):
    body, c = os.urandom(700000), "/" + container
    tester.request("PUT", c + "/target", data=body, headers={"X-Object-Meta-Color": "blue"})
    assert link(tester, c + "/link", container + "/target", X_Object_Meta_Own="yes").status_code == 201
    for method in ("GET", "HEAD"):
        r = tester.request(method, c + "/link")
        assert r.status_code == 200 and r.headers["Etag"] == md5(body)
        assert int(r.headers["Content-Length"]) == len(body)
        assert r.headers["X-Object-Meta-Color"] == "blue" and "X-Object-Meta-Own" not in r.headers
        assert r.headers["Content-Location"] == "/v1/%s/%s/target" % (account(tester), container)
        assert not [h for h in r.headers if "sysmeta" in h.lower()]
    assert tester.request("GET", c + "/link").content == body
    r = tester.request("GET", c + "/link", headers={"Range": "bytes=5-9,650000-650009"})
    assert r.status_code == 206 and body[650000:650010] in r.content
    r = tester.request("GET", c + "/link", headers={"Range": "bytes=-3"})
    assert r.status_code == 206 and r.content == body[-3:]
    r = tester.request("GET", c + "/link?symlink=get")
    assert r.content == b"" and r.headers["X-Symlink-Target"] == container + "/target"
    assert r.headers["X-Object-Meta-Own"] == "yes" and "Content-Location" not in r.headers
    assert r.headers["Content-Type"] == "application/symlink"
    assert not [h for h in r.headers if "sysmeta" in h.lower()]
    # Who deletes it deletes the link.
    assert tester.request("DELETE", c + "/link").status_code == 204
    assert tester.request("HEAD", c + "/target").status_code == 200


def test_conditions_are_about_the_target(tester, container):
    c, etag = "/" + container, md5(b"body")
    tester.request("PUT", c + "/target", data=b"body")
    link(tester, c + "/link", container + "/target")
    for header, value, status in (("If-Match", etag, 200), ("If-Match", md5(b""), 412), ("If-None-Match", etag, 304),
                                  ("If-None-Match", md5(b""), 200)):
        assert tester.request("GET", c + "/link", headers={header: value}).status_code == status, (header, value)


def test_listings_tell_of_links(tester, container):
    c, a = "/" + container, account(tester)
    tester.request("PUT", c + "/t", data=b"body", headers={"Content-Type": "text/x"})
    link(tester, c + "/dynamic", container + "/t", Content_Type="a/b")
    link(tester, c + "/elsewhere", "x y/ü;z".encode(), X_Symlink_Target_Account="AUTH_o%20o")
    link(tester, c + "/static", container + "/t", X_Symlink_Target_Etag=md5(b"body"))
    rows = {r["name"]: r for r in json.loads(tester.request("GET", c + "?format=json").text)}
    assert rows["dynamic"]["symlink_path"] == "/v1/%s/%s/t" % (a, container)
    assert rows["dynamic"]["content_type"] == "a/b" and rows["dynamic"]["hash"] == md5(b"")
    assert "symlink_etag" not in rows["dynamic"] and rows["dynamic"]["bytes"] == 0
    assert rows["elsewhere"]["symlink_path"] == "/v1/AUTH_o%20o/x%20y/%C3%BC%3Bz"
    assert rows["static"]["symlink_etag"] == md5(b"body") and rows["static"]["symlink_bytes"] == 4
    assert rows["static"]["content_type"] == "text/x" and rows["static"]["hash"] == md5(b"")
    assert "symlink_path" not in rows["t"]
    xml = tester.request("GET", c + "?format=xml").text
    assert "symlink_" not in xml and xml.count("<hash>%s</hash>" % md5(b"")) == 3
    # A POST to one changes its row and leaves what it says.
    r = tester.request("POST", c + "/static", headers={"Content-Type": "new/type"}, allow_redirects=False)
    assert r.status_code == 307 and r.headers["Location"] == "/v1/%s/%s/t" % (a, container)
    row = [r for r in json.loads(tester.request("GET", c + "?format=json").text) if r["name"] == "static"][0]
    assert row["content_type"] == "new/type" and row["symlink_bytes"] == 4


def test_bad_targets_are_refused(tester, container):
    c, o = "/" + container, "/%s/link" % container
    for target in ("", "/", "x", "/x/y", "x/", "%2Fx/y", "x%00/y", "%FFversions%FFx/y", "x/%FF", "\xff/y"):
        r = tester.request("PUT", o, headers={"X-Symlink-Target": target.encode("latin-1")})
        assert r.status_code == 412, (target, r.status_code)
    assert link(tester, o, container + "/link").status_code == 400
    assert link(tester, o, container + "/%6Cink").status_code == 400
    for name in ("", "a/b", "%FF", "a%2Fb"):
        assert link(tester, o, "x/y", X_Symlink_Target_Account=name).status_code == 412, name
    for etag in ('a;b', 'a"b', 'a\\b'):
        assert link(tester, o, "x/y", X_Symlink_Target_Etag=etag).status_code == 400
    for data in (b"x", iter([b"x"])):
        r = tester.request("PUT", o, data=data, headers={"X-Symlink-Target": "x/y"})
        assert r.status_code == 400 and "zero byte" in r.text
    assert tester.request("PUT", o, data=iter([]), headers={"X-Symlink-Target": "x/y"}).status_code == 201
    assert tester.request("POST", o, headers={"X-Symlink-Target": "x/y"}).status_code == 400
    assert tester.request("GET", c).text == "link\n"


def test_loops_and_long_chains_end(tester, container):
    c = "/" + container
    tester.request("PUT", c + "/0", data=b"end")
    for i in range(1, 5):
        assert link(tester, "%s/%d" % (c, i), "%s/%d" % (container, i - 1)).status_code == 201
    for i, status in ((1, 200), (2, 200), (3, 409), (4, 409)):
        r = tester.request("GET", "%s/%d" % (c, i))
        assert r.status_code == status, i
    assert r.text == "Too many levels of symbolic links, maximum allowed is 2"
    for a, b in (("x", "y"), ("y", "z"), ("z", "x")):
        assert link(tester, "%s/%s" % (c, a), "%s/%s" % (container, b)).status_code == 201
    for path, method in (("/x", "GET"), ("/x", "HEAD")):
        assert tester.request(method, c + path).status_code == 409
    assert tester.request("COPY", c + "/x", headers={"Destination": container + "/copy"}).status_code == 409
    assert tester.request("PUT", c + "/copy", headers={"X-Copy-From": container + "/x"}).status_code == 409
    assert tester.request("HEAD", c + "/copy").status_code == 404


def test_static_links_are_checked(tester, container):
    c, etag = "/" + container, md5(b"one")
    r = link(tester, c + "/s", container + "/none", X_Symlink_Target_Etag=etag)
    assert r.status_code == 409 and r.text == "X-Symlink-Target does not exist"
    tester.request("PUT", c + "/t", data=b"one")
    r = link(tester, c + "/s", container + "/t", X_Symlink_Target_Etag=md5(b"two"))
    assert r.status_code == 409 and r.text == ("Object Etag '%s' does not match X-Symlink-Target-Etag header '%s'"
                                               % (etag, md5(b"two")))
    assert r.headers["Content-Location"].endswith("/%s/t" % container)
    assert link(tester, c + "/s", container + "/t", X_Symlink_Target_Etag='"%s"' % etag).status_code == 201
    assert link(tester, c + "/ss", container + "/s", X_Symlink_Target_Etag=etag).status_code == 201
    assert link(tester, c + "/d", container + "/t").status_code == 201
    # A link that is not static is checked for what it is itself.
    assert link(tester, c + "/sd", container + "/d", X_Symlink_Target_Etag=etag).status_code == 409
    assert link(tester, c + "/sd", container + "/d", X_Symlink_Target_Etag=md5(b"")).status_code == 201
    for name in ("s", "ss", "d", "sd"):
        assert tester.request("GET", "%s/%s" % (c, name)).text == "one", name
    tester.request("PUT", c + "/t", data=b"two")
    for name, status in (("s", 409), ("ss", 409), ("d", 200), ("sd", 200)):
        assert tester.request("GET", "%s/%s" % (c, name)).status_code == status, name
    tester.request("DELETE", c + "/t")
    for name in ("s", "ss", "d", "sd"):
        r = tester.request("GET", "%s/%s" % (c, name))
        assert r.status_code == 404 and r.headers["Content-Location"].endswith("/t"), name


def test_copies_are_of_the_target_or_of_the_link(tester, container):
    c = "/" + container
    tester.request("PUT", c + "/t", data=b"body", headers={"X-Object-Meta-Color": "blue"})
    link(tester, c + "/s", container + "/t", X_Symlink_Target_Etag=md5(b"body"))
    assert tester.request("COPY", c + "/s", headers={"Destination": container + "/copy"}).status_code == 201
    r = tester.request("GET", c + "/copy")
    assert r.text == "body" and r.headers["X-Object-Meta-Color"] == "blue" and "Content-Location" not in r.headers
    r = tester.request("COPY", c + "/s?symlink=get", headers={"Destination": container + "/twin"})
    assert r.status_code == 201
    assert tester.request("HEAD", c + "/twin?symlink=get").headers["X-Symlink-Target"] == container + "/t"
    rows = {r["name"]: r for r in json.loads(tester.request("GET", c + "?format=json").text)}
    assert rows["twin"]["symlink_path"] == rows["s"]["symlink_path"] and "symlink_path" not in rows["copy"]


def test_rights_are_those_on_the_target(cloud, tester, container):
    other, plain = User(cloud, "test2:tester2", "testing2"), User(cloud, "test:tester3", "testing3")
    theirs = "secret-" + container
    assert other.request("PUT", "/" + theirs).status_code == 201
    other.request("PUT", "/%s/o" % theirs, data=b"secret")
    path, headers = "/%s/link" % container, {"X_Symlink_Target_Account": account(other)}
    assert link(tester, path, theirs + "/o", **headers).status_code == 201  # a dynamic one may lead anywhere
    assert tester.request("GET", path).status_code == 403
    assert tester.request("HEAD", path).status_code == 403
    assert tester.request("COPY", path, headers={"Destination": container + "/c"}).status_code == 403
    # Nor does a static one tell whether a guess of the content is right.
    for etag in (md5(b"secret"), md5(b"other")):
        assert link(tester, "/%s/s" % container, theirs + "/o", X_Symlink_Target_Etag=etag,
                    **headers).status_code == 403
    other.request("POST", "/" + theirs, headers={"X-Container-Read": "test:tester"})
    assert tester.request("GET", path).text == "secret"
    assert link(tester, "/%s/s" % container, theirs + "/o", X_Symlink_Target_Etag=md5(b"secret"),
                **headers).status_code == 201
    # Who may read the link alone gets no further; nobody at all is asked who he is.
    tester.request("POST", "/" + container, headers={"X-Container-Read": "test:tester3,.r:*"})
    assert plain.request("GET", path).status_code == 403
    assert tester.request("GET", path, token=False).status_code == 401
    assert plain.request("GET", path + "?symlink=get").status_code == 200


def test_a_link_that_has_expired_is_gone(tester, container):
    c = "/" + container
    tester.request("PUT", c + "/t", data=b"body")
    link(tester, c + "/l", container + "/t", X_Delete_After="1")
    end = time.monotonic() + 20
    while tester.request("GET", c + "/l").status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert tester.request("GET", c + "/l").status_code == 404
    assert tester.request("GET", c + "/t").status_code == 200


def test_info_tells_of_links(cloud, tester):
    assert tester.session.get(cloud.url + "/info").json()["symlink"] == {"symloop_max": 2, "static_links": True}


@pytest.mark.parametrize("name", ["X-Object-Sysmeta-Symlink-Target", "X-Object-Sysmeta-Allow-Reserved-Names"])
def test_clients_do_not_make_links_by_system_metadata(tester, container, name):
    path = "/%s/o" % container
    headers = {"X-Object-Sysmeta-Symlink-Target": container + "/t", name: "x/y"}
    assert tester.request("PUT", path, data=b"own", headers=headers).status_code == 201
    assert tester.request("GET", path).text == "own"
    assert tester.request("POST", path, headers=headers).status_code == 202
    assert tester.request("GET", path).text == "own"
