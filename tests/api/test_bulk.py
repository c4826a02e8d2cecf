"""Many objects in one request."""
import json
import urllib.parse

import pytest
import requests


def bulk_delete(user, lines, method="POST", query="", **headers):
    h = {"Content-Type": "text/plain", "Accept": "application/json"}
    h.update({k.replace("_", "-"): v for k, v in headers.items()})
    body = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    return user.request(method, "?bulk-delete" + query, data=body, headers=h)


def told(r):
    assert r.status_code == 200, r.text
    return json.loads(r.text)


def names(user, container):
    return user.request("GET", "/" + container).text.split("\n")[:-1]


def test_objects_and_then_containers(tester, container):
    lines = [container]
    for i in range(300):
        name = "o/\u00e9 %d" % i
        tester.request("PUT", "/%s/%s" % (container, urllib.parse.quote(name)), data=b"x")
        lines.append("/%s/%s" % (container, urllib.parse.quote(name)))
    r = told(bulk_delete(tester, lines + ["", "/%s/none" % container, "/no-such/o"]))
    assert r == {"Response Status": "200 OK", "Response Body": "", "Number Deleted": 301, "Number Not Found": 2,
                 "Errors": []}
    assert tester.request("HEAD", "/" + container).status_code == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_fails_is_told(tester, container, method):
    tester.request("PUT", "/%s/a" % container, data=b"x")
    r = told(bulk_delete(tester, [container, "%s/%%ff" % container, "%s/%%00" % container], method))
    assert r["Response Status"] == "400 Bad Request" and r["Number Deleted"] == 0
    assert sorted(r["Errors"]) == sorted([[container, "409 Conflict"], ["%s/%%FF" % container, "412 Precondition Failed"],
                                          ["%s/" % container, "412 Precondition Failed"]])
    r = bulk_delete(tester, ["%s/%%ff&" % container], method, Accept="text/xml")
    assert r.text == ("<delete>\n<number_deleted>0</number_deleted>\n<number_not_found>0</number_not_found>\n"
                      "<response_body></response_body>\n<response_status>400 Bad Request</response_status>\n<errors>\n"
                      "<object><name>%s/%%FF%%26</name><status>412 Precondition Failed</status></object>\n"
                      "</errors>\n</delete>\n" % container)
    r = bulk_delete(tester, ["%s/%%ff" % container], method, Accept="")
    assert r.text == ("Number Deleted: 0\nNumber Not Found: 0\nResponse Body: \nResponse Status: 400 Bad Request\n"
                      "Errors:\n%s/%%FF, 412 Precondition Failed\n" % container)


def test_bodies_that_cannot_be_worked_on(tester, container):
    assert told(bulk_delete(tester, b""))["Response Body"] == "Invalid bulk delete."
    r = told(bulk_delete(tester, b"\n" * 10001))
    assert (r["Response Status"], r["Response Body"]) == ("413 Request Entity Too Large",
                                                          "Maximum Bulk Deletes: 10000 per request")
    r = told(bulk_delete(tester, b"x" * 3000))
    assert (r["Response Status"], r["Response Body"]) == ("400 Bad Request", "Invalid File Name")
    assert told(bulk_delete(tester, b"x", Content_Type="application/json"))["Response Status"] == "406 Not Acceptable"
    assert "406 Not Acceptable" in bulk_delete(tester, b"x", Accept="image/png").text
    r = told(bulk_delete(tester, ["%s/%%ff%d" % (container, i) for i in range(1500)]))
    assert r["Response Body"] == "Max delete failures exceeded" and 1000 <= len(r["Errors"]) < 1100


def test_rights_are_those_of_each_container(cloud, tester, container):
    from conftest import User
    other = User(cloud, "test:tester3", "testing3")
    closed = container + "-closed"
    tester.request("PUT", "/" + closed)
    tester.request("POST", "/" + container, headers={"X-Container-Write": "test:tester3"})
    for c in container, closed:
        tester.request("PUT", "/%s/o" % c, data=b"x")
    r = told(bulk_delete(other, ["%s/o" % container, "%s/o" % closed]))
    assert r["Number Deleted"] == 1 and r["Errors"] == [["%s/o" % closed, "403 Forbidden"]]
    assert names(tester, container) == [] and names(tester, closed) == ["o"]
    assert requests.post(tester.storage + "?bulk-delete", data="%s/o" % closed,
                         headers={"Content-Type": "text/plain"}).status_code == 401


def test_a_body_without_a_length(tester, container):
    tester.request("PUT", "/%s/o" % container, data=b"x")
    r = tester.request("POST", "?bulk-delete", data=iter([b"%s/" % container.encode(), b"o\n"]),
                       headers={"Accept": "application/json"})
    assert told(r)["Number Deleted"] == 1
    assert names(tester, container) == []
