"""A MariaDB of Debian's for tests: its own folder and port, a database for each that asks."""
import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time


class MariaDB:
    def __init__(self):
        self.dir, self.databases = tempfile.mkdtemp(prefix="cairn-mariadb-"), 0
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=" + self.dir + "/data", "--user=root",
                        "--auth-root-authentication-method=normal", "--skip-test-db"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        self.start()
        atexit.register(self.close)

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--port=%d" % self.port,
             "--datadir=" + self.dir + "/data", "--socket=" + self.dir + "/socket", "--pid-file=" + self.dir + "/pid",
             "--log-error=" + self.dir + "/log", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"],
            stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < end, "see %s/log" % self.dir
            time.sleep(0.05)

    def sql(self, text):
        return subprocess.run(["mariadb", "--no-defaults", "--socket=" + self.dir + "/socket", "-u", "root", "-N", "-e", text],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)

    def answers(self):
        return self.sql("SELECT 1").returncode == 0

    def database(self):
        """The URL of a new, empty one."""
        self.databases += 1
        name = "cairn%d" % self.databases
        r = self.sql("CREATE DATABASE %s; CREATE USER %s@'127.0.0.1' IDENTIFIED BY 'secret'; "
                     "GRANT ALL ON %s.* TO %s@'127.0.0.1'" % (name, name, name, name))
        assert r.returncode == 0, r.stderr
        return "mysql://%s:secret@127.0.0.1:%d/%s" % (name, self.port, name)

    def stop(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(timeout=60)

    def close(self):
        if os.path.isdir(self.dir):
            self.stop(kill=True)
            shutil.rmtree(self.dir)


_server = None


def new_database():
    """A database of the one server that this process starts when it is first asked."""
    global _server
    if not _server:
        _server = MariaDB()
    return _server.database()


def run(url, statement, values):
    """Rows of a statement with a `?` for each value: texts, and numbers where they look like one."""
    for value in values:
        quoted = str(value) if isinstance(value, int) else "'%s'" % value.replace("\\", "\\\\").replace("'", "''")
        statement = statement.replace("?", quoted, 1)
    r = _server.sql("USE %s; %s" % (url.rsplit("/", 1)[1], statement))
    assert r.returncode == 0, r.stderr
    return [tuple(int(v) if v.isdigit() else v for v in row.split("\t")) for row in r.stdout.splitlines()]
