"""Notifications of buckets over TLS: to who shows a certificate that the system trusts, and to nobody else."""
import json
import os
import ssl
import subprocess

import pika
import pytest
import requests

from conftest import CAIRN, Cloud, wait_for
from events import Broker, Receiver
from s3 import client

SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


class Authority:
    """One that signs certificates, in a folder of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.certificate, self.key = self.folder + "/ca.crt", self.folder + "/ca.key"
        self.openssl("req", "-x509", "-subj", "/CN=test", "-days", "2", "-keyout", self.key, "-out", self.certificate,
                     "-addext", "basicConstraints=critical,CA:TRUE")

    def openssl(self, *args):
        if args[0] == "req":
            args += ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sign(self, address, name="server.example"):
        """Paths of a certificate, and of its key, of a server at that address and of that name."""
        base = "%s/%s" % (self.folder, address)
        self.openssl("req", "-subj", "/CN=server", "-keyout", base + ".key", "-out", base + ".csr")
        with open(base + ".ext", "w") as f:
            f.write("subjectAltName=IP:%s,DNS:%s\n" % (address, name))
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                     "-days", "2", "-extfile", base + ".ext", "-out", base + ".crt")
        for end in (".crt", ".key"):
            os.chmod(base + end, 0o644)
        return base + ".crt", base + ".key"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other"))


class TrustingCloud(Cloud):
    """One whose system trusts one authority alone: it sees that one's certificate in the place of all."""
    authority = None

    def cairn(self, *args, check=True):
        if args[0] != "up":
            return super().cairn(*args, check=check)
        script = 'mount --bind "$0" %s && exec "$@"' % SYSTEM
        return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, self.authority.certificate,
                               CAIRN, *args], check=check, timeout=120, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)


def secure(receiver, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True, do_handshake_on_connect=False)
    return receiver


@pytest.fixture(scope="module")
def hooks(trusted, other):
    """Of a trusted authority, of another, and of a trusted one for another address."""
    kinds = {"good": trusted.sign("127.0.0.1"), "unknown": other.sign("127.0.0.1"), "elsewhere": trusted.sign("192.0.2.1")}
    receivers = {name: secure(Receiver(), *pair) for name, pair in kinds.items()}
    yield receivers
    for r in receivers.values():
        r.close()


@pytest.fixture(scope="module")
def brokers(trusted, other):
    found = {"mq": Broker(trusted.sign("127.0.0.1", "localhost")), "mq-unknown": Broker(other.sign("127.0.0.1")),
             "mq-elsewhere": Broker(trusted.sign("192.0.2.1"))}
    yield found
    for b in found.values():
        b.close()


@pytest.fixture(scope="module")
def cloud(trusted, hooks, brokers):
    urls = ["%s:https://127.0.0.1:%d/" % (name, r.port) for name, r in hooks.items()]
    urls += ["%s:amqps://guest:guest@127.0.0.1:%d/%%2F?exchange=cairn&routing_key=s3" % (name, b.tls_port)
             for name, b in brokers.items()]
    urls += ["by-name:amqps://guest:guest@localhost:%d/%%2F?exchange=cairn&routing_key=s3" % brokers["mq"].tls_port]
    cloud = TrustingCloud(devices=3, conf={"s3": ["notify = " + ", ".join(urls)]})
    cloud.authority = trusted
    cloud.up()
    yield cloud
    cloud.close()


def bucket_for(s3, arn):
    name = "n-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
    return name


def failing(cloud, name):
    return 'cairn_notify_failing{target="%s"} 1' % name in requests.get(cloud.url + "/metrics").text


def test_webhooks(cloud, hooks):
    s3 = client(cloud)
    names = {name: bucket_for(s3, "arn:cairn:sqs::%s:webhook" % name) for name in hooks}
    for bucket in names.values():
        s3.put_object(Bucket=bucket, Key="k")
    wait_for(lambda: [r["s3"]["object"]["key"] for r in hooks["good"].records(names["good"])] == ["k"])
    for name in ("unknown", "elsewhere"):
        wait_for(lambda: failing(cloud, name))
        assert hooks[name].tries == 0
    assert not failing(cloud, "good")


def open_queue(broker):
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port))
    channel = connection.channel()
    channel.exchange_declare("cairn", "direct", durable=True)
    channel.queue_declare("cairn", durable=True)
    channel.queue_bind("cairn", "cairn", "s3")
    return connection, channel


def test_brokers(cloud, brokers):
    s3 = client(cloud)
    queues = {name: open_queue(b) for name, b in brokers.items()}
    got = []

    def keys():
        body = queues["mq"][1].basic_get("cairn", auto_ack=True)[2]
        got.extend(r["s3"]["object"]["key"] for r in json.loads(body or b"{}").get("Records", []))
        return got
    for name in brokers:
        s3.put_object(Bucket=bucket_for(s3, "arn:cairn:sqs::%s:amqp" % name), Key="k")
    wait_for(lambda: keys() == ["k"])
    s3.put_object(Bucket=bucket_for(s3, "arn:cairn:sqs::by-name:amqp"), Key="l")
    wait_for(lambda: keys() == ["k", "l"])
    for name in ("mq-unknown", "mq-elsewhere"):
        wait_for(lambda: failing(cloud, name))
        assert queues[name][1].basic_get("cairn")[0] is None
    assert not failing(cloud, "mq")
    for connection, _ in queues.values():
        connection.close()
