"""What notifications of buckets are sent to in the tests: an HTTP server, and an AMQP broker."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from conftest import free_port, wait_for

RABBIT = "/usr/lib/rabbitmq/bin"


class Receiver:
    """Keeps the bodies that are sent to it; `status` is what it answers."""

    def __init__(self, port=0, host="127.0.0.1"):
        self.got, self.status, self.tries = [], 200, 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status(json.loads(body)) if callable(receiver.status) else receiver.status
                receiver.tries += 1
                if status == 200:
                    receiver.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((host, port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def records(self, bucket):
        return [r for _, _, body in list(self.got) for r in body.get("Records", []) if r["s3"]["bucket"]["name"] == bucket]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Broker:
    """RabbitMQ in a folder of its own."""

    def __init__(self, certificate=None):
        """certificate: paths of it and of its key, for TLS at another port."""
        self.dir = tempfile.mkdtemp(prefix="cairn-rabbit-")
        self.port, dist, epmd = free_port(), free_port(), free_port()
        d = self.dir
        self.env = {**os.environ, "HOME": d, "RABBITMQ_NODENAME": "n%d@localhost" % self.port,
                    "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                    "RABBITMQ_DIST_PORT": str(dist), "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
                    "RABBITMQ_MNESIA_BASE": d + "/mnesia", "RABBITMQ_LOG_BASE": d + "/log", "RABBITMQ_PID_FILE": d + "/pid",
                    "RABBITMQ_ENABLED_PLUGINS_FILE": d + "/plugins", "RABBITMQ_CONFIG_FILE": d + "/rabbitmq",
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                        "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"}
        with open(d + "/plugins", "w") as f:
            f.write("[].")
        with open(d + "/rabbitmq.conf", "w") as f:
            f.write("listeners.tcp.default = 127.0.0.1:%d\nvm_memory_high_watermark.absolute = 512MB\n"
                    "disk_free_limit.absolute = 50MB\n" % self.port)
            if certificate:
                self.tls_port = free_port()
                f.write("listeners.ssl.default = 127.0.0.1:%d\nssl_options.certfile = %s\nssl_options.keyfile = %s\n"
                        "ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n"
                        % (self.tls_port, *certificate))
        # Its own epmd, so that it can be ended by its process.
        self.epmd = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(epmd)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None
        self.start()

    def start(self):
        with open(self.dir + "/out", "ab") as out:
            self.process = subprocess.Popen([RABBIT + "/rabbitmq-server"], env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True)
        wait_for(self.answers, 120)

    def answers(self):
        assert self.process.poll() is None, open(self.dir + "/out").read()
        return self.ctl("await_startup", check=False) == 0

    def ctl(self, *args, check=True):
        return subprocess.run([RABBIT + "/rabbitmqctl", *args], env=self.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=120, check=check).returncode

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(60)
        self.process = None

    def close(self):
        self.stop()
        self.epmd.terminate()
        self.epmd.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)
