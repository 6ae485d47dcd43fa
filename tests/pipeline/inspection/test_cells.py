from __future__ import annotations

import json

from nbship.pipeline.inspection import render_notebook


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
