"""What the server says of itself on its metrics page."""

from __future__ import annotations

import re
from collections import Counter

from messages import LOOPBACK
from servers import DIRECT

_SAMPLE = re.compile(r"^txpusher_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_SORT = re.compile(r'(?:channel_type|status)="(\w+)"')


def metrics(port: int) -> Counter[str]:
    """Read the page; see `samples`."""
    with DIRECT.open(f"http://{LOOPBACK}:{port}/metrics", timeout=10) as page:
        return samples(page.read().decode())


def samples(text: str) -> Counter[str]:
    """Add up samples by name, and those that have a type of channel or a status by ``name.type``, too."""
    found: Counter[str] = Counter()
    for name, labels, value in _SAMPLE.findall(text):
        found[name] += float(value)
        if sort := _SORT.search(labels):
            found[f"{name}.{sort[1]}"] += float(value)
    return found
