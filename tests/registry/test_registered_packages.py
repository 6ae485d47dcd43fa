"""The bytes of versions: from DVC's cache or remote, verified; commands that take a version; the pin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import run
from registries import Call, commit_package, git
from servers import running
from signers import write_key

from nbship.cli import main
from nbship.dvcstore import read_lock
from nbship.errors import NbshipError, PackageError, RegistryError
from nbship.inference import find_deployment
from nbship.model.package import read_files
from nbship.project import load
from nbship.registry import fetch_version, locate, open_registry, pin, pin_path, read_pin
from nbship.serving import application_of
from nbship.serving.supervisor import worker


def promoted(root: Path, call: Call, number: int = 1) -> str:
    """Register and promote a package, and return its digest."""
    if number > 1:
        commit_package(root, number)
    call(root, "register")
    call(root, "promote", "--why", "next")
    return read_files(root / "models/small")[0].digest


def test_a_version_is_fetched_from_the_cache(root: Path, call: Call, tmp_path: Path) -> None:
    first, second = promoted(root, call), promoted(root, call, 2)
    registry = open_registry(load(root))
    for name, digest in (("v1.0.0", first), ("small#production", second)):
        manifest = fetch_version(registry.project, registry.git, registry.find(name), tmp_path / "package")
        assert manifest.digest == read_files(tmp_path / "package")[0].digest == digest
    # Again: the folder holds it, and nothing is read from the cache.
    shutil.rmtree(root / ".dvc/cache")
    fetch_version(registry.project, registry.git, registry.find("v1.1.0"), tmp_path / "package")
    with pytest.raises(RegistryError, match=r"The package of 'small@v1.0.0' is not in DVC's cache\."):
        fetch_version(registry.project, registry.git, registry.find("v1.0.0"), tmp_path / "package")
    assert read_files(tmp_path / "package")[0].digest == second


def test_a_changed_package_in_the_cache_is_not_used(root: Path, call: Call, tmp_path: Path) -> None:
    promoted(root, call)
    md5 = next(out["md5"] for out in read_lock(root / "dvc.lock")["fit"]["outs"] if out["path"] == "models/small")
    listing = json.loads((root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").read_bytes())
    inner = next(each["md5"] for each in listing if each["relpath"] == "provenance.json")
    file = root / f".dvc/cache/files/md5/{inner[:2]}/{inner[2:]}"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    with pytest.raises(RegistryError, match="is not in DVC's cache"):
        locate(load(root), "small@v1.0.0")
    assert not (root / ".nbship/cache/registry").exists()


def test_a_tag_whose_digest_is_another_package_is_named(root: Path, call: Call) -> None:
    digest = promoted(root, call)
    message = git(root, "tag", "--list", "--format=%(contents)", "small@v1.0.0").replace(digest, "0" * 64)
    git(
        root,
        "tag",
        "--force",
        "--annotate",
        "--cleanup=verbatim",
        "--message",
        message,
        "small@v1.0.0",
        "small@v1.0.0^{commit}",
    )
    with pytest.raises(RegistryError, match=r"and its tag records 000000000000\. Do not use it"):
        locate(load(root), "small@v1.0.0")


@pytest.mark.parametrize(
    ("key", "value"),
    [("digest", "../../../victim"), ("dvc", "../../../../../victim.dir"), ("dvc", f"{'a' * 32}.dir\n")],
)
def test_a_tag_with_paths_for_digests_has_no_record(root: Path, call: Call, key: str, value: str) -> None:
    digest = promoted(root, call)
    victim = root / "victim.dir"
    victim.write_text("important")
    head, _, block = git(root, "tag", "--list", "--format=%(contents)", "small@v1.0.0").partition("\n---\n")
    record = json.loads(block)
    record["package"][key] = value
    message = f"{head}\n---\n{json.dumps(record, indent=1)}"
    git(
        root,
        "tag",
        "--force",
        "--annotate",
        "--cleanup=verbatim",
        "--message",
        message,
        "small@v1.0.0",
        "small@v1.0.0^{commit}",
    )
    assert open_registry(load(root)).find("small@v1.0.0").package is None
    located = locate(load(root), "small@v1.0.0")  # that of the commit's own lock
    assert read_files(located.folder)[0].digest == digest
    assert victim.read_text() == "important"


def test_a_lock_with_a_path_for_a_digest_reads_nothing(root: Path, call: Call) -> None:
    victim = root / "victim.dir"
    victim.write_text("important")
    lock = (root / "dvc.lock").read_text()
    md5 = next(out["md5"] for out in read_lock(root / "dvc.lock")["fit"]["outs"] if out["path"] == "models/small")
    (root / "dvc.lock").write_text(lock.replace(md5, "../../../../../victim.dir"))
    git(root, "commit", "--quiet", "--all", "--message", "A lock of another person")
    code, _, err = call(root, "register")
    assert (code, "is not in DVC's cache" in err) == (1, True)
    assert victim.read_text() == "important"


def test_text_of_others_does_not_control_the_terminal(root: Path, call: Call) -> None:
    call(root, "register", "--why", "\x1b[2J\x1b[1;31mall is well\x07")
    call(root, "promote", "--why", "\x1b]0;title\x07")
    for words in (("list",), ("show",), ("show", "small@v1.0.0"), ("show", "--at", "2999-01-01")):
        printed = call(root, *words)[1]
        assert "\x1b" not in printed
        assert "\x07" not in printed


def test_packages_travel_through_the_remote_of_dvc(shared: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    root, bob = shared
    (root / ".dvc/config").write_text(
        "[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n    url = "
        + str(tmp_path / "store")
        + "\n"
    )
    git(root, "commit", "--quiet", "--all", "--message", "A remote for DVC")
    digest = promoted(root, call)
    git(root, "push", "--quiet")
    git(bob, "pull", "--quiet", "--tags")
    (bob / ".dvc/config.local").unlink()
    assert "Data, notebooks and parameters are not shown" in call(bob, "show", "small@v1.0.0")[1]
    located = locate(load(bob), "small#production")
    assert (located.version, read_files(located.folder)[0].digest) == ("v1.0.0", digest)
    assert "fit.seed 1" in call(bob, "show", "small@v1.0.0")[1]
    # The report of the gate travels along.
    md5 = next(out["md5"] for out in read_lock(root / "dvc.lock")["fit"]["outs"] if out["path"] == "out/verdict.json")
    assert (tmp_path / f"store/files/md5/{md5[:2]}/{md5[2:]}").is_file()
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(bob / ".dvc/cache")
    shutil.rmtree(bob / ".nbship")
    with pytest.raises(RegistryError, match=r"is not in DVC's cache, and not in its remote 'store'"):
        locate(load(bob), "small#production")


def test_commands_take_a_version_of_the_registry(
    root: Path, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = promoted(root, call), promoted(root, call, 2)
    monkeypatch.chdir(root)
    (root / "rows.jsonl").write_text(
        json.dumps({"at": "2026-01-05T10:00:00Z", "line": "a", "size": 3, "weight": 9.5}) + "\n"
    )
    for name, digest in (("small@v1.0.0", first), ("small#production", second), ("small", second)):
        with pytest.raises(SystemExit) as ended:
            main(["predict", "rows.jsonl", "out.jsonl", "--model", name])
        assert ended.value.code == 0, capsys.readouterr().err
        assert f"{digest[:12]}" in capsys.readouterr().out
    assert find_deployment(model="small@v1.0.0").load().package.id.tag == "v1.0.0"
    assert find_deployment(model="small").load().package.id.tag == ""
    monkeypatch.setenv("NBSHIP_MODEL", "small#production")
    assert find_deployment().load().digest == second
    assert find_deployment(root / "models/small").tag == ""
    with pytest.raises(PackageError, match=r"Give one of them\."):
        find_deployment(root / "models/small", model="small@v1.0.0")
    with pytest.raises(RegistryError, match=r"'small' has no version 'v9\.0\.0'"):
        find_deployment(model="small@v9.0.0")
    with pytest.raises(NbshipError, match=r"This project has no model 'smal'"):
        find_deployment(model="smal@v1.0.0")


def test_a_prediction_is_replayed_by_the_registered_package_that_made_it(
    root: Path, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = promoted(root, call)
    monkeypatch.chdir(root)
    logged = find_deployment().open_logged(mode="rest")
    pending = logged.begin([{"at": "2026-01-05T10:00:00Z", "line": "a", "size": 3, "weight": 9.5}])
    pending.wait()
    logged.log.close()
    promoted(root, call, 2)
    call(root, "archive", "small@v1.0.0")
    with pytest.raises(SystemExit) as ended:
        main(["replay", pending.ids[0], "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (ended.value.code or 0, found["same"], found["digest"]) == (0, True, digest)


def test_responses_carry_digest_and_tag(root: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = promoted(root, call)
    monkeypatch.chdir(root)
    row = {"at": "2026-01-05T10:00:00Z", "line": "a", "size": 3, "weight": 9.5}
    registered, own = {"version": digest[:12], "tag": "v1.0.0"}, {"version": digest[:12]}
    located = find_deployment(model="small#production")
    # A worker process gets path and tag from its supervisor.
    for name, value in (
        ("PACKAGE", located.package),
        ("DIGEST", digest),
        ("TAG", located.tag),
        ("MODEL", "small#production"),
    ):
        monkeypatch.setenv(f"NBSHIP_{name}", str(value))
    for service, expected in (
        (application_of(located), registered),
        (worker(), registered),
        (application_of(find_deployment(model="small")), own),
    ):
        with running(service) as client:
            for found in (client.post("/predict", json=row).json(), client.get("/version").json()):
                assert {key: found[key] for key in ("version", "tag") if key in found} == expected
            schema = client.get("/openapi.json").json()["components"]["schemas"]
            assert "tag" in schema["Prediction"]["properties"]


def test_a_signed_package_comes_with_its_signature(
    root: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = write_key(tmp_path, "maker")
    (root / "maker.pub").write_bytes((tmp_path / "maker.pub").read_bytes())
    (root / "nbship.yaml").write_text("release: {signers: [maker.pub]}\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Signers")
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit):
        main(["package", "sign", "--key", str(key)])
    call(root, "register")
    assert find_deployment(model="small@v1.0.0").load().package.id.tag == "v1.0.0"


def test_the_pin_is_a_folder_that_dvc_tracks(root: Path, call: Call) -> None:
    project = load(root)
    folder = pin_path(project, "small")
    assert pin(open_registry(project), "small") == [root / "models/production.dvc", root / "models/.gitignore"]
    assert list(folder.iterdir()) == []
    assert "md5: d751713988987e9331980363e24189ce.dir\n" in (root / "models/production.dvc").read_text()
    pinned = read_pin(project, "small")
    assert pinned is not None
    assert pinned.version == ""
    assert (
        run("dvc", "status", "models/production.dvc", cwd=root, check=True).stdout.strip()
        == "Data and pipelines are up to date."
    )
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Nothing is in production")

    call(root, "register")
    code, out, _ = call(root, "promote", "--why", "first")
    assert code == 0
    assert "Updated models/production.dvc. Commit it: `git add models/production.dvc`, `git commit`." in out
    assert read_files(folder)[0].digest == read_files(root / "models/small")[0].digest
    pinned = read_pin(project, "small")
    assert pinned is not None
    assert (pinned.model, pinned.version, pinned.digest, pinned.tag) == (
        "small",
        "v1.0.0",
        read_files(folder)[0].digest,
        "small#production#1",
    )
    assert (
        run("dvc", "status", "models/production.dvc", cwd=root, check=True).stdout.strip()
        == "Data and pipelines are up to date."
    )
    assert "pin       v1.0.0, as in production" in call(root, "show")[1]
    shutil.rmtree(folder)
    run("dvc", "checkout", "models/production.dvc", cwd=root, check=True)
    assert read_files(folder)[0].digest == pinned.digest


def test_a_pin_that_is_behind_is_named_by_show_and_status(
    root: Path, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pin(open_registry(load(root)), "small")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A pin")
    call(root, "register")
    git(root, "stash", "--quiet", "--include-untracked")
    call(root, "promote", "--why", "first")
    git(root, "checkout", "--quiet", "--", "models")
    assert "BEHIND: no version. Bring it up to date with `nbship models pin`, and commit it." in call(root, "show")[1]
    assert json.loads(call(root, "show", "--json")[1])[0]["pin_is_behind"] is True
    with pytest.raises(SystemExit):
        main(["status"])
    assert (
        "The pinned production model of 'small' is behind: it is no version, and production is v1.0.0."
        in capsys.readouterr().out
    )
    assert "Updated models/production.dvc" in call(root, "pin")[1]
    assert json.loads(call(root, "show", "--json")[1])[0]["pin_is_behind"] is False


def test_a_promotion_holds_although_the_pin_cannot_be_written(root: Path, call: Call) -> None:
    pin(open_registry(load(root)), "small")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A pin")
    call(root, "register")
    shutil.rmtree(root / ".dvc/cache")
    code, out, _ = call(root, "promote", "--why", "first")
    assert code == 0
    assert "The pinned production model is behind: The package of 'small@v1.0.0' is not in DVC's cache" in out
    assert "Not checked: The package of 'small@v1.0.0' is not in DVC's cache." in out
    assert git(root, "tag", "--list", "*#*") == "small#production#1"


def test_a_changed_package_is_not_promoted(root: Path, call: Call) -> None:
    digest = promoted(root, call)
    message = git(root, "tag", "--list", "--format=%(contents)", "small@v1.0.0").replace(digest, "0" * 64)
    git(
        root,
        "tag",
        "--force",
        "--annotate",
        "--cleanup=verbatim",
        "--message",
        message,
        "small@v1.0.0",
        "small@v1.0.0^{commit}",
    )
    code, _, err = call(root, "promote", "small@v1.0.0", "--to", "shadow", "--why", "x")
    assert (code, "Do not use it" in err) == (1, True)
