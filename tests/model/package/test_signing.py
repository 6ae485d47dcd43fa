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

from nbship.cli.package import command as package_command
from nbship.cli.verify import command as verify
from nbship.errors import CorruptPackageError, SignerError
from nbship.inference import find_deployment
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
