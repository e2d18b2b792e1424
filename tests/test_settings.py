"""Reading values by their type, secrets and documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher import settings
from txpusher.errors import ConfigError
from txpusher.settings import Processes, document, read, secret, unknown

KINDS = [str, str | None, bool, int, int | None, float, tuple[str, ...]]


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (" text ", str, "text"),
        ("text", str | None, "text"),
        ("none", str | None, None),
        ("", str | None, None),
        (None, str | None, None),
        (True, bool, True),
        ("Yes", bool, True),
        ("1", bool, True),
        ("off", bool, False),
        (7, int, 7),
        ("7", int, 7),
        ("-7", int, -7),
        (7, int | None, 7),
        ("7", int | None, 7),
        ("0", int | None, None),
        (-1, int | None, None),
        (None, int | None, None),
        ("none", int | None, None),
        (3, Processes, 3),
        ("3", Processes, 3),
        (2, float, 2.0),
        (2.5, float, 2.5),
        ("2.5", float, 2.5),
        ("a, b\tc", tuple[str, ...], ("a", "b", "c")),
        (["a", " b "], tuple[str, ...], ("a", "b")),
        ((), tuple[str, ...], ()),
        ("", tuple[str, ...], ()),
    ],
)
def test_read(value, kind, result):
    """Every type can be written as itself and as text."""
    read_back = read(value, kind, "--it")
    assert (read_back, type(read_back)) == (result, type(result))


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (7, str, "expected text, not 7"),
        (False, str | None, "expected text or none, not False"),
        ("maybe", bool, "expected true or false, not 'maybe'"),
        (1, bool, "expected true or false, not 1"),
        ("1.5", int, "expected a whole number, not '1.5'"),
        (1.5, int, "expected a whole number, not 1.5"),
        (True, int, "expected a whole number, not True"),
        ("9" * 5000, int, "expected a whole number, not '999"),
        ("many", int | None, r"expected a whole number \(0 is no limit\), not 'many'"),
        ("soon", float, "expected a number, not 'soon'"),
        ("nan", float, "expected a number, not 'nan'"),
        (float("inf"), float, "expected a number, not inf"),
        (True, float, "expected a number, not True"),
        ([1], tuple[str, ...], r"expected a list of texts, not \[1\]"),
        ({}, tuple[str, ...], r"expected a list of texts, not \{\}"),
    ],
)
def test_unreadable(value, kind, told):
    """A mistake is told with the setting, what was expected and what was given."""
    with pytest.raises(ConfigError, match=rf"^--it: {told}"):
        read(value, kind, "--it")


@pytest.mark.parametrize("kind", [int, int | None, float])
def test_too_small(kind):
    """A number below the least one is refused, and the error says which is the least."""
    with pytest.raises(ConfigError, match=r"1 or more, not '-5'"):
        read("-5", kind, "--it", least=1)
    assert read("1", kind, "--it", least=1) == 1


def test_no_limit_is_not_too_small():
    """The zero that means "no limit" is not compared with the least number."""
    assert read(0, int | None, "--it", least=1) is None


def test_other_separators():
    """A list whose members have commas in them is separated by something else."""
    assert read("a,b;c\nd", tuple[str, ...], "--it", separator=r"[;\n]") == ("a,b", "c", "d")


@given(
    value=st.one_of(
        st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text())
    ),
    kind=st.sampled_from(KINDS),
)
def test_a_value_or_a_config_error(value, kind):
    """Whatever is written, it is read or refused, and nothing else happens."""
    try:
        result = read(value, kind, "--it")
    except ConfigError as error:
        assert error.setting == "--it"  # noqa: PT017 - both ends are right
    else:
        assert read(result, kind, "--it") == result


def test_secret_in_place():
    """A secret may simply be written down."""
    assert secret(" s3cret ", "--app") == "s3cret"


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_secret_in_a_file(tmp_path, scheme):
    """A secret may be in a file, where its last line may end as lines do."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n", encoding="utf-8")
    assert secret(f"{scheme}{path}", "--app") == "s3cret"


def test_secret_in_the_environment(monkeypatch):
    """A secret may be in an environment variable of any name."""
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    assert secret("env:SHOP_SECRET", "--app") == "s3cret"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "the secret is empty"),
        ("env:NOT_SET_ANYWHERE", "there is no secret at env:NOT_SET_ANYWHERE"),
        ("file:/not/there", "cannot read /not/there: No such file or directory"),
        ("file:/", "cannot read /: Is a directory"),
        (7, "expected the secret as text, file:/path or env:NAME"),
    ],
)
def test_no_secret(written, told):
    """A secret that is nowhere is a mistake, told without quoting it."""
    with pytest.raises(ConfigError, match=rf"^--app: {told}$"):
        secret(written, "--app")


def test_toml(tmp_path):
    """A settings file is TOML."""
    path = tmp_path / "it.toml"
    path.write_text("drain = 3", encoding="utf-8")
    assert document(path) == {"drain": 3}


def test_json(tmp_path):
    """A file whose name ends in .json is JSON."""
    path = tmp_path / "it.json"
    path.write_text('{"drain": 3}', encoding="utf-8")
    assert document(path) == {"drain": 3}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("it.toml", b"drain = ", "is not TOML: "),
        ("it.json", b"{", "is not JSON: "),
        ("it.toml", b"\xff", "cannot be read: it is not UTF-8 text"),
    ],
)
def test_broken_documents(tmp_path, name, content, told):
    """A file that is not what it should be is named."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told) as caught:
        document(path)
    assert caught.value.setting == str(path)


def test_unknown_settings():
    """A setting that does not exist is told with the one that looks like it, if any does."""
    assert unknown("a.toml: drane", "drane", ["drain"]).message.endswith("did you mean drain?")
    assert unknown("a.toml: xyz", "xyz", ["drain"]).message == "there is no such setting"


def test_a_process_for_each_core(monkeypatch):
    """Where the system tells which cores may be used, those count, else those there are."""
    monkeypatch.setattr(settings.os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert read("auto", Processes, "--workers") == 3
    monkeypatch.delattr(settings.os, "sched_getaffinity")
    monkeypatch.setattr(settings.os, "cpu_count", lambda: 8)
    assert read("auto", Processes, "--workers") == 8
    monkeypatch.setattr(settings.os, "cpu_count", lambda: None)
    assert read("auto", Processes, "--workers") == 1
