#!/usr/bin/env python3
"""Computes every vector again, with Python's standard library and nothing of Keyway's code.

Run: python3 crates/secret/vectors/check.py
"""

import hashlib
import hmac
import json
import pathlib
import sys

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK = 6


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def check_characters(before: bytes) -> str:
    rest = int.from_bytes(sha256(before), "big") % 62**CHECK
    digits = ""
    for _ in range(CHECK):
        rest, digit = divmod(rest, 62)
        digits = ALPHABET[digit] + digits
    return digits


def seeded(seed: int):
    """Blocks of 64 bytes: SHA-256 of seed and counter, two at a time."""
    counter = 0
    while True:
        block = b""
        for _ in range(2):
            block += sha256(seed.to_bytes(8, "big") + counter.to_bytes(8, "big"))
            counter += 1
        yield block


def random_characters(count: int, seed: int) -> str:
    drawn = ""
    for block in seeded(seed):
        if len(drawn) >= count:
            break
        drawn += "".join(ALPHABET[byte % 62] for byte in block if byte < 248)
    return drawn[:count]


def hkdf(root: bytes, label: str, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt."""
    prk = hmac.new(bytes(32), root, hashlib.sha256).digest()
    out, last, number = b"", b"", 1
    while len(out) < length:
        last = hmac.new(prk, last + label.encode() + bytes([number]), hashlib.sha256).digest()
        out, number = out + last, number + 1
    return out[:length]


def mac(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def hint(text: str) -> str:
    shown = max(len(text) - 20, 0)
    head, tail = min(shown, 8), min(shown, 4)
    return f"{text[:head]}…{text[len(text) - tail:]}"


def generated(vector) -> None:
    place = ["test", "live"].index(vector["environment"])
    before, length = vector["pattern"].split("{random:")
    prefix = before.replace("{environment}", vector["words"][place])
    text = prefix + random_characters(int(length.rstrip("}")) - CHECK, int(vector["seed"]))
    text += check_characters(text.encode())
    same("prefix", vector["prefix"], prefix)
    same("text", vector["prefix"] + vector["random"], text)
    same("hint", vector["hint"], hint(text))


def keyed(vector) -> None:
    root = bytes.fromhex(vector["root"])
    pepper = hkdf(root, "keyway/pepper/v1", 32)
    rows = hkdf(root, "keyway/row-seal/v1", 32)
    same("fingerprint", vector["fingerprint"], hkdf(root, "keyway/fingerprint/v1", 32).hex())
    for one in vector["digests"]:
        same("digest", one["digest"], mac(pepper, one["text"].encode()))
    for one in vector["pairs"]:
        same("pair", one["digest"], mac(pepper, f"{one['id']}:{one['secret']}".encode()))
    for one in vector["rows"]:
        same("row seal", one["seal"], mac(rows, bytes.fromhex(one["row"])))


def imported(vector) -> None:
    key = vector["key"].encode()
    # A NUL before it, which no header can carry, keeps it apart from what can be presented.
    same("sha256", vector["sha256"].removeprefix("\0"), "sha256:" + hashlib.sha256(key).hexdigest())
    same("sha512", vector["sha512"].removeprefix("\0"), "sha512:" + hashlib.sha512(key).hexdigest())


compared = 0


def same(what: str, found: str, computed: str) -> None:
    global compared
    compared += 1
    if found != computed:
        sys.exit(f"{what}: the file has {found!r}, computed is {computed!r}")


def main() -> None:
    path = pathlib.Path(__file__).with_name("vectors.json")
    vectors = json.loads(path.read_text(encoding="utf-8"))
    same("length of the check", str(vectors["check_characters"]), str(CHECK))
    for vector in vectors["generated"]:
        generated(vector)
    for vector in vectors["checks"]:
        same("check", vector["check"], check_characters(vector["before"].encode()))
    for vector in vectors["keyed"]:
        keyed(vector)
    for vector in vectors["hmacs"]:
        same("hmac", vector["hex"], mac(vector["secret"].encode(), "".join(vector["parts"]).encode()))
    for vector in vectors["imported"]:
        imported(vector)
    print(f"{compared} values agree")


main()
