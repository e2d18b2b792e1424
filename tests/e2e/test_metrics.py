"""The metrics page tells what really happened."""

from __future__ import annotations

import pytest
from harness import free_port, tcp, wait_until
from prometheus_client.parser import text_string_to_metric_families
from served_apps import APP
from wire import HttpConnection

LABEL = f'{{app_id="{APP.id}"}}'


@pytest.fixture
def fresh(start):
    return start()


def grown(server, before):
    """What grew since, by name, for the app."""
    now = server.metrics()
    return {
        name.removesuffix(LABEL): value - before.get(name, 0)
        for name, value in now.items()
        if name.endswith(LABEL) and value != before.get(name, 0)
    }


def test_all_shared_names_are_there_from_the_start(fresh):
    metrics = fresh.metrics()
    for name in (
        *("connected", "new_connections_total", "new_disconnections_total"),
        *("socket_received_bytes", "socket_transmitted_bytes"),
        *("ws_messages_received_total", "ws_messages_sent_total"),
        *("http_received_bytes", "http_transmitted_bytes", "http_calls_received_total"),
        *("horizontal_adapter_resolved_promises", "horizontal_adapter_uncomplete_promises"),
        *("horizontal_adapter_sent_requests", "horizontal_adapter_received_requests"),
        *("horizontal_adapter_received_responses", "subscriptions"),
    ):
        assert metrics[name + LABEL] == 0, name
    assert metrics["process_resident_memory_bytes"] > 1e6
    assert metrics["process_open_fds"] > 3
    assert "event_loop_lag_last_seconds" in metrics


def test_page(fresh):
    with HttpConnection(tcp(fresh.metrics_port)()) as http:
        page = http.ask("GET", "/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        families = {family.name for family in text_string_to_metric_families(page.text)}
        assert "txpusher_connected" in families
        modern = http.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
        assert modern.headers["content-type"].startswith("application/openmetrics-text")
        assert modern.text.endswith("# EOF\n")
        assert http.ask("GET", "/nowhere").status == 404
        assert http.ask("POST", "/metrics").status == 405
        assert http.ask("GET", "/metrics").status == 200
    assert f'port="{fresh.port}"' in page.text
    assert fresh.get("/metrics").status == 404


def test_connections(fresh):
    clients = [fresh.connect() for _ in range(5)]
    metrics = fresh.metrics()
    assert metrics["connected" + LABEL] == metrics["new_connections_total" + LABEL] == 5
    for client in clients[:2]:
        client.drop()
    wait_until(lambda: fresh.metrics()["connected" + LABEL] == 3, "two connections less")
    assert fresh.metrics()["new_disconnections_total" + LABEL] == 2
    fresh.hang_up()
    wait_until(lambda: fresh.metrics()["connected" + LABEL] == 0, "no connection")


def test_subscriptions(fresh):
    a, b = fresh.connect(), fresh.connect()
    for client, user in ((a, "a"), (b, "b")):
        for channel in ("x", "y", "private-x", "cache-x"):
            client.subscribe(channel)
            client.so_far()
        client.subscribe("presence-x", {"user_id": user})
    metrics = fresh.metrics()
    assert metrics["subscriptions" + LABEL] == 10
    kinds = {"public": 2, "private": 1, "presence": 1, "cache": 1}
    for kind, number in kinds.items():
        label = f'{{app_id="{APP.id}",channel_type="{kind}"}}'
        assert metrics["active_channels" + label] == number
        assert metrics["channel_subscriptions_total" + label] == 2 * number
    b.drop()
    wait_until(lambda: fresh.metrics()["subscriptions" + LABEL] == 5, "the rest")
    a.unsubscribe("presence-x")
    a.so_far()
    label = f'{{app_id="{APP.id}",channel_type="presence"}}'
    assert fresh.metrics()["active_channels" + label] == 0


def test_publish_to_many(fresh):
    clients = [fresh.connect() for _ in range(7)]
    for client in clients:
        client.subscribe("x")
        client.so_far()
    before = fresh.metrics()
    fresh.api().trigger("x", "data")
    received = [client.expect("event") for client in clients]
    assert len(received) == 7
    change = grown(fresh, before)
    assert change["ws_messages_sent_total"] == 7
    assert change["http_calls_received_total"] == 1
    assert change["http_transmitted_bytes"] == 2
    frame = len('{"event":"event","channel":"x","data":"data"}') + 2
    assert change["socket_transmitted_bytes"] == 7 * frame
    assert "ws_messages_received_total" not in change
    label = f'{{app_id="{APP.id}",channel_type="public"}}'
    assert fresh.metrics()["delivery_seconds_count" + label] == 1


def test_publish_with_exclusion_and_batch(fresh):
    clients = [fresh.connect() for _ in range(3)]
    for client in clients:
        client.subscribe("x")
    before = fresh.metrics()
    events = [{"name": "e", "channel": "x", "data": "1"} for _ in range(4)]
    events[0]["socket_id"] = clients[0].socket_id
    assert fresh.api().post("/batch_events", {"batch": events}).status == 200
    change = grown(fresh, before)
    assert change["ws_messages_sent_total"] == 3 * 4 - 1
    assert change["http_calls_received_total"] == 1
    assert [len(client.so_far()) for client in clients] == [3, 4, 4]


def test_client_messages(fresh):
    client = fresh.connect()
    before = fresh.metrics()
    sent = '{"event":"pusher:ping"}'
    for _ in range(5):
        client.send_text(sent)
        client.expect("pusher:pong")
    change = grown(fresh, before)
    assert change["ws_messages_received_total"] == change["ws_messages_sent_total"] == 5
    assert change["socket_received_bytes"] == 5 * len(sent)


def test_statuses_and_drops(fresh):
    fresh.api().get("/channels")
    fresh.api().get("/channels", info="user_count").problem(400)
    fresh.get(f"/apps/{APP.id}/channels").problem(401)
    client = fresh.connect()
    client.send_text("nonsense")
    client.ask_to_subscribe("private-x", auth="a:b")
    client.send("client-x", {}, "private-x")
    client.so_far()
    metrics = fresh.metrics()
    assert metrics[f'http_responses_total{{app_id="{APP.id}",status="200"}}'] == 1
    assert metrics[f'http_responses_total{{app_id="{APP.id}",status="400"}}'] == 1
    dropped = {
        reason: metrics.get(f'messages_dropped_total{{app_id="{APP.id}",reason="{reason}"}}')
        for reason in ("invalid_message", "subscription_refused", "client_events_disabled")
    }
    assert dropped == {
        "invalid_message": 1,
        "subscription_refused": 1,
        "client_events_disabled": 1,
    }


def test_prefix(start):
    server = start("--metrics-prefix", "soketi_")
    metrics = server.metrics()
    assert metrics["soketi_connected" + LABEL] == 0
    # Python's own come with the prefix, too.
    assert all(name.startswith("soketi_") for name in metrics)


def test_no_metrics(start):
    port = free_port()
    server = start("--metrics", "none", "--listen", f"tcp:{port}:interface=127.0.0.1")
    with pytest.raises(ConnectionError):
        tcp(server.metrics_port)()
    assert "metrics on none" in server.log
