"""Scheme `xendit`: secret keys are due for renewal after half a year, or when an account says."""

from datetime import timedelta

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
    sentinel = keyway.account().create("secret", grant="everything")
    assert account.events("api_key.old") == []
    assert account.credential(before)["due_for_renewal"] is False
    assert sentinel["due_for_renewal"] is False

    clock.to(instant(after["created_at"]) + timedelta(days=365, seconds=1))
    for key in (before, after):
        assert account.wait("api_key.old", key["id"])["after"]["days"] == 365
        mail.wait(boss.email, f"“{key['name']}” is due for renewal")
    keyway.told()
    assert len(mail.letters(boss.email, "is due for renewal")) == 2
