"""HTML for page elements that Streamlit does not have."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .reports import Report
from .risks import Risk

__all__ = ["STYLE", "asked_list", "number_card", "report_card", "risk_card"]

STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: 3rem; max-width: 76rem; }
.nb-card { border: 1px solid rgba(128,128,128,.3); border-radius: 14px; padding: 1.4rem 1.6rem; }
.nb-title { font-size: .95rem; opacity: .75; }
.nb-number { font-size: 3.4rem; font-weight: 700; line-height: 1.15; letter-spacing: -.02em; }
.nb-words { font-size: 1.2rem; font-weight: 600; margin: .15rem 0 .9rem; }
.nb-note { font-size: .95rem; opacity: .8; margin-top: .9rem; }
.nb-bar { position: relative; height: 12px; border-radius: 6px; background: rgba(128,128,128,.2); }
.nb-fill { height: 100%; border-radius: 6px; }
.nb-tick { position: absolute; top: -5px; height: 22px; width: 2px; background: currentColor; opacity: .75; }
.nb-scale { position: relative; height: 1.3rem; font-size: .8rem; opacity: .75; }
.nb-scale span { position: absolute; top: .35rem; transform: translateX(-50%); white-space: nowrap; }
.nb-asked { display: grid; grid-template-columns: fit-content(45%) 1fr; gap: .15rem .9rem; font-size: .9rem; margin: .3rem 0 0; }
.nb-asked dt { opacity: .75; } .nb-asked dd { margin: 0; overflow-wrap: anywhere; }
.nb-good { color: #15803d; } .nb-fair { color: #64748b; } .nb-poor { color: #c2410c; } .nb-bad { color: #b91c1c; }
.nb-fill.nb-good { background: #16a34a; } .nb-fill.nb-fair { background: #64748b; }
.nb-fill.nb-poor { background: #ea580c; } .nb-fill.nb-bad { background: #dc2626; }
</style>"""
_TONES = {"ok": "good", "notice": "good", "insufficient": "fair", "warning": "poor", "alert": "bad"}


def risk_card(risk: Risk, *, title: str, share: float, baseline: float | None) -> str:
    """Return a card that shows a probability as a number, in words and next to the baseline."""
    tick = f'<div class="nb-tick" style="left:{baseline:.1%}"></div>' if baseline is not None else ""
    left = f"{min(max(baseline, 0.12), 0.88):.1%}" if baseline is not None else ""
    scale = (
        f'<div class="nb-scale"><span style="left:{left}">average: {escape(risk.baseline or "")}</span></div>'
        if baseline
        else ""
    )
    return f"""<div class="nb-card" role="status">
<div class="nb-title">{escape(title)}</div>
<div class="nb-number nb-{risk.tone}" data-testid="risk">{escape(risk.share)}</div>
<div class="nb-words">{escape(risk.words)}</div>
<div class="nb-bar"><div class="nb-fill nb-{risk.tone}" style="width:{share:.1%}"></div>{tick}</div>{scale}
<div class="nb-note">{escape(_sentence(risk))}</div></div>"""


def _sentence(risk: Risk) -> str:
    frequency = risk.frequency[:1].upper() + risk.frequency[1:]
    average = f"; the average is {risk.baseline}" if risk.baseline else ""
    return f"{frequency} similar cases{average}."


def number_card(title: str, number: str, *, note: str) -> str:
    """Return a card with one value and its title; without a title, with a message."""
    big = "nb-number" if title else "nb-note"
    return f"""<div class="nb-card" role="status"><div class="nb-title">{escape(title)}</div>
<div class="{big}">{escape(number)}</div><div class="nb-note">{escape(note)}</div></div>"""


def asked_list(values: Sequence[tuple[str, str]]) -> str:
    """Return a list of what was asked: labels and values."""
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in values)
    return f'<dl class="nb-asked" aria-label="What was asked" data-testid="asked">{rows}</dl>'


def report_card(report: Report) -> str:
    """Return a card with the verdict of a report, its reasons and the advice."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.reasons[:5])
    return f"""<div class="nb-card"><div class="nb-title">{escape(report.window)} · model version {escape(report.version)}</div>
<div class="nb-words nb-{_TONES.get(report.verdict, "fair")}" data-testid="verdict">{escape(report.headline)}</div>
<div>{escape(report.advice)}</div>{f'<ul class="nb-note">{reasons}</ul>' if reasons else ""}</div>"""
