"""No message and no traceback shows the password of a database URL, or the content of a row."""

from __future__ import annotations

import gzip
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from packages import build_small, make_rows
from prediction_log.test_log import record
from services import postgres_url

from nbship import cli, predictor
from nbship.data import open_source
from nbship.errors import LogError, NbshipError, SettingsError
from nbship.inference import Logged, load_table, predict_file, save_query
from nbship.model import Field, Signature
from nbship.prediction_log import open_log, shown_address
from nbship.project import is_url, read_settings, shown_url

CANARY = "cAnArY"
PASSWORDS = [
    "{0}", "{0}@{0}", "{0}#{0}", "{0}/{0}", "{0}:{0}", "{0}?{0}", "{0}?a={0}", "{0}%zz{0}", "{0}%40{0}", "{0}[{0}", "{0} {0}",
    "1@{0}", "1#{0}", "1/{0}@{0}", "1?{0}@{0}", "12:{0}", "@{0}", "/{0}", "#{0}", "?{0}", "{0}\\{0}", "{0}@{0}:1/{0}@",
]  # fmt: skip
URLS = [
    "{scheme}://ann:{password}@127.0.0.1:1/log", "{scheme}://:{password}@127.0.0.1:1", "{scheme}:/ann:{password}@127.0.0.1:1/log",
    "{scheme}:ann:{password}@127.0.0.1:1/log", "{scheme}:///log?host=127.0.0.1&port=1&user=ann&password={password}",
    "{scheme}://ann:{password}", "{scheme}://127.0.0.1:1/log?passwrd=1&password={password}",
    "{scheme}//ann:{password}@127.0.0.1:1/log", "{scheme};//ann:{password}@127.0.0.1:1/log", "//ann:{password}@127.0.0.1:1/log",
    "host=127.0.0.1 port=1 dbname=log user=ann password={password}", "password={password} dbname = log",
]  # fmt: skip
SCHEMES = ["postgresql", "postgres", "postgresql+psycopg", "mysql", "sqlite", "postgresqll", "duckdb"]
SIGNATURE = Signature(inputs=(Field("x", "int"),))
FUNCTIONS: dict[str, Callable[[str, Path], object]] = {
    "open_log": lambda url, folder: open_log(url),
    "open_log with a spool": lambda url, folder: open_log(url, spool=folder / "spool.sqlite"),
    "shown_address": lambda url, folder: shown_address(url),
    "shown_url": lambda url, folder: shown_url(url),
    "open_source": lambda url, folder: open_source(url),
    "save_query": lambda url, folder: save_query(url, "SELECT 1", folder / "in.parquet", signature=SIGNATURE),
    "load_table": lambda url, folder: load_table(folder / "out.parquet", url, "scored", run="b"),
}


def printed(call: Callable[[], object]) -> str:
    """Return what a call returns, or its error with its traceback."""
    try:
        return str(call())
    except NbshipError as error:
        # The lines of this file show the URL's template, not the URL.
        return "".join(traceback.format_exception(error))


@pytest.mark.filterwarnings("ignore:Query string argument:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_shows_a_password(name: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"prediction_id": ["b-0"]}).to_parquet("out.parquet")
    shown = {}
    for template in URLS:
        for password in PASSWORDS:
            if template.endswith("ann:{password}") and "@" in password:
                continue  # what follows the last @ is the host
            url = template.format(scheme=scheme, password=password.format(CANARY))
            shown[url] = printed(lambda url=url: FUNCTIONS[name](url, tmp_path))
    assert [url for url, text in shown.items() if CANARY in text] == []
    made = {path.name for path in tmp_path.iterdir()} - {"in.parquet", "out.parquet"}
    assert {name for name in made if not name.startswith(("log", "spool"))} == set()


@pytest.mark.parametrize("words", [["predict", "in.csv", "--package"], ["log", "export", "out.parquet", "--package"]])
def test_no_command_shows_a_password(
    words: list[str], small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_rows(3).to_csv("in.csv", index=False)
    for password in PASSWORDS:
        monkeypatch.setenv("NBSHIP_LOG__URL", f"postgresql://ann:{password.format(CANARY)}@127.0.0.1:1/log")
        result = CliRunner().invoke(cli.nbship, [*words, str(small_package)])
        assert isinstance(result.exception, LogError)
        assert CANARY not in result.output + "".join(traceback.format_exception(result.exception))


def test_a_password_with_a_number_sign_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_url() as url, open_log(url.replace("postgres@", "postgres:one#two@")) as log:
        log.append(record())
        assert "one" not in str(log)


def test_a_mistyped_url_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in (
        "postgres:/ann@db/log",
        "postgresql:ann@db/log",
        "postgres:///log?x",
        "sqlite:log.sqlite",
        "mysql://db/log",
    ):
        with pytest.raises(LogError, match=url.partition(":")[0]):
            open_log(url)
    for url in (
        "postgresql//db/log",
        "host=db dbname=log",
        "ann@db/log",
        "//ann@db/log",
        "service=log",
        "log;user=ann",
    ):
        with pytest.raises(LogError, match=r"The log address '…' is not known\. Use 'sqlite:///'"):
            open_log(url)
    assert list(tmp_path.iterdir()) == []
    assert not is_url("C:\\logs\\log.sqlite")
    with open_log("state/log.sqlite"):
        assert (tmp_path / "state" / "log.sqlite").is_file()


def test_settings_that_cannot_be_read_do_not_show_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "nbship.yaml"
    for line in (
        "url: 'postgresql://ann:{0}@db",
        "url: [postgresql://ann:{0}@db",
        "url: {0}\n  url: {0}2",
        'url: "\\q{0}"',
        "url: @{0}",
    ):
        path.write_text(f"log:\n  {line.format(CANARY)}\n")
        with pytest.raises(SettingsError, match=r"nbship\.yaml") as caught:
            read_settings(path)
        assert CANARY not in "".join(traceback.format_exception(caught.value)), line


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_rejects_rows_does_not_show_them(kind: str, tmp_path: Path) -> None:
    with postgres_url() as server:
        url = f"sqlite:///{tmp_path / 'shop.db'}" if kind == "sqlite" else server.replace("://", "+psycopg://", 1)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                sa.text("CREATE TABLE scored (prediction_id TEXT, name TEXT CHECK (name = 'x'), missing TEXT)")
            )
        engine.dispose()
        pd.DataFrame({"prediction_id": ["b-0"], "name": [CANARY]}).to_parquet(tmp_path / "out.parquet")
        text = printed(lambda: load_table(tmp_path / "out.parquet", url, "scored", run="b"))
        assert "it rejected a row" in text
        assert CANARY not in text


def damaged(rows: pd.DataFrame) -> dict[str, str | bytes]:
    """Return files that are rejected, whole or by row; each row holds the canary in the personal field."""
    text = rows.to_csv(index=False)
    header, row = text.splitlines()[:2]
    record = f'{{"name":"{CANARY}"'
    return {
        "ragged.csv": f"{header}\n{row},more\n",
        "short.csv": f"{header}\n{CANARY}\n",
        "quote.csv": f'{header}\n"{row}\n',
        "headless.csv": f"{row}\n{row}\n",
        "latin.csv": f"{header}\n{row}\xe9\n".encode("latin-1"),
        "cut.csv.gz": gzip.compress(text.encode())[:-20],
        "cut.jsonl": record,
        "key.jsonl": f"{record}, size: 3}}\n",
        "twice.jsonl": f'{record},"name":"{CANARY}2"}}\n',
        "escape.jsonl": f'{{"name":"\\q{CANARY}"}}\n',
        "nan.jsonl": f'{record},"size":NaN}}\n',
        "list.jsonl": f'["{CANARY}"]\n',
        "cut.json": f"[{record}}},{record}",
        "string.json": f'"{CANARY}"',
        "cut.parquet": f"PAR1{CANARY * 99}PAR1",
    }


@pytest.fixture(scope="module")
def personal(tmp_path_factory: pytest.TempPathFactory) -> predictor.PackagePredictor:
    fields = [Field("name", "string", pii=True, example="nobody")]
    return predictor.load(build_small(tmp_path_factory.mktemp("models"), name="personal", fields=fields))


def test_a_rejected_file_does_not_show_its_rows(personal: predictor.PackagePredictor, tmp_path: Path) -> None:
    rows = make_rows(3).assign(name=CANARY)
    with open_log(tmp_path / "log.sqlite") as log:
        for name, content in damaged(rows).items():
            source = tmp_path / name
            source.write_bytes(content if isinstance(content, bytes) else content.encode())
            text = printed(
                lambda source=source: predict_file(personal, log, source=source, target=tmp_path / "out.csv")
            )
            assert "Error" in text, name
            assert CANARY not in text, name
    for name, column in {"size": [CANARY] * 3, "weight": [[CANARY]] * 3, "name": [CANARY.encode()] * 3}.items():
        source = tmp_path / "types.parquet"
        rows.assign(**{name: column}).to_parquet(source)
        text = printed(lambda source=source: predict_file(personal, log, source=source, target=tmp_path / "out.csv"))
        assert "Error" in text
        assert CANARY not in text


def test_an_internal_error_is_logged_without_personal_values(
    personal: predictor.PackagePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, rows: Any) -> Any:
        raise ZeroDivisionError(rows[0]["name"])

    monkeypatch.setattr(predictor.PackagePredictor, "predict_records", fail)
    with open_log(tmp_path / "log.sqlite") as log:
        with pytest.raises(ZeroDivisionError):
            Logged(personal, log).respond([{"name": CANARY}])
        (one,) = log.recent(1)
    assert one.error == '{"code":"internal","message":"ZeroDivisionError"}'
