"""A Redis for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server; tests tell their keys apart by prefixes."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def _redis_of_case(request: pytest.FixtureRequest, redis: RedisServer) -> None:
    """Hand the server to a test case of Twisted's, which takes no fixtures."""
    request.instance.redis = redis
