"""One running demo for each test module; the module says whose scheme it is in `SCHEME`."""

import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest

from demo import Demo, Process


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    with Process(request.module.SCHEME) as demo:
        yield demo


@pytest.fixture
def home(tmp_path) -> str:
    """An empty home for a client's settings."""
    return str(tmp_path)


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return uuid.uuid4().hex


@pytest.fixture
def wrong() -> Callable[[str], str]:
    """Another secret of the same shape: the last ten letters and digits moved by one."""

    def change(secret: str) -> str:
        moved = [chr(ord(c) + 1) if c.isalnum() and c not in "9zZ" else "a" for c in secret[-10:]]
        changed = secret[:-10] + "".join(moved)
        assert changed != secret
        return changed

    return change


@pytest.fixture
def shown_curl_status() -> Callable[[dict], str]:
    """The status that a credential's own curl call, as the demo shows it, ends with."""

    def run(credential: dict) -> str:
        arguments = [a for i, a in enumerate(credential["curl"]) if (i, a) != (0, "curl")]
        command = ["curl", "--silent", "--max-time", "30", "--output", "/dev/null"]
        command += ["--write-out", "%{http_code}", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout

    return run
