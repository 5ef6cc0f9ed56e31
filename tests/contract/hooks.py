"""What a run plays with, and what it may not do: end the token that it calls with, or call machines
that are not its own."""

import itertools
import json
import os
from urllib.parse import urlsplit, urlunsplit

import schemathesis

# Of an endpoint's URL, as its schema has it.
URL_BYTES_MAX = 2_048
KEPT = set(os.environ.get("KEYWAY_KEPT", "").split(",")) - {""}
IDS = {name: itertools.cycle(ids) for name, ids in json.loads(os.environ["KEYWAY_IDS"]).items() if ids}


@schemathesis.hook
def before_load_schema(context, raw_schema) -> None:
    """Makes examples of what is there; each operation has its own, so that none ends another's."""
    for path, operations in raw_schema["paths"].items():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                is_token = path.startswith("/v1/operator-tokens/")
                ids = IDS.get("token" if is_token else parameter["name"])
                if parameter["in"] == "path" and ids:
                    parameter["schema"]["examples"] = [next(ids)]


@schemathesis.hook
def filter_case(context, case) -> bool:
    return not KEPT & {str(value) for value in (case.path_parameters or {}).values()}


@schemathesis.hook
def filter_failure(context, failure, case, response) -> bool:
    """A cursor is sealed: no schema says which text is one, and any other is refused with 400."""
    if response.status_code != 400 or "cursor" not in (case.query or {}):
        return True
    return response.json().get("field") != "cursor"


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict) or not isinstance(body.get("url"), str):
        return body
    try:
        parts = urlsplit(body["url"])
    except ValueError:
        return body
    # What is too long stays so: another name would mend it.
    is_long = len(body["url"]) > URL_BYTES_MAX
    if is_long or parts.scheme not in ("http", "https") or not parts.hostname:
        return body
    # A name that leads nowhere (RFC 2606 §2).
    return {**body, "url": urlunsplit(parts._replace(netloc="receiver.invalid"))}
