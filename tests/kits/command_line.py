"""Running `genco` in this process or in one of its own, and a world small enough to train on in a second."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from genco.cli.main import app
from genco.simulator.folder import simulate_to_folder
from genco.simulator.scenarios import SCENARIOS, ComponentSpec, Scenario

QUICK = "[training]\nsteps = 3\nrequests = 8\ngroup = 4\n[generator]\nwidth = 8\nkey_width = 4\n"


def genco(*arguments: str | Path) -> Result:
    """Run one command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def genco_json(*arguments: str | Path) -> dict[str, Any]:
    """Run one command with `--json`; it must succeed and print one object."""
    result = genco(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    found = json.loads(result.stdout, parse_constant=_refuse)
    assert isinstance(found, dict)
    return found


def start_genco(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start one command in a process of its own, with Ctrl-C as it is in a terminal."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("genco"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def tiny_world(name: str = "pairs_dense", num_products: int = 12, **changes: Any) -> Scenario:
    """A named scenario with few products and few elements."""
    components = (ComponentSpec("title", 4), ComponentSpec("image", 3), ComponentSpec("tag", 3))
    return replace(SCENARIOS[name], num_products=num_products, components=components, **changes)


def write_tiny(folder: Path, name: str = "pairs_dense", rows: int = 3_000, **changes: Any) -> Path:
    return simulate_to_folder(tiny_world(name, **changes), rows, 1, folder)


def quick_config(folder: Path, steps: int = 3) -> Path:
    """A configuration file for training in a moment."""
    path = folder / "quick.toml"
    path.write_text(QUICK.replace("steps = 3", f"steps = {steps}"))
    return path


def assert_refused(result: Result, *mentioned: str, code: int = 1) -> None:
    """Exit code, nothing on stdout, one message on stderr that mentions what it should, no traceback."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    messages = [line for line in result.stderr.splitlines() if line.startswith("genco: ")]
    assert len(messages) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for text in mentioned:
        assert text in messages[0], messages[0]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
