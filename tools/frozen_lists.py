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
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

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
        lines += [f"    {argument.usage}" for argument in _arguments(command)]
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """docs/reference/cli.md."""
    lines = [
        "# Command line",
        "",
        "<!-- Written by `make freeze` from the commands themselves. Do not edit. -->",
        "",
        "Progress goes to stderr: a bar on a terminal, plain lines elsewhere. With `--json` stdout is one JSON object.",
        "",
    ]
    for path, command in _commands():
        text = inspect.cleandoc(command.help or "").replace("\x0c", "").strip()
        lines += [f"## `{path}`", "", text, ""]
        arguments = _arguments(command)
        if arguments:
            lines += ["| argument | default | meaning |", "|---|---|---|"]
            lines += [f"| `{_cell(a.usage)}` | {_cell(a.default)} | {_cell(a.help)} |" for a in arguments]
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


@dataclass(frozen=True)
class Argument:
    """An argument or option as shown. usage: in brackets where it may be left out."""

    usage: str
    default: str
    help: str


def _arguments(command: Any) -> list[Argument]:
    """Arguments of `command`. Value types come from the function's own signature, which no version of typer changes."""
    if command.callback is None:  # a group of commands
        return []
    types = get_type_hints(inspect.unwrap(command.callback))
    shown = [p for p in command.params if not getattr(p, "hidden", False) and not _OF_TYPER & set(p.opts)]
    return [_argument(p, types.get(p.name, str)) for p in shown]


def _argument(parameter: Any, kind: Any) -> Argument:
    if any(option.startswith("-") for option in parameter.opts):
        usage = ", ".join([*parameter.opts, *parameter.secondary_opts])
        usage += "" if parameter.is_flag else f" {parameter.metavar or _value_of(kind)}"
    else:
        usage = parameter.metavar or (_value_of(kind) if _choices(kind) else parameter.name.upper())
    usage += " ..." if parameter.multiple or parameter.nargs == -1 else ""
    default = getattr(parameter.default, "value", parameter.default)
    if parameter.required:
        shown = "required"
    else:
        shown = "" if default is None or default is False or default in ((), []) else f"`{default}`"
    return Argument(usage if parameter.required else f"[{usage}]", shown, parameter.help or "")


def _value_of(kind: Any) -> str:
    """How a value of type `kind` is written: choices, or the name of its type."""
    choices = _choices(kind)
    if choices:
        return "|".join(choices)
    inner = [part for part in get_args(kind) if part is not type(None)]
    return (
        _value_of(inner[0]) if inner else {"str": "TEXT", "int": "INTEGER", "float": "NUMBER"}.get(_name(kind), "PATH")
    )


def _choices(kind: Any) -> list[str]:
    inner = [part for part in (kind, *get_args(kind)) if inspect.isclass(part) and issubclass(part, Enum)]
    return [str(member.value) for member in inner[0]] if inner else []


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_OF_TYPER = {"--install-completion", "--show-completion", "--help"}
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
