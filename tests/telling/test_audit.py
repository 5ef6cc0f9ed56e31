"""The audit log says whether it is as it was written."""

import json
import sqlite3

import pytest

SCHEME = "enterprise"


@pytest.fixture
def account(keyway):
    made = keyway.account()
    for _ in range(3):
        key = made.create("key", grant="everything")
        made.act(key, "revoke")
    keyway.told()
    return made


def edit(keyway, sql, *values):
    """Edits the database behind Keyway's back; gives it back as it was afterwards."""
    files = [path for path in keyway.data.iterdir() if path.suffix in (".db", ".sqlite", ".sqlite3")]
    assert len(files) == 1, list(keyway.data.iterdir())
    with sqlite3.connect(files[0], timeout=20) as database:
        changed = database.execute(sql, values).rowcount
    database.close()
    assert changed == 1


def verify(keyway, account):
    done = keyway.run("audit", "verify", "--json", "--account", account.id)
    return done.returncode, json.loads(done.stdout.splitlines()[0])


def test_a_whole_log_is_said_to_be_whole(keyway, account):
    code, found = verify(keyway, account)
    assert (code, found["whole"]) == (0, True)
    assert found["entries"] == len(account.events())
    everything = keyway.run("audit", "verify")
    assert everything.returncode == 0 and "Whole" in everything.stdout


@pytest.mark.parametrize("column, value", [
    ("after", '{"name":"another"}'), ("kind", "api_key.deleted"), ("at", 1), ("actor", "{}"),
])
def test_an_edited_entry_is_named(keyway, account, column, value):
    event = account.events("api_key.revoked")[1]
    edit(keyway, f'UPDATE events SET "{column}" = ? WHERE id = ?', value, event["id"])
    code, found = verify(keyway, account)
    assert (code, found["whole"], found["event"]) == (1, False, event["id"])
    assert found["fault"] == "changed"
    # The whole of all logs says so too, and names this account only.
    everything = keyway.run("audit", "verify")
    assert everything.returncode == 1
    assert event["id"] in everything.stdout and account.id in everything.stdout


def test_a_removed_entry_is_named(keyway, account):
    event = account.events("api_key.revoked")[1]
    edit(keyway, "DELETE FROM events WHERE id = ?", event["id"])
    code, found = verify(keyway, account)
    assert (code, found["whole"], found["fault"]) == (1, False, "missing")


def test_the_newest_entry_cannot_be_cut_off(keyway, account):
    event = account.events()[-1]
    edit(keyway, "DELETE FROM events WHERE id = ?", event["id"])
    code, found = verify(keyway, account)
    assert (code, found["whole"]) == (1, False)


def test_an_entry_that_keyway_did_not_write_is_named(keyway, account):
    event = account.events("api_key.revoked")[1]
    other = event["id"][:-4] + "0000"
    edit(
        keyway,
        """INSERT INTO events (id, at, account_id, kind, subject, actor, before, after)
           SELECT ?, at, account_id, kind, subject, actor, before, after FROM events
           WHERE id = ?""",
        other, event["id"],
    )
    code, found = verify(keyway, account)
    assert (code, found["whole"], found["fault"]) == (1, False, "added")
    assert found["event"] == other


def test_it_says_so_too_after_an_edit_while_it_was_stopped(keyway, account):
    event = account.events("api_key.revoked")[1]
    keyway.stop()
    edit(keyway, "UPDATE events SET subject = 'cred_x' WHERE id = ?", event["id"])
    keyway.start()
    code, found = verify(keyway, account)
    assert (code, found["event"]) == (1, event["id"])
