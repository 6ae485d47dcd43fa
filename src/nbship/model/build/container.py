"""Write the build context of a container image that serves a package, without Git, DVC and notebooks.

The image runs as an unprivileged user and works with a read-only root; persistent data are on the volume `/state`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ...atomic_write import replacing_folder
from ...errors import PackageError
from ..package import MANIFEST, check_signer, read_files, signature_path
from .locked_hashes import read_hashes
from .wheel import wheel_bytes

__all__ = ["Context", "write_context"]

# The libraries that serving imports; requirements.txt of the package names the libraries of the model.
_SERVING = (
    "click", "httptools", "msgspec", "prometheus-client", "psycopg", "psycopg-binary", "ruamel.yaml", "uvicorn", "uvloop",
)  # fmt: skip
_OPTIONAL = ("psycopg", "psycopg-binary")
_LEFT_OUT = ("app", "execution", "notebook", "operations", "monitoring", "pipeline", "scaffold")
_DOCKERFILE = """\
# Written by `nbship package container`. Build: docker build -t {tag} .
FROM python:{python}-slim

ENV PYTHONUNBUFFERED=1 \\
    NBSHIP_CONTAINER=1 \\
    NBSHIP_STATE=/state \\
    NBSHIP_SERVING__HOST=0.0.0.0 \\
    NBSHIP_SERVING__PORT=8000 \\
    NBSHIP_SERVING__DRAIN_SECONDS=5

RUN groupadd --gid 10001 nbship && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin nbship \\
    && mkdir /state && chown 10001:10001 /state
COPY requirements.txt {wheel} /tmp/
RUN python -m pip install --no-cache-dir --no-deps --compile {hashes}-r /tmp/requirements.txt \\
    && python -m pip install --no-cache-dir --no-deps --compile /tmp/{wheel} && rm /tmp/requirements.txt /tmp/{wheel}
{copies}

USER 10001:10001
WORKDIR /srv
VOLUME /state
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["nbship", "ready"]
ENTRYPOINT ["nbship", "serve", "/srv/model"]
"""
_COPY = "COPY package /srv/model"
_COPY_SIGNATURE = "COPY package.sig /srv/model.sig"
_COPY_SIGNERS = "COPY signers /srv/signers\nENV NBSHIP_RELEASE__SIGNERS={signers}"
_COMPOSE = """\
# Written by `nbship package container`. Run: docker compose up
services:
  {name}:
    build: .
    image: {tag}
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    stop_grace_period: 30s
    ports: ["127.0.0.1:8000:8000"]
    volumes: ["state:/state"]
    environment:
      # keys: `docker compose run --rm --entrypoint nbship {name} keys add shop --role predict --package /srv/model`.
      # proxy: a proxy in NBSHIP_SERVING__PROXIES authenticates callers. none: every request is accepted.
      NBSHIP_SERVING__AUTH: keys
      # For several machines: the log is in PostgreSQL, with a spool on the volume while PostgreSQL is down.
      # NBSHIP_LOG__URL: postgresql://user@host/database
      # NBSHIP_LOG__WHEN_DOWN: spool
volumes:
  state: {{}}
"""


@dataclass(frozen=True)
class Context:
    """A build context.

    Attributes
    ----------
    tag
        A name for the image: the model and its version.
    distributions, size
        The number of installed libraries, and their size in bytes.
    unlocked
        The libraries that the lock file does not have, such as `numpy==2.3.0`; with one of them, no library is
        required by hash.
    """

    tag: str
    distributions: int
    size: int
    unlocked: tuple[str, ...] = ()


def write_context(
    package: Path, folder: Path, *, name: str, lock: Path | None = None, signers: Sequence[Path] = ()
) -> Context:
    """Verify a package, and write its build context to a folder.

    Parameters
    ----------
    lock
        A lock file with the hashes of the libraries; None: they are required by version only.
    signers
        The public keys of the allowed signers, which the image requires too.

    Raises
    ------
    SignerError
        If no allowed signer signed the package.
    PackageError
        If there is no package, it is damaged, or a library that it needs is not installed here.
    """
    manifest, files = read_files(package)
    check_signer(package, manifest, signers=signers)
    if folder.exists() and any(folder.iterdir()) and not (folder / "Dockerfile").is_file():
        raise PackageError(f"'{folder}' is not empty and is not a build context. Name an empty folder.")
    signature = signature_path(package)
    signed = signature.is_file()
    pinned = _closure([*_SERVING, *_required(files), *(["cryptography"] if signed else [])])
    lines, unlocked = _requirements([f"{each}=={pinned[each].version}" for each in sorted(pinned)], lock)
    python = json.loads(files["provenance.json"])["libraries"]["python"]
    tag, wheel, content = f"{name.replace('_', '-')}:{manifest.version}", *_own_wheel()
    with replacing_folder(folder) as new:
        (new / "package").mkdir()
        for path, data in {MANIFEST: (package / MANIFEST).read_bytes(), **files}.items():
            (new / "package" / path).parent.mkdir(parents=True, exist_ok=True)
            (new / "package" / path).write_bytes(data)
        if signed:
            (new / "package.sig").write_bytes(signature.read_bytes())
        for number, signer in enumerate(signers, start=1):
            (new / "signers").mkdir(exist_ok=True)
            (new / "signers" / f"{number}.pub").write_bytes(signer.read_bytes())
        (new / wheel).write_bytes(content)
        (new / "requirements.txt").write_text("".join(lines), encoding="utf-8")
        (new / "Dockerfile").write_text(
            _DOCKERFILE.format(
                tag=tag,
                python=python,
                wheel=wheel,
                copies="\n".join(_copies(signed=signed, signers=len(signers))),
                hashes="" if unlocked else "--require-hashes ",
            ),
            encoding="utf-8",
        )
        (new / "compose.yaml").write_text(_COMPOSE.format(tag=tag, name=name.replace("_", "-")), encoding="utf-8")
    return Context(tag, len(pinned), sum(map(_size, pinned.values())), unlocked)


def _copies(*, signed: bool, signers: int) -> Iterator[str]:
    """Yield the instructions that copy the package, its signature, and the keys of its signers."""
    yield _COPY
    if signed:
        yield _COPY_SIGNATURE
    if signers:
        yield _COPY_SIGNERS.format(signers=",".join(f"/srv/signers/{number}.pub" for number in range(1, signers + 1)))


def _requirements(libraries: Sequence[str], lock: Path | None) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of requirements.txt, and the libraries without hashes: pip accepts hashes for all or none."""
    hashes = {} if lock is None else read_hashes(lock)
    unlocked = tuple(each for each in libraries if each not in hashes)
    if unlocked:
        return [f"{each}\n" for each in libraries], unlocked
    return [" ".join([each, *(f"--hash=sha256:{digest}" for digest in hashes[each])]) + "\n" for each in libraries], ()


def _required(files: Mapping[str, bytes]) -> list[str]:
    """Return the libraries in the requirements of the package."""
    lines = files["requirements.txt"].decode().splitlines()
    return [re.split(r"[=<>!~\[; ]", line, maxsplit=1)[0] for line in lines if line.strip()]


def _closure(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return the installed distributions of libraries and of their dependencies."""
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            if name in _OPTIONAL:
                continue
            raise PackageError(
                f"The service needs '{name}', which is not installed here. Install it: `pip install {name}`."
            ) from error
        needs = [Requirement(text) for text in found[name].requires or ()]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def _size(distribution: metadata.Distribution) -> int:
    return sum(file.size or 0 for file in distribution.files or ())


def _own_wheel() -> tuple[str, bytes]:
    """Return the name and the bytes of a wheel of the running nbship, without the parts for notebooks."""
    own = metadata.distribution("nbship")
    root = Path(sys.modules["nbship"].__file__ or "").parent
    info = f"nbship-{own.version}.dist-info"
    entries = {
        f"nbship/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(root).parts[0] not in _LEFT_OUT
    }
    entries[f"{info}/METADATA"] = (own.read_text("METADATA") or "").encode()
    entries[f"{info}/entry_points.txt"] = b"[console_scripts]\nnbship = nbship.cli:main\n"
    return f"nbship-{own.version}-py3-none-any.whl", wheel_bytes(info, entries)
