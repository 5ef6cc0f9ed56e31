"""Keyway, an API that writes down what reaches it, and each gateway between a client and it."""

from collections.abc import Iterator

import pytest

from gateway import GATEWAYS, Gateway
from keyway import Keyway
from wire import Answer, Api, exchange, request


@pytest.fixture(scope="session")
def keyway() -> Iterator[Keyway]:
    with Keyway("enterprise") as keyway:
        yield keyway


@pytest.fixture(scope="session")
def running_api() -> Iterator[Api]:
    with Api() as api:
        yield api


@pytest.fixture
def api(running_api: Api) -> Api:
    """The API, with nothing remembered."""
    running_api.seen.clear()
    return running_api


@pytest.fixture(scope="session", params=list(GATEWAYS))
def gateway(request, keyway, running_api, tmp_path_factory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(request.param)
    with Gateway(request.param, keyway, running_api, folder) as gateway:
        yield gateway


@pytest.fixture
def call(gateway):
    """Sends a request through the gateway."""

    def send(method: str, target: str, headers=(), body=b"", version="HTTP/1.1") -> Answer:
        sent = request(method, target, list(headers), body, version)
        return exchange(gateway.port, sent, method)

    return send


@pytest.fixture(scope="session")
def reader(keyway) -> dict:
    """A live key that reads invoices."""
    return keyway.create(name="Reader", grant={"invoices": ["read"]})


def bearer(credential: dict) -> tuple[str, str]:
    return ("Authorization", f"Bearer {credential['key']}")
