"""The same rows in every kind of source, and a project that declares it."""

from __future__ import annotations

import csv
import http.server
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from services import postgres_url

__all__ = [
    "COLUMNS",
    "KINDS",
    "ZONE",
    "fill_postgres",
    "make_orders",
    "open_kind",
    "served",
    "write_csv",
    "write_project",
]

ZONE = "America/New_York"
KINDS = ("csv", "csv.gz", "jsonl", "parquet", "sqlite", "duckdb", "postgres", "http")
COLUMNS: Mapping[str, Any] = {
    "id": "integer",
    "placed": "timestamp",
    "price": {"kind": "number", "minimum": 0, "nullable": True},
    "city": {"kind": "string", "nullable": True},
    "paid": "boolean",
}


def make_orders(days: int = 21, *, first: str = "2026-06-01", a_day: int = 24) -> list[dict[str, Any]]:
    """Orders, so many a day in New York, in the order of time; prices with many digits, nulls, umlauts."""
    start = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    return [
        {
            "id": number,
            "placed": start + timedelta(days=1) * number / a_day,
            "price": None if number % 11 == 0 else number / 7,
            "city": [None, "Zürich", "Ústí nad Labem", 'with "quotes", and\ttab'][number % 4],
            "paid": number % 3 == 0,
        }
        for number in range(days * a_day)
    ]


def write_project(root: Path, settings: Mapping[str, Any], *, name: str = "orders", extra: str = "") -> Path:
    """A project in a DVC repository without Git, with one source."""
    declared = {"time": "placed", "key": ["id"], "columns": dict(COLUMNS), "retries": 0, **settings}
    (root / ".dvc").mkdir(parents=True, exist_ok=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    (root / "pipeline.yaml").write_text("tasks: []\n")
    content = {"project": {"name": "shop", "timezone": ZONE}, "data": {"sources": {name: declared}}}
    (root / "nbship.yaml").write_text(yaml.safe_dump(content, sort_keys=False) + extra)
    return root


@contextmanager
def open_kind(kind: str, root: Path, orders: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write orders to a source of a kind; yield the settings that declare it."""
    root.mkdir(parents=True, exist_ok=True)
    if kind == "postgres":
        with postgres_url() as url:
            fill_postgres(url, orders)
            yield {"url": url.replace("postgresql://postgres@", "postgresql://${SHOP_USER}@"), "table": "orders"}
    elif kind == "http":
        write_csv(root / "served" / "orders.csv", orders)
        with served(root / "served") as address:
            yield {"url": f"{address}/orders.csv?token=${{SHOP_TOKEN}}", "headers": {"Authorization": "${SHOP_TOKEN}"}}
    else:
        yield _FILES[kind](root, orders)


def write_csv(path: Path, orders: Sequence[Mapping[str, Any]], **options: Any) -> None:
    """A CSV file with times of ISO 8601 in UTC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, **options)
        writer.writerow(COLUMNS)
        for order in orders:
            writer.writerow([_text(order[name]) for name in COLUMNS])


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP; yield the address."""
    handler = partial(_QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def _csv(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    middle = len(orders) // 2
    write_csv(root / "incoming/1.csv", orders[:middle])
    write_csv(root / "incoming/2.csv", orders[middle:])
    return {"url": "incoming/*.csv"}


def _gzip(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    import gzip

    write_csv(root / "orders.csv", orders, delimiter=";", encoding="utf-16")
    (root / "orders.csv.gz").write_bytes(gzip.compress((root / "orders.csv").read_bytes()))
    return {"url": "orders.csv.gz", "delimiter": ";", "encoding": "utf-16"}


def _jsonl(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    lines = [json.dumps(order, default=lambda value: value.isoformat()) for order in orders]
    (root / "orders.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return {"url": "orders.jsonl"}


def _parquet(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    import pandas as pd

    # As pandas writes it: null as NaN, times in nanoseconds of a zone.
    frame = pd.DataFrame(list(orders), columns=list(COLUMNS))
    frame["placed"] = pd.to_datetime(frame["placed"], utc=True).dt.tz_convert(ZONE).astype(f"datetime64[ns, {ZONE}]")
    frame.to_parquet(root / "orders.parquet", row_group_size=50)
    return {"url": "orders.parquet"}


def _sqlite(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    with sqlite3.connect(root / "orders.sqlite") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, placed TEXT, price REAL, city TEXT, paid INTEGER)")
        rows = [[_local(order["placed"]), *(order[name] for name in COLUMNS if name != "placed")] for order in orders]
        connection.executemany("INSERT INTO orders (placed, id, price, city, paid) VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    # Times of New York, without an offset.
    return {"url": "sqlite:///orders.sqlite", "table": "orders"}


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"


def _duckdb(root: Path, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    import duckdb

    _jsonl(root, orders)
    with duckdb.connect(str(root / "orders.duckdb")) as connection:
        kinds = "{id: 'INTEGER', placed: 'TIMESTAMPTZ', price: 'DOUBLE', city: 'VARCHAR', paid: 'BOOLEAN'}"
        connection.execute(
            f"CREATE TABLE orders AS FROM read_json('{root}/orders.jsonl', columns = {kinds}, format = 'nd')"
        )
    return {"url": "duckdb:///orders.duckdb", "query": "FROM orders WHERE placed >= $from AND placed < $to"}


def fill_postgres(url: str, orders: Sequence[Mapping[str, Any]]) -> None:
    """Create a table of orders."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE orders (id BIGINT, placed TIMESTAMPTZ, price DOUBLE PRECISION, city TEXT, paid BOOLEAN)"
        )
        with connection.cursor().copy("COPY orders FROM STDIN") as copy:
            for order in orders:
                copy.write_row([order[name] for name in COLUMNS])


_FILES = {"csv": _csv, "csv.gz": _gzip, "jsonl": _jsonl, "parquet": _parquet, "sqlite": _sqlite, "duckdb": _duckdb}
