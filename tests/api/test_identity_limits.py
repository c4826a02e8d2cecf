"""Limits, policies, and which endpoints a project's catalog has."""
import pytest

from test_identity import ADMIN, Identity


class Asking:
    def __init__(self, i):
        self.i, self.admin = i, i.token(scope=ADMIN)

    def ask(self, method, path, status=200, token=None, **json):
        return self.i.ask(token or self.admin, method, path, status, json=json)

    def make(self, kind, path=None, **members):
        return self.ask("POST", path or "/%ss" % kind, 201, **{kind: members})[kind]["id"]


@pytest.fixture(scope="module")
def a():
    i = Identity()
    yield Asking(i)
    i.close()


@pytest.fixture(scope="module")
def service(a):
    return a.make("service", type="compute", name="nova")


def test_registered_limits(a, service):
    region = a.make("region", id="r1")
    made = a.ask("POST", "/registered_limits", 201, registered_limits=[
        {"service_id": service, "resource_name": "cores", "default_limit": 10, "description": "of CPUs"},
        {"service_id": service, "resource_name": "cores", "default_limit": 5, "region_id": region},
        {"service_id": service, "resource_name": "ram", "default_limit": -1}])["registered_limits"]
    assert [m["default_limit"] for m in made] == [10, 5, -1]
    path = "/registered_limits/" + made[0]["id"]
    assert made[0] == a.ask("GET", path)["registered_limit"] == {
        "id": made[0]["id"], "service_id": service, "region_id": None, "resource_name": "cores", "default_limit": 10,
        "description": "of CPUs", "links": {"self": a.i.url + path}}
    assert len(a.ask("GET", "/registered_limits?resource_name=cores")["registered_limits"]) == 2
    assert len(a.ask("GET", "/registered_limits?region_id=r1")["registered_limits"]) == 1
    one = {"service_id": service, "resource_name": "disks", "default_limit": 1}
    a.ask("POST", "/registered_limits", 409, registered_limits=[one, one])
    for bad, field in (({"service_id": "none"}, "service"), ({"region_id": "none"}, "region"),
                       ({"default_limit": "1"}, "default_limit"), ({"default_limit": -2}, "default_limit"),
                       ({"default_limit": 2 ** 31}, "default_limit"), ({"resource_name": ""}, "resource_name"),
                       ({"other": 1}, "other")):
        said = a.ask("POST", "/registered_limits", 400, registered_limits=[one, dict(one, **bad)])
        assert field in said["error"]["message"]
    for bad in [], {}, None, [1]:
        a.ask("POST", "/registered_limits", 400, registered_limits=bad)
    assert len(a.ask("GET", "/registered_limits")["registered_limits"]) == 3  # all of a request, or nothing
    assert a.ask("PATCH", path, registered_limit={"default_limit": 20})["registered_limit"]["default_limit"] == 20
    a.ask("PATCH", path, 409, registered_limit={"resource_name": "ram"})
    a.ask("DELETE", "/registered_limits/" + made[1]["id"], 204)
    a.ask("GET", "/registered_limits/" + made[1]["id"], 404)


def test_limits(a, service):
    project, other = a.make("project", name="limited"), a.make("project", name="other")
    domain = a.make("domain", name="limited")

    def limit(status=201, **members):
        return a.ask("POST", "/limits", status, limits=[dict({"service_id": service, "resource_name": "cores",
                                                              "resource_limit": 5}, **members)])
    one = limit(project_id=project)["limits"][0]
    path = "/limits/" + one["id"]
    assert one == a.ask("GET", path)["limit"] == {
        "id": one["id"], "service_id": service, "region_id": None, "resource_name": "cores", "resource_limit": 5,
        "description": None, "project_id": project, "domain_id": None, "links": {"self": a.i.url + path}}
    limit(409, project_id=project)
    limit(403, project_id=project, resource_name="unknown")
    limit(400, project_id=project, domain_id=domain)
    limit(400)
    limit(400, project_id="none")
    limit(400, domain_id=project)
    limit(400, project_id=other, resource_limit=-2)
    of_domain = limit(project_id=domain)["limits"][0]
    assert of_domain["domain_id"] == domain and of_domain["project_id"] is None
    used = a.ask("GET", "/registered_limits?resource_name=cores")["registered_limits"][0]["id"]
    a.ask("PATCH", "/registered_limits/" + used, 403, registered_limit={"default_limit": 1})
    a.ask("DELETE", "/registered_limits/" + used, 403)
    assert a.ask("PATCH", path, limit={"resource_limit": 7, "description": "x"})["limit"]["resource_limit"] == 7
    a.ask("PATCH", path, 400, limit={"resource_name": "ram"})
    assert [x["id"] for x in a.ask("GET", "/limits?project_id=" + project)["limits"]] == [one["id"]]
    assert [x["id"] for x in a.ask("GET", "/limits?domain_id=" + domain)["limits"]] == [of_domain["id"]]
    assert a.ask("GET", "/limits/model")["model"]["name"] == "flat"
    # A member sees its project's own.
    user = a.make("user", name="limited", password="pw")
    role = a.ask("GET", "/roles?name=member")["roles"][0]["id"]
    for p in project, other:
        a.ask("PUT", "/projects/%s/users/%s/roles/%s" % (p, user, role), 204)
    mine = a.i.token("limited", "pw", {"project": {"id": project}})
    theirs = a.i.token("limited", "pw", {"project": {"id": other}})
    assert [x["id"] for x in a.ask("GET", "/limits", token=mine)["limits"]] == [one["id"]]
    assert a.ask("GET", "/limits", token=theirs)["limits"] == []
    a.ask("GET", path, token=mine)
    a.ask("GET", path, 403, token=theirs)
    a.ask("GET", "/limits/none", 403, token=theirs)
    a.ask("PATCH", path, 403, token=mine, limit={"resource_limit": 100})
    a.ask("DELETE", path, 403, token=mine)
    assert len(a.i.show("limit", "list")) == 2
    a.ask("DELETE", "/projects/" + project, 204)
    a.ask("GET", path, 404)
    a.ask("DELETE", "/limits/" + of_domain["id"], 204)
    a.ask("DELETE", "/registered_limits/" + used, 204)


def test_two_levels():
    class Strict(Identity):
        def command(self, *args, code=0):
            with open(self.conf) as f:
                there = f.read()
            if "limit_model" not in there:
                with open(self.conf, "a") as f:
                    f.write("limit_model = strict_two_level\n")
            return super().command(*args, code=code)
    i = Strict()
    try:
        a = Asking(i)
        assert a.ask("GET", "/limits/model")["model"]["name"] == "strict_two_level"
        domain, service = a.make("domain", name="d"), a.make("service", type="x")
        p = a.make("project", name="p", domain_id=domain)
        sub = a.make("project", name="sub", domain_id=domain, parent_id=p)
        a.ask("POST", "/projects", 403, project={"name": "deep", "domain_id": domain, "parent_id": sub})
        base = {"service_id": service, "resource_name": "cores"}
        a.ask("POST", "/registered_limits", 201, registered_limits=[dict(base, default_limit=10)])

        def limit(status=201, *limits):
            return a.ask("POST", "/limits", status, limits=[dict(base, **one) for one in limits])
        limit(403, {"project_id": p, "resource_limit": 11})
        limit(403, {"domain_id": domain, "resource_limit": 20}, {"project_id": p, "resource_limit": 21})
        limit(201, {"project_id": p, "resource_limit": 20}, {"domain_id": domain, "resource_limit": 20})
        limits = {x["project_id"]: "/limits/" + x["id"] for x in a.ask("GET", "/limits")["limits"]}
        a.ask("PATCH", limits[p], 403, limit={"resource_limit": 21})
        a.ask("PATCH", limits[None], 403, limit={"resource_limit": 19})
        a.ask("PATCH", limits[p], limit={"resource_limit": 19})
        a.ask("PATCH", limits[None], limit={"resource_limit": 19})
    finally:
        i.close()


def test_policies(a, service):
    blob = '{"default": false}'
    p = a.ask("POST", "/policies", 201, policy={"type": "application/json", "blob": blob, "extra": 1})["policy"]
    path = "/policies/" + p["id"]
    assert p == a.ask("GET", path)["policy"] and p["blob"] == blob and p["extra"] == 1
    assert a.ask("PATCH", path, policy={"type": "text/plain"})["policy"]["blob"] == blob
    assert a.ask("PATCH", path, policy={"blob": "x"})["policy"]["blob"] == "x"
    assert [x["blob"] for x in a.ask("GET", "/policies?type=text/plain")["policies"]] == ["x"]
    for bad in {"blob": "x"}, {"type": "x"}, {"type": "x", "blob": 1}, {"type": "", "blob": "x"}:
        a.ask("POST", "/policies", 400, policy=bad)
    # The nearest counts: the endpoint's, then its region's or that of one above, then the service's.
    regions = [a.make("region", id="top"), a.make("region", id="sub", parent_region_id="top")]
    ends = [a.make("endpoint", service_id=service, interface="public", url="http://x", region_id=r)
            for r in regions + [None]]
    near = [a.make("policy", "/policies", type="t", blob=b) for b in ("service", "region", "endpoint")]
    a.ask("GET", "/endpoints/%s/OS-ENDPOINT-POLICY/policy" % ends[0], 404)
    ties = ["/policies/%s/OS-ENDPOINT-POLICY/%s" % pair for pair in (
        (near[0], "services/" + service), (near[1], "services/%s/regions/top" % service),
        (near[2], "endpoints/" + ends[0]))]
    for tie in ties:
        a.ask("GET", tie, 404)
        a.ask("PUT", tie, 204)
        a.ask("PUT", tie, 204)
        a.ask("GET", tie, 204)

    def of(end):
        return a.ask("GET", "/endpoints/%s/OS-ENDPOINT-POLICY/policy" % end)["policy"]["blob"]
    assert [of(e) for e in ends] == ["endpoint", "region", "service"]

    def endpoints(policy):
        return sorted(e["id"] for e in a.ask("GET", "/policies/%s/OS-ENDPOINT-POLICY/endpoints" % policy)["endpoints"])
    assert endpoints(near[0]) == sorted(ends) and endpoints(near[1]) == sorted(ends[:2]) and endpoints(near[2]) == ends[:1]
    a.ask("PUT", ties[2].replace(near[2], near[0]), 204)  # in its place
    assert of(ends[0]) == "service"
    for missing in ("/policies/none/OS-ENDPOINT-POLICY/services/" + service,
                    "/policies/%s/OS-ENDPOINT-POLICY/services/none" % near[0],
                    "/policies/%s/OS-ENDPOINT-POLICY/services/%s/regions/none" % (near[0], service)):
        a.ask("PUT", missing, 404)
    a.ask("DELETE", ties[1], 204)
    assert of(ends[1]) == "service"
    a.ask("DELETE", "/policies/" + near[0], 204)
    a.ask("GET", "/endpoints/%s/OS-ENDPOINT-POLICY/policy" % ends[0], 404)
    for e in ends:
        a.ask("DELETE", "/endpoints/" + e, 204)


def test_endpoints_of_projects(a):
    s = a.make("service", type="object-store", name="swift")
    region = a.make("region", id="far")
    ends = [a.make("endpoint", service_id=s, interface=i, url="http://x/" + i, region_id=region)
            for i in ("public", "internal", "admin")]
    project = a.ask("GET", "/projects?name=admin")["projects"][0]["id"]
    base = "/OS-EP-FILTER"

    def catalog():
        return sorted(e["id"] for c in a.ask("GET", "/auth/catalog")["catalog"] for e in c["endpoints"])
    everything = catalog()
    assert set(ends) < set(everything)
    a.ask("PUT", "%s/projects/%s/endpoints/%s" % (base, project, ends[0]), 204)
    assert catalog() == ends[:1]
    token = a.i.login(scope=ADMIN).json()["token"]["catalog"]
    assert [e["id"] for c in token for e in c["endpoints"]] == ends[:1]
    a.ask("GET", "%s/projects/%s/endpoints/%s" % (base, project, ends[0]), 204)
    a.ask("HEAD", "%s/projects/%s/endpoints/%s" % (base, project, ends[0]), 204)
    a.ask("GET", "%s/projects/%s/endpoints/%s" % (base, project, ends[1]), 404)
    a.ask("PUT", "%s/projects/%s/endpoints/none" % (base, project), 404)
    a.ask("PUT", "%s/projects/none/endpoints/%s" % (base, ends[0]), 404)
    g = a.ask("POST", base + "/endpoint_groups", 201, endpoint_group={
        "name": "g", "description": "d", "filters": {"service_id": s, "interface": "admin"}})["endpoint_group"]
    group = base + "/endpoint_groups/" + g["id"]
    assert g == a.ask("GET", group)["endpoint_group"] and g["filters"] == {"service_id": s, "interface": "admin"}
    a.ask("PUT", "%s/projects/%s" % (group, project), 204)
    assert catalog() == sorted([ends[0], ends[2]])
    tie = a.ask("GET", "%s/projects/%s" % (group, project))["project_endpoint_group"]
    assert tie["endpoint_group_id"] == g["id"] and tie["project_id"] == project
    assert [p["id"] for p in a.ask("GET", group + "/projects")["projects"]] == [project]
    assert [e["id"] for e in a.ask("GET", group + "/endpoints")["endpoints"]] == [ends[2]]
    assert [p["id"] for p in a.ask("GET", "%s/endpoints/%s/projects" % (base, ends[0]))["projects"]] == [project]
    found = a.ask("GET", "%s/projects/%s/endpoints" % (base, project))["endpoints"]
    assert sorted(e["id"] for e in found) == sorted([ends[0], ends[2]])
    groups = a.ask("GET", "%s/projects/%s/endpoint_groups" % (base, project))["endpoint_groups"]
    assert [x["id"] for x in groups] == [g["id"]]
    a.ask("PATCH", group, endpoint_group={"filters": {"region_id": "far"}})
    assert catalog() == sorted(ends)
    for bad in {}, {"other": "x"}, {"service_id": 1}, "x":
        assert "filters" in a.ask("PATCH", group, 400, endpoint_group={"filters": bad})["error"]["message"]
        a.ask("POST", base + "/endpoint_groups", 400, endpoint_group={"name": "b", "filters": bad})
    a.ask("DELETE", "%s/projects/%s" % (group, project), 204)
    a.ask("DELETE", "%s/projects/%s" % (group, project), 404)
    a.ask("DELETE", "%s/projects/%s/endpoints/%s" % (base, project, ends[0]), 204)
    assert catalog() == everything
    a.ask("DELETE", group, 204)
    a.ask("DELETE", "/services/" + s, 204)


def test_consumers(a):
    path = "/OS-OAUTH1/consumers"
    made = a.ask("POST", path, 201, consumer={"description": "d"})["consumer"]
    assert len(made["secret"]) == 32
    shown = a.ask("GET", path + "/" + made["id"])["consumer"]
    assert "secret" not in shown and shown["description"] == "d"
    said = a.ask("PATCH", path + "/" + made["id"], consumer={"description": "e"})["consumer"]
    assert said["description"] == "e" and "secret" not in said
    a.ask("PATCH", path + "/" + made["id"], 400, consumer={"secret": "x"})
    assert [c["id"] for c in a.ask("GET", path)["consumers"]] == [made["id"]]
    a.ask("DELETE", path + "/" + made["id"], 204)
    a.ask("GET", path + "/" + made["id"], 404)
