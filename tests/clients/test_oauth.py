"""Eight OAuth2 clients of different makers get, use, introspect and lose a token (scheme `xtopay`)."""

import json
import os
import subprocess

import httpx
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.integrations.base_client import OAuthError
from httpx_auth import InvalidGrantRequest, OAuth2, OAuth2ClientCredentials
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

SCHEME = "xtopay"
GRANT = {"payments": ["read"], "balance": ["read"]}
SCOPE = "balance:read"


class Refused(Exception):
    """The error that the client's own code reports."""


class Program:
    """A client in a process of its own, one call a line: `node/oauth.mjs`, or `rust/`."""

    def __init__(self, name: str, issuer: str, pair: dict) -> None:
        variables = {
            "ISSUER": issuer,
            "CLIENT_ID": pair["client_id"],
            "CLIENT_SECRET": pair["client_secret"],
        }
        self._child = subprocess.Popen(
            [os.environ["KEYWAY_CLIENTS_RUST"]] if name == "oauth2-rs" else ["node", "oauth.mjs", name],
            cwd=os.environ["KEYWAY_CLIENTS_NODE"],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._child.stdin.close()
        self._child.wait(timeout=30)

    def call(self, *step: object) -> object:
        self._child.stdin.write(json.dumps(step) + "\n")
        self._child.stdin.flush()
        ending = json.loads(self._child.stdout.readline())
        if "error" in ending:
            raise Refused(ending["error"])
        return ending["value"]

    def token(self, scope: str | None = None) -> dict:
        return self.call("token", *([scope] if scope else []))

    def introspect(self, token: str) -> dict:
        return self.call("introspect", token)

    def revoke(self, token: str) -> None:
        self.call("revoke", token)


class Authlib:
    def __init__(self, _name: str, issuer: str, pair: dict) -> None:
        self._issuer = issuer
        self._session = AuthlibSession(pair["client_id"], pair["client_secret"])

    def close(self) -> None:
        self._session.close()

    def token(self, scope: str | None = None) -> dict:
        more = {"scope": scope} if scope else {}
        try:
            return self._session.fetch_token(
                f"{self._issuer}/oauth/token", grant_type="client_credentials", **more
            )
        except OAuthError as error:
            raise Refused(error.error) from None

    def introspect(self, token: str) -> dict:
        return self._session.introspect_token(f"{self._issuer}/oauth/introspect", token).json()

    def revoke(self, token: str) -> None:
        answer = self._session.revoke_token(f"{self._issuer}/oauth/revoke", token)
        assert answer.status_code == 200, answer.text


class RequestsOauthlib:
    def __init__(self, _name: str, issuer: str, pair: dict) -> None:
        # The library insists on https otherwise.
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
        self._issuer, self._pair = issuer, (pair["client_id"], pair["client_secret"])

    def close(self) -> None:
        pass

    def token(self, scope: str | None = None) -> dict:
        client = BackendApplicationClient(self._pair[0], scope=scope)
        with OAuth2Session(client=client) as session:
            try:
                return session.fetch_token(f"{self._issuer}/oauth/token", auth=self._pair)
            except OAuth2Error as error:
                raise Refused(error.error) from None

    # The library has no more than the grant; the rest is plain requests with its pair.
    def introspect(self, token: str) -> dict:
        url = f"{self._issuer}/oauth/introspect"
        return requests.post(url, auth=self._pair, data={"token": token}, timeout=20).json()

    def revoke(self, token: str) -> None:
        url = f"{self._issuer}/oauth/revoke"
        answer = requests.post(url, auth=self._pair, data={"token": token}, timeout=20)
        assert answer.status_code == 200, answer.text


class HttpxAuth(RequestsOauthlib):
    """It sends its pair as raw UTF-8, and puts the token on a request by itself."""

    def token(self, scope: str | None = None) -> dict:
        # It would give the token that it had, from a cache of the whole process.
        OAuth2.token_cache.clear()
        more = {"scope": scope} if scope else {}
        auth = OAuth2ClientCredentials(f"{self._issuer}/oauth/token", *self._pair, **more)
        try:
            flow = auth.auth_flow(httpx.Request("GET", self._issuer))
            sent = next(flow)
        except InvalidGrantRequest as error:
            raise Refused(str(error)) from None
        return {"access_token": sent.headers["Authorization"].removeprefix("Bearer ")}


CLIENTS = {
    "oauth4webapi": Program,
    "openid": Program,
    "simple": Program,
    "badgateway": Program,
    "oauth2-rs": Program,
    "authlib": Authlib,
    "requests-oauthlib": RequestsOauthlib,
    "httpx-auth": HttpxAuth,
}


@pytest.fixture
def pair(demo) -> dict:
    return demo.create("client", GRANT, "OAuth")


@pytest.fixture(params=list(CLIENTS))
def client(request, demo, pair):
    client = CLIENTS[request.param](request.param, demo.facts["management_url"], pair)
    yield client
    client.close()


def used(demo, token: str, path: str = "/v1/balance") -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{demo.url}{path}", headers=headers, timeout=20).status_code


def test_a_token_is_had_and_used(demo, client):
    token = client.token()
    assert used(demo, token["access_token"]) == 200
    if "expires_in" in token:
        assert 890 <= token["expires_in"] <= 900


def test_a_scope_narrows_it(demo, client):
    token = client.token(SCOPE)["access_token"]
    assert used(demo, token) == 200
    assert used(demo, token, "/v1/payments") == 403


def test_a_scope_that_is_too_wide_is_the_clients_own_error(client):
    with pytest.raises(Refused, match="invalid_scope"):
        client.token("payouts:write")


def test_it_is_introspected(request, demo, client, pair):
    if request.node.callspec.params["client"] == "simple":
        pytest.skip("simple-oauth2 has no introspection")
    token = client.token(SCOPE)["access_token"]
    said = client.introspect(token)
    assert said["active"] is True
    if "scope" in said:
        assert said["scope"] == SCOPE
    demo.revoke(pair)
    # Not by the client, whose own pair is gone: by the platform.
    said = requests.post(
        f"{demo.facts['management_url']}/oauth/introspect",
        headers={"Authorization": f"Bearer {demo.facts['operator_token']}"},
        data={"token": token},
        timeout=20,
    ).json()
    assert said == {"active": False}


def test_it_is_lost_when_the_client_revokes_it(demo, client):
    token = client.token()["access_token"]
    assert used(demo, token) == 200
    client.revoke(token)
    assert used(demo, token) == 401


def test_it_is_lost_with_its_pair(demo, client, pair):
    token = client.token()["access_token"]
    demo.revoke(pair)
    assert used(demo, token) == 401
    with pytest.raises(Refused, match="invalid_client|401|challenge"):
        client.token()
