"""What both schemes with an age for their secrets are asked."""

from datetime import timedelta

from clock import Clock, instant
from keyway import Account, Keyway
from outside import MailServer


def called_out_once(
    keyway: Keyway, clock: Clock, mail: MailServer, account: Account, kind: str, days: int
) -> None:
    """A secret is called out at an age: once, by an event, and to those who run the account."""
    people = account.people()
    key = account.create(kind, grant="everything")
    born = instant(key["created_at"])

    due = born + timedelta(days=days)
    clock.to(due - timedelta(seconds=3))
    for told in clock.before(due, lambda: account.events("api_key.old")):
        assert told == []
    event = account.wait("api_key.old", key["id"])
    late = instant(event["at"]) - due
    assert timedelta() <= late < timedelta(seconds=30)
    assert event["after"]["days"] == days
    assert account.credential(key)["due_for_renewal"] is True

    about = f"“{key['name']}” is due for renewal"
    for role in ("owner", "admin"):
        letter = mail.wait(people[role].email, about)[0]
        assert f"for {days} days" in letter.text
        assert account.name in letter.subject

    # Once is enough, however long it lasts: another key comes of age, and this one does not again.
    clock.forward(days=40)
    second = account.create(kind, grant="everything")
    clock.forward(days=days, minutes=1)
    account.wait("api_key.old", second["id"])
    keyway.told()
    for role in ("owner", "admin"):
        mail.wait(people[role].email, f"“{second['name']}” is due for renewal")
        assert len(mail.letters(people[role].email, about)) == 1
    for role in ("developer", "viewer"):
        assert mail.letters(people[role].email, "due for renewal") == []
    assert len(account.events("api_key.old", key["id"])) == 1
