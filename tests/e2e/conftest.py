"""The servers that tests share, and what a test needs around them."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# The helpers beside the tests; pytest's import mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from certificates import make_certificate
from harness import Server, managed, running
from node_process import NodeProcess, node_ready
from served_apps import ALL_APPS, APP, write_apps
from wire import Credentials

# Nothing here leaves the machine, whatever proxy the environment names.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with all the apps above, for all tests that do not need one of their own."""
    directory = tmp_path_factory.mktemp("server")
    with running(directory, "--apps", write_apps(directory), app=APP, configured=True) as server:
        server.secrets = {app.secret for app in ALL_APPS}
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The shared server, without the clients of other tests."""
    assert shared_server.process.poll() is None, shared_server.log
    yield shared_server
    shared_server.hang_up()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server of the test's own with these options; see `harness.running`."""
    with ExitStack() as servers:

        def run(*options: str, app: Credentials = APP, **how: object) -> Server:
            return servers.enter_context(running(tmp_path, *options, app=app, **how))

        yield run


@pytest.fixture
def manage() -> Iterator[Callable[[Server], Server]]:
    """Wait for a server that the test made by itself, and stop it in the end."""
    with ExitStack() as servers:
        yield lambda server: servers.enter_context(managed(server))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key and a certificate for localhost."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    """An ending for channel names that no other test uses."""
    return f"n{next(_numbers)}"


@pytest.fixture
def node() -> Iterator[NodeProcess]:
    """A Node process that runs the JavaScript clients as it is told."""
    with NodeProcess(node_ready(), "clients.mjs") as process:
        yield process


@pytest.fixture
def browser() -> Iterator[NodeProcess]:
    """A headless Chromium, driven through a Node process."""
    node = node_ready()
    chromium = os.environ.get("TXPUSHER_TEST_CHROMIUM", "")
    if not chromium:
        pytest.skip("no browser: TXPUSHER_TEST_CHROMIUM does not name one")
    if not Path(chromium).exists():
        pytest.skip(f"no browser: there is no {chromium}")
    with NodeProcess(node, "browser.mjs", chromium) as process:
        yield process
