"""A project that names signers loads only packages that they signed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from signers import write_key

from nbship.cli import nbship
from nbship.cli.package import command as package_command
from nbship.cli.verify import command as verify
from nbship.errors import CorruptPackageError, SignerError
from nbship.inference import find_deployment
from nbship.model.build import build_wheel
from nbship.model.package.signing import sign_package
from nbship.predictor import read_package


@pytest.fixture
def project(small_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose package must be signed by "maker" or "lead"."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pipeline.yaml").write_text("tasks: []\n")
    for name, ssh in (("maker", False), ("lead", True), ("stranger", False)):
        write_key(root, name, ssh=ssh)
    (root / "nbship.yaml").write_text(
        "project: {name: small}\nmodel: {path: models/small}\nrelease: {signers: [maker.pub, lead.pub]}\n"
    )
    shutil.copytree(small_package, root / "models/small")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("signer", ["maker", "lead"])
def test_a_package_of_an_allowed_signer_loads(project: Path, signer: str) -> None:
    first = sign_package(project / "models/small", project / signer)
    content = first.read_bytes()
    assert sign_package(project / "models/small", project / signer).read_bytes() == content
    assert find_deployment().load().name == "small"
    stored = CliRunner().invoke(verify, [], catch_exceptions=False).stdout
    assert stored.startswith("signer       signed by 'sha256:")
    assert "golden rows" in stored


def test_an_unsigned_package_is_rejected(project: Path) -> None:
    with pytest.raises(SignerError, match=r"is not signed, but 'release.signers' requires a signature"):
        find_deployment().load()


def test_a_package_of_another_signer_is_rejected(project: Path) -> None:
    sign_package(project / "models/small", project / "stranger")
    with pytest.raises(SignerError, match=r"whose key is not in 'release\.signers'"):
        find_deployment().load()


def test_a_signature_of_another_version_is_rejected(project: Path, other_package: Path) -> None:
    signature = sign_package(project / "models/small", project / "maker")
    shutil.rmtree(project / "models/small")
    shutil.copytree(other_package, project / "models/small")
    with pytest.raises(SignerError, match="does not belong to version"):
        find_deployment().load()
    stored = json.loads(signature.read_text())
    signature.write_text(json.dumps({**stored, "signature": "AAAA"}))
    with pytest.raises(SignerError, match="does not belong to version"):
        find_deployment().load()


def test_every_flipped_bit_of_a_signature_is_found(project: Path) -> None:
    signature = sign_package(project / "models/small", project / "maker")
    place, manifest = find_deployment(), read_package(project / "models/small")[0]
    content, stored = signature.read_bytes(), json.loads(signature.read_text())
    for byte in range(len(content)):
        changed = bytearray(content)
        changed[byte] ^= 1
        signature.write_bytes(bytes(changed))
        try:
            place.check_signer(manifest)
        except SignerError:
            continue
        # White space and the digest of the manifest, which is there for readers, are not part of the check.
        now = json.loads(signature.read_text())
        assert {name: now.get(name) for name in ("signer", "signature")} == {name: stored[name] for name in ("signer", "signature")}  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"signer": 1, "signature": "!"}', b"\xff", b"[" * 100_000])
def test_a_malformed_signature_is_rejected(project: Path, content: bytes) -> None:
    (project / "models/small.sig").write_bytes(content)
    with pytest.raises(SignerError, match="is not a signature"):
        find_deployment().load()


def test_an_unusable_key_is_named(project: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    raw, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (project / "rsa").write_bytes(key.private_bytes(serialization.Encoding.PEM, raw, no))
    for name, match in (
        ("rsa", "is not an Ed25519 key"),
        ("nowhere", "cannot be read"),
        ("maker.pub", "cannot be read"),
    ):
        with pytest.raises(SignerError, match=match):
            sign_package(project / "models/small", project / name)


def test_a_damaged_package_is_not_signed(project: Path) -> None:
    (project / "models/small/signature.json").write_text("{}")
    with pytest.raises(CorruptPackageError):
        sign_package(project / "models/small", project / "maker")


# Command -> how it takes the package outside of a project; None where it needs one.
COMMANDS = {
    "package wheel --to out": "{}",
    "package container --to out": "{}",
    "package onnx --to out": "{}",
    "verify": "{}",
    "predict in.csv out": "--package {}",
    "labels in.csv": "--package {}",
    "log forget --field line --value a": "--package {}",
    "monitor --from 2024-01-01 --to 2024-02-01": None,
}


@pytest.mark.parametrize("signer", [None, "stranger", "maker"])
@pytest.mark.parametrize(
    ("command", "where"),
    [(command, "project") for command in COMMANDS] + [(each, "folder") for each, option in COMMANDS.items() if option],
)
def test_no_command_uses_a_package_of_another_signer(
    project: Path, command: str, signer: str | None, where: str
) -> None:
    if signer is not None:
        sign_package(project / "models/small", project / signer)
    words = command.split()
    if where == "folder":
        (project / "pipeline.yaml").unlink()
        (project / "nbship.yaml").write_text("release: {signers: [maker.pub, lead.pub]}\n")
        words += (COMMANDS[command] or "").format("models/small").split()
    result = CliRunner().invoke(nbship, words)
    assert isinstance(result.exception, SignerError) == (signer != "maker"), (result.output, result.exception)
    assert (project / "out").exists() == (signer == "maker" and words[0] == "package")


def test_an_image_requires_the_signers_of_its_settings(project: Path) -> None:
    sign_package(project / "models/small", project / "lead")
    with (project / "nbship.yaml").open("a") as file:
        file.write("serving: {max_rows: 5, auth: none}\n")
    result = CliRunner().invoke(nbship, ["package", "container", "--to", "out"], catch_exceptions=False)
    assert "The image does not have 'serving.auth', 'serving.max_rows' of the settings." in result.output
    assert "NBSHIP_SERVING__AUTH" in result.output
    lines = (project / "out/Dockerfile").read_text().splitlines()
    copied = dict(line.split()[1:] for line in lines if line.startswith("COPY ") and len(line.split()) == 3)
    (signers,) = (
        line.partition("=")[2].split(",") for line in lines if line.startswith("ENV NBSHIP_RELEASE__SIGNERS=")
    )
    inside = {path: project / "out" / source for source, path in copied.items()}
    keys = [(inside["/srv/signers"] / Path(signer).name).read_bytes() for signer in signers]
    assert keys == [(project / name).read_bytes() for name in ("maker.pub", "lead.pub")]
    assert inside["/srv/model.sig"].read_bytes() == (project / "models/small.sig").read_bytes()


def test_a_linked_package_is_used_with_either_signature(project: Path) -> None:
    (project / "current").symlink_to("models/small")
    with pytest.raises(SignerError, match="is not signed"):
        find_deployment(project / "current").load()
    sign_package(project / "models/small", project / "maker")
    assert find_deployment(project / "current").load().name == "small"
    (project / "models/small.sig").rename(project / "current.sig")
    assert find_deployment(project / "current").load().name == "small"


def test_a_wheel_is_signed_like_a_folder(project: Path) -> None:
    sign_package(project / "models/small", project / "maker")
    wheel = build_wheel(project / "models/small", project / "dist")
    with pytest.raises(SignerError, match="is not signed"):
        find_deployment(wheel).load()
    words = ["package", "sign", str(wheel), "--key", "maker"]
    assert CliRunner().invoke(nbship, words, catch_exceptions=False).exit_code == 0
    assert find_deployment(wheel).load().name == "small"


def test_a_wheel_has_its_signature_beside_it(project: Path) -> None:
    def run(*words: str) -> dict:
        environ = {"NBSHIP_SIGNING_KEY": "maker"}
        return json.loads(
            CliRunner().invoke(package_command, [*words, "--json"], env=environ, catch_exceptions=False).stdout
        )

    assert Path(run("sign")["signature"]).is_file()
    stored = run("wheel")
    assert find_deployment(Path(stored["wheel"])).load().name == "small"
    Path(f"{stored['wheel']}.sig").unlink()
    with pytest.raises(SignerError, match="is not signed"):
        find_deployment(Path(stored["wheel"])).load()
