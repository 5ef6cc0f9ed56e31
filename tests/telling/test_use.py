"""Scheme `enterprise`: what is known of how keys are used."""

import csv
import io
from datetime import timedelta
from time import monotonic

from clock import instant
from waiting import until

SCHEME = "enterprise"


def question(key, resource="invoices", action="read", client="ledger/2.1", address="203.0.113.7"):
    headers = [("authorization", f"Bearer {key['secret']['key']}"), ("user-agent", client)]
    return {
        "headers": headers, "resource": resource, "action": action, "client_address": address,
    }


def used(account, key):
    return until(lambda: (k := account.credential(key))["last_used_at"] and k, "the key was used")


def test_x09_last_use_is_told_by_key_to_the_minute_with_address_and_client(keyway, clock):
    account = keyway.account()
    first, second, idle = (account.create("key", grant="everything") for _ in range(3))
    assert account.credential(first)["last_used_at"] is None

    at = clock.now()
    assert keyway.verify(question(first))["allowed"]
    other = question(second, client="payroll/7 (batch)", address="2001:db8::7")
    assert keyway.verify(other)["allowed"]
    for key, client, address in (
        (first, "ledger/2.1", "203.0.113.7"), (second, "payroll/7 (batch)", "2001:db8::7"),
    ):
        secret = used(account, key)["secrets"][0]
        assert abs(instant(secret["last_used_at"]) - at) <= timedelta(minutes=1)
        assert (secret["last_used_by"], secret["last_used_from"]) == (client, address)

    # The keys that nothing uses are found by it.
    listed = keyway.get(f"{account.path}/credentials")["data"]
    assert [key["id"] for key in listed if key["last_used_at"] is None] == [idle["id"]]

    # A later use is the last one, from then on.
    clock.forward(hours=5)
    later = clock.now()
    assert keyway.verify(question(first, address="198.51.100.9"))["allowed"]
    until(
        lambda: account.credential(first)["secrets"][0]["last_used_from"] == "198.51.100.9",
        "the later use",
    )
    last = instant(account.credential(first)["last_used_at"])
    assert abs(last - later) <= timedelta(minutes=1)
    assert instant(account.credential(second)["last_used_at"]) < last - timedelta(hours=4)


def test_e14_usage_is_watched_by_hour_and_outcome_also_as_csv(keyway, clock):
    account = keyway.account()
    key = account.create("key", grant=["invoices:read"])
    path = f"{account.path}/credentials/{key['id']}/usage"

    def counted(**wanted):
        until(lambda: keyway.get(path)["total"] == wanted, f"counts {wanted}")

    # Well within an hour, so that both rounds are whole hours apart.
    clock.to(clock.now().replace(minute=10, second=0) + timedelta(hours=1))
    answers = keyway.verify_all([question(key)] * 7 + [question(key, action="write")] * 3)
    assert [a["allowed"] for a in answers] == [True] * 7 + [False] * 3
    counted(allowed=7, insufficient_scope=3)
    clock.forward(hours=2)
    keyway.verify_all([question(key)] * 4)
    counted(allowed=11, insufficient_scope=3)

    usage = keyway.get(path)
    rows = [(instant(r["hour"]), r["outcome"], r["requests"]) for r in usage["data"]]
    this_hour = clock.now().replace(minute=0, second=0, microsecond=0)
    before = this_hour - timedelta(hours=2)
    assert sorted(rows) == [
        (before, "allowed", 7), (before, "insufficient_scope", 3), (this_hour, "allowed", 4),
    ]
    assert set(usage["scopes_last_used"]) == {"invoices:read"}

    got = keyway.ask("GET", f"{path.removeprefix('/v1')}?format=csv")
    assert got.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(got.text)))
    told = sorted((instant(r["hour"]), r["outcome"], int(r["requests"])) for r in lines)
    assert told == sorted(rows)

    days = keyway.get(f"{account.path}/usage?days=2")["data"]
    sums = {d["credential"]: [sum(x[o] for x in d["days"]) for o in ("allowed", "refused")] for d in days}
    assert sums[key["id"]] == [11, 3]


def test_e14_after_a_kill_counts_lack_one_flush_at_most_and_never_are_over(keyway, clock):
    account = keyway.account()
    key = account.create("key", grant="everything")
    path = f"{account.path}/credentials/{key['id']}/usage"
    answered: list[float] = []
    least = most = 0
    for seconds in (6.5, 8.0, 11.0):
        until_then = monotonic() + seconds
        while monotonic() < until_then:
            answers = keyway.verify_all([question(key)] * 10)
            answered.extend(monotonic() for answer in answers if answer["allowed"])
        killed = monotonic()
        keyway.kill()
        # A flush every five seconds, and one for a busy machine to do it in.
        least += sum(1 for at in answered if at < killed - 6)
        most += len(answered)
        answered.clear()
        keyway.start()
        counted = keyway.get(path)["total"].get("allowed", 0)
        assert least <= counted <= most, f"{least} <= {counted} <= {most}"
        least = most = counted


def test_x09_a_key_that_nothing_uses_for_90_days_is_called_out_once(keyway, clock, mail):
    account = keyway.account()
    people = account.people()
    idle, busy = (account.create("key", grant="everything") for _ in range(2))
    clock.forward(days=60)
    assert keyway.verify(question(busy))["allowed"]
    used(account, busy)
    clock.forward(days=30, minutes=1)
    event = account.wait("api_key.idle", idle["id"])
    assert event["after"]["days"] == 90
    for role in ("owner", "admin"):
        letter = mail.wait(people[role].email, f"“{idle['name']}” is not used")[0]
        assert "for 90 days" in letter.text
    assert account.events("api_key.idle", busy["id"]) == []

    # Ninety days after its last use the other one is, too, and the first one not again.
    clock.forward(days=60)
    assert account.wait("api_key.idle", busy["id"])["after"]["days"] == 90
    keyway.told()
    assert len(account.events("api_key.idle", idle["id"])) == 1
    assert mail.letters(people["developer"].email, "is not used") == []
