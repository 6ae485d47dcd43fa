"""Requests that are predicted together have their own outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbship import predictor
from nbship.errors import InvalidInputError, LogError
from nbship.inference import Canary, Logged, PendingPredictions, predict_together
from nbship.prediction_log import open_log

RECORD = {"at": "2024-03-01T08:00:00-05:00", "line": "a", "size": 3, "weight": 9.5, "limit": 2.0, "grade": 1.0}
ROWS: list[list[Any]] = [
    [RECORD],
    [{**RECORD, "size": "three"}],
    [{**RECORD, "size": 4}],
    [RECORD, {**RECORD, "size": 5}],
    [{**RECORD, "weight": None}],
    [{"size": 1}],
]


def outcomes(pending: list[PendingPredictions]) -> list[Any]:
    return [each.predicted.outputs if each.error is None else str(each.error) for each in pending]


@pytest.mark.parametrize("canary", [False, True])
def test_each_request_has_its_own_outcome(
    small_package: Path, small_challenger: Path, tmp_path: Path, *, canary: bool
) -> None:
    loaded: Any = predictor.load(small_package)
    chosen = Canary(loaded, predictor.load(small_challenger), share=0.5) if canary else loaded
    with open_log(tmp_path / "log.sqlite") as log:
        logged = Logged(chosen, log, mode="rest")
        together = [logged.prepare(rows, caller=str(number)) for number, rows in enumerate(ROWS)]
        assert not any(each.is_done for each in together)
        predict_together(together)
        alone = [logged.begin(rows) for rows in ROWS]
        assert outcomes(together) == outcomes(alone)
        assert [each.version for each in together] == [each.version for each in alone]
        log.flush()
        assert all(each.is_done for each in together)
        records = {record.caller: record for record in log.recent(99)}
        for number, each in enumerate(together):
            if number in (1, 5):
                with pytest.raises(InvalidInputError):
                    each.check()
                assert records[str(number)].error
            else:
                each.check()
                assert [log.find(id).caller for id in each.ids] == [str(number)] * len(ROWS[number])


def test_requests_to_a_closed_log_are_not_answered(small_package: Path, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log.sqlite")
    logged = Logged(predictor.load(small_package), log)
    together = [logged.prepare(rows) for rows in ROWS]
    log.close()
    predict_together(together)
    for each in together:
        assert each.is_done
        with pytest.raises(LogError, match="closed"):
            each.check()
    with pytest.raises(LogError, match="closed"):
        logged.begin(ROWS[0])


def test_an_error_while_a_record_is_made_is_that_of_its_request(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_log(tmp_path / "log.sqlite") as log:
        logged = Logged(predictor.load(small_package), log)
        submit = log.submit

        def fail(entries: Any) -> Any:
            if entries[0].trace == "1":
                raise ValueError("no record")
            return submit(entries)

        monkeypatch.setattr(log, "submit", fail)
        together = [logged.prepare([RECORD], trace=str(number)) for number in range(3)]
        predict_together(together)
        log.flush()
        assert [type(each.error) for each in together] == [type(None), ValueError, type(None)]
        assert all(each.is_done for each in together)


def test_an_error_of_the_model_is_that_of_its_request(
    small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = predictor.load(small_package)

    def fail(records: Any) -> Any:
        raise ArithmeticError

    monkeypatch.setattr(loaded, "predict_each", fail)
    with open_log(tmp_path / "log.sqlite") as log:
        logged = Logged(loaded, log)
        together = [logged.prepare(rows) for rows in ROWS]
        predict_together(together)
        assert outcomes(together) == outcomes([logged.begin(rows) for rows in ROWS])
