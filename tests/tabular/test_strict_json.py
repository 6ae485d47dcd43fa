from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbship.errors import JsonError
from nbship.tabular.strict_json import _parse_any, _parse_flat, parse_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_valid_json_is_parsed(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


_TOKENS = st.sampled_from(
    ['{', '}', '[', ']', ',', ':', '"', '"a"', '"b:"', '"a":', '"b":1', '":"', "1", "-0", "1.5", "1e400", "1e3", "NaN",
     "9" * 19, "9" * 30, "true", "null", " ", "\\", "\\u003a", "\x00", "\x7f", "é", "\u2028", "\ufeff", "0.1e-400"]
)  # fmt: skip
_RECORDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a:", ""]), st.text(max_size=3) | st.integers() | st.floats() | st.none()),
    max_size=4,
)


def _pairs(pairs: list[tuple[str, object]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in pairs) + "}"


@given(
    st.lists(_TOKENS, max_size=12).map("".join)
    | _RECORDS.map(_pairs)
    | st.lists(_RECORDS.map(_pairs), max_size=3).map(lambda each: f"[{','.join(each)}]")
)
def test_both_parsers_return_the_same(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    quick = _parse_flat(body)
    if quick is not None:
        assert repr(quick) == repr(_parse_any(body))


def test_flat_records_take_the_fast_path() -> None:
    assert _parse_flat(b'[{"at": "08:30", "b:c": 1, "x": 1.5}]') == [{"at": "08:30", "b:c": 1, "x": 1.5}]
    assert _parse_flat(b'{"a": 1, "a": 2}') is None
    assert _parse_flat(b'{"a": ":", "a": "::"}') is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_parsed_exactly(number: float) -> None:
    (read,) = parse_json(f"[{number!r}]".encode())
    assert repr(read) == repr(number)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not JSON"),
        (b"{'x': 1}", "not JSON"),
        (b'{"x": 1} trailing', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"x": 01}', "not JSON"),
        (b'{"x": "a\x00b"}', "not JSON"),
        (b'{"x": NaN}', "NaN"),
        (b'{"x": Infinity}', "Infinity"),
        (b'{"x": -Infinity}', "-Infinity"),
        (b'{"x": 1e400}', "too large"),
        (b'{"x": -1e400}', "too large"),
        (b'{"x": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"x": 1, "x": 2}', "'x' occurs twice"),
        (b'[{"a": {"x": 1, "y": 3, "x": 2}}]', "'x' occurs twice"),
        (b'{"x": "\\ud800"}', "surrogate"),
        (b'{"\\uDfff": 1}', "surrogate"),
        (b'[[{"x": ["\\udc00\\ud800"]}]]', "surrogate"),
        (b'{"x": "\xff"}', "not UTF-8"),
        (b'{"x": "\xed\xa0\x80"}', "not UTF-8"),
        ('{"x": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64 deep"),
        (b"[" * 100_000 + b"]" * 100_000, "64 deep"),
        (b"[" * 100_000, "64 deep"),
    ],
)
def test_invalid_json_is_an_error_of_one_sentence(body: bytes, reason: str) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        parse_json(body)
    str(caught.value).encode()


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(b'{"x": "\\ud83d\\ude00"}') == {"x": "\N{GRINNING FACE}"}
    assert parse_json(b'{"x": "[[[{{{"}') == {"x": "[[[{{{"}
    assert parse_json(b'"' + b"[" * 100 + b'"') == "[" * 100


def test_a_duplicate_key_is_named() -> None:
    with pytest.raises(JsonError) as caught:
        parse_json(b'{"weight": 1, "weight": 2}')
    assert [failure.field for failure in caught.value.fields] == ["weight"]
