"""`nbship package`: build packages, and wheels, ONNX graphs and containers from them."""

from __future__ import annotations

import click

from ..groups import SuggestingGroup
from .artifacts import container, onnx, sign, wheel
from .saved import build, signature

__all__ = ["command"]


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Build a model package from a saved estimator; build wheels, ONNX graphs and containers from packages.

    A pipeline needs no command for its package: a notebook builds it with `model.build_package`.

    \b
    Example:
        nbship package build credit.skops --reference train.parquet
        nbship package wheel models/credit
    """


for each in (build, signature, wheel, onnx, container, sign):
    command.add_command(each)
