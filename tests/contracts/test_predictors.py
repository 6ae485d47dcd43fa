"""The contract of every predictor: all backends, wheel, logged, canary, and the REST service."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from servers import running

from nbship import predictor
from nbship.errors import InputFailure, InvalidInputError, SignatureError
from nbship.inference import Canary, Logged, output_records
from nbship.model.build.wheel import build_wheel
from nbship.model.signature import Signature
from nbship.prediction_log import open_log
from nbship.serving import Service

Rows = Sequence[Mapping[str, Any]]


class RestPredictor:
    """A client of the REST service."""

    def __init__(self, client: httpx.Client, signature: Signature) -> None:
        about = client.get("/version").json()
        self.name, self.version, self.signature = about["model"], about["version"], signature
        self._client = client

    def outputs(self, rows: Rows) -> list[dict[str, Any]]:
        response = self._client.post("/predict", json=list(rows))
        if response.status_code == 422:
            fields = response.json()["error"]["fields"]
            raise InvalidInputError([InputFailure(**field) for field in fields])
        return [{kind: output[kind] for kind in ("label", "probability")} for output in response.json()]


def from_python(one: Any) -> Callable[[Rows], list[dict[str, Any]]]:
    return lambda rows: list(output_records(one.predict(rows)))


def installed(wheel: Path) -> Callable[[Rows], list[dict[str, Any]]]:
    """Import a model's wheel, which has its own copy of nbship's runtime and errors."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    sys.path.insert(0, str(wheel.parent / "site"))
    try:
        model = importlib.import_module(wheel.name.partition("-")[0])
        model.load()
    finally:
        sys.path.remove(str(wheel.parent / "site"))

    def outputs(rows: Rows) -> list[dict[str, Any]]:
        try:
            return model.predict(rows).to_dict("records")
        except Exception as error:
            failures = getattr(error, "failures", None)
            if failures is None:
                raise
            raise InvalidInputError([InputFailure(each.row, each.field, each.reason) for each in failures]) from error

    return outputs


KINDS = ["tables", "nodes", "onnx", "fitted", "wheel", "wheel nodes", "logged", "logged onnx", "canary", "logged canary", "rest", "rest nodes", "rest onnx", "rest canary"]  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def package(kind: str, small_package: Path, small_nodes: Path, small_onnx: Path) -> predictor.PackagePredictor:
    """The package whose outputs are expected."""
    backend = next((name for name in ("nodes", "onnx") if name in kind), "tables")
    loaded = predictor.load({"tables": small_package, "nodes": small_nodes, "onnx": small_onnx}[backend])
    assert loaded.backend == backend
    return loaded


@pytest.fixture(scope="module")
def outputs_of(
    kind: str,
    package: predictor.PackagePredictor,
    small_package: Path,
    small_nodes: Path,
    small_challenger: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Rows], list[dict]]]:
    folder = tmp_path_factory.mktemp("predictor")
    # Champion and challenger have the same outputs, so the suite holds for rows of either.
    canary = Canary(package, predictor.load(small_challenger), share=0.5) if "canary" in kind else None
    if kind in ("tables", "nodes", "onnx"):
        yield from_python(package)
    elif kind == "fitted":
        files = {name: data for name, data in package.package.files.items() if name != "tables.npz"}
        fitted = predictor.load_files(package.package.manifest, files)
        assert fitted.backend == "sklearn"
        yield from_python(fitted)
    elif kind.startswith("wheel"):
        yield installed(build_wheel(small_nodes if "nodes" in kind else small_package, folder))
    elif kind == "canary":
        yield from_python(canary)
    elif kind.startswith("logged"):
        with open_log(folder / "log.sqlite") as log:
            yield from_python(Logged(canary or package, log))
    else:
        chosen = canary or package
        service = Service(lambda: Logged(chosen, open_log(folder / "log.sqlite"), mode="rest"))
        with running(service) as client:
            rest = RestPredictor(client, package.signature)
            assert (rest.name, rest.version) == (package.name, package.version)
            yield rest.outputs


@pytest.fixture
def records(small_rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Fifty rows as JSON records, without the columns that are looked up."""
    frame = small_rows.head(50).drop(columns=["limit", "grade"])
    return [
        {**row, "at": row["at"].isoformat(), "weight": None if np.isnan(row["weight"]) else row["weight"]}
        for row in frame.to_dict("records")
    ]


def test_outputs_are_bit_for_bit_those_of_the_package(
    kind, outputs_of, package, records, small_rows: pd.DataFrame
) -> None:
    expected = package.predict(small_rows.head(50).drop(columns=["limit", "grade"]))
    outputs = outputs_of(records)
    # Other backends agree within 1e-12, because rounding in scikit-learn depends on its version.
    bound = 1e-12 if kind == "fitted" else 0
    np.testing.assert_allclose([output["probability"] for output in outputs], expected.probability, rtol=0, atol=bound)
    assert [output["label"] for output in outputs] == expected.label.tolist()


def test_a_row_does_not_depend_on_other_rows_of_its_request(outputs_of, records) -> None:
    together = outputs_of(records)
    assert together == [outputs_of([record])[0] for record in records]
    assert together == outputs_of(records[::-1])[::-1]


def test_columns_that_are_looked_up_may_be_given(outputs_of, records, small_rows: pd.DataFrame) -> None:
    complete = [
        {**record, "limit": row.limit, "grade": row.grade}
        for record, row in zip(records, small_rows.head(50).itertuples(), strict=True)
    ]
    assert outputs_of(complete) == outputs_of(records)
    unknown = {"limit": None, "grade": None}
    assert outputs_of([{**record, **unknown} for record in records]) != outputs_of(records)


def test_a_timestamp_may_have_any_offset(outputs_of, records) -> None:
    moved = [{**record, "at": pd.Timestamp(record["at"]).tz_convert("Asia/Tokyo").isoformat()} for record in records]
    assert outputs_of(moved) == outputs_of(records)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": "5"}, "size"),
        ({"size": True}, "size"),
        ({"size": 5.5}, "size"),
        ({"size": 0}, "size"),
        ({"size": None}, "size"),
        ({"line": "d"}, "line"),
        ({"line": 1}, "line"),
        ({"weight": "heavy"}, "weight"),
        ({"at": "soon"}, "at"),
        ({"at": 1720000000}, "at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_invalid_field_is_named_with_its_row(outputs_of, records, change: dict, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        outputs_of([records[0], {**records[1], **change}])
    assert [(failure.row, failure.field) for failure in caught.value.failures] == [(1, field)]


def test_one_error_has_all_failures(outputs_of, records) -> None:
    with pytest.raises(InvalidInputError) as caught:
        outputs_of([{**records[0], "size": "x", "line": "y"}, records[1], {"at": records[2]["at"]}])
    named = {(failure.row, failure.field) for failure in caught.value.failures}
    assert named == {(0, "size"), (0, "line"), (2, "line"), (2, "size"), (2, "weight")}


@pytest.mark.parametrize("backend", ["small_package", "small_nodes", "small_onnx"])
def test_single_records_of_several_requests_have_the_outputs_of_each(
    backend: str, records, request: pytest.FixtureRequest
) -> None:
    package = predictor.load(request.getfixturevalue(backend))
    complete = [{**record, "limit": 2.5, "grade": 1.0} for record in records[:20]]
    requests = [*records, *complete, {**records[0], "size": "x"}, {**records[1], "weight": None}]
    for record, found in zip(requests, package.predict_each(requests), strict=True):
        if found is None:
            assert package.backend == "onnx" or record["size"] == "x"
        else:
            assert found == package.predict_records([record])


TYPED = """
from nbship import predictor
from nbship.inference import Canary, Logged
from nbship.prediction_log import PredictionLog

def check(champion: predictor.PackagePredictor, challenger: predictor.PackagePredictor, log: PredictionLog) -> None:
    every: list[predictor.Predictor] = [champion, Canary(champion, challenger, share=0.1), Logged(champion, log)]
    logged: predictor.Predictor = Logged(Canary(champion, challenger, share=0.1), log)
    nested: predictor.Predictor = Canary(Logged(champion, log), every[1], share=0.1)
    name: str = logged.predict_records([]).models[0].version
"""


def test_every_predictor_type_checks(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--config-file", str(root / "pyproject.toml"), str(tmp_path / "typed.py")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_row_is_logged_and_returned_with_its_own_version(
    records, small_package: Path, small_challenger: Path, tmp_path: Path
) -> None:
    champion, challenger = predictor.load(small_package), predictor.load(small_challenger)
    assert champion.version != challenger.version
    # The challenger's keys depend on its digest. With a share of 0.1, one digest in 200 gets none of fifty keys.
    share = 0.3
    logged: predictor.Predictor = Logged(
        Canary(champion, challenger, share=share), open_log(tmp_path / "python.sqlite")
    )
    predicted = logged.predict_records(records * 4)
    versions = {model.version for model in predicted.models}
    assert versions == {champion.version, challenger.version}
    service = Service(
        lambda: Logged(Canary(champion, challenger, share=share), open_log(tmp_path / "rest.sqlite"), mode="rest")
    )
    with running(service) as client:
        many = client.post("/predict", json=list(records))
        outputs = many.json()
        singles = [client.post("/predict", json=record) for record in records]
    assert [one.json()["version"] for one in singles] == [output["version"] for output in outputs]
    assert [one.headers["x-model-version"] for one in singles] == [output["version"] for output in outputs]
    assert many.headers["x-model-version"] == ",".join(sorted(versions))
    with open_log(tmp_path / "rest.sqlite") as log:
        for output in outputs:
            record = log.find(output["id"])
            assert (record.version, record.role) == (output["version"], "served")
            assert record.digest == {one.version: one.digest for one in (champion, challenger)}[record.version]


def test_a_growing_share_only_moves_keys_to_the_challenger(
    records, small_package: Path, small_challenger: Path
) -> None:
    champion, challenger = predictor.load(small_package), predictor.load(small_challenger)
    before: set[int] = set()
    for share in (0.0, 0.1, 0.3, 0.7, 1.0):
        models = Canary(champion, challenger, share=share).predict_records(records).models
        now = {number for number, model in enumerate(models) if model.digest == challenger.digest}
        assert before <= now
        before = now
    assert before == set(range(len(records)))


def test_models_with_other_inputs_cannot_share_requests(small_package: Path, shop_package) -> None:
    with pytest.raises(SignatureError, match="cannot share requests"):
        Canary(predictor.load(small_package), predictor.load(shop_package("linear")), share=0.1)


def test_a_swap_applies_to_the_next_request(
    records, small_package: Path, small_challenger: Path, tmp_path: Path
) -> None:
    champion, challenger = predictor.load(small_package), predictor.load(small_challenger)
    service = Service(lambda: Logged(champion, open_log(tmp_path / "log.sqlite"), mode="rest"))
    with running(service) as client:
        for one in (challenger, champion, challenger):
            service.swap(one)
            response = client.post("/predict", json=records[0])
            assert response.status_code == 200
            assert response.json()["version"] == response.headers["x-model-version"] == one.version
            assert client.get("/version").json()["version"] == one.version
            assert f'version="{one.version}"}} 1.0' in client.get("/metrics").text
