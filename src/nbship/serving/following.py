"""Follow a release file: use the version that it names, until the service ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ..errors import NbshipError
from ..inference import ReleaseFollower
from ..predictor import Predictor

__all__ = ["follow"]

_LOGGER = logging.getLogger(__name__)
_INTERVAL_SECONDS = 0.5


class Served(Protocol):
    """What predicts in a running service."""

    stopped: str

    def swap(self, predictor: Predictor) -> None:
        """Use another predictor for new requests."""
        ...


async def follow(served: Served, follower: ReleaseFollower) -> None:
    """Swap the predictor of a service whenever its release file changes.

    A file or a package that cannot be read changes nothing: the service goes on with what it has, and logs the reason once.
    Nothing of the service waits while a package is loaded, nor while the file's disk hangs. A canary that does harm is ended.
    """
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        try:
            if (judged := await asyncio.to_thread(follower.judge)) is not None:
                predictor, reason = judged
                served.swap(predictor)
                _LOGGER.warning("The canary is ended: %s", reason)
            if not await asyncio.to_thread(follower.changed):
                continue
            predictor = await asyncio.to_thread(follower.read)
        except NbshipError as error:
            _LOGGER.warning("The service goes on with the version that it serves: %s", error)
            continue
        except Exception:  # a package's own code, or a disk
            _LOGGER.warning("The service goes on with the version that it serves. The release failed:", exc_info=True)
            continue
        release = follower.release
        assert release is not None
        served.swap(predictor)
        served.stopped = release.stopped
        versions = ", ".join(model.version for model in predictor.models)
        _LOGGER.warning("Release %d of '%s': version %s%s", release.serial, release.model, versions, f". Stopped: {release.stopped}" if release.stopped else "")  # fmt: skip
