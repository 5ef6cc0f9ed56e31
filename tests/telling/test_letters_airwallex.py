"""Scheme `airwallex`: seven things that are mailed, each once to those who run the account."""

from keyway import owner

SCHEME = "airwallex"
READ = {"customers": "view"}


def test_a12_the_seven_letters(keyway, mail):
    account = keyway.account()
    people = account.people()

    admin = account.create("admin")
    regenerated = account.act(admin, "regenerate")
    restricted = account.create("restricted", grant=READ)
    again = account.act(restricted, "regenerate")
    copy = account.act(restricted, "duplicate", name="The copy")
    account.edit(restricted, grant={"customers": "edit"})
    account.act(restricted, "delete")
    keyway.told()

    name = f"Restricted API key “{restricted['name']}”"
    wanted = [
        f"Admin API key “{admin['name']}” was created ·",
        f"Admin API key “{admin['name']}” was regenerated",
        f"{name} was created ·",
        f"{name} was regenerated",
        "Restricted API key “The copy” was created as a copy",
        f"{name} has another scope",
        f"{name} was deleted",
    ]
    secrets = [made["secret"]["key"] for made in (admin, regenerated, restricted, again, copy)]
    for role in ("owner", "admin"):
        for about in wanted:
            letters = mail.wait(people[role].email, about)
            assert len(letters) == 1, about
            letter = letters[0]
            assert (letter.facts["from"], letter.to) == ("keys@example.com", [people[role].email])
            assert str(letter.message["from"]) == "Harbour Pay <keys@example.com>"
            assert account.name in letter.text
            assert not any(secret in letter.everything for secret in secrets)
    for role in ("developer", "viewer"):
        assert mail.letters(people[role].email, "API key") == []
    letters = [letter.id for letter in mail.letters()]
    assert len(letters) == len(set(letters))


def test_a12_what_was_not_done_is_not_mailed(keyway, mail):
    account = keyway.account()
    boss = account.join("owner")
    key = account.create("restricted", grant=READ)
    mail.wait(boss.email, "was created")
    path = f"{account.path}/credentials/{key['id']}/regenerate"
    refused = keyway.ask("POST", path, {"on_behalf_of": owner(None)})
    assert refused.status_code == 403
    account.act(key, "delete")
    mail.wait(boss.email, "was deleted")
    assert mail.letters(boss.email, "was regenerated") == []
