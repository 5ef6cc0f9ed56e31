"""Scheme `xtopay`: the document's curl, Python and JavaScript calls, as printed.

The platform's own Node package is not published, so there is no SDK to run.
"""

import pytest

import printed

SCHEME = "xtopay"
HOST = "https://api.xtopay.co"

# The document leaves `...` out of the bodies; everything else is its text.
CURL = """curl https://api.xtopay.co/v1/payments \\
-u "$XTOPAY_CLIENT_ID:$XTOPAY_CLIENT_SECRET" \\
-H "Content-Type: application/json" \\
-d '{"amount": 5000, "currency": "GHS", ...}'"""

PYTHON = """import base64, requests
credentials = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
requests.post(
"https://api.xtopay.co/v1/payments",
headers={"Authorization": f"Basic {credentials}"},
json={...},
)"""

JAVASCRIPT = """const encoded = Buffer.from(
`${clientId}:${clientSecret}`
).toString("base64");
fetch("https://api.xtopay.co/v1/payments", {
headers: { "Authorization": `Basic ${encoded}` },
});"""


def with_curl(demo, client_id, client_secret, home):
    command = CURL.replace(HOST, demo.url).replace(", ...", ', "description": "By curl"')
    names = {"XTOPAY_CLIENT_ID": client_id, "XTOPAY_CLIENT_SECRET": client_secret}
    return printed.curl(command, names, home)


def with_python(demo, client_id, client_secret, _home):
    body = '{"amount": 5000, "currency": "GHS"}'
    snippet = PYTHON.replace(HOST, demo.url).replace("{...}", body)
    return printed.python(snippet, {"client_id": client_id, "client_secret": client_secret})


def with_javascript(demo, client_id, client_secret, _home):
    snippet = JAVASCRIPT.replace(HOST, demo.url)
    return printed.javascript(snippet, {"clientId": client_id, "clientSecret": client_secret})


WRITERS = [with_curl, with_python]
CLIENTS = [*WRITERS, with_javascript]


@pytest.fixture
def pair(demo):
    credential = demo.credential("client")
    return credential["client_id"], credential["client_secret"]


@pytest.mark.parametrize("client", WRITERS)
def test_a_printed_call_makes_a_payment(demo, home, pair, client):
    answer = client(demo, *pair, home)
    assert answer.status == 201
    assert (answer.body["amount"], answer.body["currency"]) == (5000, "GHS")
    assert answer.body["livemode"] is False


def test_the_printed_fetch_lists_payments(demo, home, pair):
    made = with_curl(demo, *pair, home).body["id"]
    answer = with_javascript(demo, *pair, home)
    assert answer.status == 200
    assert made in [payment["id"] for payment in answer.body["data"]]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_printed_call_with_a_wrong_secret_is_refused(demo, home, pair, wrong, client):
    client_id, client_secret = pair
    answer = client(demo, client_id, wrong(client_secret), home)
    assert answer.status == 401
    assert answer.body["error"]["code"] == "invalid_credentials"
    assert answer.body["error"]["message"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_printed_call_with_an_unknown_client_is_refused(demo, home, pair, wrong, client):
    client_id, client_secret = pair
    answer = client(demo, wrong(client_id), client_secret, home)
    assert answer.status == 401


@pytest.mark.parametrize("client", WRITERS)
def test_a_pair_that_may_only_read_does_not_pay(demo, home, unique, client):
    made = demo.create("client", {"payments": ["read"]}, unique)
    pair = made["client_id"], made["client_secret"]
    assert client(demo, *pair, home).status == 403
    assert with_javascript(demo, *pair, home).status == 200


def test_a_pair_is_refused_from_the_revocation_on_and_the_others_are_not(demo, home, unique, pair):
    made = demo.create("client", {"payments": ["read", "write"]}, unique)
    own = made["client_id"], made["client_secret"]
    assert with_curl(demo, *own, home).status == 201
    demo.revoke(made)
    for client in CLIENTS:
        assert client(demo, *own, home).status == 401
    assert with_curl(demo, *pair, home).status == 201


def test_the_call_that_the_demo_shows_passes(demo, shown_curl_status):
    assert shown_curl_status(demo.credential("client")) in {"200", "201"}
