from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from nbship import acceptance, predictor
from nbship.cli import main
from nbship.cli.verify import command
from nbship.errors import AcceptanceError
from nbship.predictor import Predictions


def test_a_good_package_passes_all_tests(shop_package: Callable[[str], Path]) -> None:
    result = CliRunner().invoke(command, [str(shop_package("linear"))], catch_exceptions=False)
    assert [line[:12].strip() for line in result.stdout.splitlines()] == [
        "digests",
        "versions",
        "backend",
        "golden rows",
        "single rows",
        "rejections",
    ]
    assert "lookup tables: within" in result.stdout
    assert "600 rows get the same label and probability, bit for bit" in result.stdout
    report = json.loads(
        CliRunner().invoke(command, [str(shop_package("linear")), "--json"], catch_exceptions=False).stdout
    )
    assert report["passed"]
    assert len(report["proofs"]) == 6


def test_a_damaged_package_ends_in_one_sentence(
    shop_package: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(shop_package("linear"), tmp_path / "copy"))
    (copy / "model.skops").write_bytes((copy / "model.skops").read_bytes()[:-1])
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(copy)])
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("nbship: 'model.skops' in package")
    assert message.count("\n") == 1


class Wrong:
    """A predictor that does one thing wrong."""

    def __init__(self, right: predictor.PackagePredictor, fault: str) -> None:
        self.right, self.fault = right, fault
        self.package, self.models, self.quick, self.signature = (
            right.package,
            right.models,
            right.quick,
            right.signature,
        )

    def predict(self, rows) -> Predictions:
        if self.fault == "lenient" and isinstance(rows, list):
            rows = [{name: value for name, value in row.items() if name in self.signature.names} for row in rows]
        answers = self.right.predict(rows)
        if self.fault == "company" and len(rows) == 1:
            return Predictions(answers.label, answers.probability * (1 + 1e-15) + 2e-17)
        if self.fault == "rows":
            return Predictions(answers.label, pd.Series(answers.probability).round(3).to_numpy())
        if self.fault == "label":
            return Predictions(~answers.label, answers.probability)
        if self.fault == "kinds":
            return Predictions(answers.label)
        return answers


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("rows", "another probability for its golden rows, in one request"),
        ("label", "another label for its golden rows"),
        ("company", "another probability for its golden rows, one by one"),
        ("kinds", "has the outputs"),
        ("lenient", "'no such field'"),
    ],
)
def test_each_fault_is_found(fault: str, message: str, shop_package: Callable[[str], Path]) -> None:
    right = predictor.load(shop_package("binary"))
    golden = acceptance.golden_of(right)
    assert len(list(acceptance.accept(Wrong(right, "none"), golden))) == 3
    with pytest.raises(AcceptanceError, match=message):
        list(acceptance.accept(Wrong(right, fault), golden))
