"""HTTP as it travels: keep-alive, pipelining, bodies in every form, limits while they arrive."""

from __future__ import annotations

import json
import socket

import pytest
from served_apps import APP
from wire import HttpConnection


@pytest.fixture
def http(server):
    with HttpConnection(server.dial()) as connection:
        yield connection


def chunked(target: str, chunks: list[bytes]) -> bytes:
    """Encode a POST whose body comes in chunks."""
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


def event(channel: str, data: str) -> dict[str, str]:
    return {"name": "e", "channel": channel, "data": data}


def test_hundred_publishes_on_one_connection(server, http, name):
    client, api = server.connect(), server.api()
    client.subscribe(name)
    client.so_far()
    for number in range(100):
        http.socket.sendall(api.request("/events", event(name, str(number))))
        assert http.answer().json == {}
    assert [client.expect("e")["data"] for _ in range(100)] == [str(n) for n in range(100)]


def test_pipelined_publishes(server, http, name):
    client, api = server.connect(), server.api()
    client.subscribe(name)
    client.so_far()
    requests = [api.request("/events", event(name, str(number))) for number in range(50)]
    http.socket.sendall(b"".join(requests))
    assert [http.answer().json for _ in range(50)] == [{}] * 50
    assert [client.expect("e")["data"] for _ in range(50)] == [str(n) for n in range(50)]


def test_pipelined_requests_of_all_kinds(server, http, name):
    api = server.api()
    path = f"/apps/{APP.id}/channels/{name}"
    http.socket.sendall(api.request("/events", event(name, "1")))
    http.send("GET", f"{path}?{APP.query('GET', path)}")
    http.socket.sendall(api.request("/events", {"name": "e"}))
    http.send("GET", "/up")
    http.send("HEAD", "/up")
    http.send("DELETE", "/up")
    http.send("OPTIONS", "/up")
    http.socket.sendall(api.request("/batch_events", {"batch": [event(name, "2")]}))
    answers = [http.answer(head_only=number == 4) for number in range(8)]
    assert [a.status for a in answers] == [200, 200, 400, 200, 200, 405, 204, 200]
    assert answers[1].json == {"occupied": False}
    assert answers[3].text == "OK"


def test_request_in_single_bytes(server, http, name):
    request = server.api().request("/events", event(name, "1"))
    for position in range(len(request)):
        http.socket.sendall(request[position : position + 1])
    assert http.answer().json == {}


def test_chunked_body(server, http, name):
    client = server.connect()
    client.subscribe(name)
    client.so_far()
    body = json.dumps(event(name, "x" * 5000)).encode()
    target = f"/apps/{APP.id}/events"
    pieces = [body[i : i + 700] for i in range(0, len(body), 700)]
    for _ in range(2):
        http.socket.sendall(chunked(f"{target}?{APP.query('POST', target, body)}", pieces))
        assert http.answer().json == {}
        assert client.expect("e")["data"] == "x" * 5000


def test_without_content_type_and_with_a_form(server, http, name):
    target = f"/apps/{APP.id}/events"
    body = json.dumps(event(name, "1")).encode()
    for kind in ("", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
        headers = {"Content-Type": kind} if kind else {}
        query = APP.query("POST", target, body)
        assert http.ask("POST", f"{target}?{query}", body, headers).json == {}


def test_expect_continue(server, http, name):
    target = f"/apps/{APP.id}/events"
    body = json.dumps(event(name, "1")).encode()
    head = (
        f"POST {target}?{APP.query('POST', target, body)} HTTP/1.1\r\nHost: x\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    http.socket.sendall(head.encode())
    assert http.socket.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    http.socket.sendall(body)
    assert http.answer().json == {}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("path", ["/events", "/batch_events"])
def test_connection_close(server, http, path, version):
    request = server.api().request(path, {"batch": [], **event("c", "1")}).decode()
    request = request.replace("HTTP/1.1\r\n", f"{version}\r\nConnection: close\r\n")
    http.socket.sendall(request.encode())
    assert http.answer().json == {}
    assert http.ended()


def test_get_and_close(http):
    http.send("GET", "/up", headers={"Connection": "close"})
    assert http.answer().status == 200
    assert http.ended()


@pytest.mark.parametrize("path", ["/events", "/batch_events"])
def test_client_that_has_said_everything(server, http, path):
    """It has closed its side, and waits for the answer."""
    http.socket.sendall(server.api().request(path, {"batch": [], **event("c", "1")}))
    http.socket.shutdown(socket.SHUT_WR)
    assert http.answer().json == {}
    assert http.ended()


@pytest.mark.parametrize(
    "header",
    [
        *("Content-Length: 3", "Transfer-Encoding: chunked", "Transfer-Encoding: xchunked"),
        *("Content-Length : 3", "Content-Length: +3"),
    ],
)
def test_ambiguous_length(server, http, name, header):
    """Two parties could understand two different requests: refused, and the connection ends."""
    client = server.connect()
    client.subscribe(name)
    client.so_far()
    request = server.api().request("/events", event(name, "1")).decode()
    http.socket.sendall(request.replace("\r\n\r\n", f"\r\n{header}\r\n\r\n", 1).encode())
    http.answer().problem(400)
    assert http.ended()
    assert client.is_alive()


# -- limits


@pytest.fixture
def small(start):
    return start("--max-request-size", "2000")


@pytest.mark.parametrize(
    "path", ["events", "batch_events", "users/u/terminate_connections", "channels"]
)
def test_announced_body_is_too_large(small, path):
    with HttpConnection(small.dial()) as http:
        # Answered before any of it arrives.
        head = f"POST /apps/{APP.id}/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n"
        http.socket.sendall(head.encode())
        text = http.answer().problem(413)
        assert "2000" in text
        assert "--max-request-size" in text


def test_chunked_body_gets_too_large(small):
    with HttpConnection(small.dial()) as http:
        head = (
            f"POST /apps/{APP.id}/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        http.socket.sendall(head.encode())
        for _ in range(3):
            http.socket.sendall(b"320\r\n" + b"x" * 800 + b"\r\n")
        # There is no last chunk: the answer comes while the body does.
        assert "--max-request-size" in http.answer().problem(413)
    assert small.connect().is_alive()


def test_client_that_goes_on_sending_reads_the_answer(small):
    with HttpConnection(small.dial()) as http:
        head = f"POST /apps/{APP.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"
        http.socket.sendall(head.encode())
        for _ in range(50):
            http.socket.sendall(b"x" * 10_000)
        http.answer().problem(413)


def test_body_at_the_limit(small):
    client = small.connect()
    client.subscribe("c")
    body = json.dumps(event("c", "x")).encode()
    body += b" " * (2000 - len(body))
    assert small.api().post("/events", body).json == {}
    client.expect("e")
    small.api().post("/events", body + b" ").problem(413)
    assert client.is_alive()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_endless_header(server, http, method):
    http.socket.sendall(f"{method} /up HTTP/1.1\r\nHost: x\r\n".encode())
    # The answer comes although the head never ends, and nobody goes on to collect it.
    for number in range(20):
        http.socket.sendall(b"X-%d: %b\r\n" % (number, b"x" * 1000))
    answer = http.answer()
    answer.problem(answer.status)
    assert answer.status in {400, 431}
    assert http.ended()
    assert server.connect().is_alive()
