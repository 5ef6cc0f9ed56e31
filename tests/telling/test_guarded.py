"""A server that was told of no private network sends nothing there."""

import pytest

from keyway import Endpoint, Keyway

SCHEME = "enterprise"


@pytest.fixture(scope="module")
def guarded(folder, clock):
    (folder / "guarded").mkdir()
    started = Keyway(SCHEME, folder / "guarded", clock, "--webhook-http")
    yield started
    started.stop()


@pytest.mark.parametrize("host", [
    "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0",
    "2130706433", "0x7f.1", "127.1",
])
def test_an_address_that_is_not_public_is_refused(guarded, hook, host):
    account = guarded.account()
    url = hook().url.replace("127.0.0.1", host)
    body = {"environment": "live", "url": url}
    refused = guarded.ask("POST", f"{account.path}/webhooks", body)
    assert refused.status_code in (400, 422), refused.text
    assert "url" in refused.text


def test_a_name_that_leads_to_this_machine_gets_nothing(guarded, hook):
    account = guarded.account()
    to = hook()
    body = {"environment": "live", "url": to.url.replace("127.0.0.1", "localhost")}
    made = guarded.ask("POST", f"{account.path}/webhooks", body)
    if made.ok:
        path = f"{account.path}/webhooks/{made.json()['id']}"
        guarded.post(f"{path}/test")
        endpoint = Endpoint(account, made.json()["id"], "")
        attempt = endpoint.attempts("webhook.test")[0]
        assert attempt["status"] is None and attempt["trouble"]
    assert to.got() == []


def test_plain_http_is_refused_where_it_was_not_allowed(folder, clock, hook):
    (folder / "strict").mkdir()
    strict = Keyway(SCHEME, folder / "strict", clock, "--webhook-allow", "127.0.0.1")
    try:
        account = strict.account()
        body = {"environment": "live", "url": hook().url}
        refused = strict.ask("POST", f"{account.path}/webhooks", body)
        assert refused.status_code in (400, 422), refused.text
    finally:
        strict.stop()
