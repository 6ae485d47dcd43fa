from __future__ import annotations

import json
from pathlib import Path

import pytest
from packages import build_small

from nbship import predictor
from nbship.errors import InvalidInputError, LogError, SignatureError, UnknownPredictionError
from nbship.inference import Logged, replay
from nbship.model import Field
from nbship.prediction_log import forget_subject, open_log


@pytest.fixture
def log(tmp_path: Path):
    with open_log(tmp_path / "log.sqlite") as log:
        yield log


@pytest.fixture
def logged(small_package: Path, log) -> Logged:
    return Logged(predictor.load(small_package), log)


def test_a_prediction_replays_to_identical_outputs(logged: Logged, log) -> None:
    rows = [
        {**logged.package.example, "size": size, "weight": weight}
        for size in (1, 9)
        for weight in (None, 0.1, 12.345678901234567)
    ]
    for answer in logged.respond(rows, caller="ann"):
        found = replay(log, answer["id"], predictor=logged.predictor)
        assert found.same
        assert json.loads(found.again)["probability"] == answer["probability"]
        assert found.record.caller == "ann"


def test_a_frame_is_logged_row_by_row(logged: Logged, log, small_rows) -> None:
    predictions = logged.predict(small_rows.head(5))
    records = log.recent(10)[::-1]
    assert [json.loads(record.outputs)["probability"] for record in records] == predictions.probability.tolist()
    assert replay(log, records[0].id, predictor=logged.predictor).same


def test_replaying_with_another_package_is_an_error(logged: Logged, log, other_package: Path) -> None:
    (answer,) = logged.respond([logged.package.example])
    with pytest.raises(LogError, match=r"made by version .* digest [0-9a-f]{64} with --package"):
        replay(log, answer["id"], predictor=predictor.load(other_package))


def test_replay_detects_a_changed_record(logged: Logged, log) -> None:
    (answer,) = logged.respond([logged.package.example])
    forged = log.find(answer["id"])._replace(id="forged", outputs='{"label":1,"probability":0.123}')
    log.append(forged)
    found = replay(log, "forged", predictor=logged.predictor)
    assert not found.same
    assert found.logged == forged.outputs


def test_a_rejected_request_is_logged_and_cannot_be_replayed(logged: Logged, log) -> None:
    with pytest.raises(InvalidInputError):
        logged.respond([{**logged.package.example, "size": "big", "unknown": "secret"}])
    (record,) = log.recent(1)
    assert record.outputs is None
    assert "size" in record.error
    assert "secret" not in record.inputs
    with pytest.raises(LogError, match="is a rejected request"):
        replay(log, record.id, predictor=logged.predictor)


def test_an_unknown_id_is_an_error(logged: Logged, log) -> None:
    for id in ("nothing", "b0123456789abcdef-7"):
        with pytest.raises(UnknownPredictionError, match=id):
            replay(log, id, predictor=logged.predictor)


def test_personal_values_are_pseudonyms_or_dropped(tmp_path: Path, log) -> None:
    fields = [Field("name", "string", pii=True, example="nobody"), Field("card", "string", pii="drop", example="none")]
    logged = Logged(predictor.load(build_small(tmp_path, name="personal", fields=fields)), log)
    row = {**logged.package.example, "name": "Ann Smith", "card": "4111 1111"}
    answer = logged.respond([row])[0]
    with pytest.raises(InvalidInputError):
        logged.respond([{**row, "size": "big"}])
    for record in log.recent(2):
        assert "Ann" not in record.inputs
        assert "4111" not in record.inputs
        assert '"name":"pii:' in record.inputs
        assert '"card"' not in record.inputs
        assert record.redacted == ("name", "card")
    with pytest.raises(LogError, match="cannot be replayed: its input 'name' is personal"):
        replay(log, answer["id"], predictor=logged.predictor)
    assert forget_subject(log, logged.signature, {"name": "Ann Smith"}) == 2
    with pytest.raises(SignatureError, match="is a key and has pii='drop'"):
        Field("card", "string", pii="drop", key=True)
    with pytest.raises(SignatureError, match="has the unknown pii setting 'hide'"):
        Field("card", "string", pii="hide")
