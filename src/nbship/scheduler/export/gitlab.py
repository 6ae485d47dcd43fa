"""Jobs of GitLab CI. Their times are set in GitLab, and not in files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..jobs import Job
from .host import HEADER, Host, common_fields, seconds_of

__all__ = ["gitlab_files"]

_JOB = """\
# In GitLab, Build > Pipeline schedules > New schedule: interval pattern '{cron}', cron timezone '{zone}', and the
# variable NBSHIP_SCHEDULE with the value {name}.
nbship {name}:
  image: {image}
  rules:
    - if: {condition}
  resource_group: {group}
  timeout: {limit}
  variables:
    # A runner keeps nothing: the history, and the prediction log, are in PostgreSQL.
    NBSHIP_LOG__URL: $NBSHIP_LOG_URL
  script:
    - python -m pip install .
    - python -m nbship schedule run {name} --time last
"""


def gitlab_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a file to include in `.gitlab-ci.yml`.

    Raises
    ------
    ScheduleError
        If GitLab cannot express the times of a schedule.
    """
    texts = [
        _JOB.format(
            cron=" ".join(common_fields(job, where="GitLab")),
            zone=job.zone.key,
            name=job.name,
            image=json.dumps(host.image or "python:3.11"),
            condition=json.dumps(f'$CI_PIPELINE_SOURCE == "schedule" && $NBSHIP_SCHEDULE == "{job.name}"'),
            group=f"nbship-{job.name}",
            limit=json.dumps(f"{seconds_of(job) // 60 + 1} minutes" if seconds_of(job) else "1 day"),
        )
        for job in jobs
    ]
    return {"nbship-schedules.gitlab-ci.yml": "\n".join([f"# {HEADER}", *texts])}
