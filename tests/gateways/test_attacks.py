"""What clients send to be somebody else, or to be read differently by two readers."""

import socket

import pytest

from conftest import bearer
from test_decisions import IDENTITY
from wire import exchange, read_answer

SPELLINGS = [
    lambda name: f"X-Keyway-{name}",
    lambda name: f"x-keyway-{name}".lower(),
    lambda name: f"X_Keyway_{name.replace('-', '_')}",
    lambda name: f"x-keyway_{name.replace('-', '_')}",
    lambda name: f"HTTP_X_KEYWAY_{name.replace('-', '_').upper()}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_clients_own_identity_headers_never_arrive(call, api, reader, spelling):
    spoofed = [(spelling(name), "spoofed") for name in IDENTITY]
    answer = call("GET", "/mfi/invoices", [*spoofed, bearer(reader)])
    assert answer.status in (200, 400), answer
    for seen in api.seen:
        values = [value for name, value in seen.headers if is_identity(name)]
        assert "spoofed" not in values, seen.headers
        assert len(seen.all("x-keyway-account")) == 1


def is_identity(name: str) -> bool:
    """Whether a server that folds hyphens and underscores takes it for one of ours."""
    return name.lower().replace("_", "-").startswith("x-keyway-")


@pytest.mark.parametrize("name", ["X-Keyway-Account", "x-keyway-context"])
def test_a_connection_header_takes_nothing_away(gateway, api, reader, name):
    head = f"GET /mfi/invoices HTTP/1.1\r\nHost: api.example\r\nConnection: close, {name}\r\n"
    header, value = bearer(reader)
    answer = exchange(gateway.port, f"{head}{header}: {value}\r\n\r\n".encode())
    assert answer.status in (200, 400)
    for seen in api.seen:
        assert len(seen.all(name)) == 1, seen.headers


def test_two_credentials_are_none(call, api, keyway, reader):
    writer = keyway.create(grant={"invoices": ["write"]})
    for pair in ([bearer(reader), bearer(writer)], [bearer(writer), bearer(reader)]):
        assert call("GET", "/mfi/invoices", pair).status in (400, 401)
    joined = f"{bearer(reader)[1]}, {bearer(writer)[1]}"
    assert call("GET", "/mfi/invoices", [("Authorization", joined)]).status in (400, 401)
    assert api.seen == []


@pytest.mark.parametrize(
    "family",
    [
        [("X-Original-URI", "/mfi/invoices"), ("X-Original-Method", "GET")],
        [("X-Original-Url", "/mfi/invoices"), ("X-Rewrite-Url", "/mfi/invoices")],
        [("X-Forwarded-Uri", "/mfi/invoices"), ("X-Forwarded-Method", "GET")],
        [("X-Forwarded-Prefix", "/mfi/invoices"), ("X-HTTP-Method-Override", "GET")],
        [("X-Envoy-Original-Path", "/mfi/invoices"), ("X-Envoy-Original-Method", "GET")],
    ],
)
def test_a_client_does_not_say_what_it_asks_for(call, api, reader, family):
    assert call("GET", "/mfi/clients", [*family, bearer(reader)]).status == 403
    assert call("POST", "/mfi/invoices", [*family, bearer(reader)]).status == 403
    assert api.seen == []


ODD = [
    "/mfi/invoices/../clients",
    "/mfi/clients/../invoices",
    "/mfi/invoices/..;/clients",
    "/mfi/invoices/%2e%2e/clients",
    "/mfi/clients/%2e%2e/invoices",
    "/mfi/invoices%2f..%2fclients",
    "/mfi//clients",
    "//mfi/clients",
    "/mfi/clients/../../mfi/invoices",
    "/mfi/invoices#/../clients",
    "/mfi/clients?/../mfi/invoices",
    "/mfi\\clients",
    "/mfi/%63lients",
    "/mfi/clients%00/invoices",
    "http://api.example/mfi/clients",
    "http://api.example/mfi/invoices/../clients",
]


@pytest.mark.parametrize("target", ODD)
def test_no_spelling_of_a_path_reaches_what_the_key_may_not(call, api, reader, target):
    """The key reads invoices. Whatever is let through must be invoices to every reader."""
    call("GET", target, [bearer(reader)])
    for seen in api.seen:
        plain = seen.target.split("?")[0]
        assert plain.startswith("/mfi/invoices"), seen.target
        for word in ("..", "%2e", "%2f", "//", ";", "\\", "#"):
            assert word not in plain.lower(), seen.target


def test_http_1_0_and_head(call, api, reader):
    assert call("GET", "/mfi/invoices", [bearer(reader)], version="HTTP/1.0").status == 200
    assert api.only().method == "GET"
    assert call("GET", "/mfi/clients", [bearer(reader)], version="HTTP/1.0").status == 403
    head = call("HEAD", "/mfi/clients", [bearer(reader)])
    assert (head.status, head.body) == (403, b"")
    assert api.seen == []


def test_a_body_that_is_chunked_is_one_request(gateway, api, keyway):
    writer = keyway.create(grant={"invoices": ["write"]})
    name, value = bearer(writer)
    head = f"POST /mfi/invoices HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n{name}: {value}\r\n"
    chunks = b"3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n"
    answer = exchange(gateway.port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    assert answer.status == 200
    assert api.only().body == b'{"a":1}'


@pytest.mark.parametrize(
    "framing",
    [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 60\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ],
)
def test_a_request_that_two_readers_cut_differently_smuggles_nothing(gateway, api, reader, framing):
    """What may hide behind the first request asks for what the key may not."""
    name, value = bearer(reader)
    hidden = f"GET /mfi/clients HTTP/1.1\r\nHost: api.example\r\n{name}: {value}\r\n\r\n"
    head = f"GET /mfi/invoices HTTP/1.1\r\nHost: api.example\r\n{name}: {value}\r\n{framing}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as stream:
        stream.sendall(head.encode() + b"0\r\n\r\n" + hidden.encode())
        try:
            read_answer(stream)
            read_answer(stream)
        except (OSError, ValueError):
            pass
    assert all(seen.target == "/mfi/invoices" for seen in api.seen), api.seen


def test_a_megabyte_of_headers_harms_nobody(gateway, call, api, reader):
    huge = b"GET /mfi/invoices HTTP/1.1\r\nHost: api.example\r\nX-Huge: " + b"a" * 1_000_000
    try:
        answer = exchange(gateway.port, huge + b"\r\n\r\n")
        assert answer.status in (0, 400, 413, 414, 431, 494), answer
    except OSError:
        pass
    assert call("GET", "/mfi/invoices", [bearer(reader)]).status == 200
    api.only()
