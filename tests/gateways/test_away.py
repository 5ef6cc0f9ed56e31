"""Keyway can't be asked: it stands still, or is gone. Nothing passes."""

import pytest

from conftest import bearer
from gateway import GATEWAYS, Gateway
from keyway import Keyway
from wire import exchange, request


NOTHING = (500, 502, 503, 504, None)


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_nothing_passes_while_nobody_decides(name, api, tmp_path):
    with Keyway("enterprise") as keyway:
        key = keyway.create(grant={"invoices": ["read"]})
        sent = request("GET", "/mfi/invoices", [bearer(key)])
        with Gateway(name, keyway, api, tmp_path) as gateway:
            assert exchange(gateway.port, sent).status == 200
            api.only()
            keyway.stand_still()
            assert (answer := during(gateway.port, sent)) in NOTHING, answer
            assert api.seen == []
            keyway.go_on()
            assert exchange(gateway.port, sent).status == 200
            # What waited is decided too, though its client is gone, and comes when it comes.
            keyway.kill()
            late = request("GET", "/mfi/invoices?late", [bearer(key)])
            assert exchange(gateway.port, late).status in NOTHING
            assert not [seen for seen in api.seen if "late" in seen.target]


def during(port: int, sent: bytes) -> int | None:
    """One of them has no time limit that could be set, and waits for half a minute: `None`."""
    try:
        return exchange(port, sent, seconds=6).status
    except TimeoutError:
        return None


def test_an_action_that_fails_lets_nothing_through(api, tmp_path):
    """HAProxy passes over an action that ends in an error."""
    with Keyway("enterprise") as keyway:
        key = keyway.create(grant={"invoices": ["read"]})
        gateway = Gateway("haproxy", keyway, api, tmp_path)
        script = tmp_path / "keyway.lua"
        asks = "local answer = core.httpclient()"
        assert asks in script.read_text()
        script.write_text(script.read_text().replace(asks, "error('as a mistake would')\n" + asks))
        gateway.ready = (503,)
        with gateway:
            for sent in (request("GET", "/mfi/invoices"), request("GET", "/mfi/invoices", [bearer(key)])):
                assert exchange(gateway.port, sent).status == 503
        assert api.seen == []
