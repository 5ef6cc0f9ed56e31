"""Signed requests, through the gateways that pass bodies on; logins and access tokens."""

import base64
import hashlib
import hmac
import secrets
import time

import pytest

from gateway import GATEWAYS, Gateway
from keyway import Keyway
from wire import exchange, request

PATH = "/v1/payments"
BODY = b'{"amount":10.5,"currency":"USD"}'


def signed(pair: dict, method: str, path: str, body: bytes) -> list[tuple[str, str]]:
    salt, timestamp = secrets.token_hex(8), str(int(time.time()))
    access, secret = pair["access_key"], pair["secret_key"]
    text = f"{method.lower()}{path}{salt}{timestamp}{access}{secret}{body.decode()}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return [
        ("access_key", access),
        ("salt", salt),
        ("timestamp", timestamp),
        ("signature", base64.b64encode(digest.encode()).decode()),
        ("Content-Type", "application/json"),
    ]


@pytest.fixture(scope="module")
def keyway():
    with Keyway("rapyd") as keyway:
        yield keyway


@pytest.mark.parametrize("name", ["traefik", "envoy-http", "envoy-grpc"])
def test_a_signature_that_covers_the_body(name, keyway, api, tmp_path):
    pair = keyway.credential("signing")
    with Gateway(name, keyway, api, tmp_path, signed=True) as gateway:
        headers = signed(pair, "POST", PATH, BODY)
        sent = request("POST", PATH, headers, BODY)
        assert exchange(gateway.port, sent, "POST").status == 200
        seen = api.only()
        assert seen.body == BODY
        assert seen.header("access_key") is None
        # The same again is a replay; another body is another request.
        assert exchange(gateway.port, sent, "POST").status == 401
        other = signed(pair, "POST", PATH, BODY)
        assert exchange(gateway.port, request("POST", PATH, other, b"{}"), "POST").status == 401
        assert api.seen == []


@pytest.mark.parametrize("name", ["nginx", "nginx-new", "haproxy", "caddy"])
def test_without_the_body_only_requests_without_one_pass(name, keyway, api, tmp_path):
    pair = keyway.credential("signing")
    with Gateway(name, keyway, api, tmp_path) as gateway:
        got = request("GET", PATH, signed(pair, "GET", PATH, b""))
        assert exchange(gateway.port, got).status == 200
        api.only()
        sent = request("POST", PATH, signed(pair, "POST", PATH, BODY), BODY)
        assert exchange(gateway.port, sent, "POST").status == 401
        assert api.seen == []


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_a_login_goes_to_keyway_and_its_token_passes(name, api, tmp_path):
    with Keyway("airwallex") as keyway, Gateway(name, keyway, api, tmp_path) as gateway:
        admin = keyway.credential("admin")
        headers = [("x-client-id", admin["client_id"]), ("x-api-key", admin["key"])]
        login = request("POST", "/api/v1/authentication/login", headers)
        answer = exchange(gateway.port, login, "POST")
        assert answer.status == 201, answer
        token = [("Authorization", f"Bearer {answer.json()['token']}")]
        passed = exchange(gateway.port, request("GET", "/api/v1/balances/current", token))
        assert passed.status == 200
        assert api.only().header("x-keyway-credential") == admin["id"]
        wrong = [("x-client-id", admin["client_id"]), ("x-api-key", "nothing")]
        login = request("POST", "/api/v1/authentication/login", wrong)
        assert exchange(gateway.port, login, "POST").status == 401
        assert api.seen == []


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_an_access_token_is_had_used_and_lost(name, api, tmp_path):
    with Keyway("xtopay") as keyway, Gateway(name, keyway, api, tmp_path) as gateway:
        pair = keyway.credential("client")
        basic = base64.b64encode(f"{pair['client_id']}:{pair['client_secret']}".encode()).decode()
        headers = [
            ("Authorization", f"Basic {basic}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        form = b"grant_type=client_credentials&scope=balance:read"
        answer = exchange(gateway.port, request("POST", "/oauth/token", headers, form), "POST")
        assert answer.status == 200, answer
        text = answer.json()["access_token"]
        token = [("Authorization", f"Bearer {text}")]
        assert exchange(gateway.port, request("GET", "/v1/balance", token)).status == 200
        seen = api.only()
        assert seen.header("x-keyway-credential") == pair["id"]
        assert seen.header("x-keyway-scope") == "balance:read"
        assert exchange(gateway.port, request("GET", "/v1/payments", token)).status == 403
        revoked = request("POST", "/oauth/revoke", headers, f"token={text}".encode())
        assert exchange(gateway.port, revoked, "POST").status == 200
        assert exchange(gateway.port, request("GET", "/v1/balance", token)).status == 401
        assert api.seen == []
