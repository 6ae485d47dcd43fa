"""Random pipelines over random tables: a package answers as its estimator does, or is not built, with one sentence."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from shutil import rmtree

import pytest
from random_pipelines import compare, make_case, odd_rows, package

pytestmark = pytest.mark.filterwarnings("ignore")
_PARTS = 20


@pytest.mark.parametrize("part", range(_PARTS))
def test_packages_answer_as_their_estimators_do(part: int, full: bool, tmp_path: Path) -> None:
    """With `--full` 2,000 pipelines that scikit-learn can fit, in twenty parts."""
    # Without `--full` a pipeline in every fifth part.
    wanted = 100 if full else int(part % 5 == 0)
    counts: Counter[str] = Counter()
    seed = part * 1_000_000
    while counts["fitted"] < wanted:
        seed += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = make_case(seed)
            if case is None:
                continue
            counts["fitted"] += 1
            model = package(case, tmp_path / "p")
            if isinstance(model, str):
                assert "\n" not in model
                counts["not built"] += 1
                continue
            counts.update(compare(case, model, odd_rows(case, seed)))
            counts[model.backend] += 1
        rmtree(tmp_path / "p")
    print(dict(counts))
    # Most are built, so that the test compares something.
    assert not full or counts["not built"] < wanted / 3
    assert not full or counts["answered"] > 40 * wanted
