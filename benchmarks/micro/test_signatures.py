"""Signatures: what is signed, and whether it was signed right."""

from txpusher.protocol import signatures

SECRET = "secret"
QUERY = f"auth_key=key&auth_timestamp=1700000000&auth_version=1.0&body_md5={'0' * 32}&auth_signature={'0' * 64}"


def test_sign_a_request(benchmark):
    assert len(benchmark(signatures.sign, SECRET, f"POST\n/apps/1/events\n{QUERY}")) == 64


def test_parse_a_query(benchmark):
    assert dict(benchmark(signatures.parse_query, QUERY))["auth_key"] == "key"


def test_text_of_a_request(benchmark):
    query = signatures.parse_query(QUERY)
    text = benchmark(signatures.request_text, "POST", "/apps/1/events", query)
    assert text.startswith("POST\n/apps/1/events\nauth_key=key&")


def test_md5_of_a_body(benchmark):
    assert len(benchmark(signatures.body_md5, b"x" * 200)) == 32


def test_check_the_authorization_of_a_channel(benchmark):
    text = signatures.channel_text("1.2", "private-bench", None)
    auth = f"key:{signatures.sign(SECRET, text)}"
    assert benchmark(signatures.authorization_problem, auth, "key", SECRET, text) is None
