"""Replayed production: the model inputs of a window of flights, and their labels."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from nbship.errors import EmptyDataError, NbshipError, SourceError

from .extraction import open_raw, read_flights
from .fields import INPUTS, KEY
from .install_data import ROOT
from .labels import is_late
from .zones import HOME

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["inputs", "labels", "read_window", "write_rows"]


def read_window(from_date: str, to_date: str, *, data: Path = ROOT / "data") -> pd.DataFrame:
    """Return the flights of a window of New York dates (from inclusive, to exclusive).

    Raises
    ------
    EmptyDataError
        If the window has no flights.
    """
    for text in (from_date, to_date):
        _require_date(text)
    with open_raw(data) as source:
        frame = read_flights(source, from_date=from_date, to_date=to_date)
    if frame.empty:
        raise EmptyDataError(f"There are no flights from '{from_date}' to '{to_date}'. Choose a window in 2013.")
    return frame


def inputs(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the model inputs: the flights' own fields."""
    return flights[list(INPUTS)]


def labels(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the labels of flights: their key, `label`, and the `time` from which it is known.

    The label of a flight is known when it arrives; of a flight that never arrives, a day after its scheduled arrival.
    """
    import pandas as pd

    minutes = flights["arr_delay"].fillna(24 * 60)
    known = flights["scheduled_arrival"] + pd.to_timedelta(minutes, unit="min")
    return flights[list(KEY)].assign(label=is_late(flights["arr_delay"].to_numpy()), time=known)


def _require_date(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"'{text}' is not a date. Write it as year-month-day, such as '2013-07-01'.") from error


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV or Parquet, with timestamps in New York time."""
    local = frame.assign(
        **{str(name): frame[name].dt.tz_convert(HOME) for name in frame if str(frame[name].dtype).endswith("UTC]")}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        local.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        rows = local.assign(**{str(name): _iso(local[name]) for name in local if "datetime" in str(local[name].dtype)})
        rows.to_csv(path, index=False)
    else:
        raise SourceError(f"'{path}' has an unknown file type. Use .csv or .parquet.")


def _iso(times: pd.Series) -> list[str]:
    return [time.isoformat() for time in times]


def main(arguments: list[str] | None = None) -> int:
    """Write the inputs and the labels of a window."""
    parser = argparse.ArgumentParser(prog="python -m flights.arrivals", description=__doc__)
    parser.add_argument(
        "--from", dest="from_date", required=True, metavar="DATE", help="first New York date of the window"
    )
    parser.add_argument("--to", dest="to_date", required=True, metavar="DATE", help="first date after the window")
    parser.add_argument(
        "--inputs", type=Path, required=True, metavar="FILE", help="model inputs to write, .csv or .parquet"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels to write, .csv or .parquet")
    options = parser.parse_args(arguments)
    try:
        flights = read_window(options.from_date, options.to_date)
        write_rows(inputs(flights), options.inputs)
        if options.labels:
            write_rows(labels(flights), options.labels)
    except NbshipError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(flights)} flights from {options.from_date} to {options.to_date}: {options.inputs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
