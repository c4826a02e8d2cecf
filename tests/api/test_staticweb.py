"""Containers as web sites."""
import http.client
import os
import re

import pytest
import requests



def post(user, container, **settings):
    headers = {"X-Container-Meta-Web-" + k.replace("_", "-"): v for k, v in settings.items()}
    assert user.request("POST", "/" + container, headers=headers).status_code == 204


@pytest.fixture
def site(tester, container):
    for name, type in (("index.html", "text/html"), ("page.txt", "text/plain"), ("dir/index.html", "text/html"),
                       ("dir/sub/x", "text/plain"), ("bare/y", "text/plain")):
        tester.request("PUT", "/%s/%s" % (container, name), data=name, headers={"Content-Type": type})
    tester.request("POST", "/" + container, headers={"X-Container-Read": ".r:*,.rlistings"})
    post(tester, container, Index="index.html")
    return container


def get(user, path, method="GET", **headers):
    return user.request(method, path, token=False, allow_redirects=False,
                        headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_an_index_in_place_of_a_directory(tester, site):
    r = get(tester, "/" + site)
    assert r.status_code == 301 and r.headers["Location"] == "%s/%s/" % (tester.storage, site)
    for path, text in (("/", "index.html"), ("/dir/", "dir/index.html"), ("/page.txt", "page.txt")):
        r = get(tester, "/" + site + path)
        assert r.status_code == 200 and r.text == text, path
        r = get(tester, "/" + site + path, "HEAD")
        assert r.status_code == 200 and int(r.headers["Content-Length"]) == len(text) and not r.content
    r = get(tester, "/%s/dir" % site)
    assert r.status_code == 301 and r.headers["Location"] == "%s/%s/dir/" % (tester.storage, site)
    for path in ("/none", "/none/", "/dir/none", "/page.txt/"):
        assert get(tester, "/" + site + path).status_code == 404, path
    r = get(tester, "/%s/page.txt" % site, Range="bytes=0-3")
    assert r.status_code == 206 and r.text == "page"
    etag = get(tester, "/%s/" % site).headers["Etag"]
    assert get(tester, "/%s/" % site, If_None_Match=etag).status_code == 304


def test_who_says_who_he_is_gets_the_api(tester, site):
    assert tester.request("GET", "/%s/" % site).text.splitlines()[0] == "bare/y"
    r = tester.request("GET", "/%s/" % site, headers={"X-Web-Mode": "true"})
    assert r.text == "index.html"
    assert tester.request("GET", "/%s/dir/" % site).status_code == 404
    plain = tester.request("GET", "/" + site, headers={"X-Web-Mode": "true"}, allow_redirects=False)
    assert plain.status_code == 301
    # A token that is none is refused, site or not.
    assert tester.request("GET", "/%s/" % site, headers={"X-Auth-Token": "AUTH_tkbad", "X-Web-Mode": "true"}
                          ).status_code == 401


def test_listings(tester, site):
    post(tester, site, Index="", Listings="true")
    r = get(tester, "/%s/" % site)
    assert r.status_code == 200 and r.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "Listing of /v1/AUTH_test/%s/" % site in r.text and "<style" in r.text and "../" not in r.text
    assert re.findall(r'href="([^"]*)"', r.text) == ["./bare/", "./dir/", "./index%2Ehtml", "./page%2Etxt"]
    assert 'class="item type-text type-plain"' in r.text
    head = get(tester, "/%s/" % site, "HEAD")
    assert int(head.headers["Content-Length"]) == len(r.content) and not head.content
    r = get(tester, "/%s/dir/" % site)
    assert re.findall(r'href="([^"]*)"', r.text) == ["../", "./sub/", "./index%2Ehtml"]
    assert get(tester, "/%s/dir" % site).status_code == 301
    assert get(tester, "/%s/dir/none/" % site).status_code == 404
    post(tester, site, Listings_Css="style.css", Listings_Label="My <site>")
    r = get(tester, "/%s/dir/sub/" % site)
    assert 'href="../../style.css"' in r.text and "Listing of My &lt;site&gt;/dir/sub/" in r.text
    post(tester, site, Listings_Css="https://example.org/a b.css")
    assert 'href="https://example.org/a%20b.css"' in get(tester, "/%s/" % site).text


def test_names_are_no_markup(tester, site):
    post(tester, site, Index="", Listings="true")
    names = ['<script>alert("x")</script>', "'\"&", "a\nb", "..", "ü %2F?#"]
    for name in names:
        c = http.client.HTTPConnection("127.0.0.1", tester.cloud.port)
        c.request("PUT", "/v1/AUTH_test/%s/%s" % (site, requests.utils.quote(name, safe="").replace(".", "%2E")), b"x",
                  {"X-Auth-Token": tester.token, "Content-Type": 'a"><b/<c>'})
        assert c.getresponse().status == 201
    text = get(tester, "/%s/" % site).text
    assert "<script" not in text and "&lt;script&gt;" in text and 'type-a"' not in text and "<c>" not in text
    assert '"./%2E%2E"' in text
    # Each link leads to its object, as browsers follow it.
    for link in re.findall(r'href="\./([^"]*[^/"])"', text):
        c = http.client.HTTPConnection("127.0.0.1", tester.cloud.port)
        c.request("GET", "/v1/AUTH_test/%s/%s" % (site, link))
        assert c.getresponse().status == 200, link
    post(tester, site, Listings="", Index='"><script>', Error="")
    r = get(tester, "/%s/" % site)
    assert r.status_code == 404 and "<script" not in r.text and "Web Listing Disabled" in r.text


def test_pages_for_errors(tester, site):
    post(tester, site, Error="error.html")
    tester.request("PUT", "/%s/404error.html" % site, data="nothing here", headers={"X-Object-Meta-Page": "x"})
    tester.request("PUT", "/%s/401error.html" % site, data="who are you")
    for path in ("/none", "/none/"):
        r = get(tester, "/" + site + path)
        assert r.status_code == 404 and r.text == "nothing here" and r.headers["X-Object-Meta-Page"] == "x", path
    # Not listed for everybody: an answer for the container, and a page, too.
    tester.request("POST", "/" + site, headers={"X-Container-Read": ".r:*"})
    r = get(tester, "/%s/" % site)
    assert r.status_code == 401 and r.text == "who are you"
    tester.request("DELETE", "/%s/401error.html" % site)
    r = get(tester, "/%s/" % site)
    assert r.status_code == 401 and "Www-Authenticate" in r.headers and "Unauthorized" in r.text
    # Without a right to it at all, nothing of it.
    tester.request("POST", "/" + site, headers={"X-Container-Read": ""})
    tester.request("PUT", "/%s/401error.html" % site, data="who are you")
    for path in ("/", "/page.txt", "/404error.html", "/none", "/dir"):
        r = get(tester, "/" + site + path)
        assert r.status_code == 401 and "who are you" not in r.text, path


def test_directories_are_objects_of_a_type(tester, site):
    tester.request("PUT", "/%s/mark" % site, headers={"Content-Type": "application/directory"})
    tester.request("PUT", "/%s/mark/index.html" % site, data="marked")
    assert get(tester, "/%s/mark" % site).status_code == 301
    assert get(tester, "/%s/mark/" % site).text == "marked"
    post(tester, site, Directory_Type="text/directory")
    assert get(tester, "/%s/mark" % site).status_code == 200


def test_what_is_no_site_stays_as_it_was(tester, container):
    tester.request("POST", "/" + container, headers={"X-Container-Read": ".r:*,.rlistings"})
    tester.request("PUT", "/%s/o" % container, data="body")
    assert get(tester, "/" + container).text == "o\n"
    assert get(tester, "/%s/o" % container).text == "body"
    assert get(tester, "/" + container, X_Web_Mode="true").status_code == 404
    assert get(tester, "/none", X_Web_Mode="true").status_code == 401
    post(tester, container, Error="e")
    assert get(tester, "/" + container).text == "o\n"
    assert get(tester, "/" + container, "POST").status_code == 401
    assert get(tester, "/%s/o" % container, "PUT").status_code == 401


def test_settings_without_an_end(tester, site):
    """An index, or a page for errors, that leads round in circles."""
    post(tester, site, Index="..", Error="/../..")
    assert get(tester, "/%s/" % site).status_code == 404
    post(tester, site, Index="", Error="x" * 250, Listings="true")
    assert get(tester, "/%s/%s" % (site, "y" * 1000)).status_code == 404
    tester.request("PUT", "/%s/loop" % site, headers={"X-Symlink-Target": site + "/pool"})
    tester.request("PUT", "/%s/pool" % site, headers={"X-Symlink-Target": site + "/loop"})
    post(tester, site, Index="loop")
    assert get(tester, "/%s/" % site).status_code == 409


def test_sites_of_large_objects_and_versions(tester, site):
    body = os.urandom(5 << 20)
    tester.request("POST", "/" + site, headers={"X-Versions-Enabled": "true"})
    tester.request("PUT", "/%s/index.html" % site, data=body)
    r = get(tester, "/%s/" % site)
    assert r.content == body
    post(tester, site, Index="", Listings="true")
    assert ">5Mi<" in get(tester, "/%s/" % site).text


def test_info(cloud):
    assert requests.get(cloud.url + "/info").json()["staticweb"] == {}
