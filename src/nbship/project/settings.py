"""`nbship.yaml`: the settings of a project, with their defaults."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from ..errors import SettingsError
from .data_settings import DataSection
from .gate_settings import GatesSection

__all__ = [
    "AlertRule",
    "AlertsSection",
    "AppSection",
    "ModelSection",
    "Phrase",
    "ScheduleSection",
    "ServingSection",
    "Settings",
    "read_bytes",
]

_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
# A year: longer is a mistake, and infinity ends never.
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=31_536_000)]
_PositiveSeconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
_Hours = Annotated[float, msgspec.Meta(ge=0, le=8_760)]
_Minutes = Annotated[float, msgspec.Meta(ge=0, le=1_440)]

_MONITORING_NOTEBOOKS = (
    "notebooks/90_monitor_data.ipynb",
    "notebooks/91_monitor_performance.ipynb",
    "notebooks/92_monitor_service.ipynb",
)
_DAYS = re.compile(r"([1-9]\d{0,2}) days")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i)?)?B?", re.IGNORECASE)


class ProjectSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name, time zone and source folder of the project, and the limits of its stages.

    `timeout` and `stage_timeout` limit the seconds of one cell and one stage (0: no limit), `memory` the memory of a
    notebook (`"4 GB"`; empty: no limit). `secrets` names the environment variables whose values are redacted in
    every output. Stages may read files in the folders `caches`, such as `mlruns`, without declaring them.
    """

    name: str = ""
    timezone: str = "UTC"
    source: str = "src"
    timeout: _Seconds = 0.0
    stage_timeout: _Seconds = 0.0
    memory: int | str = ""
    secrets: list[str] = []
    caches: list[str] = []

    @property
    def memory_limit(self) -> int | None:
        """`memory` in bytes; None without a limit.

        >>> ProjectSection(memory="1.5 GB").memory_limit
        1500000000
        """
        return read_bytes(self.memory)


class ModelSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The folder of a model's package (default: `models/<name>`)."""

    path: str = ""


class Phrase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The app's words for a probability of less than `below` times the baseline."""

    below: Annotated[float, msgspec.Meta(gt=0)]
    words: str
    tone: Literal["good", "fair", "poor", "bad"] = "fair"


class AppSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wording of the app: title, introduction, names for the values of a field, phrases for a risk."""

    title: str = ""
    intro: str = ""
    names: dict[str, dict[str, str]] = {}
    phrases: list[Phrase] = []


class ServingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The REST service and the app.

    `unix_socket` is the path of a socket to listen on instead of `host` and `port`.
    `auth` is the authentication: `keys` (API keys in the file `keys`, by default in the state folder), `proxy` (one of
    `proxies` authenticates callers), `none`, or empty: only callers on this machine are served. `probes_port` serves
    health checks and metrics on a port of their own (0: on the same). `root_path` is the path prefix that a proxy adds.
    Pages of the origins in `cors` may call the service from a browser; `hosts` are names of the host, by which callers
    without authentication may reach it.
    `max_bytes`, `max_rows` and `receive_seconds` limit a request, `send_seconds` the time in which a client receives its
    response, and `queue` the number of concurrent requests. Idle connections are kept for `keep_alive_seconds`.
    On shutdown, the service reports "not ready" for `drain_seconds` before it stops accepting requests. `results` is the
    output of a batch run, whose predictions can be looked up by key.
    """

    host: str = "127.0.0.1"
    port: _Port = 8000
    unix_socket: str = ""
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    auth: Literal["", "keys", "proxy", "none"] = ""
    keys: str = ""
    proxies: list[str] = []
    probes_port: _Port = 0
    root_path: str = ""
    cors: list[str] = []
    hosts: list[str] = []
    max_bytes: _Positive = 10_000_000
    max_rows: _Positive = 100_000
    receive_seconds: _PositiveSeconds = 30.0
    send_seconds: _PositiveSeconds = 30.0
    keep_alive_seconds: _Count = 75
    queue: _Positive = 2048
    drain_seconds: _Seconds = 0.0
    request_log: bool = True
    results: str = ""
    app: AppSection = AppSection()

    @property
    def prefix(self) -> str:
        """`root_path` with a slash at its start and none at its end; empty without one.

        >>> ServingSection(root_path="models/").prefix
        '/models'
        """
        return f"/{self.root_path.strip('/')}" if self.root_path.strip("/") else ""


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prediction log (default: SQLite in the project's state folder).

    `when_down` is the behaviour while a PostgreSQL database is unavailable: `refuse` rejects requests, `spool` stores
    records in a file of the state folder and forwards them later. `retention_days` is the age from which
    `nbship log prune` deletes records (0: never).
    """

    url: str = ""
    when_down: Literal["spool", "refuse"] = "refuse"
    retention_days: _Count = 0


class ReleaseSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which packages may be used, who approves what goes to production, and which version a service uses.

    Packages must be signed with one of `signers`, files of Ed25519 public keys (empty: all packages may be used).
    `approvers` maps the e-mail address of a person in Git to the file of the person's Ed25519 public key: one of them,
    who is not the author, must sign each promotion to `production` (empty: no approval). `file` is the release file that
    services follow; empty: a service uses one package from start to end.
    """

    signers: list[str] = []
    approvers: dict[str, str] = {}
    file: str = ""


class MonitoringSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The monitoring notebooks, and what the report checks.

    `min_rows` is the minimum number of rows for a check. `relations` between two fields, such as "low <= high", are checked
    but broken rows are predicted, other than those of the signature. `given` names a field and a category or the event
    time: the field is compared for each value of the other. `row_counts` compares the number of rows with training.
    """

    notebooks: list[str] = msgspec.field(default_factory=lambda: list(_MONITORING_NOTEBOOKS))
    min_rows: _Count = 200
    relations: list[str] = []
    given: dict[str, str] = {}
    row_counts: bool = True


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The findings that become alerts: in `windows` windows in a row, for `hours` hours, at least as severe as `severity`.

    Empty lists stand for all: the `sections` of the report, the `fields` (or slices, or measures), the `models`, and the
    `sinks` that are notified.
    """

    severity: Literal["notice", "warning", "alert"] = "alert"
    sections: list[str] = []
    fields: list[str] = []
    models: list[str] = []
    windows: Annotated[int, msgspec.Meta(ge=1, le=50)] = 1
    hours: _Hours = 0.0
    sinks: list[str] = []


class AlertsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who hears of the findings of monitoring.

    `sinks` maps a name to the environment variable with the sink's Apprise URL. Without `rules`, each finding of
    severity `alert` goes to all sinks. Messages wait `group_minutes` for others that they are sent with. Alerts that are
    not acknowledged within `escalate_hours` (0: never) go to the sinks `escalate_to`. Hosts in `allow_private` may be
    connected to although their addresses are private. `reports_url` is the address at which the reports are hosted.
    """

    sinks: dict[str, str] = {}
    rules: list[AlertRule] = []
    group_minutes: _Minutes = 0.0
    escalate_hours: _Hours = 0.0
    escalate_to: list[str] = []
    allow_private: list[str] = []
    reports_url: str = ""


class ScheduleSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One schedule: the job, the times at which it runs, and the window of time that a run is for.

    `arguments` are those of the job's command (the stages of `run`, the files of `predict` and `labels`, the sources of
    `data`) or the path of the notebook. In them, `{from}`, `{to}` and `{scheduled}` are replaced. `cron` is read in `timezone`
    (default: the project's). Instead of `cron`, `after` names another schedule: each of its runs that succeeds is followed by
    one of this schedule, for the same scheduled time and window. `window` is the last whole `day`, `week` or `month`, or the last whole `28 days`, before the scheduled time.
    `catch_up` decides what happens to missed runs. A failed run is repeated `retries` times; each attempt is stopped
    after `timeout` seconds (0: no limit). `run` and `data` start from the commit of `branch` (default: the current one; after
    the schedule of a `data` job, the commit with its new window).
    """

    job: Literal["monitor", "run", "predict", "labels", "notebook", "data"]
    cron: str = ""
    after: str = ""
    arguments: list[str] = []
    timezone: str = ""
    window: str = ""
    catch_up: Literal["latest", "all", "none"] = "latest"
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    timeout: _Seconds = 21_600.0
    branch: str = ""

    @property
    def window_days(self) -> int | None:
        """The length of a window of days; None without a window, or with one of the calendar.

        >>> ScheduleSection("monitor", "0 6 * * *", window="28 days").window_days
        28
        """
        match = _DAYS.fullmatch(self.window)
        return 1 if self.window == "day" else int(match[1]) if match else None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `nbship.yaml`.

    A project with several models lists them in `models`, by the names of their packages.
    """

    project: ProjectSection = ProjectSection()
    model: ModelSection = ModelSection()
    models: dict[str, ModelSection] = {}
    slices: list[str] = []
    gates: GatesSection = GatesSection()
    serving: ServingSection = ServingSection()
    release: ReleaseSection = ReleaseSection()
    log: LogSection = LogSection()
    monitoring: MonitoringSection = MonitoringSection()
    alerts: AlertsSection = AlertsSection()
    data: DataSection = DataSection()
    schedules: dict[str, ScheduleSection] = {}


def read_bytes(text: int | str) -> int | None:
    """Return a size such as `"4 GB"` or `"512MiB"` in bytes; None if it is empty or 0.

    Raises
    ------
    SettingsError
        If it is not a size.
    """
    if not text:
        return None
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise SettingsError(
            f"'project.memory' in nbship.yaml is '{text}', which is not a size. Write a size such as '4 GB' or '512 MiB'."
        )
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index((match[2] or " ").upper()))
