"""The product: `keyway serve` in a process of its own, and what a test asks of its APIs."""

import itertools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import requests

from browser import Browser
from clock import Clock
from processes import Child
from waiting import until

ROLES = ("owner", "admin", "developer", "viewer")
BIN = os.environ.get("KEYWAY_BIN", "keyway")
numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody of an account, with a browser that is signed in."""

    email: str
    role: str
    browser: Browser


class Keyway:
    """A server with a data folder of its own. It can be stopped and started again."""

    def __init__(
        self, scheme: str, folder: Path, clock: Clock, *options: str, **environment: str
    ) -> None:
        self.scheme, self.clock = scheme, clock
        self.owner = owner("otp" if scheme == "rapyd" else "password")
        self.data = folder / "data"
        self._options = options
        self._environment = environment
        self._child: Child | None = None
        self.endpoints: list[Endpoint] = []
        self._session = requests.Session()
        self.start()
        made = self.run("tokens", "create", "--json", "--name", "test")
        token = json.loads(made.stdout)["secret"]["token"]
        self._session.headers["authorization"] = f"Bearer {token}"

    def start(self) -> None:
        listen = ("--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")
        command = [BIN, "serve", "--json", "--scheme", self.scheme, "--data", str(self.data)]
        environment = {**self.clock.environment, **self._environment}
        self._child = Child([*command, *listen, *self._options], environment)
        facts = self._child.facts
        self.url: str = facts["management_url"]
        self._verify_url: str = facts["verify_url"]

    def stop(self) -> None:
        if self._child:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        self._child.kill()
        self._child = None

    def log(self) -> str:
        return self._child.said(100_000)

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """The command line, on this server's data."""
        command = [BIN, *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def ask(self, method: str, path: str, body: dict | None = None) -> requests.Response:
        return self._session.request(method, f"{self.url}/v1{path}", json=body, timeout=30)

    def get(self, path: str) -> dict:
        got = self.ask("GET", path)
        assert got.ok, f"{path}: {got.status_code} {got.text}"
        return got.json()

    def post(self, path: str, body: dict | None = None) -> dict:
        done = self.ask("POST", path, body or {})
        assert done.ok, f"{path}: {done.status_code} {done.text}"
        return done.json()

    def status(self) -> dict:
        return self.get("/status")

    def verify(self, question: dict) -> dict:
        asked = requests.post(self._verify_url, json=question, timeout=30)
        assert asked.ok, asked.text
        return asked.json()

    def verify_all(self, questions: list[dict]) -> list[dict]:
        body = {"questions": questions}
        asked = requests.post(f"{self._verify_url}/batch", json=body, timeout=60)
        assert asked.ok, asked.text
        return asked.json()["answers"]

    def metrics(self) -> str:
        base = self._verify_url.removesuffix("/v1/verify")
        return requests.get(f"{base}/metrics", timeout=30).text

    def account(self, name: str = "Toko Kopi") -> "Account":
        return Account(self, name)

    def remove_endpoints(self) -> None:
        """Removes what tests made, so that the next one starts with nothing that waits."""
        while self.endpoints:
            self.post(f"{self.endpoints.pop().path}/delete")

    def told(self) -> None:
        """Waits until nothing is left to tell that could be told now."""

        def is_quiet() -> bool:
            status = self.status()
            webhooks = status["webhooks"]
            waiting = status["events_waiting"] + status["mail"]["waiting"]
            return waiting == 0 and webhooks["due_since"] is None

        until(is_quiet, "nothing waits")


class Account:
    """A merchant, with the acts that a test does for it."""

    def __init__(self, keyway: Keyway, name: str) -> None:
        self.keyway, self.name = keyway, f"{name} {next(numbers)}"
        self.id: str = keyway.post("/accounts", {"name": self.name})["id"]
        self.path = f"/accounts/{self.id}"

    def join(self, role: str) -> Person:
        """Invites somebody, who joins by the real pages."""
        address = f"{role}-{next(numbers)}@example.com"
        made = self.keyway.post(f"{self.path}/members", {"email": address, "role": role})
        browser = Browser(self.keyway.url)
        browser.join(made["secret"]["path"], f"The {role}")
        return Person(address, role, browser)

    def people(self) -> dict[str, Person]:
        """One of each role."""
        return {role: self.join(role) for role in ROLES}

    def create(self, kind: str, environment: str = "live", **more: object) -> dict:
        """A new credential; `secret` has its strings."""
        body = {"kind": kind, "environment": environment, "name": f"Key {next(numbers)}", **more}
        body.setdefault("on_behalf_of", self.keyway.owner)
        return self.keyway.post(f"{self.path}/credentials", body)

    def act(self, credential: dict, act: str, **more: object) -> dict:
        body = {"on_behalf_of": self.keyway.owner, **more}
        return self.keyway.post(f"{self.path}/credentials/{credential['id']}/{act}", body)

    def edit(self, credential: dict, **more: object) -> dict:
        path = f"{self.path}/credentials/{credential['id']}"
        done = self.keyway.ask("PATCH", path, {"on_behalf_of": self.keyway.owner, **more})
        assert done.ok, done.text
        return done.json()

    def credential(self, credential: dict) -> dict:
        return self.keyway.get(f"{self.path}/credentials/{credential['id']}")

    def endpoint(self, url: str, *events: str, environment: str = "live") -> "Endpoint":
        body = {"environment": environment, "url": url, "events": list(events)}
        made = self.keyway.post(f"{self.path}/webhooks", body)
        endpoint = Endpoint(self, made["id"], made["secret"]["signing_secret"])
        self.keyway.endpoints.append(endpoint)
        return endpoint

    def events(self, kind: str = "", subject: str | None = None) -> list[dict]:
        """What happened, oldest first."""
        page = self.keyway.get(f"{self.path}/events?limit=200&type={kind}")["data"]
        return [e for e in reversed(page) if subject is None or e["subject"] == subject]

    def wait(self, kind: str, subject: str | None = None, seconds: float = 30) -> dict:
        found = until(lambda: self.events(kind, subject), f"{kind} of {subject}", seconds)
        return found[-1]


class Endpoint:
    """Where an account's messages go."""

    def __init__(self, account: Account, id_: str, secret: str) -> None:
        self.account, self.id, self.secret = account, id_, secret
        self.path = f"{account.path}/webhooks/{id_}"

    def _post(self, rest: str, **body: object) -> dict:
        return self.account.keyway.post(f"{self.path}{rest}", body)

    def shown(self) -> dict:
        return self.account.keyway.get(self.path)

    def test(self) -> None:
        self._post("/test")

    def rotate(self, overlap: str) -> str:
        return self._post("/rotate", overlap=overlap)["secret"]["signing_secret"]

    def replay(self, **which: object) -> int:
        return self._post("/replay", **which)["messages"]

    def replay_one(self, delivery: str) -> None:
        self._post(f"/deliveries/{delivery}/replay")

    def deliveries(self, kind: str | None = None) -> list[dict]:
        """Oldest first."""
        page = self.account.keyway.get(f"{self.path}/deliveries?limit=200")["data"]
        return [d for d in reversed(page) if kind is None or d["type"] == kind]

    def delivery(self, id_: str) -> dict:
        return self.account.keyway.get(f"{self.path}/deliveries/{id_}")

    def attempts(self, kind: str, count: int = 1, seconds: float = 30) -> list[dict]:
        """The attempts at the newest message of a kind, once there are so many."""

        def made() -> list[dict]:
            found = self.deliveries(kind)
            log = self.delivery(found[-1]["id"])["log"] if found else []
            return log if len(log) >= count else []

        return until(made, f"{count} attempts at {kind}", seconds)

    def wait(self, kind: str, state: str, seconds: float = 30) -> dict:
        """The newest message of a kind, once it is in a state."""

        def there() -> list[dict]:
            found = self.deliveries(kind)[-1:]
            return [one for one in found if one["state"] == state]

        return until(there, f"{kind} {state}", seconds)[0]


def owner(step_up: str | None) -> dict:
    """The platform's backend acts for an owner who gave this proof."""
    return {"member": "ada", "role": "owner", "step_up": step_up}
