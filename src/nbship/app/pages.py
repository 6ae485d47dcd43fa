"""The Streamlit page: the form of the signature, monitoring reports, the model card."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from ..errors import InvalidInputError, NbshipError
from ..inference import Deployment, Logged, find_deployment
from ..model.signature import Output, Signature
from ..project import Phrase
from .cards import STYLE, number_card, report_card, risk_card
from .form import Widget, describe_risk, read_form, widgets
from .reports import Report, month_of, newest_reports

__all__ = ["show_app"]


def show_app(*, names: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Draw the whole page. Call it in a Streamlit script.

    Parameters
    ----------
    names
        Display names of values: field -> value -> name. `serving.app.names` in nbship.yaml adds to them.
    """
    st.set_page_config(page_title="Prediction", page_icon=":material/insights:", layout="wide")
    st.html(STYLE)
    try:
        deployment = find_deployment(os.environ.get("NBSHIP_PACKAGE"))
        logged = _open(deployment, _stamp(deployment.package))
    except NbshipError as error:
        st.error(str(error), icon=":material/error:")
        return
    words = deployment.settings.serving.app
    st.title(words.title or logged.package.id.name.replace("_", " ").capitalize(), anchor=False)
    if words.intro:
        st.markdown(words.intro)
    form, monitoring, model = st.tabs(["Prediction", "Monitoring", "Model"])
    with form:
        _show_form(logged, {**(names or {}), **words.names}, words.phrases)
    with monitoring:
        _show_reports(newest_reports(deployment.project.reports) if deployment.project else [], logged, deployment)
    with model:
        _show_model(logged, deployment)


@st.cache_resource(show_spinner="Loading the model …", max_entries=1)
def _open(_deployment: Deployment, stamp: str) -> Logged:
    return _deployment.open_logged(mode="app")


def _stamp(package: Path) -> str:
    """Return a key that changes with the package, so that a new package is loaded."""
    try:
        status = (package / "MANIFEST.json" if package.is_dir() else package).stat()
    except OSError:
        return str(package)
    return f"{package}:{status.st_mtime_ns}:{status.st_size}"


def _show_form(logged: Logged, names: Mapping[str, Mapping[str, str]], phrases: Sequence[Phrase]) -> None:
    required, optional = widgets(logged.signature, example=logged.package.example, names=names)
    failures: Mapping[str | None, str] = st.session_state.get("failures", {})
    left, right = st.columns([3, 2], gap="large")
    with left, st.form("question", border=False):
        # Timestamps take two inputs each: they go together, after all other fields.
        for timestamps in (False, True):
            chosen = [widget for widget in required if (widget.kind == "timestamp") == timestamps]
            _show_widgets(chosen, failures, columns=2)
        if optional:
            invalid = any(widget.field.name in failures for widget in optional)
            with st.expander(_optional_title(optional), expanded=invalid):
                _show_widgets(optional, failures, columns=3)
        st.form_submit_button("Predict", type="primary", on_click=_predict, args=(logged,))
    with right:
        _show_prediction(logged, failures, phrases)


def _optional_title(optional: Sequence[Widget]) -> str:
    looked_up = all(widget.field.lookup for widget in optional)
    return "Optional fields (looked up if empty)" if looked_up else "Optional fields"


def _show_widgets(shown: Sequence[Widget], failures: Mapping[str | None, str], *, columns: int) -> None:
    for start in range(0, len(shown), columns):
        row = st.columns(columns)
        for column, widget in zip(row, shown[start : start + columns], strict=False):
            with column:
                _show_widget(widget)
                if widget.field.name in failures:
                    st.error(failures[widget.field.name], icon=":material/error:")


def _show_widget(widget: Widget) -> None:
    field, key = widget.field, _key(widget.field.name)
    label = widget.label
    words: dict[str, Any] = {"help": widget.help}
    if widget.kind == "choice":
        choices = [*(field.categories or ())]
        words["index"] = choices.index(widget.start) if widget.start in choices else None
        words["placeholder"] = "Not given" if field.nullable else "Choose"
        st.selectbox(label, choices, key=key, format_func=widget.name_of, accept_new_options=field.open, **words)
    elif widget.kind in ("integer", "number"):
        _show_number(widget)
    elif widget.kind == "switch":
        st.toggle(label, value=bool(widget.start), key=key, **words)
    elif widget.kind == "timestamp":
        day, hour = st.columns([3, 2])
        day.date_input(label, value=widget.start.date() if widget.start else None, key=f"{key}.day", **words)
        start = widget.start.time() if widget.start else None
        hour.time_input(
            widget.zone.rpartition("/")[2].replace("_", " ") + " time", value=start, key=f"{key}.hour", step=timedelta(minutes=5),
            help=f"Time zone: {widget.zone}",
        )  # fmt: skip
    else:
        placeholder = "Not given" if field.nullable else ""
        st.text_input(label, value=widget.start or "", key=key, placeholder=placeholder, **words)


def _show_number(widget: Widget) -> None:
    field, integer = widget.field, widget.kind == "integer"
    cast = int if integer else float
    limits = {"min_value": field.minimum, "max_value": field.maximum, "value": widget.start}
    numbers: dict[str, Any] = {name: None if limit is None else cast(limit) for name, limit in limits.items()}
    low, high = numbers["min_value"], numbers["max_value"]
    # Steps of 1 for a wide range, of 0.1 for a narrow one.
    numbers["step"] = cast(1) if integer or low is None or high is None or high - low > 20 else 0.1
    numbers["placeholder"] = "Looked up" if field.lookup else "Not given"
    numbers["format"] = "%d" if integer else "%.10g"
    st.number_input(widget.label, key=_key(field.name), help=widget.help, **numbers)


def _key(name: str) -> str:
    return f"field.{name}"


def _predict(logged: Logged) -> None:
    """Predict for the values of the form. The rerun shows the prediction, or a message next to each invalid field."""
    state = st.session_state
    values = {
        name: (state[f"{_key(name)}.day"], state[f"{_key(name)}.hour"])
        if f"{_key(name)}.day" in state
        else state.get(_key(name))
        for name in logged.signature.names
    }
    state["failures"], state["prediction"] = {}, None
    try:
        (state["prediction"],) = logged.respond([read_form(values, logged.signature)])
    except InvalidInputError as error:
        for failure in error.failures:
            reason = "Fill in this field" if failure.reason == "is null" else failure.reason
            state["failures"].setdefault(failure.field, f"{reason[:1].upper()}{reason[1:]}.")
    except NbshipError as error:
        state["failures"][None] = str(error)


def _show_prediction(logged: Logged, failures: Mapping[str | None, str], phrases: Sequence[Phrase]) -> None:
    prediction: Mapping[str, Any] | None = st.session_state.get("prediction")
    if failures:
        st.warning(
            failures.get(None) or "Some fields are not valid. See the messages next to them.", icon=":material/edit:"
        )
    elif prediction is None:
        st.html(number_card("", "Fill in the form and press Predict.", note=""))
    else:
        st.html(_card(logged, prediction, phrases))
        if others := _other_outputs(logged.signature, prediction):
            st.table(others, border="horizontal")
        st.caption(f"Prediction {prediction['id']} · model version {prediction['version']}")


def _other_outputs(signature: Signature, prediction: Mapping[str, Any]) -> dict[str, str]:
    """Return title -> value of the outputs beside the main label, probability or value."""
    others = {name: output for name, output in signature.output_columns.items() if name != output.kind}
    return {output.title or output.name: _format(prediction[name], output) for name, output in others.items()}


def _format(value: Any, output: Output) -> str:
    if output.kind == "probability":
        return f"{value * 100:.0f} %"
    return f"{value:,.4g} {output.unit}".strip() if output.kind == "value" else str(value)


def _card(logged: Logged, prediction: Mapping[str, Any], phrases: Sequence[Phrase]) -> str:
    output = logged.signature.output("probability")
    label = logged.signature.output("label")
    if output is not None and output.positive is not None and "probability" in prediction:
        risk = describe_risk(prediction["probability"], baseline=logged.package.baseline, phrases=phrases)
        return risk_card(
            risk, title=output.title or output.name, share=prediction["probability"], baseline=logged.package.baseline
        )
    if "value" in prediction:
        value = logged.signature.output("value")
        title, unit = (value.title or value.name, value.unit) if value else ("", "")
        return number_card(title, f"{prediction['value']:,.4g} {unit}".strip(), note="")
    title = (label.title or label.name) if label else ""
    note = f"Probability: {prediction['probability']:.0%}" if prediction.get("probability") is not None else ""
    return number_card(title, str(prediction.get("label")), note=note)


def _show_reports(reports: Sequence[Report], logged: Logged, deployment: Deployment) -> None:
    if not reports:
        last = logged.log.last_event()
        if last is None:
            st.info("There are no predictions yet, so there is no report.", icon=":material/monitoring:")
            return
        first, after = month_of(last, ZoneInfo(deployment.settings.project.timezone))
        st.info(
            "There is no report yet. Run this command for a report on the last month with predictions:",
            icon=":material/monitoring:",
        )
        st.code(f"nbship monitor --from {first} --to {after}", language="bash")
        return
    chosen = (
        st.selectbox("Window", reports, format_func=lambda report: report.window) if len(reports) > 1 else reports[0]
    )
    st.html(report_card(chosen))
    for column, (name, value, note) in zip(st.columns(4), chosen.numbers[:4], strict=False):
        column.metric(name, value, help=note, border=True)
    if chosen.html is not None:
        st.iframe(chosen.html, height=1000)


def _show_model(logged: Logged, deployment: Deployment) -> None:
    details = {
        "Version": logged.package.id.version,
        "Package": str(deployment.package),
        "Prediction log": str(deployment.log),
    }
    st.markdown("  \n".join(f"{name}: `{value}`" for name, value in details.items()))
    # Make the card's headings smaller than the page title.
    st.markdown(re.sub(r"^(#{1,4}) ", r"##\1 ", logged.package.card, flags=re.MULTILINE))
