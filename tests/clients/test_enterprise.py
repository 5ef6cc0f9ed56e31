"""Scheme `enterprise`: the three ways of the document to send `Authorization: Bearer <key>`.

The document names a curl, a JavaScript and a Python example; these are they.
"""

import pytest

import printed

SCHEME = "enterprise"
HOST = "https://api.bousol.app"

CURL = """curl https://api.bousol.app/mfi/invoices \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json\""""

CURL_CREATE = CURL + """ \\
  -d '{"amount": 25000, "currency": "HTG", "description": "Invoice by curl"}'"""

JAVASCRIPT = """fetch('https://api.bousol.app/mfi/invoices', {
  headers: {
    'Authorization': `Bearer ${apiKey}`,
    'Content-Type': 'application/json'
  }
});"""

PYTHON = """import requests

headers = {
    'Authorization': f'Bearer {api_key}',
    'Content-Type': 'application/json'
}
requests.get('https://api.bousol.app/mfi/invoices', headers=headers)"""


def with_curl(demo, key, home, command=CURL):
    return printed.curl(command.replace(HOST, demo.url), {"API_KEY": key}, home)


def with_python(demo, key, _home):
    return printed.python(PYTHON.replace(HOST, demo.url), {"api_key": key})


def with_javascript(demo, key, _home):
    return printed.javascript(JAVASCRIPT.replace(HOST, demo.url), {"apiKey": key})


CLIENTS = [with_curl, with_python, with_javascript]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_printed_call_lists_invoices(demo, home, client):
    key = demo.credential("key")["key"]
    made = with_curl(demo, key, home, CURL_CREATE)
    assert made.status == 201
    answer = client(demo, key, home)
    assert answer.status == 200
    assert made.body["data"]["id"] in [invoice["id"] for invoice in answer.body["data"]]
    assert set(answer.body["pagination"]) == {"total", "page", "limit", "totalPages"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_printed_call_with_a_wrong_key_is_refused(demo, home, wrong, client):
    answer = client(demo, wrong(demo.credential("key")["key"]), home)
    assert answer.status == 401
    assert answer.body["statusCode"] == 401
    assert answer.body["error"] == "Unauthorized"
    assert answer.body["message"]


@pytest.mark.parametrize("client", CLIENTS)
def test_read_and_write_are_independent(demo, home, unique, client):
    reader = demo.create("key", {"invoices": ["read"]}, f"{unique} reads")["key"]
    writer = demo.create("key", {"invoices": ["write"]}, f"{unique} writes")["key"]
    assert client(demo, reader, home).status == 200
    assert with_curl(demo, writer, home, CURL_CREATE).status == 201
    refused = client(demo, writer, home)
    assert (refused.status, refused.body["error"]) == (403, "Forbidden")
    assert with_curl(demo, reader, home, CURL_CREATE).status == 403


def test_another_accounts_resource_is_not_accessible(demo, home):
    key = demo.credential("key")["key"]
    path = CURL.replace("/mfi/invoices", "/mfi/accounts/ACCOUNT/invoices")
    own = with_curl(demo, key, home, path.replace("ACCOUNT", demo.facts["account"]))
    assert own.status == 200
    other = with_curl(demo, key, home, path.replace("ACCOUNT", "acct_of_another"))
    assert (other.status, other.body["error"]) == (403, "Forbidden")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_key_is_refused_from_the_revocation_on(demo, home, unique, client):
    made = demo.create("key", {"invoices": ["read"]}, unique)
    assert client(demo, made["key"], home).status == 200
    demo.revoke(made)
    assert client(demo, made["key"], home).status == 401


def test_the_call_that_the_demo_shows_passes(demo, shown_curl_status):
    assert shown_curl_status(demo.credential("key")) in {"200", "201"}
