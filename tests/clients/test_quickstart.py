"""The quickstart, word by word: every block of it, in its order, with what it says comes of it."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

QUICKSTART = (Path(__file__).resolve().parents[2] / "docs" / "quickstart.md").read_text()
# A command, and after two spaces and a hash a part of what it prints.
SAYS = re.compile(r"^(?P<command>\S.*?)\s{2,}# (?P<text>.+)$")


def blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


INTRODUCTION, *SECTIONS = re.split(r"^## ", QUICKSTART, flags=re.MULTILINE)
SCHEMES = [section for section in SECTIONS if blocks(section)]


def checked(script: str) -> str:
    """The script, with a check after each command that the page says something of."""
    lines = []
    for line in script.splitlines():
        said = SAYS.match(line)
        if said is None:
            lines.append(line)
            continue
        lines.append(f"said=$({said['command']} 2>&1)")
        complaint = shlex.quote(f"{line}: it says ")
        expected = shlex.quote(said["text"])
        lines.append(f'grep -qF -- {expected} <<<"$said" || {{ echo {complaint}"$said" >&2; exit 1; }}')
    return "\n".join(lines)


@pytest.mark.parametrize("section", SCHEMES, ids=[section.split(":")[0] for section in SCHEMES])
def test_a_section_works_as_it_stands(section, tmp_path):
    built, functions = blocks(INTRODUCTION)
    assert built.startswith("cargo build")
    script = "\n".join(["set -eu", functions, *map(checked, blocks(section))])
    binary = Path(os.environ["KEYWAY_BIN"])
    ran = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, complaint = ran.communicate(timeout=60)
    finally:
        # The server too, if the section did not come to its end.
        if ran.poll() != 0:
            os.killpg(ran.pid, signal.SIGKILL)
    assert ran.returncode == 0, complaint[-2000:]
