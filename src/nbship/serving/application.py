"""The ASGI application of a deployment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import ServingError
from ..inference import Deployment, Logged, Results, open_results
from .http import open_access
from .service import Service

__all__ = ["application_of", "results_of"]


def application_of(deployment: Deployment, *, other_versions: bool = False, digest: str = "") -> Service:
    """Return the ASGI application of a deployment. The package is loaded and verified at startup.

    Parameters
    ----------
    digest
        The digest that the package must have, if it is given.
    """
    settings = deployment.settings.serving
    follower = deployment.follower(other_versions=other_versions)

    def opened() -> Logged:
        logged = deployment.open_logged(mode="rest", other_versions=other_versions, follower=follower)
        model = logged.package.id
        if digest and follower is None and model.digest != digest:
            logged.log.close()
            raise ServingError(
                f"The package '{deployment.package}' is now version {model.version}, but this service serves {digest[:12]}. Restart the service."
            )
        return logged

    return Service(
        opened,
        settings=settings,
        access=open_access(settings, state=deployment.state),
        open_results=results_of(deployment),
        state=deployment.state,
        follower=follower,
    )


def results_of(deployment: Deployment) -> Callable[[Logged], Results] | None:
    """Return what opens the results of `serving.results`; None if it is not set."""
    output = deployment.settings.serving.results
    if not output:
        return None
    folder = deployment.state / "results"
    return lambda logged: open_results(Path(output), package=logged.package, log=logged.log, folder=folder)
