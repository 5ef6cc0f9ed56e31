"""A running `keyway demo`, and what a test asks of its management API."""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import requests

START_SECONDS = 60
STOP_SECONDS = 20


class Keyway:
    """The demo's process, stopped when the block ends."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    def __enter__(self) -> "Keyway":
        self._log = tempfile.TemporaryFile()
        command = [os.environ["KEYWAY_BIN"], "demo", "--scheme", self.scheme, "--json"]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        self.facts = json.loads(self._first_line())
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGCONT)
        self._child.terminate()
        self._child.communicate(timeout=STOP_SECONDS)

    def _first_line(self) -> bytes:
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                assert selector.select(START_SECONDS), f"it printed nothing: {self._said()}"
                read = os.read(self._child.stdout.fileno(), 65536)
                assert read, f"it ended before it was ready: {self._said()}"
                line += read
        return line.splitlines()[0]

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]

    @property
    def internal(self) -> str:
        """Where gateways ask: host and port."""
        return self.facts["verify_url"].split("/")[2]

    @property
    def public(self) -> str:
        return self.facts["management_url"].split("/")[2]

    def credential(self, kind: str, environment: str = "live") -> dict:
        """A credential that the demo came with."""
        for credential in self.facts["credentials"]:
            if (credential["kind"], credential["environment"]) == (kind, environment):
                return credential
        raise LookupError(f"the demo has no {environment} credential of the kind {kind}")

    def create(self, **fields: object) -> dict:
        """A new credential: its id, and its strings."""
        body = {"kind": "key", "environment": "live", "name": "Gateway", **fields}
        made = self.manage("POST", "/credentials", body)
        return {"id": made["id"], **made["secret"]}

    def revoke(self, credential: dict) -> None:
        self.manage("POST", f"/credentials/{credential['id']}/revoke", {})

    def used(self, credential: dict) -> dict:
        """Decisions on a credential by outcome, once they are written down."""
        return self.manage("GET", f"/credentials/{credential['id']}/usage")

    def manage(self, method: str, path: str, body: dict | None = None) -> dict:
        url = f"{self.facts['management_url']}/v1/accounts/{self.facts['account']}{path}"
        headers = {"Authorization": f"Bearer {self.facts['operator_token']}"}
        answer = requests.request(method, url, headers=headers, json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def stand_still(self) -> None:
        """Stops the process where it is: it holds its connections and says nothing."""
        self._child.send_signal(signal.SIGSTOP)
        # The signal was sent; its threads stop when each has seen it.
        tasks = Path(f"/proc/{self._child.pid}/task")
        while any(state(task) != "T" for task in tasks.iterdir()):
            time.sleep(0.001)

    def go_on(self) -> None:
        self._child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()


def state(task: Path) -> str:
    """What a thread does, as `proc(5)` has it: the letter after its name."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
