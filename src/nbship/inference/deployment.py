"""Where a command finds its package and its prediction log: in a project, or beside a package alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import project
from ..acceptance import load_proven
from ..errors import PackageError, ProjectError
from ..model.package import Manifest, check_signer
from ..prediction_log import SqlLog, open_log, shown_address
from ..predictor import PackagePredictor, load_files, read_package
from ..project import Project
from .logged import Logged

__all__ = ["Deployment", "find_deployment"]


@dataclass(frozen=True)
class Deployment:
    """A package, where its predictions are logged, and the settings and project that go with them."""

    package: Path
    state: Path
    settings: project.Settings
    project: Project | None

    def require_package(self) -> None:
        """Raise PackageError if there is no package."""
        if not self.package.exists():
            hint = "Run 'nbship run' to make it" if self.project else "Check the path"
            raise PackageError(f"There is no model package at '{self.package}'. {hint}.")

    def load(self, *, other_versions: bool = False) -> PackagePredictor:
        """Load the package, verified; with other versions of libraries if its golden rows get their outputs."""
        self.require_package()
        manifest, files = read_package(self.package)
        self.check_signer(manifest)
        return load_proven(manifest, files) if other_versions else load_files(manifest, files)

    def check_signer(self, manifest: Manifest) -> str | None:
        """Return who signed what was read of the package, where the settings say who may; None where they do not.

        Raises
        ------
        SignerError
            If none of those did.
        """
        signers = self.settings.release.signers
        if not signers or self.project is None:
            return None
        return check_signer(self.package, manifest, signers=[self.project.root / each for each in signers])

    @property
    def log(self) -> str:
        """Where predictions are logged, as people may see it."""
        return shown_address(self._log)

    @property
    def _log(self) -> Project | Path | str:
        return self.project or self.settings.log.url or self.state / "predictions.sqlite"

    def open_log(self, model: str | None = None) -> SqlLog:
        """Open the prediction log, of all models or of one."""
        spool = self.state / "predictions.spool.sqlite" if self.settings.log.when_down == "spool" else None
        log = open_log(self._log, spool=spool)
        return log if model is None else log.of_model(model)

    def open_logged(self, *, mode: str, other_versions: bool = False) -> Logged:
        """Load the package and open the log: what answers predictions in service."""
        predictor = self.load(other_versions=other_versions)
        return Logged(predictor, self.open_log(predictor.name), mode=mode)


def find_deployment(
    package: Path | str | None = None, *, model: str | None = None, environ: Mapping[str, str] = os.environ
) -> Deployment:
    """Return the place of a package: the given one, or else that of the project around the working directory.

    Where a project has several models, `model` chooses one. Outside a project the log lies in `NBSHIP_STATE`, or else in `.nbship/state` of the working directory.

    Raises
    ------
    ProjectError
        If neither a package nor a project is there.
    """
    try:
        found = project.load(model=model)
    except ProjectError as error:
        if package is None or "No project" not in str(error):
            raise
        state = Path(environ.get("NBSHIP_STATE") or Path(".nbship", "state")).absolute()
        return Deployment(Path(package).absolute(), state, project.read_settings(Path("nbship.yaml")), None)
    path = found.package if package is None else Path(package).absolute()
    own = next((name for name, folder in found.packages.items() if folder == path), "")
    if own and len(found.packages) > 1:
        found = found.of_model(own)
    return Deployment(path, found.state, found.settings, found)
