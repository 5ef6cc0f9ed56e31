"""A child process that prints one JSON line when it is ready."""

import json
import os
import selectors
import subprocess
import tempfile

START_SECONDS = 60
STOP_SECONDS = 30


class Child:
    """The process, and the facts that it printed."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **(environment or {})},
        )
        try:
            self.facts = json.loads(self._first_line())
        except BaseException:
            self.kill()
            raise

    def _first_line(self) -> bytes:
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(START_SECONDS):
                    raise TimeoutError(f"it printed nothing: {self.said()}")
                read = os.read(self.process.stdout.fileno(), 65536)
                if not read:
                    raise EOFError(f"it ended before it was ready: {self.said()}")
                line += read
        return line.splitlines()[0]

    def stop(self) -> None:
        """Asks it to end; fails if it ends badly."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop: {self.said()}") from None
        code = self.process.returncode
        assert code in (0, -15), f"it ended with {code}: {self.said()}"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def said(self, most: int = 4000) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-most:]
