"""Publishes one event over the HTTP API, with nothing but the standard library: the signing is written out.

    python examples/publish.py my-channel my-event '{"hello": "world"}'
    python examples/publish.py --url https://ws.example.com --app 1001:key:secret my-channel my-event 42

It is meant to be read, and to be copied where no SDK is at hand.
"""

import argparse
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def signed_query(key: str, secret: str, method: str, path: str, body: bytes, timestamp: int) -> str:
    """Give the query string that proves who sends a request.

    Args:
        key: the app's key.
        secret: the app's secret; it signs and is never sent.
        method: in upper case.
        path: as it is requested, without host and query.
        body: the bytes of the body; empty for a GET.
        timestamp: seconds since 1970; the server takes 600 seconds more or less than its own.
    """
    # 1. The parameters. Any others, such as info=user_count, are signed with them.
    parameters = {
        "auth_key": key,
        "auth_timestamp": str(timestamp),
        "auth_version": "1.0",
    }
    if body:
        # The signature covers the body by its MD5, over exactly the bytes that are sent.
        parameters["body_md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest()

    # 2. The text to sign: method, path and parameters, one a line. The parameters stand in the
    #    order of their names, which are in lower case; the values are not percent-encoded here.
    sorted_parameters = sorted(parameters.items())
    text = "\n".join(
        [method, path, "&".join(f"{name}={value}" for name, value in sorted_parameters)]
    )

    # 3. The signature: HMAC-SHA256 of that text with the secret, in lower-case hex.
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    # 4. In the URL the values are percent-encoded, as always.
    return urllib.parse.urlencode([*sorted_parameters, ("auth_signature", signature)])


def publish(url: str, app: str, channels: list[str], name: str, data: str) -> object:
    """Publish an event and give the answer.

    Args:
        url: where the server listens, with the path prefix if there is one.
        app: id:key:secret.
        channels: up to 100 names.
        name: the event's name.
        data: text, usually JSON; clients get exactly this string.
    """
    app_id, key, secret = app.split(":", 2)
    body = json.dumps({"name": name, "channels": channels, "data": data}).encode()
    base = url.rstrip("/") + f"/apps/{app_id}/events"
    path = urllib.parse.urlsplit(base).path
    query = signed_query(key, secret, "POST", path, body, int(time.time()))
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}?{query}", body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(description="Publish one event.")
    parser.add_argument("--url", default="http://127.0.0.1:6001", help="default: %(default)s")
    parser.add_argument("--app", default="app-id:app-key:app-secret", metavar="ID:KEY:SECRET")
    parser.add_argument("channel")
    parser.add_argument("event")
    parser.add_argument("data", help="JSON or any other text")
    options = parser.parse_args()
    try:
        answer = publish(options.url, options.app, [options.channel], options.event, options.data)
    except urllib.error.HTTPError as error:
        # The body says what was wrong, in words.
        sys.exit(f"{error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{options.url}: {error.reason}")
    print(answer)


if __name__ == "__main__":
    main()
