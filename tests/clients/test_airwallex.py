"""Scheme `airwallex`: the printed login and call, and the official Node SDK, 2.1.0-beta.5."""

import pytest

import printed

SCHEME = "airwallex"
HOST = "https://api-demo.airwallex.com"

LOGIN = """curl -X POST https://api-demo.airwallex.com/api/v1/authentication/login \\
  -H "Content-Type: application/json" \\
  -H "x-client-id: $AIRWALLEX_CLIENT_ID" \\
  -H "x-api-key: $AIRWALLEX_API_KEY\""""

BALANCES = """curl https://api-demo.airwallex.com/api/v1/balances/current \\
  -H "Authorization: Bearer $TOKEN\""""

# What the vendor documents for a credential that does not authenticate.
NOT_AUTHENTIC = {"credentials_invalid", "credentials_expired", "unauthorized"}


def names(demo, credential):
    return {
        "SAMPLE_API_URL": demo.url,
        "AIRWALLEX_CLIENT_ID": credential["client_id"],
        "AIRWALLEX_API_KEY": credential["key"],
    }


def login(demo, credential, home):
    return printed.curl(LOGIN.replace(HOST, demo.url), names(demo, credential), home)


def balances(demo, token, home):
    return printed.curl(BALANCES.replace(HOST, demo.url), {"TOKEN": token}, home)


def sdk(demo, credential, *calls):
    return printed.node("airwallex.mjs", list(calls), names(demo, credential))


def test_the_printed_login_and_call_pass(demo, home):
    answer = login(demo, demo.credential("admin"), home)
    assert answer.status == 201
    assert set(answer.body) >= {"token", "expires_at"}
    listed = balances(demo, answer.body["token"], home)
    assert listed.status == 200
    assert "available_amount" in listed.body[0]


def test_the_printed_login_with_a_wrong_key_is_refused(demo, home, wrong):
    admin = demo.credential("admin")
    answer = login(demo, {**admin, "key": wrong(admin["key"])}, home)
    assert answer.status == 401
    assert answer.body["code"] == "credentials_invalid"
    assert answer.body["message"]


def test_the_printed_login_with_another_client_id_is_refused(demo, home, wrong):
    admin = demo.credential("admin")
    answer = login(demo, {**admin, "client_id": wrong(admin["client_id"])}, home)
    assert answer.status == 401


def test_the_printed_call_with_a_wrong_token_is_refused(demo, home, wrong):
    token = login(demo, demo.credential("admin"), home).body["token"]
    answer = balances(demo, wrong(token), home)
    assert answer.status == 401
    assert answer.body["code"] in NOT_AUTHENTIC


def test_the_key_itself_is_no_token(demo, home):
    assert balances(demo, demo.credential("admin")["key"], home).status == 401


@pytest.mark.parametrize("call", ["balances", "account", "cards", "createCustomer", "intents"])
def test_sdk_with_the_admin_key_reaches(demo, call):
    assert sdk(demo, demo.credential("admin"), call)["value"] is not None


def test_sdk_makes_and_reads_a_payment_intent(demo):
    intent = sdk(demo, demo.credential("admin"), "createdIntent")["value"]
    assert (intent["amount"], intent["currency"]) == (12.5, "USD")
    listed = sdk(demo, demo.credential("admin"), "intents")["value"]
    assert intent["id"] in [each["id"] for each in listed["items"]]


def test_sdk_raises_not_found_for_an_unknown_intent(demo):
    error = sdk(demo, demo.credential("admin"), "intent")["error"]
    assert (error["class"], error["status"]) == ("NotFoundError", 404)
    assert error["data"]["code"] == "resource_not_found"


def test_sdk_raises_its_error_for_a_wrong_key(demo, wrong):
    admin = demo.credential("admin")
    error = sdk(demo, {**admin, "key": wrong(admin["key"])}, "balances")["error"]
    # The SDK logs in from inside a request, so that of its own error only the message survives.
    assert (error["class"], error["isApiError"]) == ("ApiError", True)
    assert "status" not in error
    answer = error["message"]
    assert answer and "status code" not in answer and "undefined" not in answer


def test_sdk_with_a_restricted_key_that_views_does_not_edit(demo, unique):
    viewer = demo.create("restricted", {"payment-intents": ["read"]}, unique)
    assert sdk(demo, viewer, "intents")["value"]["items"] is not None
    for call in ["createIntent", "balances"]:
        error = sdk(demo, viewer, call)["error"]
        assert (error["class"], error["status"]) == ("AuthorizationError", 403), call
        assert error["data"]["code"]
        assert error["message"] == error["data"]["message"]


def test_sdk_with_a_restricted_key_does_not_reach_what_is_for_the_admin_key(demo):
    error = sdk(demo, demo.credential("restricted"), "account")["error"]
    assert (error["class"], error["status"]) == ("AuthorizationError", 403)


def test_sdk_that_holds_a_token_is_refused_from_the_revocation_on(demo, unique):
    made = demo.create("restricted", {"payment-intents": ["read"]}, unique)
    environment = {
        **names(demo, made),
        "REVOKE_URL": demo.revoke_url(made),
        "OPERATOR_TOKEN": demo.facts["operator_token"],
    }
    ending = printed.node("airwallex.mjs", ["intents", "revoke", "intents"], environment)
    error = ending["error"]
    assert (error["class"], error["status"]) == ("AuthenticationError", 401)
    assert error["data"]["code"] in NOT_AUTHENTIC
    again = sdk(demo, made, "intents")["error"]
    assert again["class"] == "ApiError", "it cannot log in again either"


@pytest.mark.parametrize("kind", ["admin", "restricted"])
def test_the_call_that_the_demo_shows_passes(demo, kind, shown_curl_status):
    assert shown_curl_status(demo.credential(kind)) in {"200", "201"}
