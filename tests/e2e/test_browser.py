"""pusher-js in a headless Chromium, on a page that the application's server serves."""

from __future__ import annotations

import json
from pathlib import Path

import pusher
import pytest
from auth_server import serving
from node_process import SCRIPTS
from served_apps import APP, ORIGINS

PAGE = Path(__file__).with_name("page.html")


@pytest.fixture
def sdk(server):
    return pusher.Pusher(
        app_id=APP.id, key=APP.key, secret=APP.secret, host="127.0.0.1", port=server.port, ssl=False
    )


@pytest.fixture
def page(browser, server, sdk):
    """Open the page for a user, with these channels; give a function that waits for a text on it."""
    script = SCRIPTS / "node_modules/pusher-js/dist/web/pusher.min.js"
    pages = {
        "/": ("text/html; charset=utf-8", PAGE.read_bytes()),
        "/pusher.min.js": ("text/javascript", script.read_bytes()),
    }
    with serving(sdk, "a", pages) as a, serving(sdk, "b", pages) as b:
        urls = {"a": a, "b": b}

        def open_page(user, *channels, key=APP.key):
            settings = {"key": key, "port": server.port, "channels": channels}
            browser.run("open", page=user, url=f"{urls[user]}/#{json.dumps(settings)}")
            return lambda element, text: browser.run(
                "text", page=user, element=element, contains=text
            )

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
