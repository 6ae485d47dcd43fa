"""Send one message to one URL of Apprise: a process of its own, ended after a time, without private addresses.

The request comes as JSON on standard input, since arguments are visible to other users. The outcome is the last line of
standard output::

    {"url": "json://…", "title": …, "body": …, "severity": "alert", "allow_private": []} ──► {"problem": null}
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ..private_addresses import forbid_private_addresses

__all__ = ["SECONDS"]

# For one message. The process that waits gives up a little later.
SECONDS = 45
# Apprise's log may hold the URL with its token, so only what is known to be harmless is taken from it.
_STATUS = re.compile(r"error=(\d{3})")
_CAUSES = {
    "Connection refused": "no server accepts connections there",
    "timed out": "it did not respond in time",
    "Name or service not known": "its host name is not known",
    "Temporary failure in name resolution": "its host name cannot be looked up",
    "No address associated": "its host name has no address",
    "Network is unreachable": "the network is unreachable",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not valid",
    "Authentication": "it rejected the credentials",
    "Connection reset": "it ended the connection",
    "unexpectedly closed": "it ended the connection",
}


def send(request: Mapping[str, Any]) -> str | None:
    """Send a message; return what prevented it, as the rest of a sentence, or None."""
    rejected = forbid_private_addresses(request["allow_private"])
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode

    log = logging.getLogger("apprise")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    asset = AppriseAsset(
        http_redirects=False,
        service_timeout=SECONDS - 10,
        allow_templates=False,
        image_path_mask=False,
        pgp_autogen=False,
        pem_autogen=False,
        app_id="nbship",
        app_desc="nbship",
        app_url="",
    )
    service = Apprise.instantiate(request["url"], asset=asset)
    if service is None:
        return "the URL is not valid for its service"
    # A parameter `redirect=yes` of the URL overrides the asset.
    service.redirects = False
    # Longer than the service takes: several messages are better than none.
    service.overflow_mode = OverflowMode.SPLIT
    sender = Apprise(asset=asset)
    sender.add(service)
    kinds = {"alert": NotifyType.FAILURE, "resolved": NotifyType.SUCCESS}
    found = sender.notify(
        title=request["title"],
        body=request["body"],
        notify_type=kinds.get(request["severity"], NotifyType.WARNING),
        body_format=NotifyFormat.TEXT,
        log_level=logging.DEBUG,
    )
    if found:
        return None
    return rejected[0] if rejected else _cause(str(entry.message) for entry in found.logs())


def _cause(lines: Iterable[str]) -> str:
    # The message itself may hold these words.
    log = "\n".join(line for line in lines if "Payload" not in line)
    status = _STATUS.search(log)
    if status:
        moved = " (a redirect, which is not followed)" if status[1].startswith("3") else ""
        return f"it responded with HTTP status {status[1]}{moved}"
    return next((cause for text, cause in _CAUSES.items() if text in log), "it did not accept the message")


if __name__ == "__main__":
    signal.alarm(SECONDS)
    print(json.dumps({"problem": send(json.load(sys.stdin))}))
