"""Receivers in trouble, and receivers that make some."""

import math
from datetime import timedelta

import pytest

from clock import instant

SCHEME = "enterprise"
MIB = 1 << 20


def test_a_receiver_that_hangs_holds_up_no_other(keyway, hook):
    account = keyway.account()
    hung, well = hook(), hook()
    hung.set(answers=[{"how": "hang"}])
    for to in (hung, well):
        account.endpoint(to.url)
    count = 20
    for _ in range(count):
        account.create("key", grant="everything")
    arrived = well.wait("api_key.created", count)
    # All arrived at the one before the other let go of a single message.
    held = hung.got()
    let_go = min((message["ended"] for message in held if message["ended"]), default=math.inf)
    assert held and all(message["at"] < let_go for message in arrived)
    assert sum(1 for message in held if message["at"] < let_go) <= 12


def test_it_says_that_it_is_gone(keyway, mail, hook):
    account = keyway.account()
    people = account.people()
    to = hook()
    to.set(answers=[{"status": 410}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    event = account.wait("webhook.disabled", endpoint.id)
    assert event["after"]["state"] == "gone" and "410" in event["after"]["why"]
    assert endpoint.shown()["state"] == "gone"
    for role in ("owner", "admin", "developer"):
        letter = mail.wait(people[role].email, "A webhook endpoint was switched off")[0]
        assert to.url in letter.text
    account.create("key", grant="everything")
    keyway.told()
    assert len(to.got()) == 1
    assert len(account.events("webhook.disabled")) == 1
    assert mail.letters(people["viewer"].email, "switched off") == []

    # Switched on again, it hears of what comes then.
    to.set(answers=[{"status": 200}])
    keyway.ask("PATCH", endpoint.path, {"enabled": True}).raise_for_status()
    endpoint.test()
    to.wait("webhook.test")


def test_it_asks_for_a_pause(keyway, clock, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"status": 429, "headers": {"retry-after": "120"}}, {"status": 200}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    first = endpoint.attempts("api_key.created")[0]
    assert first["status"] == 429
    waiting = endpoint.deliveries()[0]
    assert instant(waiting["due_at"]) - instant(first["at"]) >= timedelta(seconds=120)

    # So does everything else that waits for it.
    clock.forward(seconds=60)
    keyway.told()
    assert len(to.got()) == 1
    clock.forward(seconds=75)
    got = to.wait(count=2)
    stamps = [int(m["headers"]["webhook-timestamp"]) for m in got]
    assert stamps[1] - stamps[0] >= 120
    endpoint.wait("api_key.created", "delivered")


def test_it_asks_for_a_pause_until_an_instant(keyway, clock, hook):
    account = keyway.account()
    to = hook()
    until = clock.now() + timedelta(hours=2)
    header = f"{until:%a, %d %b %Y %H:%M:%S} GMT"
    to.set(answers=[{"status": 503, "headers": {"retry-after": header}}, {"status": 200}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    endpoint.attempts("api_key.created")
    due = instant(endpoint.deliveries()[0]["due_at"])
    assert abs(due - until) <= timedelta(seconds=2)
    clock.forward(hours=1, minutes=59)
    keyway.told()
    assert len(to.got()) == 1
    clock.forward(minutes=2)
    to.wait(count=2)


@pytest.mark.parametrize("header, least, most", [
    ("999999999", 24, 24), ("-5", 0, 0.1), ("soon", 0, 0.1), ("99999999999999999999999", 0, 24),
])
def test_it_asks_for_a_pause_that_makes_no_sense(keyway, hook, header, least, most):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"status": 429, "headers": {"retry-after": header}}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    first = endpoint.attempts("api_key.created")[0]
    wait = instant(endpoint.deliveries()[0]["due_at"]) - instant(first["at"])
    assert timedelta(hours=least) <= wait <= timedelta(hours=most, seconds=60)


def test_its_pause_holds_for_what_waits_already(keyway, clock, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"status": 500}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    to.wait(count=2)
    to.set(answers=[{"status": 429, "headers": {"retry-after": "3600"}}])
    account.create("key", grant="everything")
    to.wait(count=3)
    keyway.told()
    to.set(answers=[{"status": 200}])
    clock.forward(minutes=30)
    keyway.told()
    assert len(to.got()) == 3
    clock.forward(minutes=31)
    to.wait(count=5)
    endpoint.wait("api_key.created", "delivered")


def test_it_leads_elsewhere(keyway, hook):
    account = keyway.account()
    to, elsewhere = hook(), hook()
    to.set(answers=[{"status": 307, "headers": {"location": elsewhere.url}}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    attempt = endpoint.attempts("api_key.created")[0]
    assert attempt["status"] == 307
    assert endpoint.deliveries()[0]["state"] == "waiting"
    assert elsewhere.got() == []


def test_it_answers_without_end(keyway, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"how": "endless"}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    endpoint.attempts("api_key.created")
    delivery = endpoint.wait("api_key.created", "delivered")
    kept = endpoint.delivery(delivery["id"])["log"][0]
    assert kept["status"] == 200
    assert len(kept["answer"]) < MIB // 8
    assert "(cut here)" in kept["answer"]
    # What was sent lay in the sockets' buffers; it was not read.
    assert to.got()[0]["sent"] < 64 * MIB


def test_it_lies_about_its_length(keyway, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"how": "lies"}, {"status": 200}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    first = endpoint.attempts("api_key.created")[0]
    assert first["trouble"], first
    endpoint.wait("api_key.created", "delivered")
    got = to.got()
    assert len(got) == 2
    assert got[0]["headers"]["webhook-id"] == got[1]["headers"]["webhook-id"]


def test_it_answers_a_byte_at_a_time(keyway, hook):
    account = keyway.account()
    to, well = hook(), hook()
    to.set(answers=[{"how": "drip"}, {"status": 200}])
    endpoint = account.endpoint(to.url)
    account.endpoint(well.url)
    account.create("key", grant="everything")
    well.wait("api_key.created")
    first = endpoint.attempts("api_key.created", seconds=60)[0]
    assert first["trouble"] and first["took_ms"] >= 10_000
    endpoint.wait("api_key.created", "delivered")


def test_nothing_arrives_for_five_days(keyway, clock, mail, hook):
    account = keyway.account()
    boss = account.join("owner")
    to = hook()
    to.set(answers=[{"status": 500}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    to.wait(count=1)
    keyway.told()
    for days in (2, 3.1):
        clock.forward(days=days)
        count = len(to.got())
        account.create("key", grant="everything")
        to.wait(count=count + 1)
    event = account.wait("webhook.disabled", endpoint.id)
    assert event["after"]["state"] == "failing"
    mail.wait(boss.email, "A webhook endpoint was switched off")
    off = keyway.status()["webhooks"]["endpoints_off"]
    assert off >= 1
    # What waits for it waits until it is switched on again.
    to.set(answers=[{"status": 200}])
    count = len(to.got())
    keyway.ask("PATCH", endpoint.path, {"enabled": True}).raise_for_status()
    clock.forward(hours=11)
    to.wait(count=count + 1)
    assert keyway.status()["webhooks"]["endpoints_off"] == off - 1


def test_what_waits_for_an_endpoint_that_is_switched_off_is_not_late(keyway, clock, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"status": 500}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    to.wait(count=2)
    keyway.told()
    keyway.ask("PATCH", endpoint.path, {"enabled": False}).raise_for_status()
    clock.forward(hours=1)
    status = keyway.status()["webhooks"]
    assert (status["waiting"], status["due_since"]) == (1, None)
    assert len(to.got()) == 2
