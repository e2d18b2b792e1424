"""Node processes that run JavaScript clients: commands go in, answers and events come out, a line of JSON each."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

SCRIPTS = Path(__file__).parent / "node"
DEADLINE = 15.0

Event = dict[str, Any]


def node_ready() -> str:
    """Find Node, and skip the test where it or a package is missing."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no JavaScript clients: node is not installed")
    wanted = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    missing = [name for name in wanted if not (SCRIPTS / "node_modules" / name).exists()]
    if missing:
        pytest.skip(f"no JavaScript clients: run npm ci in tests/e2e/node ({missing} missing)")
    return program


class NodeProcess:
    """One process.

    Args:
        program: Node.
        script: beside the tests.
        arguments: of the script.

    Attributes:
        events: what it has told so far, oldest first.
    """

    def __init__(self, program: str, script: str, *arguments: str) -> None:
        self.events: list[Event] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._errors: list[str] = []
        self._arrived = threading.Condition()
        self._number = 0
        self._ended = False
        self._process = subprocess.Popen(
            [program, str(SCRIPTS / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()
            self._process.wait(DEADLINE)
            for reader in self._readers:
                reader.join(DEADLINE)
        if error is not None:
            print("\n".join([*map(str, self.events), *self._errors]))

    def run(self, command: str, **fields: Any) -> Any:
        """Give a command, wait until it is done, and give its result."""
        assert self._process.stdin
        self._number += 1
        number = self._number
        line = json.dumps({"id": number, "command": command, **fields})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._wait(lambda: self._answers.get(number), f"an answer to {command}")
        assert "error" not in answer, f"{command}: {answer['error']}"
        return answer.get("result")

    def fails(self, command: str, **fields: Any) -> str:
        """Give a command that has to fail, and give the error's text."""
        try:
            self.run(command, **fields)
        except AssertionError as error:
            return str(error)
        raise AssertionError(f"{command} did not fail")

    def event(self, **fields: Any) -> Event:
        """Wait for an event with these fields, and give it."""

        def found() -> Event | None:
            return next(iter(self.seen(**fields)), None)

        return self._wait(found, f"an event with {fields}")

    def seen(self, **fields: Any) -> list[Event]:
        """Give the events with these fields that were told so far."""
        return [event for event in list(self.events) if fields.items() <= event.items()]

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        give_up = time.monotonic() + DEADLINE
        with self._arrived:
            while True:
                result = condition()
                if result:
                    return result
                left = give_up - time.monotonic()
                told = "\n".join([*map(str, self.events[-20:]), *self._errors[-20:]])
                assert not self._ended, f"Node ended before {what}; it told\n{told}"
                assert left > 0, f"after {DEADLINE} s there is still not {what}; Node told\n{told}"
                self._arrived.wait(left)

    def _read_out(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                with self._arrived:
                    self._take(json.loads(line))
                    self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        else:
            self.events.append(message)

    def _read_errors(self) -> None:
        assert self._process.stderr
        with self._process.stderr as lines:
            self._errors.extend(line.rstrip() for line in lines)
