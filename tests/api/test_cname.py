"""cname_lookup: names that stand, in the DNS, for names of the cloud's own domains."""
import http.client
import socket
import struct
import threading
import time

import pytest
import requests

from conftest import Cloud, User, wait_for

NXDOMAIN, SERVFAIL = 3, 2


class Dns:
    """Answers by what it is told; notes who was asked for."""

    def __init__(self, family=socket.AF_INET):
        self.records, self.asked, self.silent = {}, [], False
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            at, labels = 12, []
            try:
                while data[at]:
                    labels.append(data[at + 1:at + 1 + data[at]].decode())
                    at += 1 + data[at]
            except (IndexError, UnicodeDecodeError):
                continue  # of somebody who had this port before
            question, name = data[12:at + 5], ".".join(labels).lower()
            self.asked.append(name)
            if self.silent:
                continue
            found = self.records.get(name, NXDOMAIN)
            answer, code = b"", 0
            if isinstance(found, int):
                code = found
            elif found is not None:
                target, ttl = found
                rdata = b"".join(bytes([len(p)]) + p.encode() for p in target.split(".")) + b"\0"
                answer = struct.pack("!HHHIH", 0xc00c, 5, 1, ttl, len(rdata)) + rdata
            head = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, bool(answer), 0, 0)
            self.socket.sendto(head + question + answer, peer)

    def count(self, name):
        return self.asked.count(name)


@pytest.fixture(scope="module")
def dns():
    server = Dns()
    yield server
    server.socket.close()


@pytest.fixture(scope="module")
def cloud(dns):
    c = Cloud(devices=3)
    try:
        c.up()
        c.set_conf({"cname_lookup": ["storage_domain = example.net, .other.example", "lookup_depth = 2",
                                     "nameservers = 127.0.0.1:%d" % dns.port],
                    "domain_remap": ["storage_domain = example.net"]})
        yield c
    finally:
        c.close()


@pytest.fixture(scope="module")
def user(cloud):
    u = User(cloud, "test:tester", "testing")
    u.request("PUT", "/c")
    u.request("PUT", "/c/o", data=b"by its name")
    u.request("POST", "/c", headers={"X-Container-Read": ".r:*"})
    return u


def get(cloud, host, path="/o", method="GET", body=None, **headers):
    conn = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    conn.putrequest(method, path, skip_host=True)
    for k, v in dict(headers, **({"Host": host} if host else {})).items():
        conn.putheader(k.replace("_", "-"), v)
    if body is not None:
        conn.putheader("Content-Length", str(len(body)))
    conn.endheaders()
    if body:
        conn.send(body)
    r = conn.getresponse()
    text = r.read()
    conn.close()
    return r.status, text


FOUND = (200, b"by its name")
NONE = (400, b"CNAME lookup failed to resolve to a valid domain")


def test_a_name_stands_for_ours(cloud, user, dns):
    dns.records["mine.test"] = ("c.auth-test.example.net", 300)
    for host in "mine.test", "mine.test:8080", "MINE.test":
        assert get(cloud, host) == FOUND
    assert dns.count("mine.test") == 1  # the rest was known
    assert get(cloud, "mine.test", "/o", "PUT", b"written", X_Auth_Token=user.token)[0] == 201
    assert user.request("GET", "/c/o").content == b"written"
    user.request("PUT", "/c/o", data=b"by its name")


def test_our_own_names_and_addresses_are_not_asked_for(cloud, user, dns):
    before = len(dns.asked)
    for host in "127.0.0.1:%d" % cloud.port, "[::1]:80", "192.0.2.1", "x.other.example", "example.net", "EXAMPLE.net":
        assert get(cloud, host, "/v1/AUTH_test/c/o") == FOUND, host
    assert get(cloud, "c.auth-test.example.net") == FOUND
    assert len(dns.asked) == before
    for path in "/healthcheck", "/metrics":
        assert get(cloud, "nobody.test", path)[0] == 200


def test_one_that_stands_for_none_of_ours(cloud, user, dns):
    dns.records.update({"away.test": ("else.where.test", 300), "self.test": ("self.test", 300), "bare.test": None,
                        "near.test": ("c.auth-test.notexample.net", 300)})
    assert get(cloud, "away.test") == NONE  # and what that stands for is not known
    assert get(cloud, "self.test") == NONE
    assert get(cloud, "bare.test") == NONE
    assert get(cloud, "near.test") == NONE
    assert get(cloud, "unknown.test") == NONE and get(cloud, "unknown.test") == NONE
    assert dns.count("unknown.test") == 1  # that there is none is kept, too
    for host in "..", "a..b", "x" * 70 + ".test", "y" * 300, "%00.test", "sp ace.test", "é.test":
        assert get(cloud, host.encode())[0] == 400, host


def test_chains_are_followed_so_far(cloud, user, dns):
    dns.records.update({"one.test": ("two.test", 300), "two.test": ("c.auth-test.example.net", 300),
                        "long.test": ("one.test", 300), "a.loop.test": ("b.loop.test", 300),
                        "b.loop.test": ("a.loop.test", 300)})
    assert get(cloud, "one.test") == FOUND
    assert get(cloud, "long.test") == (400, b"CNAME lookup failed after 2 tries")
    assert get(cloud, "a.loop.test") == (400, b"CNAME lookup failed after 2 tries")


def test_it_is_kept_for_as_long_as_it_says(cloud, user, dns):
    dns.records.update({"brief.test": ("c.auth-test.example.net", 1), "never.test": ("c.auth-test.example.net", 0)})
    assert get(cloud, "brief.test") == FOUND and get(cloud, "never.test") == FOUND and get(cloud, "never.test") == FOUND
    assert dns.count("never.test") == 2
    dns.records["brief.test"] = ("c2.auth-test.example.net", 1)
    wait_for(lambda: get(cloud, "brief.test")[0] != 200, 10)


def test_a_failure_is_not_kept(cloud, user, dns):
    dns.records["ill.test"] = SERVFAIL
    assert get(cloud, "ill.test") == NONE
    dns.records["ill.test"] = ("c.auth-test.example.net", 300)
    assert get(cloud, "ill.test") == FOUND


def test_a_silent_server_holds_up_nobody_else(cloud, user, dns):
    dns.silent = True
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(get(cloud, "quiet%d.test" % i))) for i in range(8)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: len([n for n in dns.asked if n.startswith("quiet")]) >= 4)
        begin = time.monotonic()
        for _ in range(20):
            assert get(cloud, "mine.test") == FOUND
            assert requests.get(cloud.url + "/v1/AUTH_test/c/o", timeout=10).content == b"by its name"
        assert time.monotonic() - begin < 3
    finally:
        dns.silent = False
        for t in threads:
            t.join()
    assert all(a == NONE for a in answers) and len(answers) == 8


def test_info_and_what_is_refused_at_the_start(cloud):
    assert requests.get(cloud.url + "/info").json()["cname_lookup"] == {"lookup_depth": 2}
    path = cloud.state + "/cairn.conf"
    text = open(path).read()
    bad = cloud.dir + "/bad.conf"
    for servers in "localhost", "127.0.0.1:x", "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4":
        with open(bad, "w") as f:
            f.write(text.replace("nameservers = ", "nameservers = %s\n#" % servers))
        out = cloud.cairn("node", "--config", bad, "--check", check=False)
        assert out.returncode and "nameservers" in out.stdout, out.stdout


def test_servers_by_ipv6(dns):
    server = Dns(socket.AF_INET6)
    server.records["six.test"] = ("c.auth-test.example.net", 300)
    c = Cloud(devices=3)
    try:
        c.up()
        c.set_conf({"domain_remap": ["storage_domain = example.net"],
                    "cname_lookup": ["storage_domain = example.net", "nameservers = [::1]:%d" % server.port]})
        u = User(c, "test:tester", "testing")
        u.request("PUT", "/c", headers={"X-Container-Read": ".r:*"})
        u.request("PUT", "/c/o", data=b"by its name")
        assert get(c, "six.test") == FOUND and server.count("six.test") == 1
    finally:
        c.close()
        server.socket.close()
