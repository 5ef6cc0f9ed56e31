"""Secret managers for tests: a real OpenBao, moto's AWS Secrets Manager, and a proxy that interferes."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

START_SECONDS = 60
REGION = "eu-west-1"
# What any Secrets Manager of moto's accepts; the proxy checks the signature itself.
ACCESS = Credentials("AKIAKEYWAYTEST", "secret/of+aws", "a-session-token")


@dataclass
class Deployment:
    """`keyway serve` in a folder, and its command line."""

    data: Path
    facts: dict
    account: str = ""
    environment: dict = field(default_factory=dict)

    def run(self, *arguments: str, environment: dict | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            env=self._environment(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str, environment: dict | None = None) -> subprocess.Popen:
        """The same, not waited for."""
        command = self.command(*arguments)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self._environment(environment), **silent)

    def json(self, *arguments: str, environment: dict | None = None) -> dict:
        ran = self.run(*arguments, environment=environment)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def show(self, credential: str) -> dict:
        return self.json("credentials", "show", credential, "--account", self.account)

    def all(self) -> list[dict]:
        return self.json("credentials", "list", "--account", self.account, "--revoked")["data"]

    def command(self, *arguments: str) -> list[str]:
        return [os.environ["KEYWAY_BIN"], *arguments, "--json"]

    def _environment(self, more: dict | None) -> dict:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.data.parent), "KEYWAY_LOG": "error"}
        return {**kept, "KEYWAY_DATA": str(self.data), **self.environment, **(more or {})}

    def allows(self, id: str, secret: str) -> bool:
        """Whether a pair passes."""
        question = {"environment": "test", "headers": [["authorization", basic(id, secret)]]}
        answer = requests.post(self.facts["verify_url"], json=question, timeout=10)
        return answer.json()["allowed"]


def basic(id: str, secret: str) -> str:
    return requests.auth._basic_auth_str(id, secret)


@contextlib.contextmanager
def keyway(scheme: str, folder: Path) -> Iterator[Deployment]:
    data = folder / "data"
    command = [os.environ["KEYWAY_BIN"], "serve", "--scheme", scheme, "--json", "--data", str(data)]
    command += ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        deployment = Deployment(data, json.loads(child.stdout.readline()))
        deployment.account = deployment.json("accounts", "create", "--name", "Toko")["id"]
        yield deployment
    finally:
        child.terminate()
        child.communicate(timeout=30)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Bao:
    """A real OpenBao in memory, which speaks as Vault does."""

    url: str
    token: str = "root-of-this-test"
    ca: str | None = None

    def call(self, method: str, path: str, body: dict | None = None, **headers: str):
        headers = {"X-Vault-Token": self.token, **{k.replace("_", "-"): v for k, v in headers.items()}}
        url = f"{self.url}/v1/{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=10, verify=self.ca)
        return answer.status_code, answer.json() if answer.content else None

    def put(self, path: str, data: dict) -> None:
        mount, below = path.split("/", 1)
        status, said = self.call("POST", f"{mount}/data/{below}", {"data": data})
        assert status == 200, said

    def entry(self, path: str, mount: str = "secret", **headers: str) -> dict:
        status, said = self.call("GET", f"{mount}/data/{path}", **headers)
        assert status == 200, said
        return said["data"]["data"]

    def policy_token(self, rules: str) -> str:
        """A token that may do this, and what every token may."""
        name = f"p{free_port()}"
        assert self.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})[0] in (200, 204)
        status, said = self.call("POST", "auth/token/create", {"policies": [name]})
        assert status == 200, said
        return said["auth"]["client_token"]


@contextlib.contextmanager
def openbao(folder: Path, tls: bool = False) -> Iterator[Bao]:
    port = free_port()
    binary = Path(sys.executable).parent / "bao"
    command = [str(binary), "server", "-dev", f"-dev-listen-address=127.0.0.1:{port}"]
    bao = Bao(f"http://127.0.0.1:{port}")
    command.append(f"-dev-root-token-id={bao.token}")
    if tls:
        command += ["-dev-tls", f"-dev-tls-cert-dir={folder}"]
        bao = Bao(f"https://127.0.0.1:{port}", ca=str(folder / "vault-ca.pem"))
    log = (folder / "bao.log").open("wb")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        waiting = threading.Event()
        for _ in range(START_SECONDS * 10):
            with contextlib.suppress(requests.ConnectionError, OSError):
                if bao.call("GET", "sys/health")[0] == 200:
                    break
            assert child.poll() is None, (folder / "bao.log").read_text()[-2000:]
            waiting.wait(0.1)
        yield bao
    finally:
        child.terminate()
        child.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def secrets_manager() -> Iterator[str]:
    """moto's, in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client_of(url: str):
    """AWS's own client."""
    return boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS.access_key,
        aws_secret_access_key=ACCESS.secret_key,
        aws_session_token=ACCESS.token,
    )


@dataclass
class Seen:
    """A request on its way through the proxy."""

    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def action(self) -> str:
        """What Secrets Manager is asked for."""
        return self.headers.get("x-amz-target", "").removeprefix("secretsmanager.")

    def signature(self) -> str:
        """The signature that AWS's own code makes of it."""
        given = self.headers["authorization"]
        names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        url = f"http://{self.headers['host']}{self.path}"
        signed = {name: self.headers[name] for name in names}
        request = AWSRequest(method=self.method, url=url, data=self.body, headers=signed)
        request.context["timestamp"] = self.headers["x-amz-date"]
        signer = SigV4Auth(ACCESS, "secretsmanager", REGION)
        canonical = signer.canonical_request(request)
        return signer.signature(signer.string_to_sign(request, canonical), request)


# What a rule makes of a request: an answer in place of the server's, or nothing.
Rule = Callable[[Seen], tuple[int, str] | None]


class Proxy:
    """Stands before a server: notes what comes, and lets a rule answer first."""

    def __init__(self, upstream: str) -> None:
        self.seen: list[Seen] = []
        self.rule: Rule = lambda _: None
        # Called when the server has answered and the client has not heard it yet.
        self.after: Callable[[Seen], None] = lambda _: None
        target = urlsplit(upstream).netloc
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                seen = Seen(self.command, self.path, headers, body)
                proxy.seen.append(seen)
                answer = proxy.rule(seen)
                if answer is None:
                    connection = http.client.HTTPConnection(target, timeout=30)
                    connection.request(self.command, self.path, body, headers)
                    response = connection.getresponse()
                    answer = (response.status, response.read().decode())
                    connection.close()
                proxy.after(seen)
                status, text = answer
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    self.send_header("content-length", str(len(text.encode())))
                    self.send_header("content-type", "application/json")
                    self.end_headers()
                    self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = pass_on

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
