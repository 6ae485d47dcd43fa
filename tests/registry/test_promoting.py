"""Aliases: promote, roll back, archive; what was in production then; the order of tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from registries import Call, commit_package, git
from time_machine import travel

from nbship.project import load
from nbship.registry import open_registry

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def register(root: Path, call: Call, *, first: int, last: int) -> None:
    for number in range(first, last + 1):
        if number > 1:
            commit_package(root, number)
        assert call(root, "register")[0] == 0


def in_production(root: Path) -> str:
    found = open_registry(load(root)).history("small").current("production")
    return found.name if found else ""


def test_an_alias_leads_to_the_last_promoted_version(root: Path, call: Call) -> None:
    register(root, call, first=1, last=2)
    code, out, _ = call(root, "promote", "small@v1.0.0", "--why", "first")
    assert code == 0
    assert "is now in production. Tag: small#production#1\n" in out
    assert (
        "is now in production, and replaces v1.0.0. Tag: small#production#2\n"
        in call(root, "promote", "--why", "latest")[1]
    )
    call(root, "promote", "v1.0.0", "--to", "shadow", "--why", "to compare")
    assert git(root, "tag", "--list", "*#*").split() == ["small#production#1", "small#production#2", "small#shadow#3"]
    found = {each["version"]: each["aliases"] for each in json.loads(call(root, "list", "--json")[1])}
    assert found == {"v1.0.0": ["shadow"], "v1.1.0": ["production"]}
    code, _, err = call(root, "promote", "v1.1.0", "--why", "again")
    assert (code, "'small@v1.1.0' is in 'production' already: Alice promoted it at" in err) == (1, True)
    assert "cannot be the name of an alias" in call(root, "promote", "--to", "the best", "--why", "x")[2]
    assert call(root, "promote")[0] == 2


def test_a_rollback_is_a_new_tag_and_a_second_one_goes_further_back(root: Path, call: Call) -> None:
    register(root, call, first=1, last=3)
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        call(root, "promote", version, "--why", "next")
    before = git(root, "for-each-ref", "refs/tags")
    code, out, _ = call(root, "rollback", "--why", "alert of 14:05")
    assert (code, "small@v1.1.0" in out, in_production(root)) == (0, True, "v1.1.0")
    call(root, "rollback", "--why", "the same fault")
    assert in_production(root) == "v1.0.0"
    code, _, err = call(root, "rollback", "--why", "and again")
    assert code == 1
    assert "No earlier version of 'small' was in 'production', and 'small@v1.0.0' is the first." in err
    # No tag was moved or deleted.
    after = git(root, "for-each-ref", "refs/tags")
    assert set(before.splitlines()) < set(after.splitlines())
    assert "Roll small in production back from v1.2.0 to v1.1.0" in git(
        root, "tag", "--list", "--format=%(contents:subject)", "small#production#4"
    )
    call(root, "promote", "v1.2.0", "--why", "mended")
    assert "small@v1.0.0" in call(root, "rollback", "--why", "not mended")[1]


def test_a_rollback_to_a_named_version_skips_those_between(root: Path, call: Call) -> None:
    register(root, call, first=1, last=4)
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        call(root, "promote", version, "--why", "next")
    code, _, err = call(root, "rollback", "small@v1.3.0", "--why", "x")
    assert code == 1
    assert (
        "'small@v1.3.0' is not a version that 'production' may go back to: those are small@v1.1.0, small@v1.0.0." in err
    )
    call(root, "rollback", "small@v1.0.0", "--why", "v1.1.0 has the fault too")
    assert in_production(root) == "v1.0.0"
    assert "No earlier version" in call(root, "rollback", "--why", "x")[2]


def test_archived_versions_are_neither_listed_nor_promoted_nor_rolled_back_to(root: Path, call: Call) -> None:
    register(root, call, first=1, last=3)
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        call(root, "promote", version, "--why", "next")
    code, _, err = call(root, "archive", "small@v1.2.0")
    assert (code, "'small@v1.2.0' is in 'production', and what is used cannot be archived." in err) == (1, True)
    assert call(root, "archive", "small@v1.1.0", "--why", "wrong units")[0] == 0
    assert "archived already: Alice did it" in call(root, "archive", "small@v1.1.0")[2]
    listed = call(root, "list")[1]
    assert "small@v1.1.0" not in listed
    assert "1 archived version is not listed; --all lists them." in listed
    assert "small@v1.1.0  archived" in call(root, "list", "--all")[1]
    assert "'small@v1.1.0' is archived" in call(root, "promote", "small@v1.1.0", "--why", "x")[2]
    call(root, "rollback", "--why", "x")
    assert in_production(root) == "v1.0.0"
    assert "Name the version to archive, such as 'small@v1.2.0'" in call(root, "archive", "small")[2]


def test_what_was_in_production_at_a_time(root: Path, call: Call) -> None:
    (root / "nbship.yaml").write_text("project: {name: small, timezone: America/New_York}\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Settings")
    for days, number in ((0, 1), (10, 2)):
        with travel(START + timedelta(days=days), tick=False):
            register(root, call, first=number, last=number)
            call(root, "promote", "--why", f"number {number}")
    with travel(START + timedelta(days=20), tick=False):
        call(root, "rollback", "--why", "worse")
    # 12:00 UTC is 07:00 in New York; a promotion is dated a second after the registration.
    for time, version in (
        ("2026-01-05T06:59", None), ("2026-01-05T07:00:01", "v1.0.0"), ("2026-01-15T06:59:59", "v1.0.0"), ("2026-01-15T12:00:01Z", "v1.1.0"),
        ("2026-01-25T06:59:59", "v1.1.0"), ("2026-01-25T07:00", "v1.0.0"), ("2027-01-01", "v1.0.0"),
    ):  # fmt: skip
        found = json.loads(call(root, "show", "--at", time, "--json")[1])
        assert (found["version"] or {}).get("version") == version, time
    out = call(root, "show", "--at", "2026-01-16T09:00")[1]
    assert out.startswith("At 2026-01-16 09:00:00 EST (America/New_York), small@v1.1.0 was in 'production'.\n")
    assert "2026-01-15 07:00:01 EST, until 2026-01-25 07:00:00 EST" in out
    assert "promoted  Alice: number 2" in out
    assert "no version of 'small' was in 'production'" in call(root, "show", "--at", "2025-12-31")[1]
    assert "'yesterday' is not a time. Write it such as" in call(root, "show", "--at", "yesterday")[2]


def test_tags_are_ordered_by_number_whatever_the_clocks_say(root: Path, call: Call) -> None:
    register(root, call, first=1, last=2)
    future = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    with travel(future, tick=False):
        call(root, "promote", "v1.0.0", "--why", "by a machine whose clock is wrong")
    code, out, _ = call(root, "promote", "v1.1.0", "--why", "today")
    assert code == 0
    assert "The last tag of 'small' is dated" in out
    assert "in the future: a clock is wrong. This one is dated after it." in out
    dates = git(root, "tag", "--list", "--format=%(taggerdate:unix)", "--sort=refname", "*#*").split()
    assert [int(date) for date in dates] == [int(future.timestamp()), int(future.timestamp()) + 1]
    assert in_production(root) == "v1.1.0"


def test_two_promotions_within_a_second_have_an_order_for_gto_too(root: Path, call: Call) -> None:
    register(root, call, first=1, last=2)
    with travel(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=False):
        call(root, "promote", "v1.1.0", "--why", "one")
        call(root, "promote", "v1.0.0", "--why", "two")
    first, second = git(root, "tag", "--list", "--format=%(taggerdate:unix)", "--sort=refname", "*#*").split()
    assert int(second) == int(first) + 1


def test_search_by_metric_text_and_person(root: Path, call: Call) -> None:
    register(root, call, first=1, last=3)
    call(root, "promote", "v1.1.0", "--why", "Better in Every Slice")

    def found(*terms: str) -> list[str]:
        return sorted(each["version"] for each in json.loads(call(root, "search", *terms, "--json")[1]))

    assert found("auc>0.71") == ["v1.1.0", "v1.2.0"]
    assert found("auc>=0.71", "auc < 0.73") == ["v1.0.0", "v1.1.0"]
    assert found("every slice") == ["v1.1.0"]
    assert found("production") == ["v1.1.0"]
    assert found("alice@example.com", "brier=0.2") == ["v1.0.0", "v1.1.0", "v1.2.0"]
    assert found("bob") == []
    assert found("v1.2") == ["v1.2.0"]
    assert "No version has the metric 'acu'. Did you mean 'auc'?" in call(root, "search", "acu>0.7")[2]
    assert "No version has all of this." in call(root, "search", "bob")[1]


def test_compare_shows_what_differs_and_only_that(root: Path, call: Call) -> None:
    register(root, call, first=1, last=2)
    call(root, "promote", "v1.0.0", "--why", "first")
    out = call(root, "compare", "small#production", "v1.1.0")[1]
    assert [line.split() for line in out.splitlines()] == [
        ["METRICS", "small@v1.0.0", "small@v1.1.0"], ["auc", "0.71", "0.72", "+0.01"],
        ["PARAMETERS", "small@v1.0.0", "small@v1.1.0"], ["fit.seed", "1", "2", "+1"],
    ]  # fmt: skip
    found = json.loads(call(root, "compare", "small@v1.0.0", "small@v1.1.0", "--json")[1])
    assert {"part": "parameters", "name": "fit.seed", "one": 1, "other": 2} in found["differences"]
    assert "are the same package" in call(root, "compare", "v1.0.0", "small#production")[1]


def test_show_explains_a_version(root: Path, call: Call) -> None:
    register(root, call, first=1, last=1)
    call(root, "promote", "--why", "first")
    out = call(root, "show", "small@v1.0.0")[1]
    assert out.startswith("small@v1.0.0  in production\n")
    for part in (
        "Alice <alice@example.com>",
        "passed: all 2 checks passed",
        "auc 0.71, brier 0.2",
        "data/rows.csv abababababab",
        "notebooks/train.ipynb",
        "fit.seed 1",
        git(root, "rev-parse", "HEAD"),
    ):
        assert part in out
    found = json.loads(call(root, "show", "small@v1.0.0", "--json")[1])
    assert found["built_from"]["parameters"] == {"fit.seed": 1}
    assert [each["why"] for each in found["assigned"]] == ["first"]
    now = json.loads(call(root, "show", "--json")[1])
    assert now[0]["aliases"]["production"]["version"] == "v1.0.0"


def test_an_empty_registry_is_no_error(root: Path, call: Call) -> None:
    assert call(root, "list") == (0, "No version is registered. Register one: `nbship models register`.\n", "")
    assert call(root, "list", "--json")[:2] == (0, "[]\n")
    assert call(root, "show")[1] == "small: nothing is in production.\n"
    code, _, err = call(root, "promote", "--why", "x")
    assert (code, "No version of 'small' is registered. Register one: `nbship models register`." in err) == (1, True)
    code, _, err = call(root, "rollback", "--why", "x")
    assert (code, "No earlier version of 'small' was in 'production'. Promote another" in err) == (1, True)


@pytest.mark.parametrize("name", ["small@v1.0.0", "small#production#1"])
def test_a_tag_that_another_program_wrote_is_understood(root: Path, call: Call, name: str) -> None:
    register(root, call, first=1, last=1)
    call(root, "promote", "--why", "first")
    message = "Written by hand, with {braces}\n\n---\n{not json"
    git(root, "tag", "--force", "--annotate", "--message", message, name, "HEAD")
    listed = call(root, "list")[1]
    assert "small@v1.0.0  production" in listed
    assert call(root, "show")[0] == call(root, "show", "small@v1.0.0")[0] == 0
    assert call(root, "compare", "v1.0.0", "small#production")[0] == 0
