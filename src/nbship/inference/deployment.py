"""Find the package, the prediction log and the settings that a command works with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .. import project
from ..acceptance import load_proven
from ..errors import PackageError, ProjectError, ServingError
from ..model.package import Manifest, check_signer
from ..prediction_log import SqlLog, open_log, shown_address
from ..predictor import PackagePredictor, load_files, read_package
from ..project import Project
from .logged import Logged
from .releases import ReleaseFollower, package_of, read_release

__all__ = ["Deployment", "find_deployment"]


@dataclass(frozen=True)
class Deployment:
    """A model package with its prediction log: of a project, or outside of one.

    Attributes
    ----------
    state
        The folder of everything that is not in Git.
    settings, project
        The settings, with absolute paths, and the project; None outside of one.
    given
        The package that was given explicitly, or found in the registry; None for the project's own.
    tag
        The version in the registry, if the package was found there.
    """

    state: Path
    settings: project.Settings
    project: Project | None
    given: Path | None = None
    tag: str = ""

    @property
    def package(self) -> Path:
        """The package's folder or wheel; outside of a project, that of the release file's production version.

        Raises
        ------
        ProjectError
            If the project has several models and none was chosen.
        """
        if self.given is not None:
            return self.given
        if self.project is not None:
            return self.project.package
        path = Path(self.settings.release.file)
        return package_of(path, read_release(path).production)

    def of_model(self, name: str) -> Deployment:
        """Return the deployment of another model of the project."""
        return self if self.project is None else replace(self, project=self.project.of_model(name))

    def each_model(self) -> list[Deployment]:
        """Return the deployments of all models of the project, or of the chosen model."""
        if self.given is not None or self.project is None or self.project.model or len(self.project.packages) == 1:
            return [self]
        return [self.of_model(name) for name in self.project.packages]

    def with_digest(self, digest: str, *, model: str) -> Deployment:
        """Return the deployment whose package has this digest: of the project, or of its registry; without one, that of `model`.

        A package that was given explicitly is never replaced.
        """
        if self.given is not None or self.project is None:
            return self
        packages = self.project.packages
        for name, path in packages.items():
            with suppress(PackageError):
                if read_package(path)[0].digest == digest:
                    return self.of_model(name)
        from ..registry import locate_digest

        located = locate_digest(self.project, model, digest)
        found = self.of_model(model) if model in packages else self
        return replace(found, given=located.folder, tag=located.version) if located else found

    def require_package(self) -> None:
        """Raise PackageError if the package does not exist."""
        if not self.package.exists():
            remedy = "Run 'nbship run' to create it" if self.given is None else "Check the path"
            raise PackageError(f"There is no model package at '{self.package}'. {remedy}.")

    def load(self, *, other_versions: bool = False) -> PackagePredictor:
        """Load the verified package.

        Parameters
        ----------
        other_versions
            Accept other library versions than those that the package was built with, if the golden rows get the same
            outputs.
        """
        self.require_package()
        return self._load(self.package, self.tag, other_versions=other_versions)

    def _load(self, package: Path, tag: str, *, other_versions: bool) -> PackagePredictor:
        manifest, files = read_package(package)
        self.check_signer(manifest, package=package)
        return (load_proven if other_versions else load_files)(manifest, files, tag=tag)

    def follower(self, *, other_versions: bool = False) -> ReleaseFollower | None:
        """Return what follows the release file; None if `release.file` is not set.

        Raises
        ------
        ServingError
            If a package was given too.
        """
        if not self.settings.release.file:
            return None
        if self.given is not None:
            raise ServingError(
                f"Both the package '{self.given}' and the setting 'release.file' say what to serve. Leave out the package, or set 'NBSHIP_RELEASE__FILE=' for this service."
            )
        return ReleaseFollower(
            Path(self.settings.release.file),
            lambda package, tag: self._load(package, tag, other_versions=other_versions),
        )

    def check_signer(self, manifest: Manifest, *, package: Path | None = None) -> str | None:
        """Return the allowed signer who signed the package; None if the settings name no signers.

        Raises
        ------
        SignerError
            If no allowed signer did.
        """
        return check_signer(package or self.package, manifest, signers=list(map(Path, self.settings.release.signers)))

    @property
    def log(self) -> str:
        """The address of the prediction log, without its password."""
        return shown_address(self._log)

    @property
    def _log(self) -> Project | Path | str:
        return self.project or self.settings.log.url or self.state / "predictions.sqlite"

    def open_log(self, model: str | None = None) -> SqlLog:
        """Open the prediction log, to read the entries of all models or of one."""
        spool = self.state / "predictions.spool.sqlite" if self.settings.log.when_down == "spool" else None
        log = open_log(self._log, spool=spool)
        return log if model is None else log.of_model(model)

    def open_logged(
        self, *, mode: str, other_versions: bool = False, follower: ReleaseFollower | None = None
    ) -> Logged:
        """Load the package, or the release that is followed, and open the log, for logged predictions."""
        predictor = self.load(other_versions=other_versions) if follower is None else follower.read()
        return Logged(predictor, self.open_log(predictor.package.id.name), mode=mode)


def find_deployment(
    package: Path | str | None = None, *, model: str | None = None, environ: Mapping[str, str] = os.environ
) -> Deployment:
    """Return the deployment of a package, or of the project around the working directory.

    Outside of a project, the log is in the folder `NBSHIP_STATE`, by default `.nbship/state` of the working directory.

    Parameters
    ----------
    model
        The model, if the project has several; or a version in the registry, such as `late@v1.2.0` or `late#production`.

    Raises
    ------
    RegistryError
        If the registry has no such version, or its files are nowhere.
    PackageError
        If the package does not exist.
    ProjectError
        If there is neither a package nor a project, or the project has no such model, or a model is chosen without a
        project.
    SettingsError
        If a setting would not be applied.
    """
    given = None if package is None else Path(package).absolute()
    if given is not None and not given.exists():
        raise PackageError(f"There is no model package at '{given}'. Check the path.")
    try:
        root = project.find_root()
    except ProjectError as error:
        settings = project.read_settings(Path("nbship.yaml"), in_project=False)
        if given is None and not settings.release.file:
            raise ProjectError(f"{error} Or name a package, where one is served without a project.") from None
        if chosen := model or environ.get("NBSHIP_MODEL"):
            raise ProjectError(
                f"The model '{chosen}' is chosen (--model or NBSHIP_MODEL), but the package '{given}' is not in a project. Remove the choice."
            ) from None
        state = Path(environ.get("NBSHIP_STATE") or Path(".nbship", "state")).absolute()
        return Deployment(state, project.with_absolute_paths(settings, Path.cwd()), None, given)
    found = project.load(root, model=model)
    wanted = model or environ.get("NBSHIP_MODEL")
    if given is None and _is_registered_name(wanted):
        from ..registry import locate

        located = locate(found, str(wanted))
        settings = project.with_absolute_paths(found.settings, root)
        return Deployment(found.state, settings, found, located.folder, located.version)
    if given is not None and _is_registered_name(model):
        raise PackageError(f"Both the package '{given}' and '{model}' of the registry are given. Give one of them.")
    if len(found.packages) > 1 and given is not None:
        own = next((name for name, path in found.packages.items() if path == given), None)
        found = found if own is None else found.of_model(own)
    return Deployment(found.state, project.with_absolute_paths(found.settings, root), found, given)


def _is_registered_name(name: str | None) -> bool:
    """Tell whether a name is a version or an alias of the registry, and not a model's name alone."""
    return name is not None and ("@" in name or "#" in name)
