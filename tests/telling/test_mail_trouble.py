"""A mail server in trouble: nothing is lost, and what comes twice comes under one id."""

from collections import Counter
from time import monotonic

import pytest

from waiting import until

SCHEME = "enterprise"


@pytest.fixture(autouse=True)
def well(keyway, clock, mail):
    """Each test leaves the mail server well, and nothing waiting."""
    yield
    mail.mode("take")
    clock.forward(hours=2)
    keyway.told()


@pytest.fixture
def boss(keyway, mail):
    account = keyway.account()
    person = account.join("owner")
    keyway.told()
    return account, person


def in_trouble(keyway, but=None):
    """What the status says of mail, once it says that there is trouble, and not that of before."""

    def told():
        mail = keyway.status()["mail"]
        return mail if mail["waiting"] and mail["trouble"] not in (None, but) else None

    return until(told, "mail is in trouble", 40)


def allowed(keyway, key):
    header = ("authorization", f"Bearer {key['secret']['key']}")
    question = {"headers": [header], "resource": "invoices", "action": "read"}
    answers = keyway.verify_all([question] * 100)
    assert all(answer["allowed"] for answer in answers)


def once_each(mail, boss, keys):
    """One letter for each key, each under an id of its own."""
    letters = [mail.wait(boss.email, f"“{key['name']}” was created") for key in keys]
    assert [len(found) for found in letters] == [1] * len(keys)
    assert len({found[0].id for found in letters}) == len(keys)


def test_nobody_listens(keyway, clock, mail, boss):
    account, person = boss
    mail.mode("down")
    keys = [account.create("key", grant="everything") for _ in range(3)]
    told = in_trouble(keyway)
    assert told["to"] == "server" and told["given_up"] == 0
    assert keyway.status()["mail"]["waiting"] == 3
    allowed(keyway, keys[0])

    # It does not matter that Keyway is started again meanwhile.
    keyway.stop()
    keyway.start()
    assert keyway.status()["mail"]["waiting"] == 3
    mail.mode("take")
    clock.forward(minutes=2)
    keyway.told()
    once_each(mail, person, keys)
    assert keyway.status()["mail"]["trouble"] is None


def test_the_doctor_and_the_metrics_say_what_waits_and_why(keyway, mail, boss):
    account, _ = boss
    mail.mode("down")
    account.create("key", grant="everything")
    in_trouble(keyway)
    looked = keyway.run("doctor", "--json")
    assert "mail" in looked.stdout, looked.stdout
    assert looked.returncode == 1
    assert "keyway_telling_" in keyway.metrics()


def test_it_refuses_for_now(keyway, clock, mail, boss):
    account, person = boss
    mail.mode("later")
    keys = [account.create("key", grant="everything") for _ in range(2)]
    assert "451" in in_trouble(keyway)["trouble"]
    allowed(keyway, keys[0])
    before = mail.tries()
    clock.forward(seconds=15)
    until(lambda: mail.tries() >= before + 2, "it is tried again")
    mail.mode("take")
    clock.forward(minutes=2)
    keyway.told()
    once_each(mail, person, keys)


def test_it_refuses_for_good(keyway, clock, mail, boss):
    account, person = boss
    before = keyway.status()["mail"]["given_up"]
    mail.mode("never")
    key = account.create("key", grant="everything")
    until(lambda: keyway.status()["mail"]["given_up"] == before + 1, "it is given up")
    assert "550" in keyway.status()["mail"]["trouble"]
    tries = mail.tries()
    mail.mode("take")
    clock.forward(hours=5)
    # What comes after it arrives, and it does not come back.
    after = account.create("key", grant="everything")
    once_each(mail, person, [after])
    assert mail.letters(person.email, f"“{key['name']}”") == []
    assert mail.tries() == tries + 1
    assert keyway.status()["mail"]["trouble"] is None, "mail goes again"


@pytest.mark.parametrize("mode", ["drop", "lose", "slow"])
def test_it_hangs_up_half_way_or_never_answers(keyway, clock, mail, boss, mode):
    account, person = boss
    before = keyway.status()["mail"]["trouble"]
    mail.mode(mode)
    key = account.create("key", grant="everything")
    in_trouble(keyway, before)
    allowed(keyway, key)
    mail.mode("take")
    clock.forward(minutes=2)
    about = f"“{key['name']}” was created"
    kept = 0 if mode == "drop" else 1
    letters = mail.wait(person.email, about, kept + 1)
    keyway.told()
    # A server that kept it and did not say so has it twice: readers see one, by its id.
    assert Counter(letter.id for letter in letters) == {letters[0].id: kept + 1}
    assert len(mail.letters(person.email, about)) == kept + 1
    assert len({(letter.subject, letter.message["date"], letter.text) for letter in letters}) == 1


def test_a_process_that_is_killed_loses_no_letter(keyway, clock, mail, boss):
    account, person = boss
    mail.mode("down")
    keys = [account.create("key", grant="everything") for _ in range(3)]
    keyway.kill()
    mail.mode("take")
    clock.forward(minutes=1)
    keyway.start()
    once_each(mail, person, keys)


def test_a_server_that_hangs_does_not_keep_the_process_from_stopping(keyway, clock, mail, boss):
    account, person = boss
    before = mail.tries()
    mail.mode("slow")
    keys = [account.create("key", grant="everything") for _ in range(4)]
    until(lambda: mail.tries() > before, "a letter is under way")
    began = monotonic()
    keyway.stop()
    assert monotonic() - began < 15, "one letter after the other would take twenty seconds each"
    mail.mode("take")
    clock.forward(minutes=1)
    keyway.start()
    keyway.told()
    for key in keys:
        # The one that was under way may come twice, under one id.
        letters = mail.wait(person.email, f"“{key['name']}” was created")
        assert len({letter.id for letter in letters}) == 1


def test_after_three_days_a_letter_is_given_up_and_said_so(keyway, clock, mail, boss):
    account, person = boss
    before = keyway.status()["mail"]["given_up"]
    mail.mode("down")
    key = account.create("key", grant="everything")
    in_trouble(keyway)
    clock.forward(days=3, minutes=5)
    until(lambda: keyway.status()["mail"]["given_up"] == before + 1, "it is given up")
    mail.mode("take")
    clock.forward(hours=2)
    keyway.told()
    assert mail.letters(person.email, f"“{key['name']}”") == []
