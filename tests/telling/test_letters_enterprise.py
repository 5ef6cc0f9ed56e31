"""Letters, and the links in them: nothing happens to who only looks."""

import re

import requests

from browser import PASSWORD, Browser

SCHEME = "enterprise"


def test_opening_the_links_of_letters_changes_nothing(keyway, mail):
    account = keyway.account()
    boss = account.join("owner")
    boss.browser.send(
        "/team/invite", email="ada@example.com", role="developer", password=PASSWORD
    )
    Browser(keyway.url).send("/forgot", leads_to=200, email=boss.email)
    key = account.create("key", grant="everything")
    mail.wait(boss.email, "A new password")
    mail.wait(boss.email, "was created")
    mail.wait("ada@example.com", "invites you")
    keyway.told()

    def state():
        members = keyway.get(f"{account.path}/members")["data"]
        people = [(m["id"], m["role"], m["name"]) for m in members]
        return account.credential(key), people, [e["id"] for e in account.events()]

    before = state()
    letters = [*mail.letters(boss.email), *mail.letters("ada@example.com")]
    links = {link for letter in letters for link in letter.links}
    assert len(links) >= 3
    for link in sorted(links) * 2:
        for method in ("GET", "HEAD"):
            opened = requests.request(method, link, timeout=30, allow_redirects=False)
            assert opened.status_code < 500
    assert state() == before

    # They are still good: a mail scanner that followed them used nothing up.
    link = next(l for l in mail.letters("ada@example.com", "invites you")[0].links)
    Browser(keyway.url).join(link.removeprefix(keyway.url), "Ada")
    link = next(l for l in mail.letters(boss.email, "A new password")[0].links)
    Browser(keyway.url).send(link.removeprefix(keyway.url), password=PASSWORD + " again")


def test_no_letter_holds_a_secret_or_anything_that_is_loaded(keyway, mail):
    account = keyway.account()
    boss = account.join("owner")
    secrets = []
    for number in range(3):
        key = account.create("key", grant="everything")
        copy = account.act(key, "duplicate")
        secrets += [key["secret"]["key"], copy["secret"]["key"]]
        account.act(key, "revoke")
    endpoint = account.endpoint("https://example.com/hook")
    secrets += [endpoint.secret, endpoint.rotate("1h")]
    mail.wait(boss.email, "was revoked", 3)
    keyway.told()
    for letter in mail.letters(boss.email):
        assert not any(secret in letter.everything for secret in secrets)
        assert not re.search(r"sk_(test|live)_[0-9A-Za-z]{16}", letter.everything)
        assert not re.search(r"<(script|img|link|iframe)|src=|url\(", letter.html)
        assert letter.message["message-id"].endswith("@example.com>")


def test_a_name_cannot_become_a_header_or_a_tag(keyway, mail):
    account = keyway.account("Toko <b>Kopi</b>")
    boss = account.join("owner")
    account.create("key", grant="everything", name="a <script>x</script> & “b”")
    letter = mail.wait(boss.email, "was created")[0]
    assert "<script>" in letter.subject and "<script>" in letter.text
    assert "<script>" not in letter.html and "<b>Kopi" not in letter.html
    assert set(letter.message.keys()) <= {
        "Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type",
        "X-Peer", "X-MailFrom", "X-RcptTo",
    }
