"""Directives whose content is read from the code: settings, the REST interface, the faces that notebooks import."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import tempfile
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_MEANINGS = Path(__file__).parents[1] / "reference" / "settings.yaml"
_METHODS = ("get", "post", "put", "delete")


class Generated(SphinxDirective):
    """A directive that writes Markdown."""

    has_content = False
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)

    def lines(self) -> Iterator[str]:
        raise NotImplementedError


class Settings(Generated):
    """One table for each section of `nbship.yaml`."""

    def lines(self) -> Iterator[str]:
        from nbship.project import Settings as Model

        meanings = yaml.safe_load(_MEANINGS.read_text(encoding="utf-8"))
        documented: set[str] = set()
        for section, kind, default in _fields(Model):
            if section not in meanings:
                raise self.severe(f"docs/reference/settings.yaml does not describe the section '{section}'.")
            told = meanings[section]
            documented.add(section)
            yield from ("", f"## `{section}`", "", str(told.get("about", "")), "")
            each = typing.get_args(kind)[-1] if typing.get_origin(kind) is dict else None
            if each and _is_struct(each) and told.keys() - {"about", "read by"}:
                yield from _table(list(self._rows(f"{section}.<name>", each, told)))
                yield from ("", f"Read by: {told['read by']}.")
                continue
            if not _is_struct(kind):
                yield from _table([(section, _type(kind), _default(default), f"Read by: {told.get('read by', '')}.")])
                continue
            rows = list(self._rows(section, kind, told))
            yield from _table(rows)
            if told.get("read by"):
                yield from ("", f"Read by: {told['read by']}.")
            if _overridable(section, kind):
                example = f"NBSHIP_{section.upper()}__{rows[0][0].partition('.')[2].upper()}"
                yield from ("", f"Environment variables override these keys: `{example}` stands before `{rows[0][0]}`.")
        if meanings.keys() - documented:
            raise self.severe(
                f"docs/reference/settings.yaml has unknown sections: {sorted(meanings.keys() - documented)}."
            )

    def _rows(self, section: str, kind: Any, told: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
        known = list(_leaves(kind))
        for key, each, value in known:
            if key not in told:
                raise self.severe(f"docs/reference/settings.yaml does not describe the setting '{section}.{key}'.")
            yield f"{section}.{key}", _type(each), _default(value), told[key]
        unknown = told.keys() - {key for key, _, _ in known} - {"about", "read by"}
        if unknown:
            raise self.severe(f"docs/reference/settings.yaml describes unknown settings: {sorted(unknown)}.")


def _overridable(section: str, struct: Any) -> bool:
    """Whether a variable of the environment changes a setting of this section."""
    from nbship.errors import SettingsError
    from nbship.project import read_settings

    key, _, default = next(_fields(struct))
    with mock.patch.dict(os.environ, {f"NBSHIP_{section.upper()}__{key.upper()}": "other"}):
        try:
            return bool(getattr(getattr(read_settings(Path("none.yaml")), section), key) != default)
        except SettingsError:
            return True


def _fields(struct: Any) -> Iterator[tuple[str, Any, Any]]:
    import msgspec

    hints = typing.get_type_hints(struct)
    for each in msgspec.structs.fields(struct):
        default = each.default
        if default is msgspec.NODEFAULT and each.default_factory is msgspec.NODEFAULT:
            default = "required"
        elif default is msgspec.NODEFAULT and each.default_factory is not msgspec.NODEFAULT:
            default = each.default_factory()
        yield each.name, hints[each.name], default


def _leaves(struct: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, kind, default in _fields(struct):
        each = typing.get_args(kind)[-1] if typing.get_origin(kind) is dict else None
        if _is_struct(kind):
            yield from _leaves(kind, f"{prefix}{name}.")
        elif prefix == "" and each and _is_struct(each):
            yield from _leaves(each, f"{name}.<name>.")
        else:
            yield f"{prefix}{name}", kind, default


def _is_struct(kind: Any) -> bool:
    import msgspec

    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _table(rows: list[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for key, kind, default, meaning in rows:
        yield f"| `{key}` | {kind} | {default} | {' '.join(str(meaning).split())} |"


def _type(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" if value else "empty" for value in inner)
    if origin is list:
        return f"list of {_plural(inner[0])}"
    if origin is dict:
        return f"mapping of names to {_plural(inner[1])}"
    if origin is not None:
        return " or ".join(_type(each) for each in inner)
    return {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "any"}.get(
        kind, "mapping"
    )


def _plural(kind: Any) -> str:
    return {str: "strings", int: "integers", float: "numbers"}.get(kind, "mappings")


def _default(value: Any) -> str:
    if value == "required":
        return value
    if value in ("", [], {}, None):
        return "empty"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


class Rest(Generated):
    """The paths of the OpenAPI document that the service itself gives for a small package."""

    def lines(self) -> Iterator[str]:
        document = _openapi()
        for path, methods in document["paths"].items():
            for method in _METHODS:
                if method not in methods:
                    continue
                operation = methods[method]
                yield from ("", f"## `{method.upper()} {path}`", "", operation.get("summary", ""), "")
                body = operation.get("requestBody", {}).get("content", {})
                if body:
                    yield from (f"Body: {', '.join(f'`{kind}`' for kind in body)}.", "")
                yield "| status | meaning |"
                yield "|---|---|"
                for status, response in operation["responses"].items():
                    yield f"| {status} | {response.get('description', '')} |"
        yield from ("", "## Schemas", "")
        for name, schema in document["components"]["schemas"].items():
            yield from ("", f"### {name}", "", schema.get("description", ""), "", "```json")
            yield from json.dumps(
                {key: value for key, value in schema.items() if key != "description"}, indent=1
            ).splitlines()
            yield "```"


def _openapi() -> dict[str, Any]:
    """Ask the service of a small package for its OpenAPI document."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from nbship import model
    from nbship.serving import application

    rows = pd.DataFrame({"items": range(1, 601), "distance_km": [number % 17 / 2 for number in range(600)]})
    estimator = make_pipeline(LogisticRegression()).fit(rows, rows["distance_km"] > 4)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "late"
        model.build_package(
            folder,
            name="late",
            estimator=estimator,
            signature=model.Signature.infer(rows),
            golden=rows,
            reference=rows,
            provenance=model.Provenance(),
        )
        environ = {"NBSHIP_STATE": str(Path(made) / "state"), "NBSHIP_SERVING__REQUEST_LOG": "false"}
        with mock.patch.dict(os.environ, environ):
            return asyncio.run(_ask(application(folder), "/openapi.json"))


async def _ask(app: Any, path: str) -> dict[str, Any]:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    received: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    started, stopped = asyncio.Event(), asyncio.Event()

    async def send(message: Mapping[str, Any]) -> None:
        (started if "startup" in message["type"] else stopped).set()

    await received.put({"type": "lifespan.startup"})
    life = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, received.get, send))
    await started.wait()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.get(path)
    await received.put({"type": "lifespan.shutdown"})
    await stopped.wait()
    await life
    return response.raise_for_status().json()  # type: ignore[no-any-return]


class Face(Generated):
    """The public names of a module, with their signatures and first lines."""

    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterator[str]:
        module = importlib.import_module(self.arguments[0])
        yield from (str(inspect.getdoc(module)).splitlines()[0], "")
        yield "| name | what it is |"
        yield "|---|---|"
        for name in module.__all__:
            what = getattr(module, name)
            doc = (inspect.getdoc(what) or "").splitlines() if callable(what) else []
            first = doc[0] if doc else f"A constant: {type(what).__name__}."
            yield f"| `{name}{_parameters(what)}` | {first.replace('|', chr(92) + '|')} |"


def _parameters(what: Any) -> str:
    if not inspect.isfunction(what):
        return ""
    return "(" + ", ".join(inspect.signature(what).parameters) + ")"


def _examples(_: Sphinx, __: Any, lines: list[str]) -> None:
    """Show the lines of a help's example as they are typed, and not as prose with typographic dashes."""
    found: list[str] = []
    for line in lines:
        if line.strip() == "| Example:":
            found += ["Example:", "", ".. code-block:: console", ""]
        elif line.startswith("| "):
            found.append(f"   $ {line[2:].strip()}")
        else:
            # A pattern of files is no emphasis.
            found.append(line.replace("*", r"\*"))
    lines[:] = found


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("sphinx-click-process-description", _examples)
    app.add_directive("nbship-settings", Settings)
    app.add_directive("nbship-rest", Rest)
    app.add_directive("nbship-face", Face)
    return {"parallel_read_safe": True}
