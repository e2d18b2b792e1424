"""Signatures: channel and user authorizations of clients, requests of the HTTP API.

All are HMAC-SHA256 in lower-case hex, over exactly the bytes that were received, compared in constant time.
Source: "Pusher docs: Channels, authentication signatures" and "HTTP API, authentication"; the test vectors printed
there are in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from operator import itemgetter
from urllib.parse import unquote_plus

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

EMPTY_MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()


def sign(secret: str, text: str) -> str:
    """Give the signature of ``text``: HMAC-SHA256 of its UTF-8 bytes, in lower-case hex."""
    return _signed(_keyed(secret), text)


def signer(secret: str, beginning: str) -> Callable[[str], str]:
    """Make the function that signs texts with this beginning; it is given the rest of one."""
    begun = _keyed(secret).copy()
    begun.update(beginning.encode())
    return partial(_signed, begun)


def _signed(begun: HMAC, rest: str) -> str:
    whole = begun.copy()
    whole.update(rest.encode())
    return whole.finalize().hex()


@lru_cache(maxsize=1024)
def _keyed(secret: str) -> HMAC:
    # Taking in the key is half of the work, and a copy in the standard library costs a third more than this one.
    return HMAC(secret.encode(), SHA256())


def same(expected: str, given: str) -> bool:
    """Compare two signatures in a time that does not tell where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode(errors="replace"))


def channel_text(socket_id: str, channel: str, channel_data: str | None) -> str:
    """Give the text that an authorization for a private or presence channel signs."""
    if channel_data:
        return f"{socket_id}:{channel}:{channel_data}"
    return f"{socket_id}:{channel}"


def user_text(socket_id: str, user_data: str) -> str:
    """Give the text that a sign-in signs."""
    return f"{socket_id}::user::{user_data}"


def authorization_problem(auth: str | None, key: str, secret: str, text: str) -> str | None:
    """Say why ``auth`` does not authorize ``text``, or None when it does.

    Args:
        auth: ``key:signature`` as the client sent it.
        key: the app's key.
        secret: the app's secret.
        text: what has to be signed, see `channel_text` and `user_text`.
    """
    if not auth:
        return "auth is missing"
    given_key, colon, signature = auth.partition(":")
    if not colon:
        return "Invalid format: auth must have the format key:signature"
    if given_key != key:
        return f"Invalid key in auth: {given_key!r} is not the key of this app"
    if not same(sign(secret, text), signature):
        return f"Invalid signature: expected the HMAC SHA256 hex digest of {text}"
    return None


def parse_query(query: str) -> list[tuple[str, str]]:
    """Split a raw query string into decoded pairs, names in lower case, empty values kept.

    Values are decoded once by form rules, as the libraries sign the text before it was encoded.
    """
    parts = [part.partition("=") for part in query.split("&") if part]
    # The query of a publish has nothing to decode, and asking so of each text would cost a microsecond.
    if "%" in query or "+" in query:
        parts = [(unquote_plus(name), equals, unquote_plus(value)) for name, equals, value in parts]
    return [(name.lower(), value) for name, _, value in parts]


def request_text(method: str, path: str, query: Iterable[tuple[str, str]]) -> str:
    """Give the text that an API request signs.

    Args:
        method: in upper case.
        path: as requested, not decoded, without the query.
        query: decoded pairs with names in lower case; ``auth_signature`` is left out here.
    """
    signed = sorted([pair for pair in query if pair[0] != "auth_signature"], key=itemgetter(0))
    return f"{method}\n{path}\n" + "&".join([f"{name}={value}" for name, value in signed])


def body_md5(body: bytes) -> str:
    """Give the digest that ``body_md5`` has to be."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
