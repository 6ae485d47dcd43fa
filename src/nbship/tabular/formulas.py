"""Strings that a spreadsheet would run as formulas, escaped with an apostrophe, as OWASP recommends for CSV.

Numbers such as -5 stay as they are. A string that begins with apostrophes and a formula gets one more, so that
reading the file again gives the string that was written:

    =1+1  ->  '=1+1        '=1+1  ->  ''=1+1        -5  ->  -5        'n  ->  'n
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["escape_text", "escape_texts", "unescape_text"]

# Spreadsheets of some languages take the full-width characters too.
_FORMULA = r"^'*(\s*[=+\-@＝＋－＠]|[\t\r\n])"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"


def escape_text(text: str) -> str:
    """Escape one string.

    >>> escape_text("@SUM(A1)"), escape_text("-5"), unescape_text(escape_text("'=1"))
    ("'@SUM(A1)", '-5', "'=1")
    """
    return f"'{text}" if re.search(_FORMULA, text) and not re.fullmatch(_NUMBER, text) else text


def unescape_text(text: str) -> str:
    """Return the string that was escaped."""
    return text[1:] if text.startswith("'") and re.search(_FORMULA, text) else text


def escape_texts(table: pa.Table) -> pa.Table:
    """Return a table with its strings escaped."""
    import pyarrow as pa
    import pyarrow.compute as compute

    for position, column in enumerate(table.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            is_number = compute.match_substring_regex(column, _NUMBER)
            is_formula = compute.and_not(compute.match_substring_regex(column, _FORMULA), is_number)
            escaped = compute.binary_join_element_wise(pa.scalar("'", column.type), column, pa.scalar("", column.type))
            column = compute.if_else(is_formula, escaped, column)
            table = table.set_column(position, table.column_names[position], column)
    return table
