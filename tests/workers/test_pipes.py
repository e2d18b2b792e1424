"""Lines of JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.workers.pipes import Lines, decode, encode


@given(st.lists(st.binary().map(lambda text: text.replace(b"\n", b" "))), st.data())
def test_lines_in_any_pieces(texts, data):
    """However a pipe cuts what goes through it, the lines come out as they went in."""
    stream = b"".join(text + b"\n" for text in texts)
    lines, found = Lines(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += lines.feed(stream[:size])
        stream = stream[size:]
    assert found == texts


def test_messages():
    """A message is one line, whatever is in it."""
    message = {"do": "group", "ok": False, "detail": "one\ntwo"}
    (line,) = Lines().feed(encode(message))
    assert decode(line) == message


@pytest.mark.parametrize(
    ("line", "told"), [(b"", "empty"), (b"{", "end of data"), (b"[1]", r"\[1\]")]
)
def test_no_messages(line, told):
    """What is no message is an error."""
    with pytest.raises(ValueError, match=told):
        decode(line)
