"""What one writes first: an INSERT and a COMMIT for each message that arrives. Arguments: DSN, port, messages."""

from __future__ import annotations

import json
import sys

import psycopg
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.sync_bench.feed import CLIENT, SESSION_S

INSERT = f"INSERT INTO log VALUES ({', '.join(['%s'] * 11)}) ON CONFLICT DO NOTHING"
NAMES = ("lane", "outcome", "reason", "rule", "cti")


def main() -> None:
    """Consume until told to stop."""
    dsn, port, expected = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connection, count = psycopg.connect(dsn), 0
    client = Client(CallbackAPIVersion.VERSION2, client_id=CLIENT, protocol=MQTTProtocolVersion.MQTTv5)

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal count
        batch = json.loads(message.payload)
        for seq, wall_us, _, _, _, _, kind, told in batch["events"]:
            values = [told.get(name) for name in NAMES]
            station = message.topic.split("/")[2]
            row = (station, batch["epoch"], seq, wall_us, kind, *values, json.dumps(told))
            connection.execute(INSERT, row)
            connection.commit()
        count += 1
        if count == expected:
            print("done", flush=True)

    client.on_message = take
    print("ready", flush=True)
    sys.stdin.readline()
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    client.loop_start()
    sys.stdin.readline()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
