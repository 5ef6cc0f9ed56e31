"""A clock that a test moves: libfaketime reads how far it is off from a file, at every look.

Only the time of day moves. Timers and timeouts run on the machine's own monotonic clock.
"""

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def instant(text: str) -> datetime:
    """An instant as Keyway writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class Clock:
    """How far the clock of the processes that were given `environment` is off."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._off = 0.0
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": os.environ["KEYWAY_FAKETIME"],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._off, timezone.utc)

    def forward(self, **much: float) -> None:
        self._off += timedelta(**much).total_seconds()
        self._write()

    def to(self, when: datetime) -> None:
        assert when > self.now(), "time goes forward"
        self._off = when.timestamp() - time.time()
        self._write()

    def before(self, due: datetime, look: Callable[[], T]) -> Iterator[T]:
        """What is found by looking again and again, as far as it was found before that."""
        while True:
            found = look()
            if self.now() >= due:
                return
            yield found

    def _write(self) -> None:
        # Whoever reads it finds one offset or the other, never half of one.
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{self._off:+.6f}\n")
        os.replace(beside, self._file)
