from __future__ import annotations

import base64
import dataclasses
import html
import json
import os
import pprint
import urllib.parse
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbship.errors import ParameterError, SettingsError
from nbship.execution.kernels.execution import Executed, Failure, Usage
from nbship.execution.kernels.executor import execute
from nbship.execution.redaction.secrets import Redactor, project_redactor, redact_executed
from nbship.project import load

from ..notebooks import notebook, text

SPELLINGS = {
    "plain": str,
    "repr": repr,
    "repr beside another quote": lambda text: repr(f"it's \" {text}"),
    "repr of a repr": lambda text: repr(repr(text)),
    "bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON as it is": lambda text: json.dumps({"a": text}, ensure_ascii=False),
    "HTML": html.escape,
    "JSON in HTML": lambda text: html.escape(json.dumps(text)),
    "address": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "password in an address": lambda text: f"postgresql://me:{urllib.parse.quote(text, safe='')}@db/x",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic authorisation": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "colours": lambda text: f"\x1b[31m{text[:3]}\x1b[0m{text[3:]}",
    "markup": lambda text: f"<span>{text[:4]}</span>{text[4:]}",
    "wrapped": lambda text: f"{text[:5]}\n{text[5:]}",
    "pretty": lambda text: pprint.pformat({"a": [text, {"b": text}]}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(value=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=8))
def test_a_secret_is_found_in_every_encoding(spelling: str, value: str):
    shown = SPELLINGS[spelling](value)
    hidden = Redactor({"TOKEN": value})(f"before {shown} after")
    assert "[TOKEN]" in hidden
    assert value not in hidden
    assert hidden.startswith("before ")


def test_the_part_that_a_table_shows_is_found():
    value = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    )
    table = pd.DataFrame({"token": [value]})
    for shown in (repr(table), table.to_html(max_cols=3)):
        assert value[:40] not in Redactor({"TOKEN": value})(shown)


def test_lines_of_a_key_are_found_one_by_one():
    value = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
    hidden = Redactor({"KEY": value})("line 2: kqhkiG9w0BAQEF\n-----BEGIN KEY-----")
    assert hidden == "line 2: [KEY]\n-----BEGIN KEY-----"


def test_the_longer_of_two_secrets_is_found_whole():
    assert Redactor({"A": "sesame", "B": "sesame-street"})("sesame-street sesame") == "[B] [A]"


@pytest.mark.parametrize("cut", range(6, 30, 4))
def test_truncated_output_contains_no_part_of_a_secret(cut: int, tmp_path: Path):
    value = "Zq8vN3kLp0TyRw5XeMbCdFgHjUiOaS72941"
    before, after = f"'x' * (500_000 - {cut}) + held + 'x' * 900_000", f"'x' * 900_000 + held + 'x' * (500_000 - {cut})"
    source = "import os\nheld = os.environ['TOKEN']"
    flood = notebook(source, f"print({before}, end='')", f"print({after}, end='')")
    executed = execute(flood, cwd=tmp_path, env={**os.environ, "TOKEN": value})
    for cell in redact_executed(executed, Redactor({"TOKEN": value})).notebook["cells"][1:]:
        printed = text(cell)
        assert "[TOKEN]" in printed
        assert "[nbship cut" in printed
        assert not [size for size in range(6, len(value)) if value[:size] in printed or value[-size:] in printed]


def test_outputs_widgets_and_the_failure_are_redacted():
    output = {"output_type": "display_data", "data": {"application/json": {"sesame": ["sesame"]}}, "metadata": {}}
    executed = Executed(
        {"cells": [{"cell_type": "code", "outputs": [output]}], "metadata": {"widgets": {"v": "sesame"}}},
        Failure("error", 0, "ValueError", "not sesame"),
        Usage(1.0),
    )
    hidden = redact_executed(executed, Redactor({"TOKEN": "sesame"}))
    assert "sesame" not in json.dumps(dataclasses.asdict(hidden))
    assert redact_executed(executed, Redactor({})) is executed


def test_a_parameter_with_a_secret_is_rejected_without_showing_it():
    redact = Redactor({"TOKEN": "sesame"})
    redact.check({"rows": 3, "names": ["open"]}, where="params.yaml")
    with pytest.raises(ParameterError, match=r"'url' to the value of the secret 'TOKEN'.*os\.environ") as caught:
        redact.check({"url": {"login": ["me:sesame@db"]}}, where="params.yaml")
    assert "sesame" not in str(caught.value)


def test_secrets_come_from_the_environment_as_the_project_declares(tmp_path: Path):
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text("project: {secrets: [TOKEN, UNSET]}\n")
    project = load(tmp_path)
    assert project_redactor(project, {"TOKEN": "sesame", "OTHER": "public"})("sesame public") == "[TOKEN] public"
    assert not project_redactor(project, {})
    with pytest.raises(SettingsError, match="'TOKEN' has 3 characters"):
        project_redactor(project, {"TOKEN": "abc"})


def test_urls_of_sinks_are_secrets(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "nbship.yaml").write_text("alerts: {sinks: {team: TEAM_URL, other: UNSET}}\n")
    redact = project_redactor(load(tmp_path), {"TEAM_URL": "slack://A/B/sesame"})
    assert redact("posted to slack://A/B/sesame") == "posted to [TEAM_URL]"
