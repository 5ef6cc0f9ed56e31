"""The servers outside Keyway, as a test sees them: the mail server and the receivers."""

import email
import email.policy
import json
import os
import re
import sys
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import requests

from clock import Clock
from processes import Child
from waiting import until

SERVERS = Path(__file__).parent / "servers"


@dataclass
class Letter:
    """A letter as its reader sees it."""

    message: EmailMessage
    to: list[str]
    facts: dict = field(repr=False)

    @property
    def subject(self) -> str:
        return str(self.message["subject"])

    @property
    def id(self) -> str:
        return str(self.message["message-id"])

    @property
    def text(self) -> str:
        return self.message.get_body(("plain",)).get_content()

    @property
    def html(self) -> str:
        return self.message.get_body(("html",)).get_content()

    @property
    def everything(self) -> str:
        return f"{self.facts['text']}\n{self.message['subject']}\n{self.text}\n{self.html}"

    @property
    def links(self) -> list[str]:
        return re.findall(r"https?://\S+", self.text)


class MailServer:
    """The SMTP server of `servers/mail.py`."""

    def __init__(self, *arguments: str) -> None:
        self._child = Child([sys.executable, str(SERVERS / "mail.py"), *arguments])
        self.port: int = self._child.facts["smtp"]
        self._control = f"http://127.0.0.1:{self._child.facts['control']}"

    def _told(self) -> dict:
        return requests.get(f"{self._control}/letters", timeout=10).json()

    def tries(self) -> int:
        """How often somebody was named as the recipient of a letter."""
        return self._told()["tries"]

    def letters(self, to: str | None = None, about: str = "") -> list[Letter]:
        """What it took, oldest first."""
        found = []
        for kept in self._told()["letters"]:
            message = email.message_from_string(kept["text"], policy=email.policy.default)
            letter = Letter(message, kept["to"], kept)
            if (to is None or to in letter.to) and about in letter.subject:
                found.append(letter)
        return found

    def wait(self, to: str, about: str, count: int = 1, seconds: float = 30) -> list[Letter]:
        """Letters to somebody whose subjects hold this text, once there are so many."""

        def come() -> list[Letter]:
            found = self.letters(to, about)
            return found if len(found) >= count else []

        return until(come, f"{count} letters to {to} about {about!r}", seconds)

    def mode(self, mode: str) -> None:
        requests.put(f"{self._control}/mode", json={"mode": mode}, timeout=10).raise_for_status()

    def stop(self) -> None:
        self._child.stop()


class Hook:
    """A place at a receiver."""

    def __init__(self, port: int, name: str) -> None:
        self.url = f"http://127.0.0.1:{port}/hook/{name}"
        self._control = f"http://127.0.0.1:{port}/control/{name}"

    def set(self, **told: object) -> None:
        requests.put(self._control, json=told, timeout=10).raise_for_status()

    def got(self, kind: str | None = None) -> list[dict]:
        """What came, oldest first; `message` is the body as JSON."""
        found = requests.get(self._control, timeout=10).json()
        for entry in found:
            entry["message"] = json.loads(entry["body"])
        return [e for e in found if kind is None or e["message"]["type"] == kind]

    def wait(self, kind: str | None = None, count: int = 1, seconds: float = 30) -> list[dict]:
        def come() -> list[dict]:
            found = self.got(kind)
            return found if len(found) >= count else []

        return until(come, f"{count} messages {kind or ''} at {self.url}", seconds)


class Receiver:
    """A process with any number of hooks; its clock is the test's, as a library looks at it."""

    def __init__(self, command: list[str], clock: Clock) -> None:
        self._child = Child(command, clock.environment)
        self._port: int = self._child.facts["port"]

    @classmethod
    def in_python(cls, clock: Clock) -> "Receiver":
        return cls([sys.executable, str(SERVERS / "receiver.py")], clock)

    @classmethod
    def in_node(cls, clock: Clock) -> "Receiver":
        return cls(["node", f"{os.environ['KEYWAY_TELLING_NODE']}/receiver.mjs"], clock)

    def hook(self, name: str) -> Hook:
        return Hook(self._port, name)

    def stop(self) -> None:
        self._child.stop()
