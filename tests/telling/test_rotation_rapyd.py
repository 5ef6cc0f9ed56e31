"""Scheme `rapyd`: a rotation with overlap, as people and receivers hear of it."""

from datetime import timedelta

import pytest

from clock import instant
from keyway import ROLES

SCHEME = "rapyd"


def pair(shown):
    return {name: shown["secret"][name] for name in ("access_key", "secret_key")}


def told_everybody(mail, people, about):
    """Everybody who may view the keys got one letter; all four of them."""
    letters = [mail.wait(people[role].email, about) for role in ROLES]
    assert [len(found) for found in letters] == [1, 1, 1, 1]
    return [found[0] for found in letters]


def test_r06_everybody_who_may_view_the_keys_hears_until_when_the_previous_ones_live(
    keyway, mail
):
    account = keyway.account()
    people = account.people()
    key = account.create("signing", grant="everything")
    rotated = account.act(key, "rotate", overlap="3d")
    until = max(s["accepted_until"] for s in rotated["secrets"] if s["accepted_until"])
    assert instant(until) - instant(rotated["secrets"][0]["created_at"]) == timedelta(days=3)
    shown = f"{instant(until):%-d %b %Y, %H:%M}"
    keyway.told()
    for letter in told_everybody(mail, people, "was rotated"):
        assert f"accepted until {shown}" in letter.text
        assert f"accepted until {shown}" in letter.html
        assert key["name"] in letter.subject
        for secret in (*pair(key).values(), *pair(rotated).values()):
            assert secret not in letter.everything


def test_r06_a_rotation_without_overlap_says_that_the_previous_keys_have_ended(keyway, mail):
    account = keyway.account()
    people = account.people()
    key = account.create("signing", grant="everything")
    account.act(key, "rotate", overlap="0s")
    for letter in told_everybody(mail, people, "was rotated"):
        assert "The previous secret has ended" in letter.text


def test_r09_a_rollback_is_told_to_everybody(keyway, mail):
    account = keyway.account()
    people = account.people()
    key = account.create("signing", grant="everything")
    rotated = account.act(key, "rotate", overlap="7d")
    account.act(key, "rollback")
    keyway.told()
    for letter in told_everybody(mail, people, "was rolled back"):
        assert "at once" in letter.text
        for secret in (*pair(key).values(), *pair(rotated).values()):
            assert secret not in letter.everything


@pytest.fixture
def knowing(hook):
    """A receiver that knows one pair, and refuses what that pair did not sign."""

    def make(account, keys):
        to = hook()
        to.set(rapyd={"url": to.url, **keys}, answers=[{"how": "rapyd"}])
        return to, account.endpoint(to.url)

    return make


def test_r07_during_the_overlap_webhooks_verify_with_either_pair(keyway, clock, knowing):
    account = keyway.account()
    key = account.create("signing", grant="everything")
    old, old_endpoint = knowing(account, pair(key))
    old_endpoint.test()
    first = old.wait("webhook.test")[0]
    assert first["verified"]["rapyd"], "one pair signs before there is another"
    assert first["headers"]["access_key"] == pair(key)["access_key"]

    rotated = account.act(key, "rotate", overlap="1d")
    new, new_endpoint = knowing(account, pair(rotated))
    for endpoint in (old_endpoint, new_endpoint):
        endpoint.test()
        endpoint.wait("webhook.test", "delivered")
    old_endpoint.wait("api_key.rotated", "delivered")
    keyway.told()
    assert new.got("webhook.test")[-1]["verified"]["rapyd"]
    for kind, count in (("api_key.rotated", 1), ("webhook.test", 2)):
        accepted = [m for m in old.got(kind) if m["verified"]["rapyd"]]
        assert len(accepted) == count
        assert {m["headers"]["access_key"] for m in accepted} == {pair(key)["access_key"]}

    secrets = (pair(key)["secret_key"], pair(rotated)["secret_key"])
    for message in (*old.got(), *new.got()):
        assert not any(secret in str(message) for secret in secrets)

    # After it there is the new pair only.
    clock.forward(days=1, minutes=1)
    account.wait("api_key.overlap_ended", key["id"])
    before = len(old.got())
    for endpoint in (old_endpoint, new_endpoint):
        endpoint.test()
    new_endpoint.wait("webhook.test", "delivered")
    assert new.got("webhook.test")[-1]["verified"]["rapyd"]
    refused = old_endpoint.attempts("webhook.test", 2)
    assert {attempt["status"] for attempt in refused} == {401}
    since = old.got()[before:]
    assert since and not any(m["verified"]["rapyd"] for m in since)
    assert {m["headers"]["access_key"] for m in since} == {pair(rotated)["access_key"]}


def test_r07_after_a_rollback_the_previous_pair_signs_alone(keyway, knowing):
    account = keyway.account()
    key = account.create("signing", grant="everything")
    old, endpoint = knowing(account, pair(key))
    account.act(key, "rotate", overlap="1d")
    account.act(key, "rollback")
    endpoint.wait("api_key.rolled_back", "delivered")
    endpoint.test()
    endpoint.wait("webhook.test", "delivered")
    assert len(old.got("webhook.test")) == 1
    assert old.got("webhook.test")[0]["verified"]["rapyd"]


@pytest.mark.parametrize("overlap", ["1h", "7d"])
def test_r07_an_endpoints_secret_is_rotated_with_overlap(
    keyway, clock, hook, node_hook, overlap
):
    account = keyway.account()
    hooks = [hook(), node_hook()]
    endpoints = [account.endpoint(to.url) for to in hooks]

    def tried():
        for to, endpoint in zip(hooks, endpoints):
            count = len(to.got())
            endpoint.test()
            yield to.wait(count=count + 1)[-1]["verified"]

    old = [endpoint.secret for endpoint in endpoints]
    new = [endpoint.rotate(overlap) for endpoint in endpoints]
    for to, one, other in zip(hooks, old, new):
        assert one != other and other.startswith("whsec_")
        to.set(secrets={"old": one, "new": other, "foreign": "whsec_" + "A" * 32})
    assert list(tried()) == [{"old": True, "new": True, "foreign": False}] * 2

    # A third one would push out the one that a receiver may still use.
    again = keyway.ask("POST", f"{endpoints[0].path}/rotate", {"overlap": overlap})
    assert (again.status_code, again.json()["code"]) == (409, "overlap_running")

    days = {"1h": 1 / 24, "7d": 7}[overlap]
    clock.forward(days=days, minutes=-1)
    assert list(tried()) == [{"old": True, "new": True, "foreign": False}] * 2
    clock.forward(minutes=2)
    assert list(tried()) == [{"old": False, "new": True, "foreign": False}] * 2
