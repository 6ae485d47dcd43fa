from __future__ import annotations

import socket

import pytest

from nbship.errors import ServingError
from nbship.project import ServingSection
from nbship.serving import bind, check_address


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_a_loopback_address_needs_no_authentication(host: str) -> None:
    check_address(host, ServingSection())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_other_addresses_need_an_authentication_setting(host: str) -> None:
    with pytest.raises(ServingError, match="reachable from other machines"):
        check_address(host, ServingSection())
    for auth in ("keys", "proxy", "none"):
        check_address(host, ServingSection(auth=auth))


def test_a_port_in_use_is_one_sentence_with_a_remedy() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"Port {port} of '127.0.0.1' is already in use.*--port {port + 1}"):
            bind("127.0.0.1", port)
    with bind("127.0.0.1", port) as again:
        assert isinstance(again, socket.socket)
