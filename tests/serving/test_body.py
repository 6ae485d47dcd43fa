from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbship.serving.body import MAX_BYTES, BodyError, parse_body

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    assert parse_body(json.dumps(value).encode()) == value
    assert parse_body(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_through_to_the_bit(number: float) -> None:
    (read,) = parse_body(f"[{number!r}]".encode())
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
def test_nonsense_is_refused_in_one_sentence(body: bytes, reason: str) -> None:
    with pytest.raises(BodyError, match=reason) as caught:
        parse_body(body)
    assert caught.value.code == "invalid_json"
    str(caught.value).encode()


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_body(b"[" * 64 + b"]" * 64)
    assert parse_body(b'{"x": "\\ud83d\\ude00"}') == {"x": "\N{GRINNING FACE}"}
    assert parse_body(b'{"x": "[[[{{{"}') == {"x": "[[[{{{"}
    assert parse_body(b'"' + b"[" * 100 + b'"') == "[" * 100


def test_a_body_beyond_the_limit_is_too_large() -> None:
    with pytest.raises(BodyError, match="over 10,000,000 bytes") as caught:
        parse_body(b"[" + b" " * MAX_BYTES)
    assert caught.value.code == "too_large"


def test_the_key_that_occurs_twice_is_named() -> None:
    with pytest.raises(BodyError) as caught:
        parse_body(b'{"weight": 1, "weight": 2}')
    assert caught.value.field == "weight"
