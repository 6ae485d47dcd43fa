"""Secrets stay out of everything that is written: their values are replaced by their names.

A project declares which environment variables hold secrets (`project.secrets` in `nbship.yaml`). A notebook
reads them from its environment; what it prints, shows or raises loses them, in every spelling that they usually take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...errors import ParameterError, SettingsError
from ...project import Project
from ..kernels import Executed
from .variants import SHORTEST, cut_short, parted, spellings

__all__ = ["Redactor", "redact_executed", "redacted", "redactor"]

_CUT = re.compile(r"\n\[nbship cut [\d,]+ characters of output here\]\n")


def redactor(project: Project, environ: Mapping[str, str]) -> Redactor:
    """Return what takes the project's secrets, as `environ` holds them, out of texts.

    Raises
    ------
    SettingsError
        If a secret is too short to be told from other text.
    """
    values = {name: environ[name] for name in project.settings.project.secrets if environ.get(name)}
    for name, value in values.items():
        if len(value) < SHORTEST:
            raise SettingsError(
                f"The secret '{name}' has {len(value)} characters in the environment, too few to find it in outputs. "
                f"Use one of at least {SHORTEST}, or remove '{name}' from 'project.secrets' in nbship.yaml."
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
        forms = {form: name for name, value in values.items() for form in spellings(value)}
        # The longest first: one secret may be part of another.
        self._forms = sorted(forms.items(), key=lambda form: -len(form[0]))
        self._parted = [(parted(value), name) for name, value in values.items()]
        self._cut = [(cut_short(value), value, name) for name, value in values.items()]

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
        return self._at_cuts(text)

    def _at_cuts(self, text: str) -> str:
        """Take away what is left of a secret where a flood of output was cut, right through it."""
        for note in reversed(list(_CUT.finditer(text))):
            head, tail = text[: note.start()], text[note.end() :]
            for form, name in self._forms:
                sizes = range(len(form) - 1, SHORTEST - 1, -1)
                if size := next((size for size in sizes if head.endswith(form[:size])), 0):
                    head = head[:-size] + f"[{name}]"
                if size := next((size for size in sizes if tail.startswith(form[-size:])), 0):
                    tail = f"[{name}]" + tail[size:]
            text = head + note[0] + tail
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
