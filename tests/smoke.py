"""Does the installed wheel work on its own? Run by tox; works in a directory of its own, far from the checkout.

``twistd`` lists the plugin, a server starts, answers on both of its ports, and ends with status 0 on SIGTERM.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
# The variables of the tests themselves are none of the server's.
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("TXPUSHER_")}
DEADLINE = 20  # seconds to start, and to stop


def check(fact: object, otherwise: str) -> None:
    """End with `otherwise` unless `fact`."""
    if not fact:
        sys.exit(f"smoke: {otherwise}")


def output_of(*command: str | Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    check(done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, HTTPMessage, str]:
    """Status, headers and body of one GET."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.status, answer.headers, answer.read().decode()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when the port accepts connections."""
    give_up = time.monotonic() + DEADLINE
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        check(server.poll() is None, f"the server ended with {server.returncode}")
        check(time.monotonic() < give_up, f"the server does not listen after {DEADLINE} s")
        time.sleep(0.05)


def finds_the_plugin() -> None:
    """The commands know us, and we are the ones who were installed."""
    module = output_of(sys.executable, "-c", "import txpusher; print(txpusher.__file__)")
    check(module.startswith(sys.prefix), f"txpusher was imported from {module}")
    check(" txpusher " in output_of(SCRIPTS / "twistd", "--help"), "twistd does not list txpusher")
    for command in ("twistd", "twist"):
        check(
            "--listen" in output_of(SCRIPTS / command, "txpusher", "--help"),
            f"{command} txpusher --help does not explain --listen",
        )


def serves_and_stops() -> None:
    """A server lives its life from start to SIGTERM."""
    public, metrics = free_port(), free_port()
    command = [
        *(SCRIPTS / "twistd", "--nodaemon", "--pidfile=", "txpusher"),
        *("--listen", f"tcp:{public}:interface=127.0.0.1"),
        *("--metrics", f"tcp:{metrics}:interface=127.0.0.1"),
    ]
    with subprocess.Popen(command, env=ENVIRONMENT) as server:
        try:
            wait_for(public, server)
            status, headers, _ = get(public, "/up")
            check(status == 200, f"/up answered {status}")
            check(headers["X-Health-Check"] == "OK", f"/up is not OK: {headers}")
            wait_for(metrics, server)
            status, _, body = get(metrics, "/metrics")
            check(status == 200, f"/metrics answered {status}")
            check("txpusher_" in body, f"/metrics has none of our figures: {body}")
            server.terminate()
            ended = server.wait(DEADLINE)
            check(ended == 0, f"after SIGTERM the status is {ended}")
        except urllib.error.HTTPError as error:
            sys.exit(f"smoke: {error.url} answered {error.code}: {error.read()!r}")
        finally:
            server.kill()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as elsewhere:
        os.chdir(elsewhere)
        finds_the_plugin()
        serves_and_stops()
    print("smoke: passed")
