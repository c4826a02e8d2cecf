"""The access log, and metrics for statsd."""
import os
import re
import socket
import threading
import time

import pytest
import requests

from conftest import Cloud, User, wait_for

FIELDS = ("client_ip remote_addr datetime method path protocol status referer user_agent token recvd sent etag trans "
          "headers took source log_info start end policy user").split()


class Statsd:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.seen = self.socket.getsockname()[1], []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data = self.socket.recv(65536).decode()
            except OSError:
                return
            assert len(data) <= 1500
            self.seen += data.split("\n")

    def of(self, name):
        return [s for s in list(self.seen) if s.startswith("here.proxy-server." + name + ":")]


@pytest.fixture(scope="module")
def statsd():
    s = Statsd()
    yield s
    s.socket.close()


@pytest.fixture(scope="module")
def logged(statsd):
    c = Cloud(conf={"access_log": ["enabled = yes"], "statsd": ["host = 127.0.0.1", "port = %d" % statsd.port,
                                                                "prefix = here"]})
    c.up()
    yield c
    c.close()


@pytest.fixture
def user(logged):
    return User(logged, "test:tester", "testing")


def lines(cloud, text):
    """The requests whose line has this in it, as dicts."""
    found = []
    for line in cloud.log().split("\n"):
        m = re.match(r"[-0-9]{10}T[0-9:.]{15}Z info access (.*)", line)
        if m and text in line:
            values = m.group(1).split(" ")
            assert len(values) == len(FIELDS), line
            found.append(dict(zip(FIELDS, values)))
    return found


def line(cloud, text):
    wait_for(lambda: lines(cloud, text))
    found = lines(cloud, text)
    assert len(found) == 1
    return found[0]


def test_a_request_is_a_line(logged, user):
    name = "log-" + os.urandom(5).hex()
    user.request("PUT", "/" + name)
    user.request("PUT", "/%s/a b" % name, data=b"x" * 5000, headers={
        "User-Agent": "me (1.0)", "Referer": "http://x/y?z", "Etag": "d39d1e1fb7b1d1f6f0c3b1d1d1d1d1d1",
        "X-Forwarded-For": "192.0.2.7, 10.0.0.1"})  # the wrong etag
    r = user.request("GET", "/%s?format=json" % name)
    got = line(logged, "PUT /v1/AUTH_test/%s/a%%2520b" % name)
    assert got["client_ip"] == "192.0.2.7" and got["remote_addr"] == "127.0.0.1" and got["status"] == "422"
    assert got["user_agent"] == "me%20%281.0%29" and got["referer"] == "http://x/y%3Fz" and got["protocol"] == "HTTP/1.1"
    assert got["recvd"] == "5000" and got["etag"].startswith("d39d") and got["policy"] == "0"
    assert got["token"] == user.token[:16] + "..." and user.token not in logged.log()
    got = line(logged, "GET /v1/AUTH_test/%s%%3Fformat" % name)
    assert got["status"] == "200" and got["sent"] == str(len(r.content)) and got["recvd"] == "-"
    assert got["trans"] == r.headers["X-Trans-Id"] and got["headers"] == got["source"] == got["log_info"] == "-"
    assert re.match(r"\d\d/[A-Z][a-z]{2}/\d{4}/\d\d/\d\d/\d\d$", got["datetime"])
    assert re.match(r"\d+\.\d{4}$", got["took"]) and abs(float(got["end"]) - time.time()) < 60
    assert 0 <= float(got["end"]) - float(got["start"]) < 30 and got["user"] == "test:tester"


def test_signatures_are_cut_short(logged, user):
    sig, name = os.urandom(32).hex(), os.urandom(5).hex()
    url = "%s/v1/AUTH_test/c/%s?temp_url_sig=%s&temp_url_expires=1" % (logged.url, name, sig)
    assert requests.get(url).status_code == 401
    got = line(logged, name)
    assert got["path"].endswith("%%3Ftemp_url_sig%%3D%s...%%26temp_url_expires%%3D1" % sig[:16])
    assert sig not in logged.log()


def test_who_watches_is_no_line(logged, user):
    requests.get(logged.url + "/healthcheck")
    requests.get(logged.url + "/metrics")
    name = os.urandom(5).hex()
    requests.get(logged.url + "/v1?" + name)
    assert line(logged, name)["status"] == "412"
    assert not lines(logged, "GET /healthcheck") and not lines(logged, "GET /metrics")
    # What a client writes makes no line of its own, nor a field.
    r = requests.request("GET", logged.url + "/v1/AUTH_test/%s" % name, headers={
        "User-Agent": "a b\tc", "Referer": "x info access y"})
    assert r.status_code == 401
    assert line(logged, "AUTH_test/" + name)["user_agent"] == "a%20b%09c"


def test_a_client_that_leaves_is_499(logged, user):
    name = "left-" + os.urandom(5).hex()
    user.request("PUT", "/" + name)
    assert user.request("PUT", "/%s/big" % name, data=os.urandom(30000000)).status_code == 201
    conn = socket.create_connection(("127.0.0.1", logged.port))
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    conn.sendall(b"GET /v1/AUTH_test/%s/big HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n\r\n"
                 % (name.encode(), user.token.encode()))
    conn.recv(1000)
    conn.close()
    got = line(logged, "GET /v1/AUTH_test/%s/big" % name)
    assert got["status"] == "499" and 0 < int(got["sent"]) < 30000000
    conn = socket.create_connection(("127.0.0.1", logged.port))
    conn.sendall(b"PUT /v1/AUTH_test/%s/half HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 100000\r\n\r\n"
                 % (name.encode(), user.token.encode()) + b"x" * 50000)
    time.sleep(0.2)
    conn.close()
    assert line(logged, "PUT /v1/AUTH_test/%s/half" % name)["status"] == "499"


def test_many_lines_are_all_there(logged, user):
    name = "many-" + os.urandom(5).hex()
    for i in range(300):
        user.request("HEAD", "/%s-%d" % (name, i))
    wait_for(lambda: len(lines(logged, name)) == 300)
    assert "access-dropped" not in logged.log()


def test_metrics(logged, user, statsd):
    name = "m-" + os.urandom(5).hex()
    user.request("PUT", "/" + name)
    user.request("PUT", "/%s/o" % name, data=b"x" * 1000)
    user.request("GET", "/%s/o" % name)
    user.request("NONSENSE", "/%s/o" % name)
    wait_for(lambda: statsd.of("object.BAD_METHOD.405.timing"))
    for kind in ("object.PUT.201", "object.policy.0.PUT.201", "container.PUT.201", "object.GET.200",
                 "object.policy.0.GET.200"):
        timing, xfer = statsd.of(kind + ".timing"), statsd.of(kind + ".xfer")
        assert timing and re.match(r".*:\d+\.\d+\|ms$", timing[-1]), kind
        assert xfer and re.match(r".*:\d+\|c$", xfer[-1]), kind
    assert statsd.of("object.PUT.201.xfer")[-1].endswith(":1000|c")
    assert statsd.of("object.GET.200.xfer")[-1].endswith(":1000|c")


def test_what_was_answered_is_written_before_the_end(logged, user):
    name = "last-" + os.urandom(5).hex()
    user.request("HEAD", "/" + name)
    logged.down()
    assert len(lines(logged, name)) == 1
    logged.up()


def test_a_template_of_ones_own():
    c = Cloud(conf={"access_log": ["enabled = yes", "reveal_sensitive_prefix = 3",
                                   "log_msg_template = {method}|{account}|{container}|{object.anonymized}|"
                                   "{status_int}|{auth_token}|{domain}|{end_time.s}"]})
    c.up()
    try:
        user = User(c, "test:tester", "testing")
        user.request("HEAD", "/c/secret")
        wait_for(lambda: "HEAD|AUTH_test|" in c.log())
        assert re.search(r"info access HEAD\|AUTH_test\|c\|\{MD5\}5ebe2294ecd0e0f08eab7690d2a6ee69\|404\|%s\.\.\.\|"
                         r"127\.0\.0\.1\|\d+\n" % user.token[:3], c.log())
        path = c.dir + "/bad.conf"
        text = open(c.state + "/cairn.conf").read()
        for bad in ("{nothing}", "{method", "{method.ms}"):
            open(path, "w").write(re.sub("log_msg_template = .*", "log_msg_template = " + bad, text))
            out = c.cairn("node", "--config", path, "--check", check=False)
            assert out.returncode != 0 and "log_msg_template" in out.stdout
    finally:
        c.close()


def test_by_default_there_is_none(cloud, tester):
    tester.request("HEAD")
    assert " info access " not in cloud.log()
