"""Send a message to a sink: by Apprise, in a process of its own that ends after a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from ..project import AlertsSection
from .messages import Message

__all__ = ["SCHEMES", "send"]

# What Apprise may be asked to do: services that people use for alerts, mail, and webhooks. Left out are, for example,
# those that start programs of this machine or write to its files.
SCHEMES = frozenset(
    ("discord", "form", "forms", "gchat", "gotify", "gotifys", "json", "jsons", "mailto", "mailtos", "matrix", "matrixs",
     "mmost", "mmosts", "ntfy", "ntfys", "opsgenie", "pagerduty", "pover", "rocket", "rockets", "signl4",
     "slack", "splunk", "tgram", "victorops", "webex", "workflows", "wxteams", "xml", "xmls", "zulip")
)  # fmt: skip
# Longer than the process allows itself.
_SECONDS = 60


def send(name: str, message: Message, *, settings: AlertsSection, environ: Mapping[str, str]) -> str | None:
    """Send a message to the sink `name`; return a sentence about what prevented it, or None.

    No sentence shows the sink's URL, which is a secret.
    """
    variable = settings.sinks[name]
    url = environ.get(variable, "").strip()
    scheme = url.partition("://")[0].lower()
    if not url:
        return f"Sink '{name}' has no URL: the environment variable '{variable}' is not set. Set it to an Apprise URL."
    if scheme not in SCHEMES:
        return f"The URL of sink '{name}' (variable '{variable}') is of none of these services: {', '.join(sorted(SCHEMES))}. Use one of them."
    if find_spec("apprise") is None:
        return "Messages are sent by Apprise, which is not installed. Run `pip install 'nbship[watch]'`."
    request = {
        "url": url,
        "title": message.title,
        "body": message.body,
        "severity": message.severity,
        "allow_private": settings.allow_private,
    }
    problem = _sent(json.dumps(request))
    return None if problem is None else f"Sink '{name}' ({scheme}, variable '{variable}'): {problem}."


def _sent(request: str) -> str | None:
    command = [sys.executable, "-m", "nbship.alerting.sending"]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, text=True, encoding="utf-8", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "it did not respond in time"
    if done.returncode < 0:
        return "it did not respond in time"
    try:
        problem: str | None = json.loads(done.stdout.strip().splitlines()[-1])["problem"]
    except (IndexError, ValueError, KeyError, TypeError):
        return "the process that sends messages failed"
    return problem
