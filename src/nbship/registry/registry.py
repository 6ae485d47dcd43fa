"""The registry of a project: its models, versions and aliases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from ..errors import RegistryError
from ..project import Project
from ..text import did_you_mean, listed
from .git import Git, find_git
from .history import History, Version, read_histories
from .publishing import fetch_tags

__all__ = ["Registry", "open_registry"]

_SPEC = re.compile(r"(?P<model>[^@#]*?)(?:@(?P<version>[^@#]+)|#(?P<alias>[^@#]+))?")


@dataclass(frozen=True)
class Registry:
    """The models of a project, as the tags of its Git repository tell them.

    Attributes
    ----------
    project
        The project.
    git
        Its repository.
    """

    project: Project
    git: Git

    @cached_property
    def histories(self) -> dict[str, History]:
        """The registered models, by name."""
        return read_histories(self.git.tags(), folder=self.git.folder)

    def history(self, model: str) -> History:
        """Return a model, with no versions if none is registered.

        Raises
        ------
        RegistryError
            If the project has no such model, and none was registered.
        """
        if model in self.histories:
            return self.histories[model]
        known = list(dict.fromkeys([*self.project.packages, *self.histories]))
        if model in known:
            return History(model, assignments={})
        raise RegistryError(
            f"There is no model '{model}'. {did_you_mean(model, known, otherwise=f'The project has {listed(known, quoted=True)}.')}"
        )

    def the_model(self, name: str = "") -> str:
        """Return a model's name; empty stands for the only one.

        Raises
        ------
        RegistryError
            If the project has several models.
        """
        known = list(dict.fromkeys([*self.project.packages, *self.histories]))
        chosen = name or self.project.model or (known[0] if len(known) == 1 else "")
        if not chosen:
            raise RegistryError(f"The project has the models {listed(known, quoted=True)}. Name one of them.")
        return chosen

    def split(self, spec: str) -> tuple[History, str, str]:
        """Return the model that `MODEL@VERSION`, `MODEL#ALIAS`, `MODEL` or `VERSION` names, the version, and the alias.

        Raises
        ------
        RegistryError
            If there is no such model, or it is not of this form.
        """
        spec = f"@{spec}" if re.fullmatch(r"v\d+\.\d.*", spec) else spec
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise RegistryError(f"'{spec}' names no version. Write MODEL@VERSION or MODEL#ALIAS.")
        history = self.history(self.the_model(match["model"]))
        return history, match["version"] or "", match["alias"] or ""

    def find(self, spec: str) -> Version:
        """Return the version that `MODEL@VERSION` or `MODEL#ALIAS` names; of `MODEL` alone, the latest that is not archived.

        Raises
        ------
        RegistryError
            If there is none.
        """
        history, name, alias = self.split(spec)
        if name:
            return history.version(name)
        if not alias:
            current = [version for version in history.versions if version.archived is None]
            if not current:
                raise RegistryError(
                    f"No version of '{history.model}' is registered. Register one: `nbship models register`."
                )
            return current[-1]
        found = history.current(alias)
        if found is None:
            known = [each for each in history.assignments if history.current(each)]
            hint = (
                f"Its aliases: {listed(known)}."
                if known
                else f"Promote one: `nbship models promote {history.model} --to {alias}`."
            )
            raise RegistryError(f"No version of '{history.model}' is in '{alias}'. {hint}")
        return found

    @property
    def fetched(self) -> datetime | None:
        """When the remote was last asked for tags; None without a remote, or never."""
        if not self.git.attempt("remote").stdout.strip():
            return None
        path = self.git.top / self.git.run("rev-parse", "--git-path", "FETCH_HEAD")
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None


def open_registry(project: Project, *, refresh: bool = False) -> Registry:
    """Return the registry of a project.

    Parameters
    ----------
    refresh
        Fetch the tags of its models from the remote first, if there is one.

    Raises
    ------
    RegistryError
        If the project is in no Git repository, or the remote cannot be reached.
    """
    registry = Registry(project, find_git(project.root))
    remote = registry.git.remote() if refresh else ""
    if remote:
        models = tuple(dict.fromkeys([*project.packages, *registry.histories]))
        fetch_tags(registry.git, remote, models=models)
        return Registry(project, registry.git)
    return registry
