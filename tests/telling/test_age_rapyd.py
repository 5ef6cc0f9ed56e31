"""Scheme `rapyd`: it says no age for its secrets, so nobody calls them out, in no place."""

SCHEME = "rapyd"


def test_x14_a_kind_without_an_age_is_called_out_nowhere(keyway, clock):
    account = keyway.account()
    boss = account.join("owner")
    key = account.create("signing", grant="everything")
    clock.forward(days=400)
    boss.browser.sign_in(boss.email)
    keyway.told()
    assert account.events("api_key.old") == []
    assert account.credential(key)["due_for_renewal"] is False
    assert "Its secret is due for renewal" not in boss.browser.get("/live/keys").text
    assert "It is time for a new one" not in boss.browser.get(f"/live/keys/{key['id']}").text
