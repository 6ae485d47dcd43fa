"""Names of tags: GTO is the oracle of the format, and of the order of versions."""

from __future__ import annotations

import pytest
from gto.constants import Action
from gto.tag import parse_name
from gto.versions import SemVer
from hypothesis import given
from hypothesis import strategies as st

from nbship.errors import RegistryError
from nbship.registry.tag_names import check_name, parse_tag, parse_version

ACTIONS = {
    "register": Action.REGISTER,
    "archive": Action.DEREGISTER,
    "assign": Action.ASSIGN,
    "unassign": Action.UNASSIGN,
    "deprecate": Action.DEPRECATE,
}
NAMES = [
    "late@v1.2.0", "late@v1.2.0!", "late@v1.2.0!#4", "late#production#7", "late#production", "late#production!#8", "a/b=late#dev#1",
    "late@deprecated", "late@deprecated#9", "late@v1.0.0-rc.1+build.5", "v1.0.0", "late", "late@1.0.0", "late@v01.0.0", "late@v1.0", "#x#1", "-a@v1.0.0",
    "late#prod-", "late@v1.0.0#x", "late@deprecated!", "teams/risk-2/x=late_2@v0.0.1",
]  # fmt: skip
PIECES = st.sampled_from(
    ["late", "a", "/", "-", "_", "=", "@", "#", "!", "v1.0.0", "v2.10.3-rc.1", "deprecated", "7", "prod", "."]
)


def same_as_gto(name: str) -> None:
    own, theirs = parse_tag(name), parse_name(name, raise_on_fail=False)
    if own is None or "action" not in theirs:
        assert own is None
        assert "action" not in theirs
        return
    assert ACTIONS[own.action] == theirs["action"]
    assert (f"{own.folder}:{own.model}" if own.folder else own.model) == theirs["name"]
    assert (own.version, own.alias, own.number) == (
        theirs.get("version"),
        theirs.get("stage"),
        theirs.get("counter", 0),
    )
    assert str(own) == name or name.endswith(("#0", "#00")) or "#0" in name


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_as_gto_reads_them(name: str) -> None:
    same_as_gto(name)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_name_is_read_as_gto_reads_it(name: str) -> None:
    same_as_gto(name)


@given(
    st.lists(
        st.sampled_from(
            [
                "v1.0.0",
                "v1.0.1",
                "v1.2.0",
                "v1.10.0",
                "v2.0.0-rc",
                "v2.0.0-rc.1",
                "v2.0.0-rc.2",
                "v2.0.0-rc.10",
                "v2.0.0-2",
                "v2.0.0",
                "v2.0.0-alpha",
            ]
        ),
        min_size=2,
    )
)
def test_versions_are_ordered_as_gto_orders_them(names: list[str]) -> None:
    ranks = {name: parse_version(name) for name in names}
    assert sorted(set(names), key=lambda name: ranks[name]) == sorted(set(names), key=SemVer)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("name", ["late rate", "-late", "late@x", "é", "", "late."])
def test_a_name_that_gto_does_not_accept_is_rejected(name: str) -> None:
    with pytest.raises(RegistryError, match=r"cannot be the name of a model in the registry\. Use letters"):
        check_name(name)


def test_a_folder_that_cannot_be_in_a_tag_is_rejected() -> None:
    with pytest.raises(RegistryError, match=r"The project's folder 'my project' cannot be a part of a tag"):
        check_name("late", folder="my project")
