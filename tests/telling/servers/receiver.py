"""A receiver of webhooks in a process of its own, verifying with `standardwebhooks` for Python.

It prints one JSON line with its `port`. Messages come to `POST /hook/NAME`. What a test asks of it:
`GET /control/NAME` for what came there, `PUT /control/NAME` for what it knows and how it answers:

  secrets   name -> `whsec_…`: each message is verified with each of them, by the library
  rapyd     `url`, `access_key`, `secret_key`: it is verified in that platform's form too
  answers   one for each message, the last again and again: `status`, `headers`, `body`, or `how`:
            hang     says nothing until the other side goes
            drip     a byte every half second, without end
            endless  1 GiB
            lies     promises 1,000 bytes, sends five, and hangs up
            rapyd    200 if the platform's form verifies, else 401
"""

import base64
import hashlib
import hmac
import json
import select
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

GIB = 1 << 30


class Hook:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.secrets: dict[str, str] = {}
        self.rapyd: dict | None = None
        self.answers: list[dict] = [{"status": 200}]
        self.got: list[dict] = []

    def take(self, headers: dict[str, str], body: bytes) -> tuple[dict, dict]:
        verified = {name: is_standard(secret, headers, body) for name, secret in self.secrets.items()}
        if self.rapyd:
            verified["rapyd"] = is_rapyd(self.rapyd, headers, body)
        with self.lock:
            answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
            if answer.get("how") == "rapyd":
                answer = {"status": 200 if verified["rapyd"] else 401}
            entry = {
                "at": time.time(),
                "headers": headers,
                "body": body.decode(),
                "verified": verified,
                "answer": answer,
                "ended": None,
                "sent": 0,
            }
            self.got.append(entry)
        return entry, answer


def is_standard(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def is_rapyd(known: dict, headers: dict[str, str], body: bytes) -> bool:
    """base64(hex(HMAC-SHA256(secret, url + salt + timestamp + access key + secret + body)))"""
    salt, timestamp = headers.get("salt", ""), headers.get("timestamp", "")
    secret = known["secret_key"].encode()
    message = (known["url"] + salt + timestamp + known["access_key"]).encode() + secret + body
    signature = base64.b64encode(hmac.new(secret, message, hashlib.sha256).hexdigest().encode())
    return hmac.compare_digest(signature.decode(), headers.get("signature", ""))


class Handler(BaseHTTPRequestHandler):
    hooks: dict[str, Hook] = {}
    making = threading.Lock()

    def hook(self) -> Hook:
        with self.making:
            return self.hooks.setdefault(self.path.rsplit("/", 1)[-1], Hook())

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def do_GET(self) -> None:
        hook = self.hook()
        with hook.lock:
            self.whole({"status": 200, "body": json.dumps(hook.got)})

    def do_PUT(self) -> None:
        hook, told = self.hook(), json.loads(self.read())
        with hook.lock:
            for name, value in told.items():
                setattr(hook, name, value)
        self.whole({"status": 200})

    def do_POST(self) -> None:
        body = self.read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        entry, answer = self.hook().take(headers, body)
        try:
            getattr(self, answer.get("how", "whole"))(answer, entry)
        except OSError:
            pass
        entry["ended"] = time.time()
        self.close_connection = True

    def whole(self, answer: dict, _: dict | None = None) -> None:
        text = answer.get("body", "").encode()
        self.send_response(answer["status"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def hang(self, _: dict, __: dict) -> None:
        # Readable means that the other side has gone: it has nothing more to say.
        select.select([self.connection], [], [], 120)

    def start(self, length: int) -> None:
        self.send_response(200)
        self.send_header("content-length", str(length))
        self.end_headers()

    def drip(self, _: dict, entry: dict) -> None:
        self.start(GIB)
        while not select.select([self.connection], [], [], 0.5)[0]:
            self.wfile.write(b".")
            entry["sent"] += 1

    def endless(self, _: dict, entry: dict) -> None:
        self.start(GIB)
        block = b"x" * 65536
        while entry["sent"] < GIB:
            self.wfile.write(block)
            entry["sent"] += len(block)

    def lies(self, _: dict, __: dict) -> None:
        self.start(1000)
        self.wfile.write(b"short")

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
