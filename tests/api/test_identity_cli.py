"""OpenStack's client, command by command: what an administrator makes, shows, lists, changes and deletes, and what
a member cannot. The client's shell runs in this process: it is the same one, without starting 90 times."""
import contextlib
import io
import json
import os

import pytest

from test_identity import Identity

clientmanager = pytest.importorskip("osc_lib.clientmanager")
openstackclient = pytest.importorskip("openstackclient.shell")


class Client(Identity):
    def __init__(self):
        super().__init__()
        self.count = 0

    def run(self, line, env=None):
        """(exit code, output) of one command, its words apart by blanks."""
        out, err, kept = io.StringIO(), io.StringIO(), dict(os.environ)
        self.count += 1
        os.environ.update(self.env)
        os.environ.update(env or {})
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = openstackclient.OpenStackShell().run(line.split())
        finally:
            os.environ.clear()
            os.environ.update(kept)
            for name, cache in vars(clientmanager.ClientManager).items():
                if isinstance(cache, clientmanager.ClientCache):  # it would stay, with its token, for the next one
                    cache._handle = None
        return code, out.getvalue(), err.getvalue()

    def do(self, line, env=None):
        code, out, err = self.run(line, env)
        assert code == 0, (line, out, err)
        return out

    def get(self, line, env=None):
        return json.loads(self.do(line + " -f json", env))

    def fails(self, line, words="", env=None):
        code, out, err = self.run(line, env)
        assert code != 0 and words in out + err, (line, out, err)

    def column(self, line, name="Name", env=None):
        return sorted(row[name] for row in self.get(line, env))


@pytest.fixture(scope="module")
def cli():
    c = Client()
    yield c
    c.close()
    assert c.count >= 60


def test_domains(cli):
    d = cli.get("domain create --description of-sales sales")
    assert cli.get("domain show sales")["id"] == d["id"] and d["enabled"] is True
    cli.do("domain set --name trade --description of-trade sales")
    assert cli.get("domain show trade")["description"] == "of-trade"
    assert cli.column("domain list") == ["Default", "trade"]
    cli.fails("domain create trade", "409")
    cli.fails("domain delete trade", "disable it first")
    cli.do("domain set --disable trade")
    assert cli.get("domain show trade")["enabled"] is False
    cli.do("domain delete trade")
    cli.fails("domain show trade", "No domain")


def test_projects(cli):
    cli.do("domain create d")
    p = cli.get("project create --domain d --description one --tag blue --property size=3 p")
    assert (p["description"], p["size"], p["tags"]) == ("one", "3", ["blue"])
    child = cli.get("project create --domain d --parent p child")
    assert child["parent_id"] == p["id"]
    assert cli.get("project show --children --domain d p")["subtree"] == {child["id"]: None}
    assert list(cli.get("project show --parents %s" % child["id"])["parents"]) == [p["id"]]
    cli.do("project set --domain d --name q --tag red --description two p")
    q = cli.get("project show --domain d q")
    assert q["description"] == "two" and q["tags"] == ["blue", "red"]
    cli.do("project set --domain d --remove-tag blue q")
    assert cli.column("project list --domain d") == ["child", "q"]
    assert cli.column("project list --tags red") == ["q"]
    assert cli.column("project list --parent q --domain d") == ["child"]
    cli.do("project set --domain d --immutable q")
    cli.fails("project set --domain d --description three q", "immutable")
    cli.do("project set --domain d --no-immutable q")
    cli.fails("project delete --domain d q", "not a leaf")
    cli.do("project delete --domain d child q")
    assert cli.column("project list --domain d") == []


def test_users_and_groups(cli):
    u = cli.get("user create --domain d --password secret --email u@example.com --description first "
                "--ignore-password-expiry u")
    assert u["options"] == {"ignore_password_expiry": True} and u["email"] == "u@example.com"
    cli.do("user create --domain d v")
    cli.do("user set --domain d --name w --description second --enable-lock-password v")
    assert cli.get("user show --domain d w")["options"] == {"lock_password": True}
    assert cli.column("user list --domain d") == ["u", "w"]
    g = cli.get("group create --domain d --description team g")
    cli.do("group set --domain d --name team --description all g")
    assert cli.get("group show --domain d team")["id"] == g["id"]
    assert cli.column("group list --domain d") == ["team"]
    cli.do("group add user --group-domain d --user-domain d team u w")
    assert cli.column("user list --group team --domain d") == ["u", "w"]
    assert cli.column("group list --user u --user-domain d --domain d") == ["team"]
    assert "u in group team" in cli.do("group contains user --group-domain d --user-domain d team u")
    cli.do("group remove user --group-domain d --user-domain d team w")
    code, out, err = cli.run("group contains user --group-domain d --user-domain d team w")
    assert "not in group" in out + err
    cli.do("user delete --domain d w")
    cli.fails("user show --domain d w", "No user")


def test_roles_and_assignments(cli):
    r = cli.get("role create --description runs-it operator")
    cli.do("role set --name runner operator")
    assert cli.get("role show runner")["id"] == r["id"]
    cli.do("role create --domain d local")
    assert cli.column("role list --domain d") == ["local"]
    cli.do("implied role create --implied-role reader runner")
    assert len(cli.get("implied role list")) == 4
    cli.do("project create --domain d shop")
    cli.do("role add --user u --user-domain d --project shop --project-domain d runner")
    cli.do("role add --group team --group-domain d --domain d reader")
    cli.do("role add --user u --user-domain d --system all reader")
    cli.do("role add --group team --group-domain d --project shop --project-domain d --inherited reader")

    def listed(more):
        rows = cli.get("role assignment list --names " + more)
        return sorted((row["Role"], row["User"] or row["Group"], row["Project"] or row["Domain"] or row["System"])
                      for row in rows)
    assert listed("--user u --user-domain d") == [("reader", "u@d", "all"), ("runner", "u@d", "shop@d")]
    assert listed("--group team --group-domain d") == [("reader", "team@d", "d"), ("reader", "team@d", "shop@d")]
    assert listed("--effective --user u --user-domain d --project shop --project-domain d") == [
        ("reader", "u@d", "shop@d"), ("runner", "u@d", "shop@d")]
    cli.do("role remove --user u --user-domain d --system all reader")
    cli.do("role remove --group team --group-domain d --project shop --project-domain d --inherited reader")
    assert len(listed("--group team --group-domain d")) == 1
    cli.fails("role remove --user u --user-domain d --system all reader", "404")
    cli.do("implied role delete --implied-role reader runner")
    cli.do("role delete --domain d local")
    cli.do("role delete runner")
    assert cli.column("role list") == ["admin", "manager", "member", "reader", "service"]


def test_the_catalog(cli):
    cli.do("region create --description north north")
    cli.do("region create --parent-region north n1")
    cli.do("region set --description new n1")
    assert cli.get("region show n1")["parent_region"] == "north"
    assert cli.column("region list --parent-region north", "Region") == ["n1"]
    cli.do("service create --name swift --description objects object-store")
    cli.do("service set --name store --enable object-store")
    assert cli.get("service show store")["type"] == "object-store"
    assert cli.column("service list") == ["keystone", "store"]
    e = cli.get("endpoint create --region n1 store public http://x/%(project_id)s")
    cli.do("endpoint set --url http://y/%%(project_id)s %s" % e["id"])
    assert cli.get("endpoint show " + e["id"])["url"].startswith("http://y/%(project_id)s")
    assert cli.column("endpoint list --service store", "ID") == [e["id"]]
    cli.do("endpoint add project --project-domain d %s shop" % e["id"])
    assert cli.column("endpoint list --project shop --project-domain d", "ID") == [e["id"]]
    cli.do("endpoint remove project --project-domain d %s shop" % e["id"])
    assert cli.column("endpoint list --project shop --project-domain d", "ID") == []
    assert cli.column("catalog list") == ["keystone", "store"]
    assert cli.get("catalog show store")["type"] == "object-store"
    cli.do("endpoint delete " + e["id"])


def test_limits_and_policies(cli):
    one = cli.get("registered limit create --service store --default-limit 10 --region n1 objects")
    cli.do("registered limit set --default-limit 20 --description many %s" % one["id"])
    assert cli.get("registered limit show " + one["id"])["default_limit"] == 20
    assert cli.column("registered limit list --resource-name objects", "ID") == [one["id"]]
    limit = cli.get("limit create --service store --region n1 --project shop --resource-limit 5 objects")
    cli.do("limit set --resource-limit 6 " + limit["id"])
    assert cli.get("limit show " + limit["id"])["resource_limit"] == 6
    assert cli.column("limit list --resource-name objects", "ID") == [limit["id"]]
    cli.fails("registered limit delete " + one["id"])
    cli.do("limit delete " + limit["id"])
    cli.do("registered limit delete " + one["id"])
    path = cli.dir + "/rules"
    with open(path, "w") as f:
        f.write("{}")
    p = cli.get("policy create --type application/json " + path)
    cli.do("policy set --type text/plain " + p["id"])
    assert cli.get("policy show " + p["id"])["type"] == "text/plain" and len(cli.get("policy list")) == 1
    cli.do("policy delete " + p["id"])
    cli.do("service delete store")
    cli.do("region delete north")


def test_what_a_member_cannot(cli):
    cli.do("role add --user u --user-domain d --project shop --project-domain d member")
    env = dict(OS_USERNAME="u", OS_USER_DOMAIN_NAME="d", OS_PASSWORD="secret", OS_PROJECT_NAME="shop",
               OS_PROJECT_DOMAIN_NAME="d")
    assert cli.get("token issue", env)["project_id"]
    assert cli.column("catalog list", env=env) == ["keystone"]
    assert cli.column("project list --my-projects", env=env) == ["shop"]
    for line in ("domain create x", "domain set --description x default", "project create x",
                 "project delete shop", "user create x", "user list", "user set --password x admin",
                 "group create x", "role create x", "role list", "role assignment list",
                 "role add --user u --project shop admin", "service create x", "region create x",
                 "endpoint list", "policy list"):
        cli.fails(line, "not authorized", env)
    cli.do("user password set --original-password secret --password changed", env)
    cli.fails("token issue", "401", env)
    env["OS_PASSWORD"] = "changed"
    cli.do("token issue", env)
    cli.do("user set --disable --domain d u")
    cli.fails("token issue", "401", env)
    cli.do("domain set --disable d")
    cli.do("domain delete d")
    assert cli.column("user list") == ["admin"] and cli.column("project list") == ["admin"]
