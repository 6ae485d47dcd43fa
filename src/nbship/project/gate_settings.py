"""`gates` in `nbship.yaml`: what is agreed about a model before it is released."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["ExpectationSection", "GatesSection"]

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Distance = Annotated[float, msgspec.Meta(ge=0)]


class ExpectationSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How predictions respond to a change of inputs: `same`, `not lower` or `not higher`, in a `share` of the rows.

    `change` is such as `"order = 1"`, `"age + 10"` or `"start + 1 hour, end + 1 hour"`. Differences up to `within` do not
    count.
    """

    change: str
    answer: Literal["same", "not lower", "not higher"]
    share: _Share = 1.0
    within: _Distance = 1e-9


class GatesSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The agreed `measure`, the `block` of rows that are alike (`day`, or a column), and expectations.

    Limits are parameters of the gate's stage.
    """

    measure: Literal["auc", "brier", "log_loss", "mae", "rmse"] = "auc"
    block: str = "day"
    expectations: list[ExpectationSection] = []
