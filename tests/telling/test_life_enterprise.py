"""Scheme `enterprise`: the four webhooks of a key's life, each once, until it has arrived."""

from datetime import timedelta

import pytest

from clock import instant

SCHEME = "enterprise"
LIFE = ["api_key.created", "api_key.expiring", "api_key.expired", "api_key.revoked"]


@pytest.fixture
def heard(keyway, hook, node_hook):
    """An account whose messages go to both receivers, each verifying with its own library."""
    account = keyway.account()
    hooks = [hook(), node_hook()]
    for to in hooks:
        to.set(secrets={"own": account.endpoint(to.url).secret})
    return account, hooks


def midnight(clock, days):
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


def ask(keyway, key):
    header = ("authorization", f"Bearer {key['secret']['key']}")
    return keyway.verify({"headers": [header], "resource": "invoices", "action": "read"})


def one_message(hooks, kind, key, event):
    """Both receivers got the event: once, under its own id, verified."""
    for to in hooks:
        got = [m for m in to.wait(kind) if m["message"]["data"]["credential"]["id"] == key["id"]]
        assert [m["headers"]["webhook-id"] for m in got] == [event["id"]]
        assert got[0]["message"]["id"] == event["id"]
        assert got[0]["verified"] == {"own": True}
        assert got[0]["headers"]["content-type"] == "application/json"


def test_e13_each_of_the_four_is_told_once_and_on_time(keyway, clock, mail, heard):
    account, hooks = heard
    people = account.people()
    expiry = midnight(clock, 20)
    key = account.create("key", grant="everything", expires_at=expiry.date().isoformat())
    assert instant(key["expires_at"]) == expiry
    one_message(hooks, LIFE[0], key, account.wait(LIFE[0]))

    for kind, due in ((LIFE[1], expiry - timedelta(days=7)), (LIFE[2], expiry)):
        keyway.told()
        clock.to(due - timedelta(seconds=3))
        for told, allowed in clock.before(
            due, lambda: (account.events(kind), ask(keyway, key)["allowed"])
        ):
            assert told == [] and allowed
        event = account.wait(kind, key["id"])
        assert timedelta() <= instant(event["at"]) - due < timedelta(seconds=30)
        one_message(hooks, kind, key, event)
        assert event["actor"]["type"] == "system"
    assert (ask(keyway, key)["allowed"], ask(keyway, key)["reason"]) == (False, "expired")

    other = account.create("key", grant="everything")
    account.act(other, "revoke")
    one_message(hooks, LIFE[3], other, account.wait(LIFE[3]))

    keyway.told()
    for to in hooks:
        # That the expired key was tried above is told too, in its own time.
        life = [m for m in to.got() if m["message"]["type"] in LIFE]
        kinds = [m["message"]["type"] for m in life]
        assert sorted(kinds) == sorted([*LIFE, "api_key.created"])
        assert len({m["headers"]["webhook-id"] for m in life}) == 5
    for role, count in (("owner", 1), ("admin", 1), ("developer", 0), ("viewer", 0)):
        to = people[role].email
        assert len(mail.letters(to, f"“{key['name']}” expires in 7 days")) == count
        assert len(mail.letters(to, f"“{key['name']}” has expired")) == count


def test_e13_what_was_due_while_the_process_was_down_is_told_once_at_its_start(
    keyway, clock, heard
):
    account, hooks = heard
    expiry = midnight(clock, 30)
    key = account.create("key", grant="everything", expires_at=expiry.date().isoformat())
    for kind, due in ((LIFE[1], expiry - timedelta(days=7)), (LIFE[2], expiry)):
        keyway.told()
        keyway.stop()
        clock.to(due + timedelta(hours=5))
        keyway.start()
        one_message(hooks, kind, key, account.wait(kind, key["id"]))
    assert ask(keyway, key)["reason"] == "expired"
    # And not again at the next start.
    keyway.told()
    keyway.stop()
    keyway.start()
    keyway.told()
    for kind in LIFE[1:3]:
        assert len(account.events(kind, key["id"])) == 1
        assert [len(to.got(kind)) for to in hooks] == [1, 1]


def test_e13_a_message_is_retried_under_its_id_until_it_arrives(keyway, clock, heard):
    account, hooks = heard
    for to in hooks:
        to.set(answers=[{"status": 500}, {"status": 500}, {"status": 200}])
    key = account.create("key", grant="everything")
    account.act(key, "revoke")
    # At once, after 5 s, and after 5 min.
    for to in hooks:
        to.wait(count=2)
    clock.forward(minutes=6)
    event = account.events("api_key.revoked")[0]
    for to in hooks:
        to.wait("api_key.revoked", 1)
        to.wait("api_key.created", 1)
        to.wait(count=4)
    keyway.told()
    clock.forward(minutes=40)
    keyway.told()
    for to in hooks:
        everything = to.got()
        assert all(m["verified"] == {"own": True} for m in everything)
        for kind in ("api_key.created", "api_key.revoked"):
            got = to.got(kind)
            assert len({m["headers"]["webhook-id"] for m in got}) == 1
            assert len({m["body"] for m in got}) == 1
            stamps = [int(m["headers"]["webhook-timestamp"]) for m in got]
            assert stamps == sorted(set(stamps))
            assert got[-1]["answer"]["status"] == 200
            assert [m["answer"]["status"] for m in got[:-1]].count(200) == 0
        assert to.got("api_key.revoked")[0]["headers"]["webhook-id"] == event["id"]


def test_e13_a_message_outlives_a_process_that_is_killed(keyway, clock, heard):
    account, hooks = heard
    for to in hooks:
        to.set(answers=[{"status": 503}])
    account.create("key", grant="everything")
    for to in hooks:
        to.wait("api_key.created")
    keyway.kill()
    for to in hooks:
        to.set(answers=[{"status": 200}])
    clock.forward(minutes=10)
    keyway.start()
    for to in hooks:
        got = to.wait("api_key.created", 2)
        assert len({m["headers"]["webhook-id"] for m in got}) == 1
    keyway.told()
    assert all(to.got()[-1]["answer"]["status"] == 200 for to in hooks)


def test_e13_another_date_moves_what_is_told(keyway, clock, mail, heard):
    account, hooks = heard
    boss = account.join("owner")
    first, second = midnight(clock, 20), midnight(clock, 50)
    key = account.create("key", grant="everything", expires_at=first.date().isoformat())
    clock.to(first - timedelta(days=6))
    one_message(hooks, LIFE[1], key, account.wait(LIFE[1], key["id"]))
    # More time: what was said holds no longer, and is said again for the new date.
    account.edit(key, expires_at=second.date().isoformat())
    clock.to(first + timedelta(minutes=1))
    assert ask(keyway, key)["allowed"]
    clock.to(second - timedelta(days=7) + timedelta(seconds=1))
    for to in hooks:
        days = [m["message"]["data"]["after"]["days"] for m in to.wait(LIFE[1], 2)]
        assert days == [6, 7]
    clock.to(second + timedelta(seconds=1))
    event = account.wait(LIFE[2], key["id"])
    assert instant(event["at"]) >= second
    keyway.told()
    assert len(account.events(LIFE[2])) == 1
    mail.wait(boss.email, f"“{key['name']}” expires in 6 days")
    mail.wait(boss.email, f"“{key['name']}” expires in 7 days")


def test_e13_a_revoked_key_neither_expires_nor_is_about_to(keyway, clock, heard):
    account, hooks = heard
    expiry = midnight(clock, 20)
    revoked, other = (
        account.create("key", grant="everything", expires_at=expiry.date().isoformat())
        for _ in range(2)
    )
    account.act(revoked, "revoke")
    clock.to(expiry - timedelta(days=7) + timedelta(seconds=1))
    account.wait(LIFE[1], other["id"])
    clock.to(expiry + timedelta(seconds=1))
    account.wait(LIFE[2], other["id"])
    keyway.told()
    for kind in LIFE[1:3]:
        assert account.events(kind, revoked["id"]) == []
        assert [len(to.got(kind)) for to in hooks] == [1, 1]


def test_what_is_due_at_once_is_one_letter(keyway, clock, mail):
    account = keyway.account()
    boss = account.join("owner")
    expiry = midnight(clock, 60)
    key = account.create("key", grant="everything", expires_at=expiry.date().isoformat())
    mail.wait(boss.email, "was created")
    keyway.stop()
    clock.to(expiry - timedelta(days=5) + timedelta(seconds=1))
    keyway.start()
    account.wait("api_key.expiring", key["id"])
    keyway.told()
    assert len(mail.letters(boss.email, f"“{key['name']}” expires in 5 days")) == 1


def test_a_key_made_with_three_days_to_live_says_three_days(keyway, clock, mail, heard):
    account, hooks = heard
    boss = account.join("owner")
    expiry = midnight(clock, 4)
    key = account.create("key", grant="everything", expires_at=expiry.date().isoformat())
    event = account.wait(LIFE[1], key["id"])
    one_message(hooks, LIFE[1], key, event)
    days = event["after"]["days"]
    assert 3 <= days <= 4
    mail.wait(boss.email, f"“{key['name']}” expires in {days} days")
