"""An SMTP server in a process of its own. It keeps what it takes, and misbehaves when told to.

It prints one JSON line: `smtp` is its port, `control` the port of what a test asks of it:
`GET /letters` for what it took, `PUT /mode` for how it goes on (`{"mode": …}`):

  take      takes every letter
  down      nobody listens
  later     refuses every recipient for now (451)
  never     refuses every recipient for good (550)
  slow      takes the letter, and says so after 60 s: too late
  drop      hangs up on the text of the letter, and keeps nothing
  lose      keeps the letter, and hangs up in place of saying so
"""

import argparse
import asyncio
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Post:
    """What came, and how to go on."""

    def __init__(self, user: str | None, password: str | None) -> None:
        self.mode = "take"
        self.letters: list[dict] = []
        self.tries = 0
        self._login = LoginPassword(user.encode(), password.encode()) if user else None

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries += 1
        if self.mode == "later":
            return "451 4.3.0 not now"
        if self.mode == "never":
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        if self.mode == "drop":
            server.transport.abort()
            return "421 gone"
        self.letters.append({
            "at": time.time(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode("utf-8", "surrogateescape"),
            "tls": session.ssl is not None,
            "signed_in": bool(session.authenticated),
        })
        if self.mode == "lose":
            server.transport.abort()
            return "421 gone"
        if self.mode == "slow":
            await asyncio.sleep(60)
        return "250 taken"

    def login(self, server, session, envelope, mechanism, data) -> AuthResult:
        return AuthResult(success=data == self._login, handled=False)


class Door:
    """The listener, which can be closed and opened again on its port."""

    def __init__(self, post: Post, arguments: argparse.Namespace) -> None:
        self._post = post
        self._arguments = arguments
        self._tls = None
        if arguments.certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(arguments.certificate, arguments.key)
        self._listener: asyncio.Server | None = None
        self.port = 0

    def _session(self) -> SMTP:
        secured = {}
        if self._tls:
            secured = {
                "tls_context": self._tls,
                "require_starttls": True,
                "auth_required": bool(self._arguments.user),
                "authenticator": self._post.login,
            }
        return SMTP(self._post, hostname="mail.example.com", enable_SMTPUTF8=True, **secured)

    async def open(self) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(self._session, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def control(post: Post, door: Door, loop: asyncio.AbstractEventLoop) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"letters": post.letters, "tries": post.tries})

        def do_PUT(self) -> None:
            length = int(self.headers["content-length"])
            post.mode = json.loads(self.rfile.read(length))["mode"]
            moving = door.close() if post.mode == "down" else door.open()
            asyncio.run_coroutine_threadsafe(moving, loop).result()
            self._answer({})

        def _answer(self, body: dict) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("certificate", "key", "user", "password"):
        parser.add_argument(f"--{name}")
    arguments = parser.parse_args()
    post = Post(arguments.user, arguments.password)
    door = Door(post, arguments)
    await door.open()
    controlled = control(post, door, asyncio.get_running_loop())
    threading.Thread(target=controlled.serve_forever, daemon=True).start()
    print(json.dumps({"smtp": door.port, "control": controlled.server_port}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
