"""Projects: tags, the tree, what may not be changed; and what the catalog is made of."""
import pytest
import requests

from test_identity import ADMIN


@pytest.fixture(scope="module")
def ask(identity):
    token = identity.token(scope=ADMIN)

    def ask(method, path, status=200, **json):
        return identity.ask(token, method, path, status, json=json)
    return ask


@pytest.fixture(scope="module")
def make(ask):
    def make(kind, **members):
        return ask("POST", "/%ss" % kind, 201, **{kind: members})[kind]
    return make


def test_tags(ask, make, identity):
    p = make("project", name="tagged", tags=["b", "a"])
    path = "/projects/%s/tags" % p["id"]
    assert p["tags"] == ["a", "b"] == ask("GET", "/projects/" + p["id"])["project"]["tags"]
    assert ask("PUT", path, tags=["x", "y", "\u2603 z\""])["tags"] == sorted(["x", "y", "\u2603 z\""])
    assert ask("GET", path)["links"]["self"].endswith(path)
    ask("GET", path + "/x", 204)
    ask("GET", path + "/X", 404)
    ask("PUT", path + "/w", 201)
    ask("PUT", path + "/w", 201)
    ask("DELETE", path + "/y", 204)
    ask("DELETE", path + "/y", 404)
    assert set(ask("GET", path)["tags"]) == {"w", "x", "\u2603 z\""}
    for bad in [1], ["a,b"], ["a/b"], [""], ["a", "a"], ["x" * 256], "a", {"a": 1}, [str(n) for n in range(81)]:
        assert "tags" in ask("PUT", path, 400, tags=bad)["error"]["message"]
        assert "tags" in ask("PATCH", "/projects/" + p["id"], 400, project={"tags": bad})["error"]["message"]
    ask("PUT", path, 400)
    ask("PUT", path + "/a,b", 400)
    assert len(ask("GET", path)["tags"]) == 3
    assert ask("PATCH", "/projects/" + p["id"], project={"tags": ["q"]})["project"]["tags"] == ["q"]
    assert ask("PATCH", "/projects/" + p["id"], project={"description": "d"})["project"]["tags"] == ["q"]
    for n in range(79):
        ask("PUT", "%s/%d" % (path, n), 201)
    ask("PUT", path + "/one-too-many", 400)
    ask("DELETE", path, 204)
    assert ask("GET", path)["tags"] == []
    ask("GET", "/projects/none/tags", 404)
    identity.openstack("project", "set", "--tag", "t1", "--tag", "t2", "tagged")
    assert identity.show("project", "show", "tagged")["tags"] == ["t1", "t2"]
    ask("DELETE", "/projects/" + p["id"], 204)


def test_lists_by_tags(ask, make):
    for name, tags in (("t-ab", ["a", "b"]), ("t-a", ["a"]), ("t-b", ["b"]), ("t-", [])):
        make("project", name=name, tags=tags)

    def found(query):
        return sorted(p["name"] for p in ask("GET", "/projects?name__startswith=t-&" + query)["projects"])
    assert found("tags=a") == ["t-a", "t-ab"] and found("tags=a,b") == ["t-ab"]
    assert found("tags-any=a,b") == ["t-a", "t-ab", "t-b"]
    assert found("not-tags=a,b") == ["t-", "t-a", "t-b"] and found("not-tags-any=a,b") == ["t-"]
    assert found("tags=a&not-tags=b") == ["t-a"] and found("tags=a'b") == []
    for p in ask("GET", "/projects?name__startswith=t-")["projects"]:
        ask("DELETE", "/projects/" + p["id"], 204)


def test_the_tree(ask, make, identity):
    d = make("domain", name="forest")["id"]
    ids = [make("project", name="p1", domain_id=d)["id"]]
    for n in range(2, 6):
        ids.append(make("project", name="p%d" % n, parent_id=ids[-1], domain_id=d)["id"])
    one, two, three, four, five = ids
    assert "depth" in ask("POST", "/projects", 403, project={"name": "p6", "parent_id": five, "domain_id": d})[
        "error"]["message"]
    side = make("project", name="side", parent_id=two, domain_id=d)["id"]

    def show(what, query):
        return ask("GET", "/projects/%s?%s" % (what, query))["project"]
    assert show(three, "parents_as_ids")["parents"] == {two: {one: {d: None}}}
    assert show(one, "parents_as_ids")["parents"] == {d: None}
    assert show(one, "subtree_as_ids")["subtree"] == {two: {three: {four: {five: None}}, side: None}}
    assert show(five, "subtree_as_ids")["subtree"] is None
    assert "subtree" not in show(one, "") and "parents" not in show(one, "")
    assert show(three, "parents_as_list")["parents"] == []  # of those where one has a role
    me = ask("GET", "/users?name=admin")["users"][0]["id"]
    role = ask("GET", "/roles?name=admin")["roles"][0]["id"]
    ask("PUT", "/OS-INHERIT/projects/%s/users/%s/roles/%s/inherited_to_projects" % (one, me, role), 204)
    assert [p["project"]["name"] for p in show(four, "parents_as_list")["parents"]] == ["p3", "p2"]
    assert sorted(p["project"]["name"] for p in show(two, "subtree_as_list")["subtree"]) == ["p3", "p4", "p5", "side"]
    both = show(three, "parents_as_list&subtree_as_ids")
    assert both["subtree"] == {four: {five: None}} and len(both["parents"]) == 1
    for bad in "parents_as_list&parents_as_ids", "subtree_as_list&subtree_as_ids":
        ask("GET", "/projects/%s?%s" % (one, bad), 400)
    assert "subtree" in ask("PATCH", "/projects/" + two, 403, project={"enabled": False})["error"]["message"]
    for p in five, four, three, side, two:
        ask("PATCH", "/projects/" + p, project={"enabled": False})
    assert "parents" in ask("PATCH", "/projects/" + four, 403, project={"enabled": True})["error"]["message"]
    ask("POST", "/projects", 400, project={"name": "x", "parent_id": three, "domain_id": d})
    ask("PATCH", "/projects/" + two, project={"enabled": True})
    ask("DELETE", "/projects/" + one, 403)
    ask("POST", "/projects", 400, project={"name": "x", "parent_id": one, "domain_id": "default"})
    ask("POST", "/projects", 400, project={"name": "x", "parent_id": "none"})
    ask("PATCH", "/projects/" + two, 403, project={"parent_id": three})
    ask("PATCH", "/projects/" + two, 400, project={"domain_id": "default"})
    ask("PATCH", "/projects/" + two, 400, project={"is_domain": True})
    same = ask("PATCH", "/projects/" + two, project={"id": two, "parent_id": one, "domain_id": d, "is_domain": False,
                                                     "name": "  trimmed "})["project"]
    assert same["name"] == "trimmed"
    ask("PATCH", "/projects/" + two, 400, project={"name": "   "})
    ask("PATCH", "/domains/" + d, domain={"enabled": False})
    ask("DELETE", "/domains/" + d, 204)
    for p in ids:
        ask("GET", "/projects/" + p, 404)


@pytest.mark.parametrize("kind", ["project", "domain", "role"])
def test_what_may_not_be_changed(ask, make, kind):
    one = make(kind, name="fixed", options={"immutable": True})
    path = "/%ss/%s" % (kind, one["id"])
    assert one["options"] == {"immutable": True}
    for change in ({"description": "x"}, {"name": "y"}, {"options": {}}, {"options": {"immutable": True}},
                   {"options": {"immutable": False}, "description": "x"}):
        assert "immutable" in ask("PATCH", path, 403, **{kind: change})["error"]["message"]
    ask("DELETE", path, 403)
    if kind == "project":
        for method, tail in (("PUT", "/tags/x"), ("DELETE", "/tags")):
            ask(method, path + tail, 403)
    for bad in {"immutable": "yes"}, {"other": True}, [], "x":
        assert "options" in ask("PATCH", path, 400, **{kind: {"options": bad}})["error"]["message"]
    assert ask("PATCH", path, **{kind: {"options": {"immutable": None}}})[kind]["options"] == {}
    ask("PATCH", path, **{kind: {"options": {"immutable": False}, "description": "x"}})
    assert ask("GET", path)[kind]["options"] == {"immutable": False}
    if kind == "domain":
        ask("PATCH", path, domain={"enabled": False})
    ask("DELETE", path, 204)


def test_regions_and_endpoints(ask, make):
    assert ask("PUT", "/regions/r%2F1", 201, region={"description": "one"})["region"]["id"] == "r/1"
    ask("PUT", "/regions/r2", 201, region={"id": "r2", "parent_region_id": "r/1"})
    ask("PUT", "/regions/r3", 400, region={"id": "r4"})
    ask("PUT", "/regions/r2", 409, region={})
    ask("POST", "/regions", 409, region={"id": "r2"})
    ask("PATCH", "/regions/r%2F1", 400, region={"parent_region_id": "r2"})
    assert [r["id"] for r in ask("GET", "/regions?parent_region_id=r%2F1")["regions"]] == ["r2"]
    s = make("service", type="object-store", name="swift")["id"]
    url = "http://x/$(project_id)s/%(user_id)s"
    e = make("endpoint", service_id=s, interface="public", url=url, region="r3")
    assert e["region_id"] == e["region"] == "r3" and ask("GET", "/regions/r3")["region"]["id"] == "r3"
    other = make("endpoint", service_id=s, interface="admin", url=url, region_id="r2")
    for query, count in (("service_id=" + s, 2), ("interface=admin&service_id=" + s, 1), ("region_id=r3", 1),
                         ("region_id=r3&interface=admin", 0)):
        assert len(ask("GET", "/endpoints?" + query)["endpoints"]) == count
    for bad in ({"url": "http://%(none)s"}, {"url": "http://x%s"}, {"url": "http://%(project_id"}, {"url": ""},
                {"interface": "other"}, {"enabled": "True"}, {"service_id": "none"}, {"region_id": "none"}):
        ask("PATCH", "/endpoints/" + e["id"], 400, endpoint=bad)
        ask("POST", "/endpoints", 400, endpoint=dict(
            {"service_id": s, "interface": "public", "url": "http://x"}, **bad))
    assert "endpoints" in ask("DELETE", "/regions/r%2F1", 403)["error"]["message"]
    assert ask("PATCH", "/endpoints/" + other["id"], endpoint={"region": "r3"})["endpoint"]["region_id"] == "r3"
    ask("DELETE", "/regions/r%2F1", 204)
    ask("GET", "/regions/r2", 404)
    assert ask("PATCH", "/services/" + s, service={"enabled": False})["service"]["enabled"] is False
    assert [x["id"] for x in ask("GET", "/services?type=object-store")["services"]] == [s]
    assert ask("GET", "/services?type=none")["services"] == []
    ask("PATCH", "/services/" + s, service={"enabled": True})
    catalog = {c["type"]: c for c in ask("GET", "/auth/catalog")["catalog"]}["object-store"]["endpoints"]
    assert len(catalog) == 2 and "$" not in catalog[0]["url"] and "%" not in catalog[0]["url"]
    ask("PATCH", "/endpoints/" + e["id"], endpoint={"enabled": False})
    catalog = {c["type"]: c for c in ask("GET", "/auth/catalog")["catalog"]}["object-store"]["endpoints"]
    assert [c["id"] for c in catalog] == [other["id"]]
    ask("DELETE", "/services/" + s, 204)
    ask("GET", "/endpoints/" + e["id"], 404)
    ask("DELETE", "/regions/r3", 204)


@pytest.mark.parametrize("kind,plural", [("user", "users"), ("project", "projects"), ("role", "roles"),
                                         ("region", "regions"), ("service", "services"), ("domain", "domains")])
def test_pages(ask, make, kind, plural, identity):
    for n in range(5):
        make(kind, **({"type": "t", "name": "s%d" % n} if kind == "service" else
                      {"id": "page%d" % n} if kind == "region" else {"name": "page%d" % n}))
    everything = [x["id"] for x in ask("GET", "/" + plural)[plural]]
    assert everything == sorted(everything) and len(everything) >= 5
    seen, path = [], "/%s?limit=2" % plural
    while path:
        page = ask("GET", path)
        assert len(page[plural]) <= 2
        seen += [x["id"] for x in page[plural]]
        path = page["links"]["next"] and page["links"]["next"][len(identity.url):]
    assert seen == everything
    for bad in "0", "-1", "x", "":
        ask("GET", "/%s?limit=%s" % (plural, bad), 400)
    r = requests.get(identity.url + "/" + plural)
    assert r.status_code == 401
