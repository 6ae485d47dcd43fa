"""Which findings are alerts: a rule and the windows of one model and one length, in, what is active, out.

A window in which a subject could not be judged neither ends an alert nor counts for one::

    window       1      2             3        4
    verdict      alert  insufficient  alert    ok
    windows: 2   -      -             active   resolved
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..project import AlertRule
from .findings import EVERY, FINDINGS, Finding, Key, is_at_least

__all__ = ["Active", "Window", "active_findings"]

# Without rules in nbship.yaml.
_DEFAULT = (AlertRule(),)


@dataclass(frozen=True)
class Window:
    """The findings of one window; `first` is inclusive and `last` exclusive."""

    first: str
    last: str
    findings: Mapping[Key, Finding]


@dataclass(frozen=True)
class Active:
    """A finding that a rule asks for.

    Attributes
    ----------
    severity, words
        Of the newest window that judged it.
    since
        The first of the windows in a row.
    sinks
        Names of sinks, each with the hours for which the finding must have been active before it is notified.
    """

    severity: str
    words: str
    since: str
    window: str
    sinks: Mapping[str, float]


def active_findings(
    windows: Sequence[Window], rules: Sequence[AlertRule], *, model: str, sinks: Iterable[str]
) -> dict[Key, Active]:
    """Return the findings that are alerts now.

    Parameters
    ----------
    windows
        In the order of time, of one length.
    sinks
        The names of all sinks, for rules that name none.

    Examples
    --------
    >>> drifted = {("drift", "size"): Finding("alert", "Input 'size': missing")}
    >>> windows = [Window("2024-01-01", "2024-02-01", {}), Window("2024-02-01", "2024-03-01", drifted)]
    >>> list(active_findings(windows, [], model="shop", sinks=["team"]))
    [('drift', 'size')]
    >>> list(active_findings(windows, [AlertRule(windows=2)], model="shop", sinks=["team"]))
    []
    """
    every = tuple(sinks)
    found: dict[Key, Active] = {}
    for key in {key for window in windows for key in window.findings if key[1] != EVERY}:
        judged = [(window, finding) for window in reversed(windows) if (finding := _judged(window, key))]
        matching = [rule for rule in rules or _DEFAULT if _matches(rule, key, model) and _is_active(rule, judged)]
        if matching:
            least = min((rule.severity for rule in matching), key=FINDINGS.index)
            run = [window for window, _ in _while_at_least(judged, least)]
            window, finding = judged[0]
            found[key] = Active(
                severity=finding.severity or least,
                words=finding.words,
                since=f"{run[-1].first}_{run[-1].last}",
                window=f"{window.first}_{window.last}",
                sinks=_sinks(matching, every),
            )
    return found


def _judged(window: Window, key: Key) -> Finding | None:
    """Return what a window says about a subject; None if it could not be judged."""
    finding = window.findings.get(key)
    if finding is None:
        unjudged = window.findings.get((key[0], EVERY))
        return None if unjudged is not None and unjudged.severity is None else Finding("ok", "")
    return finding if finding.severity is not None else None


def _matches(rule: AlertRule, key: Key, model: str) -> bool:
    section, subject = key
    return (
        (not rule.sections or section in rule.sections)
        and (not rule.fields or subject in rule.fields)
        and (not rule.models or model in rule.models)
    )


def _is_active(rule: AlertRule, judged: Sequence[tuple[Window, Finding]]) -> bool:
    return len(_while_at_least(judged[: rule.windows], rule.severity)) == rule.windows


def _while_at_least(judged: Sequence[tuple[Window, Finding]], least: str) -> list[tuple[Window, Finding]]:
    """Return the newest windows in a row with a finding of at least this severity, newest first."""
    run = []
    for window, finding in judged:
        if finding.severity not in FINDINGS or not is_at_least(finding.severity, least):
            break
        run.append((window, finding))
    return run


def _sinks(rules: Iterable[AlertRule], every: tuple[str, ...]) -> dict[str, float]:
    """Return the sinks of rules, each with the shortest time that one of the rules waits."""
    hours: dict[str, float] = {}
    for rule in rules:
        for sink in rule.sinks or every:
            hours[sink] = min(rule.hours, hours.get(sink, rule.hours))
    return hours
