"""The Streamlit app. nbship builds the form from the model's signature; titles and phrases are in nbship.yaml. Start it with `nbship app`."""

from __future__ import annotations

import csv
from pathlib import Path

from nbship.app import show_app

DATA = Path(__file__).resolve().parents[1] / "data"


def names(file: str, code: str) -> dict[str, str]:
    """Return code -> name of a raw table; empty if the table is not there."""
    path = DATA / file
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as table:
        return {row[code]: row["name"].strip() for row in csv.DictReader(table)}


airports = names("airports.csv", "faa")
show_app(names={"carrier": names("airlines.csv", "carrier"), "origin": airports, "dest": airports})
