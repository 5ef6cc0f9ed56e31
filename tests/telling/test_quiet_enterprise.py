"""What an account chose for its alerts: by mail, by webhook, not at night."""

import json
from datetime import timedelta

from browser import PASSWORD

SCHEME = "enterprise"


def use(keyway, key):
    header = ("authorization", f"Bearer {key['secret']['key']}")
    question = {"headers": [header], "resource": "invoices", "action": "read",
                "client_address": "203.0.113.7"}
    return keyway.verify({**question, "environment": "live"})


def ended_key(account):
    key = account.create("key", grant="everything")
    account.act(key, "revoke")
    return key


def test_an_alert_waits_for_the_end_of_quiet_hours_but_not_for_programs(
    keyway, clock, mail, hook
):
    account = keyway.account()
    boss = account.join("owner")
    to = hook()
    account.endpoint(to.url)
    boss.browser.send(
        "/settings/alerts", quiet_from="22:00", quiet_to="07:00", password=PASSWORD
    )
    key = ended_key(account)
    mail.wait(boss.email, "was revoked")
    night = clock.now().replace(hour=23, minute=30, second=0) + timedelta(days=1)
    clock.to(night)
    assert use(keyway, key)["reason"] == "revoked"
    to.wait("api_key.ended_secret_used")
    about = "is used with a secret that has ended"
    clock.to(night.replace(hour=6, minute=59, second=30) + timedelta(days=1))
    # What is no alert goes at once, and so comes first.
    account.create("key", grant="everything")
    mail.wait(boss.email, "was created", 2)
    assert mail.letters(boss.email, about) == []
    checks = json.loads(keyway.run("doctor", "--json").stdout)["checks"]
    assert [check["ok"] for check in checks if check["check"] == "mail"] == [True]
    clock.to(night.replace(hour=7, minute=0, second=1) + timedelta(days=1))
    assert len(mail.wait(boss.email, about)) == 1


def test_an_account_that_wants_no_mail_of_alerts_has_webhooks(keyway, mail, hook):
    account = keyway.account()
    boss = account.join("owner")
    to = hook()
    account.endpoint(to.url)
    boss.browser.send("/settings/alerts", mail="0", password=PASSWORD)
    key = ended_key(account)
    assert use(keyway, key)["reason"] == "revoked"
    message = to.wait("api_key.ended_secret_used")[0]["message"]
    assert message["data"]["credential"]["id"] == key["id"]
    account.create("key", grant="everything")
    mail.wait(boss.email, "was created", 2)
    assert mail.letters(boss.email, "a secret that has ended") == []


def test_a_revoked_key_that_goes_on_is_told_once(keyway, clock, mail):
    account = keyway.account()
    boss = account.join("owner")
    key = ended_key(account)
    use(keyway, key)
    mail.wait(boss.email, "a secret that has ended")
    for _ in range(3):
        clock.forward(hours=1)
        use(keyway, key)
    other = ended_key(account)
    use(keyway, other)
    account.wait("api_key.ended_secret_used", other["id"])
    keyway.told()
    assert len(account.events("api_key.ended_secret_used", key["id"])) == 1
    assert len(mail.letters(boss.email, f"“{key['name']}” is used with a secret that has ended")) == 1
