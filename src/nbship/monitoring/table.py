"""A table that notebooks show as HTML and terminals as text; values are escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .verdict import ALERT, INSUFFICIENT, NOTICE, OK, WARNING

__all__ = ["COLOURS", "Table"]

COLOURS = {OK: "#3d8b5f", NOTICE: "#3b6f9c", INSUFFICIENT: "#7b858f", WARNING: "#b7791f", ALERT: "#c53b4f"}
_CELL = "padding:4px 14px 4px 0;vertical-align:top;white-space:normal"


@dataclass(frozen=True)
class Table:
    """Rows of strings under titles.

    Attributes
    ----------
    rows
        Title -> string. A verdict is shown in its colour.
    numbers
        Titles of the right-aligned columns.

    Examples
    --------
    >>> print(Table([{"Shop": "a", "Rows": "10"}, {"Shop": "b<", "Rows": "9"}], numbers=("Rows",)))
    Shop  Rows
    a       10
    b<       9
    """

    rows: Sequence[Mapping[str, str]]
    numbers: Sequence[str] = ()

    @property
    def titles(self) -> list[str]:
        """The titles, in order."""
        return list(dict.fromkeys(title for row in self.rows for title in row))

    def __str__(self) -> str:
        widths = {t: max(len(t), *(len(row.get(t, "")) for row in self.rows)) for t in self.titles} if self.rows else {}
        lines = [{title: title for title in widths}, *self.rows]
        return "\n".join(
            "  ".join(self._aligned(row.get(t, ""), t, w) for t, w in widths.items()).rstrip() for row in lines
        )

    def __repr__(self) -> str:
        return str(self)

    def _aligned(self, text: str, title: str, width: int) -> str:
        return text.rjust(width) if title in self.numbers else text.ljust(width)

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th style="{self._style(title)};border-bottom:1px solid #8888">{_text(title)}</th>'
            for title in self.titles
        )
        body = "".join(
            f"<tr>{''.join(self._cell(title, row.get(title, '')) for title in self.titles)}</tr>" for row in self.rows
        )
        return f'<table style="border-collapse:collapse;font-size:13px"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _cell(self, title: str, text: str) -> str:
        # A page may define other colours, for readers who prefer a dark background.
        shown = text in COLOURS and title == "Verdict"
        colour = f";color:var(--nbship-{text},{COLOURS[text]});font-weight:600" if shown else ""
        return f'<td style="{self._style(title)}{colour}">{_text(text)}</td>'

    def _style(self, title: str) -> str:
        return f"{_CELL};text-align:{'right' if title in self.numbers else 'left'}"


def _text(value: str) -> str:
    return html.escape(value)
