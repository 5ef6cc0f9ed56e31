"""A running `keyway demo`: what it prints, and the two things a test asks of its management API."""

import json
import os
import selectors
import subprocess
import tempfile
from dataclasses import dataclass

import requests

START_SECONDS = 60
STOP_SECONDS = 20


@dataclass
class Demo:
    """The one JSON line that the demo prints."""

    facts: dict

    @property
    def url(self) -> str:
        return self.facts["sample_api_url"]

    def credential(self, kind: str, environment: str = "test") -> dict:
        """A credential that the demo came with."""
        for credential in self.facts["credentials"]:
            if (credential["kind"], credential["environment"]) == (kind, environment):
                return credential
        raise LookupError(f"the demo has no {environment} credential of the kind {kind}")

    def create(self, kind: str, grant: dict, name: str) -> dict:
        """A new test credential: its id, and its strings under the demo's names."""
        body = {"kind": kind, "environment": "test", "name": name, "grant": grant}
        made = self._manage("credentials", body)
        assert made.status_code == 201, made.text
        made = made.json()
        return {"id": made["id"], **made["secret"]}

    def revoke(self, credential: dict) -> None:
        revoked = self._manage(f"credentials/{credential['id']}/revoke", {})
        assert revoked.ok, revoked.text

    def revoke_url(self, credential: dict) -> str:
        return self._url(f"credentials/{credential['id']}/revoke")

    def _manage(self, path: str, body: dict) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.facts['operator_token']}"}
        return requests.post(self._url(path), headers=headers, json=body, timeout=10)

    def _url(self, path: str) -> str:
        return f"{self.facts['management_url']}/v1/accounts/{self.facts['account']}/{path}"


class Process:
    """The demo's process, stopped when the block ends."""

    def __init__(self, scheme: str) -> None:
        self._log = tempfile.TemporaryFile()
        command = [os.environ["KEYWAY_BIN"], "demo", "--scheme", scheme, "--json"]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)

    def __enter__(self) -> Demo:
        try:
            return Demo(json.loads(self._first_line()))
        except BaseException:
            self._stop()
            raise

    def __exit__(self, *_: object) -> None:
        code = self._stop()
        assert code == 0, f"the demo ended with {code}: {self._said()}"

    def _first_line(self) -> bytes:
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(START_SECONDS):
                    raise TimeoutError(f"the demo printed nothing: {self._said()}")
                read = os.read(self._child.stdout.fileno(), 65536)
                if not read:
                    raise EOFError(f"the demo ended before it was ready: {self._said()}")
                line += read
        return line.splitlines()[0]

    def _stop(self) -> int:
        self._child.terminate()
        try:
            # Reads on, so that a demo that prints more is not held up by a full pipe.
            self._child.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
        return self._child.returncode

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]
