"""`genco studio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genco.errors import ConfigError


def studio(
    demo: Annotated[bool, typer.Option("--demo", help="A small world with simulated live traffic.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on, on this machine only.")] = 8000,
    folder: Annotated[
        Path | None, typer.Option(help="Where world and run are kept; `genco/demo` in the user's cache by default.")
    ] = None,
) -> None:
    """Watch a service learn. The studio of a service of your own is part of `genco serve`."""
    if not demo:
        raise ConfigError("Give `--demo`; the studio of your own service is under /studio of `genco serve`.")
    from genco.studio.demo import demo_folder, run_demo

    run_demo(folder or demo_folder(), port, lambda text: typer.echo(text, err=True))
