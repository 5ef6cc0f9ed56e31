"""Scheme `enterprise`: the disk is full for a while, in the middle of it."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until

SCHEME = "enterprise"
DISK_MIB = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own."""
    disk = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "keyway-test", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, timeout=30, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


def fill(ballast: Path) -> None:
    """Writes until nothing more fits."""
    with ballast.open("ab", buffering=0) as file:
        for size in (64 * 1024, 512):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def metric(keyway, name: str) -> int:
    lines = keyway.metrics().splitlines()
    return next(int(float(line.split()[-1])) for line in lines if line.startswith(f"{name} "))


def test_a_full_disk_loses_nothing_and_doubles_nothing(keyway, clock, mail, folder, hook):
    account = keyway.account()
    person, to = account.join("owner"), hook()
    account.endpoint(to.url, "api_key.created")
    before = account.create("key", grant="everything")
    question = {
        "headers": [("authorization", f"Bearer {before['secret']['key']}")],
        "resource": "invoices", "action": "read",
    }
    keyway.told()
    assert metric(keyway, "keyway_store_well") == 1

    # A part of what was acknowledged is still to be told when nothing fits any more.
    made, refused = [before], 0
    path = f"{account.path}/credentials"
    ballast = folder / "ballast"
    for number in range(400):
        if number == 20:
            fill(ballast)
        body = {"kind": "key", "environment": "live", "name": f"K{number}", "grant": "everything"}
        answer = keyway.ask("POST", path, body)
        assert answer.status_code in (201, 503), answer.text
        if answer.status_code == 201:
            made.append(answer.json())
            continue
        assert answer.json()["code"] == "store_unavailable", answer.text
        refused += 1
        fill(ballast)
        if refused == 20:
            break
    assert refused == 20 and len(made) > 20
    assert all(answer["allowed"] for answer in keyway.verify_all([question] * 100))
    until(lambda: metric(keyway, "keyway_store_well") == 0, "the metrics say so", 30)
    doctor = keyway.run("doctor")
    assert doctor.returncode == 1 and "BAD" in doctor.stdout, doctor.stdout

    ballast.unlink()
    until(lambda: metric(keyway, "keyway_store_well") == 1, "it goes on", 60)
    keyway.told()
    ids = {key["id"] for key in made}
    got = to.wait("api_key.created", len(ids), 60)
    told = Counter(one["message"]["data"]["credential"]["id"] for one in got)
    assert set(told) == ids, "what was acknowledged, and nothing else"
    # What was under way when nothing could be written down may come again, under its id.
    assert len({one["message"]["id"] for one in got}) == len(ids)
    letters = [letter for letter in mail.letters(person.email, "was created")]
    assert len({letter.id for letter in letters}) == len(ids)
    assert len(account.events("api_key.created")) == len(ids)
    assert keyway.run("audit", "verify").returncode == 0
    assert keyway.run("doctor").returncode == 0
