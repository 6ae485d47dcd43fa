"""Workflows of GitHub Actions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..jobs import Job
from .host import HEADER, Host, common_fields, identifier, seconds_of

__all__ = ["github_files"]

_MOST_MINUTES = 360  # of a job on GitHub's own runners

_WORKFLOW = """\
# {header}
# GitHub starts workflows late at times, and at most every five minutes. A runner keeps nothing: the history, and the
# prediction log, are in PostgreSQL, whose URL is the secret NBSHIP_LOG_URL.
name: {title}
"on":
  schedule:
    - cron: {cron}
      timezone: {zone}
  workflow_dispatch:

permissions:
  contents: read

concurrency:
  group: {group}
  cancel-in-progress: false

jobs:
  run:
    runs-on: ubuntu-latest
    timeout-minutes: {minutes}
    env:
      NBSHIP_LOG__URL: ${{{{ secrets.NBSHIP_LOG_URL }}}}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.11"}}
      - run: python -m pip install .
      - run: python -m nbship schedule run {name} --time last
"""


def github_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a workflow for each schedule.

    Raises
    ------
    ScheduleError
        If GitHub cannot express its times.
    """
    return {
        f".github/workflows/nbship-{job.name}.yml": _WORKFLOW.format(
            header=HEADER,
            title=json.dumps(f"nbship {job.name}"),
            cron=json.dumps(" ".join(common_fields(job, where="GitHub Actions"))),
            zone=json.dumps(job.zone.key),
            group=json.dumps(identifier(job)),
            minutes=min(seconds_of(job) // 60 + 1, _MOST_MINUTES) if seconds_of(job) else _MOST_MINUTES,
            name=job.name,
        )
        for job in jobs
    }
