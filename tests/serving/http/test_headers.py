"""Every header that the service reads has one value, or a list of values that are joined: none is the last of several."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbship import serving
from nbship.errors import RequestError
from nbship.serving.http.asgi import _LISTS, _SINGLE, Request

SOURCE = Path(serving.__file__).parent


def headers_read(tree: ast.Module) -> Iterator[bytes]:
    """Yield the names in `request.header(name)`, `headers.get(name)` and `name in headers`."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def value(node: ast.expr) -> object:
        return node.value if isinstance(node, ast.Constant) else constants.get(getattr(node, "id", ""))

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            owner = ast.unparse(node.func.value)
            if node.func.attr == "header" or (node.func.attr == "get" and owner.endswith("headers")):
                found = value(node.args[0])
            else:
                continue
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]).endswith("headers"):
            found = value(node.left)
        else:
            continue
        if isinstance(found, bytes):
            yield found


def test_every_header_that_is_read_is_known() -> None:
    read = {name for path in SOURCE.rglob("*.py") for name in headers_read(ast.parse(path.read_text()))}
    assert {b"authorization", b"inference-header-content-length", b"origin", b"x-forwarded-for"} <= read
    assert read == _SINGLE | _LISTS


@pytest.mark.parametrize("name", sorted(_SINGLE | _LISTS))
def test_a_repeated_header_is_rejected_or_joined(name: bytes) -> None:
    headers = [(name, b"one"), (b"cookie", b"a"), (b"cookie", b"b"), (name, b"two")]
    request = Request({"method": "POST", "path": "/", "headers": headers})
    if name in _LISTS:
        request.check_headers()
        assert request.header(name) == "one, two"
    else:
        with pytest.raises(RequestError, match=f"has the header '{name.decode()}' more than once"):
            request.check_headers()
