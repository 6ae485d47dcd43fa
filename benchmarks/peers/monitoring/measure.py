"""Measures of drift of the peers of monitoring: `python measure.py nannyml|evidently|evidently-psi REFERENCE CURRENT`.

Run by `benchmarks/drift.py`: both files are read whole, and the measures of each column are printed as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import pandas as pd

# Nothing phones home.
os.environ |= {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}


def main() -> None:
    """Print `{column: {measure: value}}`."""
    warnings.simplefilter("ignore")
    kind, reference, current = sys.argv[1], pd.read_parquet(sys.argv[2]), pd.read_parquet(sys.argv[3])
    print(json.dumps(_KINDS[kind](reference, current)))


def nannyml(reference: Any, current: Any) -> dict[str, Any]:
    """Return NannyML's statistic of Kolmogorov and Smirnov or chi-squared, and the Jensen-Shannon distance."""
    import nannyml as nml

    calculator = nml.UnivariateDriftCalculator(
        column_names=list(reference),
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_number=1,
    )
    calculator.fit(reference)
    found = calculator.calculate(current).filter(period="analysis").to_df()
    names = {"kolmogorov_smirnov": "ks", "jensen_shannon": "jensen_shannon", "chi2": "chi_squared"}
    measures: dict[str, dict[str, float]] = {name: {} for name in reference}
    for column, method, what in found.columns:
        if what == "value" and method in names:
            measures[column][names[method]] = float(found[(column, method, what)].iloc[0])
    return measures


def evidently(reference: Any, current: Any, **options: Any) -> dict[str, Any]:
    """Return Evidently's measure of each column by its name; without options, Evidently chooses the measure."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference if pd.api.types.is_numeric_dtype(reference[name])]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in reference if name not in numbers]
    )
    now, before = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    found = Report([DataDriftPreset(**options)]).run(now, before).dict()
    measures: dict[str, dict[str, float]] = {}
    for metric in found["metrics"]:
        config = metric.get("config", {})
        if "column" in config:
            measures[config["column"]] = {str(config.get("method")): float(metric["value"])}
    return measures


def evidently_psi(reference: Any, current: Any) -> dict[str, Any]:
    """Return Evidently's stability index of each column."""
    return evidently(reference, current, method="psi")


_KINDS = {"nannyml": nannyml, "evidently": evidently, "evidently-psi": evidently_psi}


if __name__ == "__main__":
    main()
