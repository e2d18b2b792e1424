"""``redis://``: several nodes that meet in one Redis.

* `url`: what the URL says; `endpoints`: how to get there, by TLS, by Sentinel.
* `connection`, `subscriber`: one connection each, for commands and for what is published; `link`: keeps one.
* `commands`, `scripts`: asking Redis, and the Lua scripts in ``lua/``.
* `bus`, `envelopes`, `roster`, `quotas`, `values`, `outbox`: the parts of the adapter.
* `lease`: signs of life, and the end of dead nodes.
* `adapter`: all of it together.
"""

from __future__ import annotations

import random
from secrets import token_hex
from typing import Any

from txpusher.adapters.redis.adapter import RedisAdapter
from txpusher.adapters.redis.endpoints import endpoint
from txpusher.adapters.redis.envelopes import NODE_SIZE
from txpusher.adapters.redis.url import parse


def create(url: str, reactor: Any) -> RedisAdapter:
    """Make the adapter for one of the URLs of `url`.

    Raises:
        ConfigError: the URL, or a file that it names, is wrong.
    """
    target = parse(url)
    return RedisAdapter(
        target,
        endpoint(target, reactor),
        reactor,
        lambda: token_hex(NODE_SIZE // 2),
        random.random,
    )
