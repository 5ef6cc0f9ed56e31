"""Scheme `xendit`: secret keys are due for renewal after half a year, or when an account says."""

from datetime import timedelta

import pytest

from ages import called_out_once
from browser import PASSWORD
from clock import instant

SCHEME = "xendit"


def test_x14_keys_older_than_six_months_are_called_out_once(keyway, clock, mail):
    called_out_once(keyway, clock, mail, keyway.account(), "secret", 180)


def test_x14_an_account_that_says_12_months_hears_of_it_then(keyway, clock, mail):
    account, other = keyway.account(), keyway.account()
    boss = account.join("owner")
    # One made before the setting, and one after it.
    before = account.create("secret", grant="everything")
    boss.browser.send("/settings/alerts", old="365", password=PASSWORD)
    after = account.create("secret", grant="everything")
    plain = other.create("secret", grant="everything")

    clock.to(instant(plain["created_at"]) + timedelta(days=180, minutes=1))
    other.wait("api_key.old", plain["id"])
    clock.to(instant(before["created_at"]) + timedelta(days=364, hours=23))
    assert account.events("api_key.old") == []

    clock.to(instant(after["created_at"]) + timedelta(days=365, seconds=1))
    for key in (before, after):
        assert account.wait("api_key.old", key["id"])["after"]["days"] == 365
        mail.wait(boss.email, f"“{key['name']}” is due for renewal")
    keyway.told()
    assert len(mail.letters(boss.email, "is due for renewal")) == 2


@pytest.mark.parametrize("days", [30, 365])
def test_x14_api_and_dashboard_call_out_what_the_account_said(keyway, clock, days):
    account = keyway.account()
    boss = account.join("owner")
    boss.browser.send("/settings/alerts", old=str(days), password=PASSWORD)
    key = account.create("secret", grant="everything")

    def called_out():
        boss.browser.sign_in(boss.email)
        all_, one = (boss.browser.get(f"/live/keys{rest}") for rest in ("", f"/{key['id']}"))
        assert (all_.status_code, one.status_code) == (200, 200)
        return (
            account.credential(key)["due_for_renewal"],
            "Its secret is due for renewal" in all_.text,
            "It is time for a new one" in one.text,
        )

    clock.forward(days=days - 1)
    assert called_out() == (False, False, False)
    clock.forward(days=1, minutes=1)
    assert called_out() == (True, True, True)


def test_x14_an_account_that_says_never_hears_nothing(keyway, clock):
    account, other = keyway.account(), keyway.account()
    boss = account.join("owner")
    boss.browser.send("/settings/alerts", old="0", password=PASSWORD)
    key = account.create("secret", grant="everything")
    later = other.create("secret", grant="everything")
    clock.forward(days=400)
    other.wait("api_key.old", later["id"])
    assert account.events("api_key.old") == []
    assert account.credential(key)["due_for_renewal"] is False
