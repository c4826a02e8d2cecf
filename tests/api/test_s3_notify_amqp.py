"""Notifications of buckets that go to an AMQP broker: a real one, that goes away and comes back."""
import json
import os

import pika
import pytest
import requests

from conftest import Cloud, wait_for
from events import Broker
from s3 import client

ARN = "arn:cairn:sqs::mq:amqp"


@pytest.fixture(scope="module")
def broker():
    broker = Broker()
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def cloud(broker):
    url = "amqp://guest:guest@127.0.0.1:%d/%%2F?exchange=cairn&routing_key=s3" % broker.port
    with Cloud(devices=3, conf={"s3": ["notify = mq:" + url]}) as cloud:
        yield cloud


class Queue:
    """What comes through the exchange."""

    def __init__(self, broker):
        self.broker, self.connection, self.got = broker, None, []

    def open(self):
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.broker.port))
        self.channel = self.connection.channel()

    def make(self):
        self.channel.exchange_declare("cairn", "direct", durable=True)
        self.channel.queue_declare("cairn", durable=True)
        self.channel.queue_bind("cairn", "cairn", "s3")

    def take(self):
        while True:
            method, properties, body = self.channel.basic_get("cairn", auto_ack=True)
            if method is None:
                return self.got
            assert properties.delivery_mode == 2 and properties.content_type == "application/json"
            self.got.append(json.loads(body))

    def keys(self):
        return [r["s3"]["object"]["key"] for b in self.take() for r in b.get("Records", [])]

    def close(self):
        self.connection.close()


def failing(cloud):
    return 'cairn_notify_failing{target="mq"} 1' in requests.get(cloud.url + "/metrics").text


def test_nothing_is_lost_while_the_broker_cannot_take_it(cloud, broker):
    s3, queue = client(cloud), Queue(broker)
    bucket = "n-" + os.urandom(6).hex()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": ARN, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]})
    # There is no such exchange yet; then one that leads nowhere.
    wait_for(lambda: failing(cloud))
    s3.put_object(Bucket=bucket, Key="a", Body=b"abc")
    queue.open()
    queue.channel.exchange_declare("cairn", "direct", durable=True)
    tries = cloud.metric("cairn_notify")
    wait_for(lambda: cloud.metric("cairn_notify") != tries)
    assert failing(cloud)
    queue.make()
    wait_for(lambda: queue.keys() == ["a"])
    assert queue.got[0]["Event"] == "s3:TestEvent" and not failing(cloud)
    record = queue.got[1]["Records"][0]
    assert record["eventName"] == "ObjectCreated:Put" and record["s3"]["object"]["size"] == 3
    queue.close()

    broker.stop()
    for i in range(20):
        s3.put_object(Bucket=bucket, Key="b%02d" % i)
    s3.delete_object(Bucket=bucket, Key="a")
    wait_for(lambda: failing(cloud))
    cloud.kill_node()
    broker.start()
    queue.open()
    want = ["a"] + ["b%02d" % i for i in range(20)] + ["a"]
    wait_for(lambda: list(dict.fromkeys(queue.keys()[1:])) == want[1:])
    assert queue.keys() == want
    wait_for(lambda: cloud.metric("cairn_notify_pending") == [0])
    assert "guest" not in cloud.log() + requests.get(cloud.url + "/metrics").text
    queue.close()
