"""pusher-js in a headless Chromium, on a page that the application's server serves."""

from __future__ import annotations

import json

import pusher
import pytest
from pages import pages
from served_apps import APP, ORIGINS


@pytest.fixture
def sdk(server):
    return pusher.Pusher(
        app_id=APP.id, key=APP.key, secret=APP.secret, host="127.0.0.1", port=server.port, ssl=False
    )


@pytest.fixture
def page(browser, server, sdk):
    with pages(browser, server.port, sdk) as open_page:
        yield open_page


def test_public_private_and_presence(page, sdk, browser, name):
    channels = (name, f"private-{name}", f"presence-{name}")
    a, b = page("a", *channels), page("b", *channels)
    for shows in (a, b):
        shows("#state", "connected")
        for channel in channels:
            shows("#log", f"{channel} pusher:subscription_succeeded")
    for channel in channels:
        sdk.trigger(channel, "news", {"text": f"Grüße 😀 on {channel}"})
        for shows in (a, b):
            shows("#log", f'{channel} news {{"text":"Grüße 😀 on {channel}"}}')
    a("#members", "a A, b B")

    browser.run("evaluate", page="b", script=f"channels['presence-{name}'].trigger('client-x', 7)")
    assert "client-x 7 from b" in a("#log", "client-x")

    browser.run("close", page="b")
    a("#log", "pusher:member_removed")
    assert a("#members", "a A") == "a A"


def test_refused_page(page):
    shows = page("a", key="unknown")
    shows("#log", "error 4001")
    shows("#state", "disconnected")


def test_foreign_origin(page):
    shows = page("a", key=ORIGINS.key)
    shows("#log", "error 4009")
    shows("#state", "disconnected")


def test_api_from_a_page(page, browser, server):
    """CORS: the page may ask the API, and read the answer."""
    page("a")
    path = f"/apps/{APP.id}/events"
    body = b'{"name":"e","channel":"c","data":"from a page"}'
    target = f"http://127.0.0.1:{server.port}{path}?{APP.query('POST', path, body)}"
    client = server.connect()
    client.subscribe("c")
    client.so_far()
    script = (
        f"fetch({json.dumps(target)}, {{method: 'POST', body: {json.dumps(body.decode())}, "
        "headers: {'Content-Type': 'application/json'}}).then(r => r.text())"
    )
    assert browser.run("evaluate", page="a", script=script) == "{}"
    assert client.expect("e")["data"] == "from a page"
