"""A client that sends exactly the bytes it is told to, and an API that writes down what reached it."""

import http.client
import http.server
import json
import socket
import threading
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 20


@dataclass
class Answer:
    """What a gateway answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def json(self) -> dict:
        return json.loads(self.body)


def exchange(
    port: int, request: bytes, method: str = "GET", seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """Sends a request as it is, and reads one answer. A closed connection is status 0."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as stream:
        stream.sendall(request)
        return read_answer(stream, method)


def read_answer(stream: socket.socket, method: str = "GET") -> Answer:
    response = http.client.HTTPResponse(stream, method=method)
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ConnectionError):
        return Answer(0, [], b"")
    return Answer(response.status, response.getheaders(), body)


def request(
    method: str,
    target: str,
    headers: list[tuple[str, str]] = (),
    body: bytes = b"",
    version: str = "HTTP/1.1",
) -> bytes:
    """The bytes of a request; a body has its length."""
    lines = [f"{method} {target} {version}", "Host: api.example", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Seen:
    """A request, as the API behind the gateway got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def names(self) -> set[str]:
        return {header.lower() for header, _ in self.headers}


@dataclass
class Api:
    """The API behind the gateway: answers 200 to everything, and remembers it."""

    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> "Api":
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = TIMEOUT_SECONDS

            def any(self) -> None:
                body = self._body()
                seen.append(Seen(self.command, self.path, list(self.headers.items()), body))
                answer = json.dumps({"data": "from the API"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            def _body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                    return self.rfile.read(int(self.headers.get("Content-Length", "0")))
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = any

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def only(self) -> Seen:
        """The one request that got here; and forgets it."""
        assert len(self.seen) == 1, self.seen
        return self.seen.pop()
