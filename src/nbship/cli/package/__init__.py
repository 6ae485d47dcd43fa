"""`nbship package`: a package of a saved estimator, and what is made of packages."""

from __future__ import annotations

import click

from .artifacts import container, onnx, sign, wheel
from .saved import build, signature

__all__ = ["command"]


@click.group()
def command() -> None:
    """Make a model package of a saved estimator; make wheels, ONNX graphs and containers of packages.

    A pipeline makes its package by itself, with `model.build_package` in a notebook.

    \b
    Example:
        nbship package build credit.skops --reference train.parquet
        nbship package wheel models/credit
    """


for each in (build, signature, wheel, onnx, container, sign):
    command.add_command(each)
