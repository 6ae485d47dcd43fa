"""The Streamlit page: the form of the signature, monitoring reports, the model card."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from ..errors import InvalidInputError, NbshipError
from ..inference import Deployment, Logged, find_deployment
from ..model.build import Distribution, load_reference
from ..model.signature import Output, Signature, read_rows
from ..monitoring import end_of_today
from ..prediction_log import latest_event
from ..project import Phrase
from .answers import Answer, asked_values, unseen_values
from .cards import STYLE, asked_list, number_card, report_card, risk_card
from .form import EXAMPLE, Widget, read_form, widgets
from .reports import Report, month_of, newest_reports
from .risks import describe_risk

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


@st.cache_resource(show_spinner=False, max_entries=1)
def _reference(_logged: Logged, digest: str) -> Mapping[str, Distribution]:
    return load_reference(_logged.package.files["reference.parquet"]).fields


# Not an `st.form`, whose values the server does not know until they are submitted: an old answer would stay beside them.
@st.fragment
def _show_form(logged: Logged, names: Mapping[str, Mapping[str, str]], phrases: Sequence[Phrase]) -> None:
    _forget_other_models(logged.package.id.digest)
    if st.session_state.pop("is_new", False):
        st.rerun()  # the whole page, as the other tabs show the log
    required, optional = widgets(logged.signature, example=logged.package.example, names=names)
    # They stay until the next answer: the button would move from under a click that changes a field.
    failures: Mapping[str | None, str] = st.session_state.get("failures", {})
    left, right = st.columns([3, 2], gap="large")
    with left:
        # Timestamps go together, after all other fields.
        for timestamps in (False, True):
            chosen = [widget for widget in required if (widget.kind == "timestamp") == timestamps]
            _show_widgets(chosen, failures, columns=2)
        if optional:
            invalid = any(widget.field.name in failures for widget in optional)
            with st.expander(_optional_title(optional), expanded=invalid):
                _show_widgets(optional, failures, columns=3)
        st.button("Predict", type="primary", on_click=_predict, args=(logged,))
    with right:
        _show_prediction(logged, failures, phrases, [*required, *optional])


def _forget_other_models(digest: str) -> None:
    """Empty the form, if its values and its answer are those of another package: it may have other fields and limits."""
    state = st.session_state
    if state.get("model", digest) != digest:
        for key in [
            key for key in state if str(key) in ("failures", "answer", "is_new") or str(key).startswith(_key(""))
        ]:
            del state[key]
    state["model"] = digest


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
                    st.error(_literal(failures[widget.field.name]), icon=":material/error:")


def _show_widget(widget: Widget) -> None:
    field, key = widget.field, _key(widget.field.name)
    words: dict[str, Any] = {"help": widget.help}
    empty = "Looked up" if field.lookup else "Not given" if field.nullable else ""
    if widget.kind == "timestamp" and not empty:
        empty = EXAMPLE
    # The initial value is set here and not in the widget, so that a widget can be cleared.
    if widget.kind == "choice":
        _start(key, widget.start if field.open or widget.start in widget.choices else None)
        st.selectbox(
            widget.label, widget.choices, index=None, key=key, format_func=widget.name_of, accept_new_options=field.open,
            placeholder=empty or "Choose", **words,
        )  # fmt: skip
    elif widget.kind == "switch":
        _start(key, bool(widget.start))
        st.toggle(widget.label, key=key, **words)
    else:
        _start(key, widget.start)
        st.text_input(widget.label, value=None, key=key, placeholder=empty, **words)


def _start(key: str, value: Any) -> None:
    st.session_state.setdefault(key, value)


def _key(name: str) -> str:
    return f"field.{name}"


def _form_values(signature: Signature) -> dict[str, Any]:
    return {name: st.session_state.get(_key(name)) for name in signature.names}


def _predict(logged: Logged) -> None:
    """Predict for the values of the form. The rerun shows the prediction, or a message next to each invalid field."""
    state, signature = st.session_state, logged.signature
    record, unreadable = read_form(_form_values(signature), signature)
    state["failures"], state["answer"], state["is_new"] = {}, None, True
    for name, reason in unreadable.items():
        state["failures"][name] = _sentence(reason, signature)
    try:
        if unreadable:
            read_rows(signature, [record])  # for the messages of the other fields
            return
        (prediction,) = logged.respond([record])
        state["answer"] = Answer(record, prediction)
    except InvalidInputError as error:
        for failure in error.failures:
            reason = "Fill in this field" if failure.reason == "is null" else failure.reason
            state["failures"].setdefault(failure.field, _sentence(reason, signature))
    except NbshipError as error:
        state["failures"][None] = str(error)


def _sentence(reason: str, signature: Signature) -> str:
    """Return the reason why a field is not valid as a sentence, with the titles of other fields."""
    for field in signature.inputs:
        reason = reason.replace(f"'{field.name}'", f"'{field.title or field.name}'")
    return f"{reason[:1].upper()}{reason[1:]}."


def _literal(text: str) -> str:
    """Return text that Markdown shows as it is: messages quote what was typed."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _show_prediction(
    logged: Logged, failures: Mapping[str | None, str], phrases: Sequence[Phrase], every: Sequence[Widget]
) -> None:
    answer: Answer | None = st.session_state.get("answer")
    if failures:
        st.warning(
            failures.get(None) or "Some fields are not valid. See the messages next to them.", icon=":material/edit:"
        )
    elif answer is None:
        st.html(number_card("", "Fill in the form and press Predict.", note=""))
    elif read_form(_form_values(logged.signature), logged.signature) != (answer.asked, {}):
        st.html(number_card("", "The form has changed since the last answer. Press Predict.", note=""))
    else:
        st.html(_card(logged, answer.prediction, phrases))
        if others := _other_outputs(logged.signature, answer.prediction):
            st.table(others, border="horizontal")
        for sentence in unseen_values(answer.asked, every, _reference(logged, logged.package.id.digest)):
            st.warning(_literal(sentence), icon=":material/question_mark:")
        st.html(asked_list(asked_values(answer.asked, every)))
        st.caption(f"Prediction {answer.prediction['id']} · model version {answer.prediction['version']}")


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
        zone = ZoneInfo(deployment.settings.project.timezone)
        last = (
            latest_event(logged.log, logged.signature, before=end_of_today(zone))
            if logged.signature.event_time
            else None
        )
        if last is None:
            st.info("There are no predictions yet, so there is no report.", icon=":material/monitoring:")
            return
        first, after = month_of(last, zone)
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
    if chosen.pages:
        names = list(chosen.pages)
        name = (st.segmented_control("Part", names, default=names[0]) if len(names) > 1 else None) or names[0]
        st.iframe(chosen.pages[name], height=1000)


def _show_model(logged: Logged, deployment: Deployment) -> None:
    details = {
        "Version": logged.package.id.version,
        "Package": str(deployment.package),
        "Prediction log": str(deployment.log),
    }
    st.markdown("  \n".join(f"{name}: `{value}`" for name, value in details.items()))
    # Make the card's headings smaller than the page title.
    st.markdown(re.sub(r"^(#{1,4}) ", r"##\1 ", logged.package.card, flags=re.MULTILINE))
