"""Scheme `xtopay`: secrets are due for renewal after ninety days."""

from ages import called_out_once

SCHEME = "xtopay"


def test_t12_secrets_older_than_90_days_are_called_out_once(keyway, clock, mail):
    called_out_once(keyway, clock, mail, keyway.account(), "client", 90)
