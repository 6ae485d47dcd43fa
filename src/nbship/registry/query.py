"""Search versions: by metric, by a word of what the registry records, by the author, by alias or gate."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import RegistryError
from ..text import did_you_mean, listed
from .history import History, Version
from .registration import describe_gate

__all__ = ["search_versions"]

_METRIC = re.compile(r"(?P<name>[A-Za-z_][\w.]*)\s*(?P<sign><=|>=|==|!=|=|<|>)\s*(?P<value>[-+.\deE]+)")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def search_versions(histories: Iterable[History], terms: Sequence[str]) -> list[Version]:
    """Return the versions for which all terms hold, the latest first; archived ones too.

    Parameters
    ----------
    terms
        A condition on a metric (`auc>0.7`), or text that the name, alias, author, reason, gate, digest or commit holds;
        case does not matter.

    Raises
    ------
    RegistryError
        If no version has such a metric.
    """
    found = [(history, version) for history in histories for version in history.versions]
    for term in terms:
        match = _METRIC.fullmatch(term.strip())
        if match:
            _require_metric(match["name"], [version for _, version in found])
            sign, value = _SIGNS[match["sign"]], _number(term, match["value"])
            name = match["name"]
            found = [
                (history, version)
                for history, version in found
                if name in version.metrics and sign(version.metrics[name], value)
            ]
        else:
            found = [(history, version) for history, version in found if term.casefold() in _text(history, version)]
    return [version for _, version in sorted(found, key=lambda pair: pair[1].registered.time, reverse=True)]


def _number(term: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RegistryError(
            f"'{term}' compares with '{text}', which is not a number. Write it such as 'auc>0.7'."
        ) from error


def _require_metric(name: str, versions: Sequence[Version]) -> None:
    known = dict.fromkeys(each for version in versions for each in version.metrics)
    if known and name not in known:
        hint = did_you_mean(name, known, otherwise=f"They have {listed(known)}.")
        raise RegistryError(f"No version has the metric '{name}'. {hint}")


def _text(history: History, version: Version) -> str:
    event = version.registered
    assigned = [
        each.event
        for made in history.assignments.values()
        for each in made
        if each.version and each.version.name == version.name
    ]
    parts = [
        str(version),
        event.who,
        event.email,
        event.why,
        event.commit,
        *history.aliases(version),
        *(each.why for each in assigned),
    ]
    if version.archived:
        parts.append(f"archived {version.archived.why}")
    if version.package:
        parts.append(version.package.digest)
    if version.gate:
        parts += [describe_gate(version.gate), f"gate {version.gate.verdict}", *version.gate.reasons]
    return "\n".join(parts).casefold()
