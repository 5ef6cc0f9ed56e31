"""Scheme `xtopay`: use that is far from usual, told within five minutes, once while it lasts."""

import base64
from datetime import timedelta

from clock import instant
from waiting import until

SCHEME = "xtopay"
AN_HOUR, A_MINUTE, TENFOLD_A_MINUTE = 120, 2, 20


def test_a_test_alert_arrives_by_mail_and_webhook(keyway, mail, hook, node_hook):
    account = keyway.account()
    people = account.people()
    hooks = [hook(), node_hook()]
    for to in hooks:
        endpoint = account.endpoint(to.url)
        to.set(secrets={"own": endpoint.secret})
    off = hook()
    keyway.ask("PATCH", account.endpoint(off.url).path, {"enabled": False}).raise_for_status()

    people["admin"].browser.send("/settings/alerts", "/settings/alerts/test")
    letter = mail.wait(people["admin"].email, "This is a test")[0]
    assert account.name in letter.text
    for to in hooks:
        message = to.wait("alert.test")[0]
        assert message["verified"] == {"own": True}
        assert message["message"]["account"] == account.id
    keyway.told()
    for role in ("owner", "developer", "viewer"):
        assert mail.letters(people[role].email, "This is a test") == []
    assert [len(to.got()) for to in (*hooks, off)] == [1, 1, 0]


def question(pair, requests):
    secret = pair["secret"]
    both = f"{secret['client_id']}:{secret['client_secret']}"
    basic = base64.b64encode(both.encode()).decode()
    headers = [("authorization", f"Basic {basic}"), ("user-agent", "till/3")]
    one = {"headers": headers, "resource": "payments", "action": "read",
           "client_address": "203.0.113.7"}
    return [one] * requests


def test_t11_tenfold_use_is_told_within_five_minutes_and_once(keyway, clock, mail, hook):
    account = keyway.account()
    people = account.people()
    to = hook()
    to.set(secrets={"own": account.endpoint(to.url).secret})
    attacked, later = (account.create("client", grant="everything") for _ in range(2))
    sent = {attacked["id"]: 0, later["id"]: 0}

    def use(first, second):
        both = ((attacked, first), (later, second))
        questions = [q for pair, requests in both for q in question(pair, requests)]
        assert all(answer["allowed"] for answer in keyway.verify_all(questions))
        for pair, requests in both:
            sent[pair["id"]] += requests
            path = f"{account.path}/credentials/{pair['id']}/usage?hours=48"
            until(
                lambda: keyway.get(path)["total"].get("allowed", 0) == sent[pair["id"]],
                "use was written down",
            )

    def next_minute():
        now = clock.now().replace(second=0, microsecond=0)
        clock.to(now + timedelta(minutes=1, seconds=1))

    # A day and more of steady use, in hours that are apart.
    for _ in range(7):
        clock.forward(hours=4)
        use(AN_HOUR, AN_HOUR)
    clock.to(clock.now().replace(minute=20, second=0) + timedelta(hours=2))
    for _ in range(5):
        next_minute()
        use(A_MINUTE, A_MINUTE)
    assert account.events("api_key.usage_spike") == []

    def attack(pair, first, second):
        """Ten times the usual in each minute, until it is told."""
        next_minute()
        began = clock.now()
        for number in range(5):
            if number:
                next_minute()
            use(first, second)
            if account.events("api_key.usage_spike", pair["id"]):
                break
        event = account.wait("api_key.usage_spike", pair["id"])
        assert instant(event["at"]) - began <= timedelta(minutes=5)
        return event

    event = attack(attacked, TENFOLD_A_MINUTE, A_MINUTE)
    assert event["after"]["requests"] >= 5 * event["after"]["usual"]
    message = to.wait("api_key.usage_spike")[0]
    assert message["verified"] == {"own": True}
    assert message["message"]["id"] == event["id"]
    assert message["message"]["data"]["credential"]["id"] == attacked["id"]
    about = f"“{attacked['name']}” is used unusually much"
    for role in ("owner", "admin", "developer"):
        assert f"{event['after']['requests']} requests" in mail.wait(people[role].email, about)[0].text

    # It lasts, and the other one begins: that is told, this one not again.
    attack(later, TENFOLD_A_MINUTE, TENFOLD_A_MINUTE)
    to.wait("api_key.usage_spike", 2)
    keyway.told()
    assert len(account.events("api_key.usage_spike", attacked["id"])) == 1
    assert len(mail.letters(people["owner"].email, about)) == 1
    assert mail.letters(people["viewer"].email, "unusually much") == []
    alerts = keyway.get(f"{account.path}/alerts")["data"]
    lasting = [a["credential"] for a in alerts if a["type"] == "api_key.usage_spike" and not a["ended_at"]]
    assert sorted(lasting) == sorted([attacked["id"], later["id"]])
