"""Runs the examples of the documentation: `python tools/doc_examples.py README.md docs`.

A fenced block is an example when the line before it is `<!-- runnable -->`. Two kinds are known:

- ```` ```python ````: executed. The blocks of one page share one namespace, in order.
- ```` ```console ````: every line that starts with `$ ` is a command for bash; the lines under it, if any, are the
  output it should print on stdout. `...` stands for anything, as in doctest.

A block of any kind after the line `<!-- file NAME -->` is written to the file NAME for the examples that follow.

The blocks of one page run in order in one temporary folder that starts empty. A page with a failing block fails.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^<!-- (runnable|file \S+) -->\n+```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECK = doctest.OutputChecker()
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Example:
    """One block. line: of its first line of code in `page`, from 1 · file: to write it to, "" = run it."""

    page: Path
    line: int
    language: str
    code: str
    file: str


class ExampleError(Exception):
    """An example failed; the message says how."""


def examples(page: Path) -> Iterator[Example]:
    """The runnable blocks of `page`, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        marker, language, code = match.groups()
        line = text.count("\n", 0, match.start(3)) + 1
        yield Example(page, line, language, code, marker.removeprefix("file ") if marker != "runnable" else "")


def commands(code: str) -> Iterator[tuple[str, str]]:
    """Split a console block into (command, expected output). A command may continue on lines after a backslash."""
    command, expected, continued = "", "", False
    for line in code.splitlines():
        if continued:
            command, continued = f"{command}\n{line}", line.endswith("\\")
        elif line.startswith("$ "):
            if command:
                yield command, expected
            command, expected, continued = line[2:], "", line.endswith("\\")
        else:
            expected += line + "\n"
    if command:
        yield command, expected


def run_console(example: Example) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for command, expected in commands(example.code):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "120"},
        )
        if done.returncode != 0:
            raise ExampleError(f"$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
        if expected.strip() and not _CHECK.check_output(expected, done.stdout, _FLAGS):
            raise ExampleError(f"$ {command}\nexpected:\n{expected}found:\n{done.stdout}")


def run_python(example: Example, namespace: dict[str, Any]) -> None:
    printed = io.StringIO()
    try:
        # Leading newlines make the line numbers of a traceback those of the page.
        code = compile("\n" * (example.line - 1) + example.code, str(example.page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
    except Exception as error:
        raise ExampleError(printed.getvalue() + "".join(traceback.format_exception(error)[2:])) from error


def run_page(page: Path) -> int:
    """Run the examples of `page` in an empty folder; returns how many there are. Raises `ExampleError`."""
    found = list(examples(page))
    if not found:
        return 0
    namespace: dict[str, Any] = {"__name__": "__doc_example__"}
    with tempfile.TemporaryDirectory(prefix="genco-docs-") as folder, contextlib.chdir(folder):
        for example in found:
            started = time.perf_counter()
            try:
                if example.file:
                    Path(example.file).write_text(example.code, encoding="utf-8")
                elif example.language == "python":
                    run_python(example, namespace)
                elif example.language == "console":
                    run_console(example)
                else:
                    raise ExampleError(f"A runnable block should be python or console. Found {example.language!r}.")
            except ExampleError as error:
                raise ExampleError(f"{example.page}:{example.line}\n{error}") from error
            print(f"{page}:{example.line} ok ({time.perf_counter() - started:.1f} s)", flush=True)
    return len(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="pages, or folders searched for *.md")
    pages = sorted({p.resolve() for path in parser.parse_args().paths for p in _pages(path)})
    failures, count = 0, 0
    for page in pages:
        try:
            count += run_page(page)
        except ExampleError as error:
            failures += 1
            print(f"FAILED {error}", file=sys.stderr, flush=True)
    print(f"{count} examples passed on {len(pages)} pages; {failures} pages failed")
    return 1 if failures else 0


def _pages(path: Path) -> list[Path]:
    return sorted(path.rglob("*.md")) if path.is_dir() else [path]


if __name__ == "__main__":
    sys.exit(main())
