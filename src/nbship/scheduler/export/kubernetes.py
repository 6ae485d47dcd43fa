"""CronJobs of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ...errors import ScheduleError
from ..jobs import Job
from .host import HEADER, Host, common_fields, identifier, once, seconds_of

__all__ = ["kubernetes_files"]

_CRON_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {id}
  labels: {{app.kubernetes.io/name: nbship}}
spec:
  schedule: {cron}
  timeZone: {zone}
  # nbship decides what is caught up, and repeats what failed.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  jobTemplate:
    spec:
      backoffLimit: 0{deadline}
      template:
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 30
          containers:
            - name: nbship
              image: {image}
              command: {command}
              env:
                - {{name: NBSHIP_STATE, value: /state}}
              envFrom:
                # NBSHIP_LOG__URL, and what notebooks need.
                - secretRef: {{name: nbship, optional: true}}
              volumeMounts:
                - {{name: state, mountPath: /state}}
          volumes:
            - name: state
              persistentVolumeClaim: {{claimName: nbship-state}}
"""
_MOST_NAME = 52  # Kubernetes appends eleven characters


def kubernetes_files(jobs: Sequence[Job], host: Host) -> Mapping[str, str]:
    """Return a manifest with a CronJob for each schedule.

    Raises
    ------
    ScheduleError
        If no image is given, or Kubernetes cannot express the times of a schedule.
    """
    if not host.image:
        raise ScheduleError(
            "Kubernetes needs the image to run. Give one that holds the project and nbship: `--image registry.example/project:1`."
        )
    texts = [
        _CRON_JOB.format(
            id=identifier(job)[-_MOST_NAME:].strip("-"),
            cron=json.dumps(" ".join(common_fields(job, where="Kubernetes"))),
            zone=json.dumps(job.zone.key),
            deadline=f"\n      activeDeadlineSeconds: {seconds_of(job)}" if seconds_of(job) else "",
            image=json.dumps(host.image),
            command=json.dumps(["python", "-m", "nbship", *once(job)]),
        )
        for job in jobs
    ]
    return {"nbship-cronjobs.yaml": f"# {HEADER}\n" + "---\n".join(texts)}
