"""Pages with pusher-js on them, in the browser that the tests drive."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pusher
from auth_server import serving
from node_process import SCRIPTS, NodeProcess
from served_apps import APP

PAGE = Path(__file__).with_name("page.html")

Shows = Callable[[str, str], str]
"""Waits until an element of a page contains a text, and gives all of it."""


@contextlib.contextmanager
def pages(browser: NodeProcess, port: int, sdk: pusher.Pusher) -> Iterator[Callable[..., Shows]]:
    """Serve the page to the users ``a`` and ``b``.

    Args:
        browser: opens it.
        port: of the server of ours that it connects to.
        sdk: signs for its users.

    Yields:
        What opens the page for a user, with these channels.
    """
    script = SCRIPTS / "node_modules/pusher-js/dist/web/pusher.min.js"
    content = {
        "/": ("text/html; charset=utf-8", PAGE.read_bytes()),
        "/pusher.min.js": ("text/javascript", script.read_bytes()),
    }
    with serving(sdk, "a", content) as a, serving(sdk, "b", content) as b:
        urls = {"a": a, "b": b}

        def open_page(user: str, *channels: str, key: str = APP.key) -> Shows:
            settings = {"key": key, "port": port, "channels": channels}
            browser.run("open", page=user, url=f"{urls[user]}/#{json.dumps(settings)}")
            return lambda element, text: browser.run(
                "text", page=user, element=element, contains=text
            )

        yield open_page
