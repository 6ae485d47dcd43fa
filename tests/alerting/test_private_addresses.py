"""A sink's URL does not lead to this machine or its network, in any spelling, and no response redirects there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Thread

import pytest
from alert_sinks import webhook

from nbship.private_addresses import is_public

# Spellings of addresses of this machine, of private networks, and of the metadata services of clouds.
HOSTS = [
    "rebinding.example", "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0",
    "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]", "169.254.169.254", "10.0.0.5",
    "172.16.0.1", "192.168.0.1", "100.64.0.1", "%6c%6f%63alhost", "127.0.0.1%2f", socket.gethostname(),
]  # fmt: skip
# Every way in which such a host gets into a URL: webhooks over HTTP, and a mail server beside the URL's host.
FORMS = ["json://{host}:{port}/x", "mailto://{host}:{port}?from=a@x.example&to=b@x.example", "mailto://u:p@x.example:{port}?smtp={host}&to=b@x.example"]  # fmt: skip
# All in one process. The name is looked up elsewhere, as one with a hostile name server would be.
SCRIPT = """
import json, socket, sys
look_up = socket.getaddrinfo
def hostile(host, *arguments, **options):
    return look_up("127.0.0.1" if host == "rebinding.example" else host, *arguments, **options)
socket.getaddrinfo = hostile
from nbship.alerting import sending
urls, allowed = json.load(sys.stdin)
print(json.dumps([sending.send({"url": url, "title": "t", "body": "b", "severity": "alert", "allow_private": allowed}) for url in urls]))
"""


@contextmanager
def _listening() -> Iterator[tuple[int, list[object]]]:
    """Yield a port on which this machine accepts connections at every address, and the connections."""
    found: list[object] = []
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))

        def accept() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                found.append(peer)
                connection.close()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], found
        # A blocked accept does not end with its socket.
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _sent(urls: Sequence[str], allowed: Sequence[str] = ()) -> list[str | None]:
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=json.dumps([urls, allowed]), capture_output=True, text=True, check=True)  # fmt: skip
    problems: list[str | None] = json.loads(done.stdout)
    return problems


def test_no_spelling_of_a_private_address_is_connected_to() -> None:
    with _listening() as (port, connections):
        webhooks, *mails = FORMS
        urls = [webhooks.format(host=host, port=port) for host in HOSTS]
        urls += [form.format(host=host, port=port) for form in mails for host in HOSTS[:8]]
        problems = _sent(urls)
        assert connections == []
        assert len(problems) == len(urls)
        assert None not in problems
        assert problems[0] == (
            "'rebinding.example' (127.0.0.1) is not on the internet. If it is meant, add 'rebinding.example' to 'alerts.allow_private'"
        )
        # Where they are allowed by name, the same URLs do connect: the listener would have noticed.
        _sent(urls[:2], ["127.0.0.1", "Rebinding.example."])
        assert len(connections) >= 2


def test_a_redirect_is_not_followed() -> None:
    with webhook() as hook:
        hook.respond = lambda path: (307, {"Location": "/elsewhere"}) if path == "/alerts" else (200, {})
        problems = _sent([hook.url, f"{hook.url}?redirect=yes"], ["127.0.0.1"])
    assert hook.paths == ["/alerts"] * 2
    assert problems == ["it responded with HTTP status 307 (a redirect, which is not followed)"] * 2


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("100.64.0.1", False), ("192.0.2.1", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("0.0.0.0", False), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fd00::1", False), ("ff02::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False), ("::a00:1", False), ("64:ff9b:1::a00:1", False), ("fec0::1", False), ("::ffff:0:127.0.0.1", False), ("5f00::1", False),
        ("3fff::1", False), ("192.0.0.8", False), ("240.0.0.1", False), ("2a00:1450:4001:80b::200e", True), ("127.1", False), ("localhost", False), ("/run/a.sock", False),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) == public
