"""Keep secrets out of all written files: their values are replaced by their names.

A project declares the environment variables that hold secrets (`project.secrets` in `nbship.yaml`). A notebook reads
them from its environment. They are removed from everything it prints, displays or raises, in all common spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...errors import ParameterError, SettingsError
from ...project import Project
from ..kernels import Executed
from .variants import MIN_LENGTH, spellings, split_pattern, truncated_pattern

__all__ = ["Redactor", "project_redactor", "redact_executed", "redacted"]

_CUT = re.compile(r"\n\[nbship cut [\d,]+ characters of output here\]\n")


def project_redactor(project: Project, environ: Mapping[str, str]) -> Redactor:
    """Return the redactor of the project's secrets, with their values from `environ`.

    Raises
    ------
    SettingsError
        If a secret is so short that other text would match.
    """
    values = {name: environ[name] for name in project.settings.project.secrets if environ.get(name)}
    for name, value in values.items():
        if len(value) < MIN_LENGTH:
            raise SettingsError(
                f"The secret '{name}' has {len(value)} characters in the environment, too few to recognise it in outputs. "
                f"Use at least {MIN_LENGTH} characters, or remove '{name}' from 'project.secrets' in nbship.yaml."
            )
    # The URLs of sinks hold tokens; a short value is none.
    sinks = {name: environ.get(name, "") for name in project.settings.alerts.sinks.values()}
    return Redactor({**{name: value for name, value in sinks.items() if len(value) >= MIN_LENGTH}, **values})


class Redactor:
    """Replaces the values of secrets in text by their names in brackets; false without secrets.

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
        # The longest first, because one secret may be part of another.
        self._forms = sorted(forms.items(), key=lambda form: -len(form[0]))
        self._split = [(split_pattern(value), name) for name, value in values.items()]
        self._truncated = [(truncated_pattern(value), value, name) for name, value in values.items()]

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for form, name in self._forms:
            if form in text:
                text = text.replace(form, f"[{name}]")
        for pattern, name in self._split:
            text = pattern.sub(f"[{name}]", text)
        for pattern, value, name in self._truncated:
            for found in set(pattern.findall(text)):
                if value.startswith(found):
                    text = text.replace(found, f"[{name}]")
        return self._at_cuts(text)

    def _at_cuts(self, text: str) -> str:
        """Replace the part of a secret that is left where long output was cut.

        Example: for the secret `open-sesame`, `…xopen-ses` before the note becomes `…x[TOKEN]`.
        """
        for note in reversed(list(_CUT.finditer(text))):
            head, tail = text[: note.start()], text[note.end() :]
            for form, name in self._forms:
                sizes = range(len(form) - 1, MIN_LENGTH - 1, -1)
                if size := next((size for size in sizes if head.endswith(form[:size])), 0):
                    head = head[:-size] + f"[{name}]"
                if size := next((size for size in sizes if tail.startswith(form[-size:])), 0):
                    tail = f"[{name}]" + tail[size:]
            text = head + note[0] + tail
        return text

    def check(self, values: Mapping[str, Any], *, where: str) -> None:
        """Check that no value holds a secret, because parameters are written to files.

        Raises
        ------
        ParameterError
            For the first secret; the message does not contain it.
        """
        for key, value in values.items():
            for text in _strings({key: value}):
                name = next((name for form, name in self._forms if form in text), None)
                if name:
                    raise ParameterError(
                        f"{where} sets '{self(str(key))}' to the value of the secret '{name}', which would be written to files. "
                        f'Leave it in the environment, and read os.environ["{name}"] in the notebook.'
                    )


def redacted(value: Any, redact: Redactor) -> Any:
    """Return nested lists and mappings with all strings redacted, including keys.

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
    """Return an executed notebook without secrets: in outputs, widgets' metadata and the failure's message."""
    if not redact:
        return executed
    failure = executed.failure
    return replace(
        executed,
        notebook=redacted(executed.notebook, redact),
        failure=failure and replace(failure, evalue=redact(failure.evalue)),
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _strings(inner)
    else:
        yield str(value)
