"""Runs calls as a document prints them: only the host is replaced, and what is printed as `…`."""

import ast
import json
import os
import subprocess
from dataclasses import dataclass

RUN_SECONDS = 60


@dataclass
class Answer:
    status: int
    body: object


def curl(command: str, environment: dict[str, str], home: str) -> Answer:
    """A printed curl command, in a shell, with its variables set.

    What has to be known beyond the body comes from a `.curlrc` in `home`: the command stays as it is.
    """
    with open(os.path.join(home, ".curlrc"), "w", encoding="utf-8") as settings:
        settings.write('silent\nshow-error\nmax-time = 30\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')
    ran = subprocess.run(
        ["bash", "-u", "-c", command],
        env={**os.environ, **environment, "CURL_HOME": home},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    body, _, status = ran.stdout.rpartition("\n")
    return Answer(int(status), json.loads(body))


def python(snippet: str, names: dict[str, object]) -> Answer:
    """A printed Python snippet; its last line is the call."""
    tree = ast.parse(snippet)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    scope = dict(names)
    exec(compile(tree, "printed", "exec"), scope)
    response = eval(compile(ast.Expression(last.value), "printed", "eval"), scope)
    return Answer(response.status_code, response.json())


def javascript(snippet: str, names: dict[str, str]) -> Answer:
    """A printed JavaScript snippet; its last expression is the fetch."""
    ending = node("printed.mjs", [], {"SNIPPET_NAMES": json.dumps(names)}, snippet)
    assert "error" not in ending, ending
    return Answer(ending["value"]["status"], ending["value"]["body"])


def node(script: str, arguments: list[str], environment: dict[str, str], text: str = "") -> dict:
    """What a script of `node/` prints last."""
    ran = subprocess.run(
        ["node", script, *arguments],
        cwd=os.environ["KEYWAY_CLIENTS_NODE"],
        env={**os.environ, **environment},
        input=text,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])
