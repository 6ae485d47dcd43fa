"""The Streamlit page: a form made from the signature, the newest monitoring report, the model's card."""

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
from .form import Widget, describe_risk, read_form, widgets
from .html import STYLE, number_card, report_card, risk_card
from .reports import Report, month_of, newest_reports

__all__ = ["show_app"]


def show_app(*, names: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Draw the whole page; a Streamlit script calls this.

    Parameters
    ----------
    names
        For fields: what their values are called, beside the names in `serving.app.names` of nbship.yaml.
    """
    st.set_page_config(page_title="Prediction", page_icon=":material/insights:", layout="wide")
    st.html(STYLE)
    try:
        place = find_deployment(os.environ.get("NBSHIP_PACKAGE"))
        logged = _open(place, _stamp(place.package))
    except NbshipError as error:
        st.error(str(error), icon=":material/error:")
        return
    words = place.settings.serving.app
    st.title(words.title or logged.package.id.name.replace("_", " ").capitalize(), anchor=False)
    if words.intro:
        st.markdown(words.intro)
    ask, watch, about = st.tabs(["Prediction", "Monitoring", "Model"])
    with ask:
        _show_question(logged, {**(names or {}), **words.names}, words.phrases)
    with watch:
        _show_reports(newest_reports(place.project.reports) if place.project else [], logged, place)
    with about:
        _show_model(logged, place)


@st.cache_resource(show_spinner="Loading the model …", max_entries=1)
def _open(_place: Deployment, stamp: str) -> Logged:
    return _place.open_logged(mode="app")


def _stamp(package: Path) -> str:
    """Change when the package does, so that a new one is loaded."""
    try:
        status = (package / "MANIFEST.json" if package.is_dir() else package).stat()
    except OSError:
        return str(package)
    return f"{package}:{status.st_mtime_ns}:{status.st_size}"


def _show_question(logged: Logged, names: Mapping[str, Mapping[str, str]], phrases: Sequence[Phrase]) -> None:
    needed, optional = widgets(logged.signature, example=logged.package.example, names=names)
    failures: Mapping[str | None, str] = st.session_state.get("failures", {})
    left, right = st.columns([3, 2], gap="large")
    with left, st.form("question", border=False):
        # Days with their hours are wide, and go together.
        for moments in (False, True):
            _show_widgets([widget for widget in needed if (widget.kind == "moment") == moments], failures, columns=2)
        if optional:
            # It opens by itself where an answer in it is wrong.
            wrong = any(widget.field.name in failures for widget in optional)
            with st.expander("Known conditions (left out: looked up)", expanded=wrong):
                _show_widgets(optional, failures, columns=3)
        st.form_submit_button("Predict", type="primary", on_click=_answer, args=(logged,))
    with right:
        _show_answer(logged, failures, phrases)


def _show_widgets(asked: Sequence[Widget], failures: Mapping[str | None, str], *, columns: int) -> None:
    for start in range(0, len(asked), columns):
        row = st.columns(columns)
        for column, widget in zip(row, asked[start : start + columns], strict=False):
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
    elif widget.kind in ("whole", "number"):
        _show_number(widget)
    elif widget.kind == "switch":
        st.toggle(label, value=bool(widget.start), key=key, **words)
    elif widget.kind == "moment":
        day, hour = st.columns([3, 2])
        day.date_input(label, value=widget.start.date() if widget.start else None, key=f"{key}.day", **words)
        start = widget.start.time() if widget.start else None
        hour.time_input(
            widget.zone.rpartition("/")[2].replace("_", " ") + " time", value=start, key=f"{key}.hour", step=timedelta(minutes=5),
            help=f"In the zone {widget.zone}",
        )  # fmt: skip
    else:
        placeholder = "Not given" if field.nullable else ""
        st.text_input(label, value=widget.start or "", key=key, placeholder=placeholder, **words)


def _show_number(widget: Widget) -> None:
    field, whole = widget.field, widget.kind == "whole"
    cast = int if whole else float
    limits = {"min_value": field.minimum, "max_value": field.maximum, "value": widget.start}
    numbers: dict[str, Any] = {name: None if limit is None else cast(limit) for name, limit in limits.items()}
    low, high = numbers["min_value"], numbers["max_value"]
    # A wide range is walked in whole steps, a narrow one in tenths.
    numbers["step"] = cast(1) if whole or low is None or high is None or high - low > 20 else 0.1
    numbers["placeholder"] = "Looked up" if field.lookup else "Not given"
    numbers["format"] = "%d" if whole else "%.10g"
    st.number_input(widget.label, key=_key(field.name), help=widget.help, **numbers)


def _key(name: str) -> str:
    return f"field.{name}"


def _answer(logged: Logged) -> None:
    """Predict for what the form holds; the next drawing shows the answer, or what is wrong beside its field."""
    state = st.session_state
    values = {
        name: (state[f"{_key(name)}.day"], state[f"{_key(name)}.hour"])
        if f"{_key(name)}.day" in state
        else state.get(_key(name))
        for name in logged.signature.names
    }
    state["failures"], state["answer"] = {}, None
    try:
        (state["answer"],) = logged.respond([read_form(values, logged.signature)])
    except InvalidInputError as error:
        for failure in error.failures:
            reason = "Please fill this in" if failure.reason == "is null" else failure.reason
            state["failures"].setdefault(failure.field, f"{reason[:1].upper()}{reason[1:]}.")
    except NbshipError as error:
        state["failures"][None] = str(error)


def _show_answer(logged: Logged, failures: Mapping[str | None, str], phrases: Sequence[Phrase]) -> None:
    answer: Mapping[str, Any] | None = st.session_state.get("answer")
    if failures:
        st.warning(
            failures.get(None) or "Some fields need another look: see the notes beside them.", icon=":material/edit:"
        )
    elif answer is None:
        st.html(number_card("", "Fill in the form and press Predict.", note=""))
    else:
        st.html(_card(logged, answer, phrases))
        if further := _further(logged.signature, answer):
            st.table(further, border="horizontal")
        st.caption(f"Prediction {answer['id']} · model version {answer['version']}")


def _further(signature: Signature, answer: Mapping[str, Any]) -> dict[str, str]:
    """Return title -> value of what the model tells beside its first label, probability or value."""
    further = {name: output for name, output in signature.answers.items() if name != output.kind}
    return {output.title or output.name: _told(answer[name], output) for name, output in further.items()}


def _told(value: Any, output: Output) -> str:
    if output.kind == "probability":
        return f"{value * 100:.0f} %"
    return f"{value:,.4g} {output.unit}".strip() if output.kind == "value" else str(value)


def _card(logged: Logged, answer: Mapping[str, Any], phrases: Sequence[Phrase]) -> str:
    output = logged.signature.output("probability")
    label = logged.signature.output("label")
    if output is not None and output.positive is not None and "probability" in answer:
        risk = describe_risk(answer["probability"], usual=logged.package.baseline, phrases=phrases)
        return risk_card(
            risk, title=output.title or output.name, share=answer["probability"], usual=logged.package.baseline
        )
    if "value" in answer:
        value = logged.signature.output("value")
        title, unit = (value.title or value.name, value.unit) if value else ("", "")
        return number_card(title, f"{answer['value']:,.4g} {unit}".strip(), note="")
    title = (label.title or label.name) if label else ""
    sure = f"{answer['probability']:.0%} sure" if answer.get("probability") is not None else ""
    return number_card(title, str(answer.get("label")), note=sure)


def _show_reports(reports: Sequence[Report], logged: Logged, place: Deployment) -> None:
    if not reports:
        last = logged.log.last_event()
        if last is None:
            st.info("There is no report yet, and no prediction to report on.", icon=":material/monitoring:")
            return
        first, after = month_of(last, ZoneInfo(place.settings.project.timezone))
        st.info(
            "There is no report yet. This makes one of the last month with predictions:", icon=":material/monitoring:"
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


def _show_model(logged: Logged, place: Deployment) -> None:
    facts = {"Version": logged.package.id.version, "Package": str(place.package), "Prediction log": str(place.log)}
    st.markdown("  \n".join(f"{name}: `{value}`" for name, value in facts.items()))
    # The card's headings go below the page's own.
    st.markdown(re.sub(r"^(#{1,4}) ", r"##\1 ", logged.package.card, flags=re.MULTILINE))
