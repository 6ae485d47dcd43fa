"""The record in a tag's message: a sentence for people, then JSON for programs.

::

    Promote late v1.2.0 to production: gate passed, auc 0.7012.

    Trained on June too.

    ---
    {
     "format": 1,
     "action": "promote",
     ...
    }
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

__all__ = ["Approval", "GateReport", "PackageRecord", "Record", "read_record", "render_message"]

FORMAT = 1
# Digests become parts of paths, so a tag that holds another string has no record.
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Folder = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\.dir\Z")]
_Md5 = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{32}(\.dir)?)?\Z")]
_START = "\n---\n{"
_DECODER = json.JSONDecoder()


class PackageRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The package of a version.

    Attributes
    ----------
    path
        Its folder in the project.
    digest
        SHA-256 of its manifest.
    dvc
        DVC's digest of the folder, which ends with `.dir`.
    size, files
        The size in bytes, and the number of files.
    signature
        The content of `<package>.sig`, if the package is signed.
    """

    path: str
    digest: _Sha256
    dvc: _Folder
    size: int = 0
    files: int = 0
    signature: dict[str, Any] | None = None

    @property
    def short(self) -> str:
        """The first 12 hex digits of the digest, the version that predictions carry."""
        return self.digest[:12]


class GateReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gate decided.

    Attributes
    ----------
    verdict
        "none" for a package without a gate.
    checks
        The number of checks.
    reasons
        The reasons of the verdict, the first few.
    path, md5
        The file of the report in the project, and its digest in `dvc.lock`.
    """

    verdict: Literal["passed", "failed", "none"] = "none"
    checks: int = 0
    reasons: list[str] = []
    path: str = ""
    md5: _Md5 = ""


class Approval(msgspec.Struct, frozen=True):
    """The approval of a promotion.

    Attributes
    ----------
    name
        The approver, as in `release.approvers`.
    key
        The fingerprint of the approver's key.
    signature
        The Ed25519 signature, in base64.
    """

    name: str
    key: str
    signature: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a tag of the registry records.

    Attributes
    ----------
    action
        "register", "promote", "rollback" or "archive".
    metrics
        Metric -> value on held-out rows, the numbers of the package's acceptance tests.
    previous
        For a version, the version registered before; for an alias, the version that it led to before.
    who
        Name and e-mail address of the user.
    why
        The reason, in the user's words.
    """

    action: str
    model: str
    version: str
    package: PackageRecord
    gate: GateReport = GateReport()
    metrics: dict[str, float] = {}
    alias: str = ""
    previous: str = ""
    who: str = ""
    why: str = ""
    approval: Approval | None = None
    format: int = FORMAT


def render_message(sentence: str, record: Record) -> str:
    """Return the message of a tag."""
    content = {"format": record.format, **msgspec.to_builtins(record)}
    why = f"\n{record.why.strip()}\n" if record.why.strip() else ""
    return f"{sentence}\n{why}\n---\n{json.dumps(content, indent=1, ensure_ascii=False)}\n"


def read_record(message: str) -> Record | None:
    """Return the record of a tag's message; None if another program wrote the tag, or a later version of nbship."""
    # JSON has no line breaks inside strings, so the last start is that of the record, whatever the reason holds.
    start = message.rfind(_START)
    if start < 0:
        return None
    try:
        # A signature of the tag may follow.
        content: Mapping[str, Any] = _DECODER.raw_decode(message, start + len(_START) - 1)[0]
        if content.get("format") != FORMAT:
            return None
        return msgspec.convert(content, Record)
    except (ValueError, RecursionError):
        return None
