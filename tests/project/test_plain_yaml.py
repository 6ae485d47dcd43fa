"""What is read without the YAML library is what the library reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nbship.project.plain_yaml import NotPlainError, Scalar, parse_plain

SCALARS = st.sampled_from(
    [
        *("1", "-1", "01", "1.5", "1.", ".5", "1e5", "0x1f", "1_000", "true", "True", "yes", "null", "~", "2013-01-01"),
        *(
            "a",
            "a, (b) c? d!",
            "b's",
            "a b",
            "a  b",
            "a #b",
            "a#b",
            "'a'",
            '"a"',
            "'a''b'",
            '"a\\n"',
            "'a' # b",
            "'a'#b",
            "'a",
            "''",
            '""',
        ),
        *("[]", "[a, b]", "[a,b]", "[a, [1, 2.5]]", "{a: 1, b: [x y]}", "{a: 1, a: 2}", "{a:1}", "{a}", "[a", "[a, ]"),
        *(
            "{a: 'b, c'}",
            "[a] # b",
            "[a #b]",
            '["#"]',
            "&x 1",
            "*x",
            "!t a",
            "|",
            ">",
            "a: b",
            "- a",
            "-",
            "-a",
            "--- a",
        ),
        *(
            "{{a}}",
            '"{{a.b}}"',
            "a/b.c",
            "./x",
            "...",
            "a@b=c+d",
            "é",
            "'é'",
            "=",
            "<<",
            "_",
            "+_",
            "@a",
            "a:",
            "#",
            "",
        ),
        *("{a: -1}", "[-1, -a]", "[a b , c]", "{ a: 1 }", "{a: }", "{a: 1,}", "1:30", "'1'", "{'a': 1}", '["a"]'),
    ]
)
KEYS = st.sampled_from(
    ["a", "b", "c", "a.b", "1", "'q'", '"q"', "yes", "null", "x y", "<<", "-", "é", "a" * 600, "# c"]
)
LINES = st.one_of(
    st.builds("{}{}: {}".format, st.sampled_from(["", "- ", "- - ", "-   "]), KEYS, SCALARS),
    st.builds("{}{}:{}".format, st.sampled_from(["", "- "]), KEYS, st.sampled_from(["", " ", "  # c", "\t"])),
    st.builds("- {}".format, SCALARS),
    st.sampled_from(["-", "- ", "- -", "- - ", "- # c"]),
    SCALARS,
)
TEXTS = st.lists(st.builds(lambda depth, line: " " * depth + line, st.integers(0, 5), LINES), max_size=7).map("\n".join)
NEAR = st.lists(
    st.builds(lambda depth, line: "  " * depth + line, st.integers(0, 2), LINES), min_size=1, max_size=5
).map(lambda lines: "\n".join(["a0:", *lines]) + "\n")


@given(TEXTS | NEAR)
@example("a: 1\nb:\n- c: 2\n  d:\n  - e\n- f\n")
@example("a:\n- b:\n- c:\n")
def test_plain_yaml_is_parsed_as_by_ruamel(text: str) -> None:
    try:
        content = parse_plain(text)
    except NotPlainError:
        return
    assert repr(content) == repr(YAML(typ="safe", pure=True).load(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n  b: 2\n",
        "a: 1\na: 2\n",
        "a: b: c\n",
        "a\nb\n",
        "- a\nb: 1\n",
        "a:\n  b: 1\n c: 2\n",
        "a: |\n  x\n",
        "a: 'b\n  c'\n",
    ],
)
def test_other_yaml_is_not_plain(text: str) -> None:
    with pytest.raises(NotPlainError):
        parse_plain(text)


def test_the_files_of_the_reference_project_are_plain() -> None:
    root = Path(__file__).parents[2]
    for name in ("pipeline.yaml", "params.yaml", "nbship.yaml", "dvc.yaml", "dvc.lock"):
        text = (root / name).read_text(encoding="utf-8")
        assert parse_plain(text) == YAML(typ="safe", pure=True).load(text), name


def test_scalars_are_collected_as_written() -> None:
    scalars: list[Scalar] = []
    parse_plain('a: "1"\nb: [x]\n', scalars=scalars)
    assert scalars == [
        Scalar("a", True, False, True),
        Scalar("1", False, True, True),
        Scalar("b", True, False, True),
        Scalar("x", False, False, True),
    ]
