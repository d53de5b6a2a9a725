"""How a command ends: one message on stderr and an exit code, never a traceback for what a user can mend."""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from genco.errors import GencoError

WRONG, INTERRUPTED = 1, 130


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a word on how to go on."""


class Commands(TyperGroup):
    """The verbs. Exit code 1 for wrong data or a wrong request, 130 for Ctrl-C; usage errors (2) are typer's own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except KeyboardInterrupt as stop:
            _interrupted(stop)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GencoError as error:
            _end(f"genco: error: {_one_line(error)}", WRONG)
        except BrokenPipeError:
            raise
        except OSError as error:
            _end(f"genco: error: {_of_system(error)}", WRONG)
        except KeyboardInterrupt as stop:
            _interrupted(stop)


def _interrupted(stop: KeyboardInterrupt) -> NoReturn:
    _end(f"genco: interrupted. {_one_line(stop) or 'Nothing was written.'}", INTERRUPTED)


def _end(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


def _one_line(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines())


def _of_system(error: OSError) -> str:
    """What the operating system refused, and where."""
    said = error.strerror or _one_line(error) or type(error).__name__
    return f"{error.filename}: {said}." if error.filename else f"{said}."
