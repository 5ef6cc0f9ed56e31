"""Scheme `rapyd`: the community SDK rapyd-py 1.1.0, which signs every request.

It knows its vendor's hosts only; a subclass of its settings points it elsewhere.
"""

import asyncio

import pytest
from rapyd.client import RapydClient
from rapyd.config import RapydSettings
from rapyd.exceptions import RapydApiError, RapydAuthError

SCHEME = "rapyd"


def call(demo, credential, work):
    """Runs `work` with a client that signs with this credential."""

    class Pointed(RapydSettings):
        @property
        def base_url(self) -> str:
            return demo.url

    settings = Pointed(
        rapyd_access_key=credential["access_key"],
        rapyd_secret_key=credential["secret_key"],
    )

    async def run():
        async with RapydClient(settings=settings) as client:
            return await work(client)

    return asyncio.run(run())


def pay(client):
    # Text outside ASCII and a decimal amount: both are where signatures come apart.
    return client.payments().create(
        amount=10.5,
        currency="USD",
        payment_method={"type": "us_debit_visa_card", "fields": {}},
        description="Crème brûlée – №1",
        metadata={"nested": {"list": [1, 2.25, None, True]}},
    )


def refused(demo, credential, work, statuses, code):
    """Asserts what the SDK's own error class made of the refusal."""
    with pytest.raises(RapydAuthError) as raised:
        call(demo, credential, work)
    error = raised.value
    assert error.status_code in statuses
    assert error.error_code == code
    assert error.message
    assert error.operation_id
    assert error.raw["status"]["status"] == "ERROR"


@pytest.fixture
def signing(demo):
    return demo.credential("signing")


def test_sdk_makes_reads_and_lists_a_payment(demo, signing):
    made = call(demo, signing, pay)
    assert (made.amount, made.description) == (10.5, "Crème brûlée – №1")
    read = call(demo, signing, lambda client: client.payments().get(made.id))
    assert read.id == made.id
    # A query is signed too.
    listed = call(demo, signing, lambda client: client.payments().list(limit=5, page=1))
    assert made.id in [payment.id for payment in listed]


def test_sdk_makes_a_customer_and_a_wallet(demo, signing):
    customer = call(demo, signing, lambda client: client.customers().create(name="Ada & Söhne"))
    read = call(demo, signing, lambda client: client.customers().get(customer.id))
    assert read.name == "Ada & Söhne"
    wallet = call(demo, signing, lambda client: client.wallets().create(first_name="Ada"))
    assert wallet.id.startswith("ewallet_")


def test_sdk_reads_countries(demo, signing):
    countries = call(demo, signing, lambda client: client.data().countries())
    assert "IS" in [country["iso_alpha2"] for country in countries]


def test_one_client_may_call_twice_in_the_same_second(demo, signing):
    async def twice(client):
        return await asyncio.gather(pay(client), pay(client))

    first, second = call(demo, signing, twice)
    assert first.id != second.id


def test_sdk_raises_its_api_error_for_an_unknown_payment(demo, signing):
    with pytest.raises(RapydApiError) as raised:
        call(demo, signing, lambda client: client.payments().get("payment_none"))
    assert not isinstance(raised.value, RapydAuthError)
    assert raised.value.status_code == 404


@pytest.mark.parametrize("part", ["access_key", "secret_key"])
def test_sdk_raises_its_auth_error_for_a_wrong_key(demo, signing, wrong, part):
    changed = {**signing, part: wrong(signing[part])}
    refused(demo, changed, pay, {401}, "UNAUTHENTICATED_API_CALL")


def test_sdk_with_a_restricted_key_reads_and_does_not_pay(demo, unique):
    reader = demo.create("signing", {"payments": ["read"]}, unique)
    assert call(demo, reader, lambda client: client.payments().list(limit=1)) is not None
    refused(demo, reader, pay, {401, 403}, "UNAUTHORIZED_API_CALL")
    countries = lambda client: client.data().countries()  # noqa: E731
    refused(demo, reader, countries, {401, 403}, "UNAUTHORIZED_API_CALL")


def test_sdk_is_refused_from_the_revocation_on(demo, unique):
    made = demo.create("signing", {"payments": ["read", "write"]}, unique)
    assert call(demo, made, pay).id
    demo.revoke(made)
    refused(demo, made, pay, {401}, "UNAUTHENTICATED_API_CALL")
