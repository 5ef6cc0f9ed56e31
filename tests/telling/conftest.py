"""One clock, mail server, receiver and Keyway for each test module, which names its scheme."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clock import Clock
from keyway import Keyway, numbers
from outside import Hook, MailServer, Receiver

MAIL_FROM = "Harbour Pay <keys@example.com>"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The module that waits longest begins first, so that the others are done meanwhile."""
    items.sort(key=lambda item: not item.path.name.startswith("test_spike"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("telling")


@pytest.fixture(scope="module")
def clock(folder: Path) -> Clock:
    return Clock(folder)


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def receiver(clock: Clock) -> Iterator[Receiver]:
    with ExitStack() as stack:
        started = Receiver.in_python(clock)
        stack.callback(started.stop)
        yield started


@pytest.fixture(scope="module")
def node_receiver(clock: Clock) -> Iterator[Receiver]:
    with ExitStack() as stack:
        started = Receiver.in_node(clock)
        stack.callback(started.stop)
        yield started


@pytest.fixture(scope="module")
def keyway(
    request: pytest.FixtureRequest, folder: Path, clock: Clock, mail: MailServer
) -> Iterator[Keyway]:
    options = [
        "--smtp", f"smtp://127.0.0.1:{mail.port}?tls=none", "--mail-from", MAIL_FROM,
        "--webhook-allow", "127.0.0.1", "--webhook-http", "--workers", "3",
    ]
    started = Keyway(request.module.SCHEME, folder, clock, *options)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def no_endpoint_stays(keyway: Keyway) -> Iterator[None]:
    yield
    keyway.remove_endpoints()


@pytest.fixture
def hook(receiver: Receiver) -> Callable[[], Hook]:
    """A place at the receiver that no other test uses."""
    return lambda: receiver.hook(f"hook-{next(numbers)}")


@pytest.fixture
def node_hook(node_receiver: Receiver) -> Callable[[], Hook]:
    return lambda: node_receiver.hook(f"hook-{next(numbers)}")
