from __future__ import annotations

import json
from typing import Any

import pytest

from nbship.errors import NotebookError
from nbship.pipeline.inspection import parse_notebook, render_notebook


def test_a_lone_surrogate_in_an_output_can_be_written_and_read():
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": "x", "outputs": [{"text": "\ud800 é"}]}]}
    text = render_notebook(notebook)
    assert json.loads(text.encode()) == notebook
    assert "é" in text


def test_an_edited_notebook_keeps_its_keys_in_order_and_its_sources_in_lines():
    cells = [{"source": ["a\n", "b"], "cell_type": "code"}, {"source": "c\nd\n", "cell_type": "code"}]
    text = render_notebook({"nbformat": 4, "cells": cells}, lines=True, sort_keys=False)
    assert list(json.loads(text)) == ["nbformat", "cells"]
    assert [list(cell) for cell in json.loads(text)["cells"]] == [["source", "cell_type"]] * 2
    assert [cell["source"] for cell in json.loads(text)["cells"]] == [["a\n", "b"], ["c\n", "d\n"]]
    assert list(json.loads(render_notebook({"nbformat": 4, "cells": []}))) == ["cells", "nbformat"]


def written(*, metadata: Any = None, **cell: Any) -> bytes:
    """Return a notebook file of one code cell with these fields."""
    document = {"cells": [{"cell_type": "code", **cell}], "metadata": metadata, "nbformat": 4}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "content",
    [
        written(),
        written(metadata={}, source="", outputs=[]),
        written(**{"metadata": None}, source=None, outputs=None),
        written(source=[None]),
        b"\xef\xbb\xbf" + written(),
    ],
    ids=["missing", "empty", "null", "null in a list", "byte order mark"],
)
def test_what_other_tools_leave_empty_is_read_as_empty(content: bytes):
    notebook = parse_notebook(content, name="a.ipynb")
    assert notebook["metadata"] == {}
    cell = notebook["cells"][0]
    assert (cell["metadata"], "".join(cell["source"]), cell["outputs"]) == ({}, "", [])


@pytest.mark.parametrize(("tags", "kept"), [(None, []), (["x", None, 1, {}], ["x"])])
def test_tags_are_strings(tags: Any, kept: list[str]):
    document = json.loads(written())
    document["cells"][0]["metadata"] = {"tags": tags}
    assert parse_notebook(json.dumps(document).encode(), name="a")["cells"][0]["metadata"]["tags"] == kept


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (written(metadata=[]), "'metadata' is not an object"),
        (written(metadata={"kernelspec": "python3"}), "'kernelspec' is not an object"),
        (written(source=5), "'source' is not a list"),
        (written(source=[5]), "'source' holds something that is not a string"),
        (written(outputs={}), "'outputs' is not a list"),
        (written(source="x = '\ud800'"), r"holds '\\ud800' in its code, a lone surrogate and not a character"),
        (b"[" * 100_000, "cannot be read as a notebook"),
    ],
)
def test_a_notebook_that_cannot_be_read_is_named_with_the_reason(content: bytes, reason: str):
    with pytest.raises(NotebookError, match=rf"'a\.ipynb'.* {reason}"):
        parse_notebook(content, name="a.ipynb")


def test_a_lone_surrogate_in_text_is_allowed():
    document = json.loads(written())
    document["cells"].append({"cell_type": "markdown", "source": "\ud800", "metadata": {}})
    assert parse_notebook(json.dumps(document).encode(), name="a")["cells"][1]["source"] == "\ud800"
