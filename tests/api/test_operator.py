"""What an operator meets: configurations with mistakes, taken ports, folders that cannot be."""
import os
import re
import signal
import subprocess

import pytest
import requests

from conftest import CAIRN, TOP, Cloud, wait_for

GOOD = """[node]
state_dir = %s
port = %d
[http]
idle_timeout = 30
[cluster]
hash_suffix = s
policy = 0 gold
[devices]
device = d0
device = d1
device = d2
[auth]
v1_auth = yes
user = test:tester testing .admin
"""


def node(*args):
    r = subprocess.run([CAIRN, "node"] + list(args), timeout=30, text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    return r.returncode, r.stdout


@pytest.mark.parametrize("old,new,says", [
    ("", "", "is good"),
    ("port =", "prot =", ":3: no option of that name in this section: 'prot'"),
    ("[http]", "[htp]", ":4: no section of that name: 'htp'"),
    ("idle_timeout = 30", "idle_timeout 30", ":5: expected key = value"),
    ("= 30", "= thirty", ":5: expected a number, not 'thirty'"),
    ("idle_timeout = 30", "tls_cert = /nowhere", "tls_cert and tls_key go together"),
    ("idle_timeout = 30", "tls_cert = /nowhere\ntls_key = /nowhere", "tls_cert cannot be read"),
    ("[http]", "bind_ip = localhost\n[http]", "bind_ip must be an IPv4 or IPv6 address, not 'localhost'"),
    ("hash_suffix = s", "", "hash_suffix must be a secret"),
    ("0 gold", "gold", "policy wants an index"),
    ("0 gold", "0 gold\npolicy = 1 Gold", "an index and a name of its own: '1 Gold'"),
    ("0 gold", "0 gold\npolicy = 0 silver", "an index and a name of its own: '0 silver'"),
    ("d1", "d0", "each device is named once, not 'd0'"),
    ("d1", "..", "not beginning with '.'"),
    ("d1", "a/b", "without '/'"),
    ("d1", "d1 /dev/null", "must be a block device, not '/dev/null'"),
    ("device =", "#", "wants 1 to"),
    ("yes", "perhaps", ":14: expected yes or no, not 'perhaps'"),
    ("test:tester", "tester", "user wants account:user"),
    ("v1_auth = yes", "identity_url = there:5000", "[auth] identity_url wants http://HOST:PORT/v3, not 'there:5000'"),
    ("v1_auth = yes", "identity_url = http://h/v3\nservice_roles = OTHER: x", "names a prefix that is none: 'OTHER: x'"),
    ("v1_auth = yes", "identity_url = http://h/v3\nreseller_prefix = ,", "reseller_prefix wants one at least"),
    ("v1_auth = yes", "identity_url = http://h/v3\noperator_roles = " + "r " * 40, "has too many roles"),
])
def test_a_mistake_is_named(tmp_path, old, new, says):
    path = tmp_path / "cairn.conf"
    path.write_text((GOOD % (tmp_path / "var", 1)).replace(old, new))
    code, out = node("--config", str(path), "--check")
    assert says in out and str(path) in out
    assert code == (0 if says == "is good" else 2)
    assert not (tmp_path / "var").exists()


def test_the_manual_has_every_option():
    code, out = node("--print-config")
    manual = open(os.path.join(TOP, "node/cairn.conf.5")).read()
    keys = re.findall(r"^(?:# )?(\w+) = ", out, re.M)
    assert code == 0 and len(keys) > 20
    assert [k for k in keys if "\n.B %s\n" % k not in manual and "\n.B %s = " % k not in manual] == []


@pytest.mark.parametrize("entry", ["GLACIER:nosuch", "STANDARD:silver", "glacier:silver", "GLACIER"])
def test_a_storage_class_of_no_policy_is_refused(cloud, tmp_path, entry):
    path = tmp_path / "cairn.conf"
    path.write_text(open(cloud.state + "/cairn.conf").read() + "\n[s3]\nstorage_classes = COLD:silver, %s\n" % entry)
    code, out = node("--config", str(path))
    assert code == 2 and "storage_classes wants CLASS:policy" in out and "'%s'" % entry in out


def test_a_taken_port_is_refused(cloud):
    """SO_REUSEPORT would let two clouds of one user share it, each with half of the requests."""
    other = Cloud()
    try:
        other.port = cloud.port
        r = other.cairn("up", "--state", other.state, "--port", str(other.port), check=False)
        assert r.returncode == 1 and "another cloud answers at the port" in r.stdout, r.stdout
        assert not os.path.exists(other.state + "/run/node.pid")
        code, out = node("--config", other.state + "/cairn.conf")
        assert code == 2 and "another program does" in out
    finally:
        other.close()


def test_up_on_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    cloud = Cloud()
    r = cloud.cairn("up", "--state", str(tmp_path / "file" / "var"), check=False)
    assert r.returncode == 1 and "cannot make" in r.stdout
    cloud.close()


def test_up_and_down_twice(cloud):
    assert "runs already" in cloud.up()
    other = Cloud()
    other.up()
    other.down()
    r = other.cairn("down", "--state", other.state)
    assert "is not running" in r.stdout
    other.close()


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "::1"])
def test_up_where_it_listens(ip):
    cloud = Cloud(devices=1, replicas=1, conf={"node": ["bind_ip = " + ip]})
    try:
        assert "serves at http://" in cloud.up()
        assert "serving" in cloud.cairn("status", "--state", cloud.state).stdout
        where = open(cloud.state + "/openrc").read()
        assert ("[::1]" if ":" in ip else "127.0.0.1") in where and "ST_USER=test:tester" in where
    finally:
        cloud.close()


def test_up_with_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    cloud = Cloud(devices=1, replicas=1, conf={"http": ["tls_cert = %s" % cert, "tls_key = %s" % key]})
    try:
        assert "serves at http://" in cloud.up()
        assert "serves at https://" in cloud.up()
        r = requests.get("https://127.0.0.1:%d/healthcheck" % cloud.port, verify=str(cert), timeout=10)
        assert r.text == "OK"
        assert "https://" in open(cloud.state + "/openrc").read()
    finally:
        cloud.close()


def test_up_names_a_mistake_at_once():
    cloud = Cloud(devices=1, replicas=1)
    try:
        cloud.up()
        cloud.down()
        text = open(cloud.state + "/cairn.conf").read()
        open(cloud.state + "/cairn.conf", "w").write(text.replace("port =", "prot ="))
        r = cloud.cairn("up", "--state", cloud.state, check=False)
        assert r.returncode == 1 and "cairn.conf:4: no option of that name" in r.stdout
    finally:
        cloud.close()


def test_up_on_a_disk_that_is_too_small():
    cloud = Cloud(devices=1, replicas=1)
    cloud.refuses = True
    try:
        cloud.up()
        cloud.down()
        text = open(cloud.state + "/cairn.conf").read()
        open(cloud.state + "/cairn.conf", "w").write(text.replace("[devices]\n", "[devices]\ndevice_bytes = 100M\n"))
        cloud.cairn("up", "--state", cloud.state)  # what is there is served
        cloud.down()
        os.unlink(cloud.state + "/devices/d0/data")
        r = cloud.cairn("up", "--state", cloud.state, check=False)
        assert r.returncode == 1 and "wants room for 4 units" in r.stdout
    finally:
        cloud.close()


def test_reload():
    cloud = Cloud(devices=1, replicas=1)

    def reload(old, new, says):
        path = cloud.state + "/cairn.conf"
        text = open(path).read().replace(old, new)
        open(path, "w").write(text)
        os.kill(cloud.node_pid(), signal.SIGHUP)
        wait_for(lambda: says in cloud.log())
    try:
        cloud.up()
        reload("[node]\n", "[node]\nlog_level = debug\n", "info reload path=")
        requests.get(cloud.url + "/info", timeout=10)
        wait_for(lambda: 'debug request method=GET path="/info"' in cloud.log())
        reload("= debug", "= loud", 'log_level="loud"')
        reload("log_level = loud", "log_level loud", "expected key = value")
        assert requests.get(cloud.url + "/healthcheck", timeout=10).text == "OK"
    finally:
        cloud.close()


def test_a_moved_folder_is_not_mistaken():
    """Its cairn.conf would have the node make a new, empty cloud at the old place."""
    cloud = Cloud(devices=1, replicas=1)
    try:
        cloud.up()
        cloud.down()
        old, cloud.state = cloud.state, cloud.dir + "/moved here"
        os.rename(old, cloud.state)
        r = cloud.cairn("up", "--state", cloud.state, check=False)
        assert r.returncode == 1 and "was moved" in r.stdout and not os.path.exists(old)
        text = open(cloud.state + "/cairn.conf").read()
        open(cloud.state + "/cairn.conf", "w").write(text.replace(old, cloud.state))
        cloud.up()
    finally:
        cloud.close()
