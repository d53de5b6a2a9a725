"""Compares what the package shows with the lists in tests/golden; `--write` rewrites them.

- tests/golden/public_api.txt: every name of `genco.__all__` with its signature and the public members of its class
- tests/golden/cli.txt: every command with its arguments and options
- docs/reference/cli.md: the same commands, as a page
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).resolve().parents[1]


def public_api() -> str:
    """One line per public name, sorted, and one per public member of a public class."""
    import genco

    lines: list[str] = []
    for name in sorted(genco.__all__):
        thing = getattr(genco, name)
        lines.append(f"{name}{_signature(thing)}")
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            lines += [f"{name}.{line}" for line in _members(thing)]
    return "\n".join(lines) + "\n"


def _signature(thing: Any) -> str:
    if not callable(thing):
        return f": {type(thing).__name__}"
    try:
        return str(inspect.signature(thing))
    except ValueError:
        return "(...)"


def _members(cls: type) -> Iterator[str]:
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, (classmethod, staticmethod)):
            yield f"{name}{_signature(member.__func__)}"
        elif inspect.isfunction(member):
            yield f"{name}{_signature(member)}"
        else:
            yield name


def command_line() -> str:
    """One line per command, argument and option."""
    lines: list[str] = []
    for path, command in _commands():
        lines.append(path)
        lines += [f"    {_usage(parameter)}" for parameter in command.params if not _hidden(parameter)]
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """docs/reference/cli.md."""
    lines = [
        "# Command line",
        "",
        "<!-- Written by `make freeze` from the commands themselves. Do not edit. -->",
        "",
        "Exit codes: 0 done · 1 the data or the request is wrong (the message says what and where) · 2 usage.",
        "Progress goes to stderr; with `--json` stdout is one JSON object.",
        "",
    ]
    for path, command in _commands():
        arguments = [p for p in command.params if not _hidden(p)]
        lines += [f"## `{path}`", "", inspect.cleandoc(command.help or command.short_help or "").strip(), ""]
        if arguments:
            lines += ["| argument | default | meaning |", "|---|---|---|"]
            lines += [f"| `{_usage(p)}` | {_default(p)} | {_cell(getattr(p, 'help', None))} |" for p in arguments]
            lines.append("")
    return "\n".join(lines)


def _commands() -> list[tuple[str, Any]]:
    from genco.cli.main import app

    return list(_walk("genco", typer.main.get_command(app)))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            yield from _walk(f"{path} {name}", child)


def _hidden(parameter: Any) -> bool:
    shell = {"--install-completion", "--show-completion", "--help"}
    return getattr(parameter, "hidden", False) or bool(shell & set(parameter.opts))


def _usage(parameter: Any) -> str:
    kind = parameter.type
    shown = "|".join(kind.choices) if hasattr(kind, "choices") else str(kind.name).upper()
    if parameter.param_type_name == "argument":
        text = (parameter.metavar or parameter.name or "").upper()
    else:
        text = ", ".join(parameter.opts + parameter.secondary_opts)
        text += "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or shown}"
    repeated = " ..." if parameter.multiple or parameter.nargs == -1 else ""
    return text + repeated if parameter.required else f"[{text}{repeated}]"


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.required:
        return "required"
    return (
        "" if default is None or default is False or default in ((), []) else f"`{getattr(default, 'value', default)}`"
    )


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


FILES = {
    "tests/golden/public_api.txt": public_api,
    "tests/golden/cli.txt": command_line,
    "docs/reference/cli.md": command_page,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite the lists")
    write = parser.parse_args().write
    changed = 0
    for name, show in FILES.items():
        path, found = ROOT / name, show()
        frozen = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == frozen:
            continue
        changed += 1
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
            print(f"wrote {name}")
        else:
            sys.stdout.writelines(
                difflib.unified_diff(frozen.splitlines(True), found.splitlines(True), name, "package")
            )
    if changed and not write:
        print(f"{changed} lists differ from the package. If that is meant: `make freeze`, and a line in CHANGELOG.md.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
