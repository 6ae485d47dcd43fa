"""Secrets stay out of everything that is written: their values are replaced by their names.

A project declares which environment variables hold secrets (`project.secrets` in `nbship.yaml`). A notebook
reads them from its environment; what it prints, shows or raises loses them, in every spelling that they usually take.
"""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import ParameterError, SettingsError
from ..project import Project
from .engine import Executed

__all__ = ["Redactor", "redact_executed", "redacted", "redactor"]

# Fewer characters are found in texts that hold no secret.
_SHORTEST = 6
_BETWEEN = r"(?:\x1b\[[0-9;]*m|<[^<>]*>|\n)*"


def redactor(project: Project, environ: Mapping[str, str]) -> Redactor:
    """Return what takes the project's secrets, as `environ` holds them, out of texts.

    Raises
    ------
    SettingsError
        If a secret is too short to be told from other text.
    """
    values = {name: environ[name] for name in project.settings.project.secrets if environ.get(name)}
    for name, value in values.items():
        if len(value) < _SHORTEST:
            raise SettingsError(
                f"The secret '{name}' has {len(value)} characters in the environment, too few to find it in outputs. "
                f"Use one of at least {_SHORTEST}, or take '{name}' out of 'project.secrets' in nbship.yaml."
            )
    return Redactor(values)


class Redactor:
    """Replaces the values of secrets in text by their names in brackets; false if there is none.

    >>> redact = Redactor({"TOKEN": 'open"sesame'})
    >>> redact('token=open"sesame'), redact('{"token": "open\\\\"sesame"}')
    ('token=[TOKEN]', '{"token": "[TOKEN]"}')

    Parameters
    ----------
    values
        Name -> value.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        forms = {form: name for name, value in values.items() for form in _forms(value)}
        # The longest first: one secret may be part of another.
        self._forms = sorted(forms.items(), key=lambda form: -len(form[0]))
        self._parted = [(_parted(value), name) for name, value in values.items()]
        self._cut = [(_cut_short(value), value, name) for name, value in values.items()]

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for form, name in self._forms:
            if form in text:
                text = text.replace(form, f"[{name}]")
        for pattern, name in self._parted:
            text = pattern.sub(f"[{name}]", text)
        for pattern, value, name in self._cut:
            for found in set(pattern.findall(text)):
                if value.startswith(found):
                    text = text.replace(found, f"[{name}]")
        return text

    def refuse(self, values: Mapping[str, Any], *, where: str) -> None:
        """Refuse values that hold a secret: they would be written down.

        Raises
        ------
        ParameterError
            For the first one; the message does not hold it.
        """
        for key, value in values.items():
            for text in _texts({key: value}):
                name = next((name for form, name in self._forms if form in text), None)
                if name:
                    shown = self(str(key))
                    raise ParameterError(
                        f"{where} gives '{shown}' the value of the secret '{name}', which would be written down. "
                        f'Leave it in the environment, and read os.environ["{name}"] in the notebook.'
                    )


def redacted(value: Any, redact: Redactor) -> Any:
    """Return a nest of lists and mappings with every text in it redacted, keys included.

    >>> redacted({"text": ["is sesame"]}, Redactor({"TOKEN": "sesame"}))
    {'text': ['is [TOKEN]']}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redacted(key, redact): redacted(inner, redact) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(inner, redact) for inner in value]
    return value


def redact_executed(executed: Executed, redact: Redactor) -> Executed:
    """Return what an execution gave without secrets: outputs, metadata of widgets, the failure's message."""
    if not redact:
        return executed
    failure = executed.failure
    return replace(
        executed,
        notebook=redacted(executed.notebook, redact),
        failure=failure and replace(failure, evalue=redact(failure.evalue)),
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _texts(inner)
    else:
        yield str(value)


def _forms(value: str) -> set[str]:
    """Return the spellings of a value, and of each line of one that has several."""
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    plain = {value, value.strip(), *lines}
    once = {form for text in plain for form in (*_escaped(text), *_encoded(text))}
    twice = {form for text in once for form in _escaped(text)}  # such as JSON inside of HTML
    return {form for form in once | twice if len(form) >= _SHORTEST}


def _escaped(text: str) -> Iterator[str]:
    """Yield a text as it stands in Python, JSON and HTML."""
    yield text
    data = text.encode("utf-8", "surrogateescape")
    for quoted in (repr(text), ascii(text), repr(data)):
        yield quoted[quoted.index(quoted[-1]) + 1 : -1]
    for quoted in (repr(text + "'\""), repr(data + b"'\"")):  # inside of a text with other quotes
        yield quoted[quoted.index(quoted[-1]) + 1 : -4]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)


def _encoded(text: str) -> Iterator[str]:
    """Yield a text as it stands in addresses, in base64 and in hexadecimal digits."""
    data = text.encode("utf-8", "surrogateescape")
    yield data.hex()
    yield data.hex().upper()
    for percent in (urllib.parse.quote(data), urllib.parse.quote(data, safe="")):
        yield percent
        yield percent.replace("%20", "+")
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), percent)
    for before in range(3):  # where in a group of four it begins depends on what stands before it
        whole = (len(data) + before) // 3 * 4
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + data)[4 if before else 0 : whole].decode()


def _parted(value: str) -> re.Pattern[str]:
    """Find a value that colours, markup or the end of a line part."""
    return re.compile(_BETWEEN.join(map(re.escape, value)))


def _cut_short(value: str) -> re.Pattern[str]:
    """Find what begins as a value does; tables show the first part and an ellipsis."""
    head = value[: min(12, max(_SHORTEST, len(value) // 2))]
    return re.compile(re.escape(head) + r"[^\n]*?(?=\.\.\.|…|\n\[nbship cut)")
