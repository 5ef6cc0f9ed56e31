"""Schemathesis against the documents of a running `keyway demo`, public and internal listener."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from openapi_spec_validator import validate

from demo import Demo, Process

HERE = Path(__file__).parent
# Things to end, so that there are some until the end.
CREDENTIALS = 40
TOKENS = 20
# What a schema can't say, a scheme does: which kinds have which grants, who may do what, and when.
ACCEPTED = ["2xx", "401", "403", "404", "409", "422"]
# The statuses of a refusal, with 413: a body is too large before it is anything else.
REFUSED = [*"400 401 403 404 405 406 409 413 415 422 428 429".split(), "5xx"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--seconds", type=int, default=50, help="for both listeners together")
    parser.add_argument("--seed", type=int, help="that of an earlier run, to repeat it")
    parser.add_argument("--scheme", default="xtopay")
    parser.add_argument("--only", choices=["public", "internal"])
    parser.add_argument("--cache", type=Path, required=True)
    return parser.parse_args()


class Operator:
    """The management API, as far as a run needs it beside the one it tests."""

    def __init__(self, demo: Demo) -> None:
        self.base = demo.facts["management_url"]
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {demo.facts['operator_token']}"

    def post(self, path: str, body: dict) -> dict:
        answer = self._session.post(f"{self.base}{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def ids(self, path: str, at_least: int = 0) -> list[str]:
        """The ids of a list, once there are so many."""
        for _ in range(100):
            ids = [one["id"] for one in self.get(path)["data"]]
            if len(ids) >= at_least:
                return ids
            time.sleep(0.1)
        raise TimeoutError(f"{path} is still too short")

    def get(self, path: str) -> dict:
        answer = self._session.get(f"{self.base}{path}", timeout=20)
        assert answer.ok, answer.text
        return answer.json()


def prepared(demo: Demo) -> tuple[dict, dict, list[str]]:
    """What ids there are to play with, how to authenticate, and what must stay as it is."""
    operator = Operator(demo)
    account = demo.facts["account"]
    under = f"/v1/accounts/{account}"
    hook = {"environment": "live", "url": "http://127.0.0.1:9/"}
    endpoint = operator.post(f"{under}/webhooks", hook)["id"]
    operator.post(f"{under}/webhooks/{endpoint}/test", {})
    scheme = operator.get("/v1/scheme")
    kind = next(one for one in scheme["kinds"] if not one["single"] and "create" in one["acts"])
    for number in range(CREDENTIALS):
        operator.post(f"{under}/credentials", wanted(scheme, kind["name"], f"Key {number}"))
    kept = [one["id"] for one in operator.get("/v1/operator-tokens")["data"]]
    tokens = [operator.post("/v1/operator-tokens", {"name": "Fuzz"})["id"] for _ in range(TOKENS)]
    ids = {
        "account": [account],
        "credential": operator.ids(f"{under}/credentials?limit=200"),
        "member": operator.ids(f"{under}/members"),
        "endpoint": [endpoint],
        "delivery": operator.ids(f"{under}/webhooks/{endpoint}/deliveries", at_least=1),
        "token": tokens,
    }
    auth = {"operatorToken": {"bearer": demo.facts["operator_token"]}}
    if "clientPair" in document(operator.base)["components"]["securitySchemes"]:
        # In an account of its own, so that nothing that is tried on the other one ends it.
        own = operator.post("/v1/accounts", {"name": "The client's own"})["id"]
        pair = next(one["kind"] for one in demo.facts["credentials"] if "client_id" in one)
        made = operator.post(f"/v1/accounts/{own}/credentials", wanted(scheme, pair, "Client"))
        pair = {key: made["secret"][key] for key in ("client_id", "client_secret")}
        auth["clientPair"] = {"username": pair["client_id"], "password": pair["client_secret"]}
        kept = [*kept, own, made["id"]]
    return ids, auth, kept


def wanted(scheme: dict, kind: str, name: str) -> dict:
    """A credential to make: with a narrow grant, where one is chosen."""
    body = {"kind": kind, "environment": "live", "name": name}
    if next(one for one in scheme["kinds"] if one["name"] == kind)["grant_chosen"]:
        body["grant"] = [f"{scheme['resources'][0]['name']}:read"]
    return body


def document(base: str) -> dict:
    answer = requests.get(f"{base}/openapi.json", timeout=20)
    assert answer.ok, answer.text
    return answer.json()


def toml(value: object) -> str:
    """The little of TOML that a configuration needs: strings, numbers, lists and tables are JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(one)}' for key, one in value.items()) + " }"
    return json.dumps(value)


def accepting(*more: str) -> dict:
    """What may be answered to a body that fits its schema."""
    return {"expected-statuses": [*ACCEPTED, *more]}


def of_public() -> dict[str, dict]:
    """What holds for some operations only, by their tag."""
    tokens = {"path.credential": {"dictionary": "token", "probability": 0.9}}
    return {
        # Their paths call them credentials, too.
        "Operator tokens": {"parameters": tokens},
        # RFC 6749 §5.2 has 400 for what no schema says: two credentials, a scope that is too wide.
        "OAuth": {"checks": {"positive_data_acceptance": accepting("400")}},
    }


def of_internal() -> dict[str, dict]:
    """The same of the internal listener."""
    # A gateway that is set up wrongly must see it: that answer is declared, and a 500. And it asks
    # with whatever method its client used.
    gateways = {
        "not_a_server_error": {"enabled": False},
        "unsupported_method": {"enabled": False},
        "positive_data_acceptance": accepting("400", "421", "5xx"),
        "missing_required_header": accepting("400", "421", "5xx"),
    }
    return {
        "Gateways": {"checks": gateways},
        # JSON Schema takes 7.0 for a whole number; who counts does not.
        "Verification": {"checks": {"positive_data_acceptance": accepting("400")}},
    }


def configuration(ids: dict, auth: dict, by_tag: dict[str, dict]) -> str:
    dictionaries = {name: {"values": values} for name, values in ids.items() if values}
    # Mostly what is there, and now and then what is not.
    bound = {f"path.{name}": {"dictionary": name, "probability": 0.9} for name in dictionaries}
    settings = {
        "hooks": str(HERE / "hooks.py"),
        "dictionaries": dictionaries,
        "parameters": bound,
        "checks": {
            "positive_data_acceptance": accepting(),
            "negative_data_rejection": {"expected-statuses": REFUSED},
        },
        "auth": {"openapi": auth},
    }
    lines = [f"{name} = {toml(value)}" for name, value in settings.items()]
    for tag, exception in by_tag.items():
        lines += ["[[operations]]", f"include-tag = {toml(tag)}"]
        lines += [f"{name} = {toml(value)}" for name, value in exception.items()]
    return "\n".join(lines) + "\n"


def run(
    name: str,
    base: str,
    settings: str,
    given: dict[str, str],
    limits: tuple[int, int],
    cache: Path,
) -> bool:
    seconds, seed = limits
    described = document(base)
    validate(described)
    count = sum(len(operations) for operations in described["paths"].values())
    print(f"{name}: OpenAPI {described['openapi']} with {count} operations, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "schemathesis.toml"
        file.write_text(settings)
        command = [
            Path(sys.executable).parent / "st",
            *("--config-file", file),
            *("run", f"{base}/openapi.json", "--url", base),
            *("--phases", "examples,coverage,fuzzing,stateful"),
            *("--max-time", str(seconds), "--seed", str(seed), "--continue-on-failure"),
            *("--generation-database", "none", "--request-timeout", "15"),
            *("--report", "ndjson", "--report-ndjson-path", str(cache / f"{name}.ndjson")),
        ]
        environment = {**os.environ, **given}
        return subprocess.run(command, cwd=folder, env=environment).returncode == 0


def main() -> int:
    asked = arguments()
    seed = asked.seed if asked.seed is not None else random.randrange(2**32)
    wanted = [asked.only] if asked.only else ["public", "internal"]
    well = True
    with Process(asked.scheme) as demo:
        ids, auth, kept = prepared(demo)
        verify = urlsplit(demo.facts["verify_url"])
        bases = {
            "public": demo.facts["management_url"],
            "internal": f"{verify.scheme}://{verify.netloc}",
        }
        for name in wanted:
            seconds = max(1, asked.seconds // len(wanted))
            is_internal = name == "internal"
            # Nobody needs a token on this machine.
            own = {"operatorToken": auth["operatorToken"]} if is_internal else auth
            settings = configuration(ids, own, of_internal() if is_internal else of_public())
            limits = (seconds, seed)
            given = {"KEYWAY_KEPT": ",".join(kept), "KEYWAY_IDS": json.dumps(ids)}
            well &= run(name, bases[name], settings, given, limits, asked.cache)
        ready = requests.get(f"{bases['internal']}/readyz", timeout=20)
        well &= ready.ok
    return 0 if well else 1


sys.exit(main())
