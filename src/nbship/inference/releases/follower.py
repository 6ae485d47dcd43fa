"""Follow a release file: load what it names, hold the version before, and say when it changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...errors import FileLockError, ReleaseError
from ...predictor import PackagePredictor, Predictor
from .canary import Canary
from .release_file import Release, ReleasedVersion, end_canary, package_of, read_release
from .watch import CanaryWatch

__all__ = ["ReleaseFollower"]

# Production, the canary, and the version before, so that a rollback loads nothing.
_LOADED = 3


class ReleaseFollower:
    """The predictor that a release file names.

    Parameters
    ----------
    path
        The release file.
    load
        Loads the package in a folder, which has a version in the registry or "".

    Attributes
    ----------
    release
        The release that was read last; None before the first.
    """

    def __init__(self, path: Path, load: Callable[[Path, str], PackagePredictor]) -> None:
        self.path, self._load = path, load
        self.release: Release | None = None
        self._predictor: Predictor | None = None
        self._watch: CanaryWatch | None = None
        self._loaded: dict[ReleasedVersion, PackagePredictor] = {}
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        """Return whether the file is another one than was read last, or than could not be read."""
        return self._state() != self._seen

    def read(self) -> Predictor:
        """Read the file, and return its predictor.

        Raises
        ------
        ReleaseError
            If the file cannot be read.
        PackageError
            If a package cannot be loaded.
        SignatureError
            If production and canary have different inputs or outputs.
        """
        self._seen = self._state()
        release = read_release(self.path)
        if self.release is not None and release.model != self.release.model:
            raise ReleaseError(
                f"The release file '{self.path}' is now of the model '{release.model}', and this service serves '{self.release.model}'. Restart the service."
            )
        champion = self._version(release.production)
        predictor: Predictor = champion
        if release.canary is not None:
            # What was seen of the same canary beside the same version counts on, as when predictions were stopped.
            before = self.release
            same = before is not None and (before.production, before.canary) == (release.production, release.canary)
            self._watch = self._watch if same and self._watch else CanaryWatch(release.canary.share)
            predictor = Canary(champion, self._version(release.canary.version), release.canary.share, self._watch)
        self.release, self._predictor = release, predictor
        return predictor

    def judge(self) -> tuple[Predictor, str] | None:
        """Return the predictor to use from now on and why, if the canary of this service does harm; None if not.

        The canary is ended in the release file too, for all services; one that cannot be written is left as it is.
        """
        canary = self._predictor
        if not isinstance(canary, Canary) or canary.watch is None or (reason := canary.watch.check()) is None:
            return None
        assert self.release is not None
        self._predictor = canary.champion
        with suppress(ReleaseError, FileLockError):
            end_canary(self.path, self.release.serial, reason)
        return canary.champion, reason

    def _version(self, version: ReleasedVersion) -> PackagePredictor:
        predictor = self._loaded.pop(version, None)
        if predictor is None:
            folder = package_of(self.path, version)
            predictor = self._load(folder, version.tag)
            if predictor.digest != version.digest:
                raise ReleaseError(
                    f"The package '{folder}' is another one than its name says. Release the version again."
                )
            # The first prediction prepares what later ones use.
            predictor.predict_records([predictor.package.example])
        # The last ones were used last.
        self._loaded[version] = predictor
        for earlier in list(self._loaded)[:-_LOADED]:
            del self._loaded[earlier]
        return predictor

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
