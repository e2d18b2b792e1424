"""What the server says of itself: its metrics page, and the members of its presence channels."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections import Counter

from messages import APP_ID, KEY, LOOPBACK, SECRET
from servers import DIRECT

_SAMPLE = re.compile(r"^txpusher_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_TYPE = re.compile(r'channel_type="(\w+)"')


def metrics(port: int) -> Counter[str]:
    """Read the page; samples are added up by name, and by ``name.channel_type`` where they have one."""
    with DIRECT.open(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    found: Counter[str] = Counter()
    for name, labels, value in _SAMPLE.findall(text):
        kind = _TYPE.search(labels)
        found[f"{name}.{kind[1]}" if kind else name] += float(value)
    return found


def members(port: int) -> dict[str, int]:
    """Ask the API how many users each presence channel has."""
    path = f"/apps/{APP_ID}/channels"
    query = f"auth_key={KEY}&auth_timestamp={int(time.time())}&auth_version=1.0"
    query += "&filter_by_prefix=presence-&info=user_count"
    signed = hmac.digest(SECRET.encode(), f"GET\n{path}\n{query}".encode(), "sha256").hex()
    url = f"http://{LOOPBACK}:{port}{path}?{query}&auth_signature={signed}"
    with DIRECT.open(url, timeout=10) as answer:
        channels = json.load(answer)["channels"]
    return {name: channel["user_count"] for name, channel in channels.items()}
