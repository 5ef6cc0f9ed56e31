"""Scheme `xendit`: the printed curl call, and the official Node SDK, xendit-node 7.0.0."""

import pytest

import printed

SCHEME = "xendit"

# As the platform's documentation prints a call: the key is the user, the password is empty.
BALANCE = 'curl https://api.xendit.co/balance -u "$XENDIT_SECRET_KEY:"'
TOKEN = """curl https://api.xendit.co/credit_card_tokens -X POST \\
   -u "$XENDIT_PUBLIC_KEY:" \\
   -H "Content-Type: application/json" \\
   -d '{"amount": 75000, "card_data": {"account_number": "4000000000001091", "exp_month": "12", "exp_year": "2030", "cvn": "123"}}'"""


def curl(demo, command, key, home):
    command = command.replace("https://api.xendit.co", demo.url)
    return printed.curl(command, {"XENDIT_SECRET_KEY": key, "XENDIT_PUBLIC_KEY": key}, home)


def sdk(demo, key, *arguments):
    names = {"XENDIT_SECRET_KEY": key, "SAMPLE_API_URL": demo.url}
    return printed.node("xendit.mjs", list(arguments), names)


def refused(ending, status, code):
    """Asserts what the SDK's own error class made of the refusal."""
    error = ending["error"]
    assert error["class"] == error["name"] == "XenditSdkError"
    assert error["isXenditSdkError"]
    assert (error["status"], error["errorCode"]) == (status, code)
    assert error["errorMessage"]


@pytest.mark.parametrize("environment", ["test", "live"])
def test_the_printed_curl_call_passes(demo, home, environment):
    key = demo.credential("secret", environment)["key"]
    answer = curl(demo, BALANCE, key, home)
    assert answer.status == 200
    assert isinstance(answer.body["balance"], int | float)


def test_the_printed_curl_call_with_a_wrong_key_is_refused(demo, home, wrong):
    answer = curl(demo, BALANCE, wrong(demo.credential("secret")["key"]), home)
    assert answer.status == 401
    assert answer.body["error_code"] == "INVALID_API_KEY"
    assert "error" not in answer.body


@pytest.mark.parametrize("environment", ["test", "live"])
def test_a_public_key_makes_card_tokens_and_nothing_else(demo, home, environment):
    key = demo.credential("public", environment)["key"]
    made = curl(demo, TOKEN, key, home)
    assert made.status == 200
    assert made.body["masked_card_number"] == "400000XXXXXX1091"
    other = curl(demo, BALANCE, key, home)
    assert other.status == 403
    assert other.body["error_code"] == "REQUEST_FORBIDDEN_ERROR"


@pytest.mark.parametrize("kind", ["secret", "public"])
@pytest.mark.parametrize("environment", ["test", "live"])
def test_the_call_that_the_demo_shows_passes(demo, kind, environment, shown_curl_status):
    assert shown_curl_status(demo.credential(kind, environment)) in {"200", "201"}


def test_sdk_makes_reads_lists_and_expires_an_invoice(demo, unique):
    key = demo.credential("secret")["key"]
    made = sdk(demo, key, "createInvoice", unique)["value"]
    assert (made["externalId"], made["amount"], made["status"]) == (unique, 10000, "PENDING")
    assert sdk(demo, key, "invoice", made["id"])["value"] == made
    listed = sdk(demo, key, "invoices", unique)["value"]
    assert [invoice["id"] for invoice in listed] == [made["id"]]
    assert sdk(demo, key, "expireInvoice", made["id"])["value"]["status"] == "EXPIRED"


def test_sdk_pays_out_from_the_balance(demo, unique):
    key = demo.credential("secret")["key"]
    before = sdk(demo, key, "balance")["value"]["balance"]
    made = sdk(demo, key, "createPayout", unique)["value"]
    again = sdk(demo, key, "createPayout", unique)["value"]
    assert (again["id"], made["status"]) == (made["id"], "ACCEPTED")
    assert sdk(demo, key, "balance")["value"]["balance"] == before - 2500
    listed = sdk(demo, key, "payouts", unique)["value"]
    assert [payout["id"] for payout in listed["data"]] == [made["id"]]


def test_sdk_makes_a_customer_and_a_payment_request(demo, unique):
    key = demo.credential("secret")["key"]
    customer = sdk(demo, key, "createCustomer", unique)["value"]
    assert sdk(demo, key, "customer", customer["id"])["value"] == customer
    assert customer["individualDetail"]["givenNames"] == "Ayu"
    request = sdk(demo, key, "createPaymentRequest", unique)["value"]
    assert request["referenceId"] == unique
    listed = sdk(demo, key, "paymentRequests")["value"]
    assert request["id"] in [each["id"] for each in listed["data"]]


def test_sdk_with_the_live_key_does_not_see_what_the_test_key_made(demo, unique):
    made = sdk(demo, demo.credential("secret", "test")["key"], "createInvoice", unique)["value"]
    live = demo.credential("secret", "live")["key"]
    refused(sdk(demo, live, "invoice", made["id"]), 404, "DATA_NOT_FOUND")


def test_sdk_raises_its_error_for_a_wrong_key(demo, wrong):
    key = wrong(demo.credential("secret")["key"])
    refused(sdk(demo, key, "balance"), 401, "INVALID_API_KEY")
    refused(sdk(demo, key, "createInvoice", "never"), 401, "INVALID_API_KEY")


def test_sdk_raises_its_error_for_a_public_key(demo):
    key = demo.credential("public")["key"]
    refused(sdk(demo, key, "balance"), 403, "REQUEST_FORBIDDEN_ERROR")


def test_sdk_with_a_read_key_reads_and_does_not_write(demo, unique):
    reader = demo.create("secret", {"invoices": ["read"]}, unique)["key"]
    assert sdk(demo, reader, "invoices", unique)["value"] == []
    refused(sdk(demo, reader, "createInvoice", unique), 403, "REQUEST_FORBIDDEN_ERROR")
    refused(sdk(demo, reader, "balance"), 403, "REQUEST_FORBIDDEN_ERROR")
    assert sdk(demo, reader, "invoices", unique)["value"] == []


def test_sdk_is_refused_from_the_revocation_on(demo, unique):
    credential = demo.create("secret", {"invoices": ["read", "write"]}, unique)
    assert sdk(demo, credential["key"], "createInvoice", unique)["value"]["externalId"] == unique
    demo.revoke(credential)
    refused(sdk(demo, credential["key"], "invoices", unique), 401, "INVALID_API_KEY")
