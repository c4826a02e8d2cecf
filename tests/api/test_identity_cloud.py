"""A one-machine cloud with an identity service: what `cairn up` makes, and openrc alone."""
import json
import os
import signal
import stat
import subprocess

import pytest
import requests

from conftest import Cloud, free_port, wait_for


def openstack(cloud, *args, code=0, **more):
    r = subprocess.run(["/usr/bin/openstack", *args], env=dict(cloud.openrc(), LC_ALL="C.UTF-8", **more),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (r.returncode == 0) == (code == 0), (args, r.stdout, r.stderr)
    return r.stdout


def show(cloud, *args, **more):
    return json.loads(openstack(cloud, *args, "-f", "json", **more))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(scope="module")
def cloud():
    c = Cloud(devices=1, replicas=1, identity=True)
    c.up()
    yield c
    c.close()


def test_openrc_alone(cloud):
    token = show(cloud, "token", "issue")
    assert show(cloud, "project", "create", "demo")["name"] == "demo"
    store = [s for s in show(cloud, "catalog", "list") if s["Type"] == "object-store"]
    assert {e["url"] for e in store[0]["Endpoints"]} == {"%s/v1/AUTH_%s" % (cloud.url, token["project_id"])}
    assert {e["interface"] for e in store[0]["Endpoints"]} == {"public", "internal", "admin"}
    for name in ("openrc", "admin.password", "identity.conf", "identity/keys/1"):
        assert mode(cloud.state + "/" + name) == 0o600, name


def test_it_is_looked_after(cloud):
    assert "identity    serving" in cloud.cairn("status", "--state", cloud.state).stdout
    before = show(cloud, "token", "issue")["id"]
    pid, node = cloud.pid("identity"), cloud.pid("node")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: cloud.pid("identity") != pid)
    wait_for(lambda: "identity    serving" in cloud.cairn("status", "--state", cloud.state).stdout)
    assert cloud.pid("node") == node
    r = requests.get(cloud.openrc()["OS_AUTH_URL"] + "/auth/tokens", timeout=10,
                     headers={"X-Auth-Token": before, "X-Subject-Token": before})
    assert r.status_code == 200, r.text


def test_down_and_up_again(cloud):
    password = open(cloud.state + "/admin.password").read()
    project = show(cloud, "project", "create", "kept")["id"]
    pid = cloud.pid("identity")
    cloud.down()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:%d/healthcheck" % cloud.identity_port, timeout=5)
    cloud.up()
    assert open(cloud.state + "/admin.password").read() == password
    assert show(cloud, "project", "show", "kept")["id"] == project


def test_a_changed_password_stays(cloud):
    """Only a password that is lost (no file) is made anew."""
    openstack(cloud, "user", "set", "--password", "mine", "admin")
    cloud.down()
    cloud.up()
    openstack(cloud, "token", "issue", code=1)
    openstack(cloud, "token", "issue", OS_PASSWORD="mine")
    cloud.down()
    os.unlink(cloud.state + "/admin.password")
    cloud.up()
    openstack(cloud, "token", "issue")


def test_a_given_password(monkeypatch):
    """Also one that a shell would take apart."""
    cloud = Cloud(devices=1, replicas=1, identity=True)
    password = "it's $HOME \"and\" `more`"
    try:
        monkeypatch.setenv("ADMIN_PASSWORD", password)
        cloud.up()
        assert cloud.openrc()["OS_PASSWORD"] == password
        openstack(cloud, "token", "issue")
        assert password not in open(cloud.state + "/log/identity.log").read() + cloud.log()
    finally:
        cloud.close()


def test_a_cloud_gets_one_later():
    cloud = Cloud(devices=1, replicas=1)
    try:
        cloud.up()
        assert not os.path.exists(cloud.state + "/identity.conf") and "OS_AUTH_URL" not in cloud.openrc()
        cloud.down()
        cloud.identity_port = free_port()
        cloud.up()
        openstack(cloud, "token", "issue")
        url = "identity_url = http://127.0.0.1:%d/v3\n" % cloud.identity_port
        assert open(cloud.state + "/cairn.conf").read().count(url) == 1
        cloud.down()
        cloud.up()
        assert open(cloud.state + "/cairn.conf").read().count(url) == 1
    finally:
        cloud.close()


def test_what_cannot_be_is_said(cloud):
    other = Cloud(devices=1, replicas=1)
    other.refuses = True
    try:
        other.identity_port = cloud.identity_port
        r = other.cairn("up", "--state", other.state, "--port", str(other.port), "--devices", "1", "--replicas", "1",
                        "--identity", str(cloud.identity_port), check=False)
        assert r.returncode == 1 and "another cloud answers at the port of %s/identity.conf" % other.state in r.stdout
        conf = other.state + "/identity.conf"
        text = open(conf).read()
        open(conf, "w").write(text.replace("port = %d" % cloud.identity_port, "prot = 1"))
        r = other.cairn("up", "--state", other.state, check=False)
        assert r.returncode == 1 and "identity.conf:5: no option of that name" in r.stdout, r.stdout
        open(conf, "w").write(text.replace("bind_ip = 127.0.0.1", "bind_ip = 192.0.2.1").replace(
            "port = %d" % cloud.identity_port, "port = %d" % free_port()))
        r = other.cairn("up", "--state", other.state, check=False)
        assert r.returncode == 1 and "the identity service does not answer" in r.stdout and "listen" in r.stdout, r.stdout
    finally:
        other.close()
