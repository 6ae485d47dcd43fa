"""July to December, month by month: the packaged model against the carrier × hour base rate of the same history."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbship.errors import NbshipError, SourceError
from nbship.metrics import classification
from nbship.predictor import Predictor, load
from nbship.project import read_params

from .arrivals import read_window
from .baseline import BaseRate
from .calendar import with_calendar
from .fields import INPUTS
from .install_data import ROOT
from .labels import is_late

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["backtest", "table", "write_block"]

MONTHS = (7, 8, 9, 10, 11, 12)
MEASURES: Mapping[str, str] = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "calibration_error": "calibration error",
}
_BEGIN, _END = "<!-- backtest -->", "<!-- /backtest -->"


def backtest(package: Path, *, months: tuple[int, ...] = MONTHS) -> list[dict[str, Any]]:
    """Score each month; return its number, flights, and the measures of `model` and `base`."""
    model = load(package)
    base = _base_rate()
    return [_score(month, model, base) for month in months]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the measures as a Markdown table, the model's beside the base rate's."""
    return "\n".join([*_head(), *(_line(row) for row in rows)])


def _base_rate() -> BaseRate:
    """Return the base rate of the training flights."""
    params: Mapping[str, Any] = read_params(ROOT / "params.yaml")
    flights = with_calendar(read_window(params["extract"]["history_from"], params["prepare"]["holdout_from"]))
    return BaseRate.fit(flights, is_late(flights["arr_delay"].to_numpy()), prior=params["evaluate"]["prior"])


def _score(month: int, model: Predictor, base: BaseRate) -> dict[str, Any]:
    end = f"2013-{month + 1:02}-01" if month < 12 else "2014-01-01"
    flights = read_window(f"2013-{month:02}-01", end)
    late = is_late(flights["arr_delay"].to_numpy())
    return {
        "month": month,
        "flights": len(flights),
        "late": float(late.mean()),
        "model": classification(late, _probability(model, flights)),
        "base": classification(late, base.predict(with_calendar(flights))),
    }


def _probability(model: Predictor, flights: pd.DataFrame) -> np.ndarray:
    found = model.predict(flights[list(INPUTS)]).probability
    return np.asarray(found, dtype=float)


def _head() -> Iterator[str]:
    yield "| 2013 | flights | late | " + " | ".join(f"{title}: model | base rate" for title in MEASURES.values()) + " |"
    yield "|---|--:|--:|" + "--:|--:|" * len(MEASURES)


def _line(row: Mapping[str, Any]) -> str:
    names = ("July", "August", "September", "October", "November", "December")
    measures = " | ".join(f"**{row['model'][key]:.3f}** | {row['base'][key]:.3f}" for key in MEASURES)
    return f"| {names[row['month'] - 7]} | {row['flights']:,} | {row['late']:.1%} | {measures} |"


def write_block(path: Path, text: str) -> None:
    """Replace the block between the backtest markers of a Markdown file."""
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SourceError(f"'{path}' has no lines '{_BEGIN}' and '{_END}'. Add them around the table.")
    path.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or write it into a Markdown file."""
    parser = argparse.ArgumentParser(prog="python -m flights.backtest", description=__doc__)
    parser.add_argument("--package", type=Path, default=ROOT / "models" / "flights", metavar="FOLDER")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="replace the block between the backtest markers of a Markdown file"
    )
    options = parser.parse_args(arguments)
    try:
        found = table(backtest(options.package))
        print(found)
        if options.write:
            write_block(options.write, found)
    except NbshipError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
