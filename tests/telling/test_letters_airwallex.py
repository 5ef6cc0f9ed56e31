"""Scheme `airwallex`: seven things that are mailed, each once to those who run the account."""

from keyway import owner

SCHEME = "airwallex"
READ = {"customers": "view"}


def test_a12_the_seven_letters(keyway, mail):
    account = keyway.account()
    people = account.people()
    by = {"on_behalf_of": owner("password")}

    admin = account.create("admin", **by)
    regenerated = account.act(admin, "regenerate", **by)
    restricted = account.create("restricted", grant=READ, **by)
    again = account.act(restricted, "regenerate", **by)
    copy = account.act(restricted, "duplicate", name="The copy", **by)
    account.edit(restricted, grant={"customers": "edit"}, **by)
    account.act(restricted, "delete", **by)
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
    key = account.create("restricted", grant=READ, on_behalf_of=owner("password"))
    mail.wait(boss.email, "was created")
    path = f"{account.path}/credentials/{key['id']}/regenerate"
    refused = keyway.ask("POST", path, {"on_behalf_of": owner(None)})
    assert refused.status_code == 403
    account.act(key, "delete", on_behalf_of=owner("password"))
    mail.wait(boss.email, "was deleted")
    assert mail.letters(boss.email, "was regenerated") == []
