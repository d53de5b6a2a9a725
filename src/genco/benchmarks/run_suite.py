"""Runs a suite into a folder, unit by unit, so that an interrupted run goes on where it stopped.

rows.parquet   raw rows        table.md   the table        config.json   configuration, versions, machine
plot.svg       the figure, where the suite has one
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genco.benchmarks.peer_names import chosen_peers
from genco.benchmarks.row_file import RowFile
from genco.benchmarks.suite import Options, Progress, Row, Suite, shared
from genco.errors import ConfigError
from genco.version import __version__

PACKAGES = ("numpy", "polars", "torch")


def run_suite(
    suite: Suite,
    out: str | Path,
    options: Options | None = None,
    changes: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what is left of `suite` into the folder `out`; returns what `config.json` says and the rows.

    changes: entries of the suite's configuration to replace. Progress: stage "bench" with unit, of. Raises
    `ConfigError` where `out` holds rows of another suite or configuration.
    """
    options, progress = options or Options(), progress or (lambda stage, values: None)
    out = Path(out)
    config = {**suite.configuration(options), **(changes or {})}
    units = of_scenarios(suite.units(config, options.num_seeds), options.scenarios)
    units = chosen_units(suite, units, options.peers)
    description = {**_description(suite, config, out), "command": command(suite, options)}
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "config.json", json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    file = RowFile(out / "rows.parquet", suite.keys)
    scratch = out / "data"
    started = time.perf_counter()
    try:
        for number, unit in enumerate(units):
            if not file.holds(unit):
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                try:
                    file.add(unit, suite.measure(unit, config, scratch, progress))
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
            progress("bench", {"unit": number + 1, "of": len(units), "seconds": time.perf_counter() - started})
    finally:
        shutil.rmtree(shared(scratch), ignore_errors=True)
    table = suite.table(file.rows, config)
    _write(out / "table.md", table)
    if suite.plot is not None:
        _write(out / "plot.svg", suite.plot(file.rows, config))
    return {**suite.summary(file.rows, config), **description, "table": table, "rows": file.rows.to_dicts()}


def command(suite: Suite, options: Options) -> str:
    """What to type for the same rows, the folder to write left out."""
    said = ["genco bench", suite.name]
    said += ["--quick"] if options.quick else []
    named = (
        ("--seeds", options.num_seeds),
        ("--table", options.table and options.table.name),
        ("--peers", options.peers),
        ("--scenarios", options.scenarios),
    )
    return " ".join([*said, *(f"{flag} {value}" for flag, value in named if value is not None)])


def chosen_units(suite: Suite, units: list[Row], peers: str | None) -> list[Row]:
    """The units of the policies that `--peers` names; `none` = ours alone, not given = all of them."""
    if peers is None or not suite.policies:
        return units
    chosen = chosen_peers(peers, suite.policies) or suite.policies[:1]
    return [unit for unit in units if unit["policy"] in chosen]


def of_scenarios(units: list[Row], scenarios: str | None) -> list[Row]:
    """The units of the scenarios named with commas between them; None = all. Raises `ConfigError` for another name."""
    if scenarios is None:
        return units
    known = list(dict.fromkeys(unit["scenario"] for unit in units if "scenario" in unit))
    wanted = [name.strip() for name in scenarios.split(",")]
    for name in wanted:
        if name not in known:
            some = f"some of {', '.join(known)}" if known else "left out: this suite has none"
            raise ConfigError(f"Parameter `scenarios` should be {some}. Found {name!r}.")
    return [unit for unit in units if unit["scenario"] in wanted]


def _description(suite: Suite, config: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """What `config.json` says. Raises `ConfigError` where the file there says something else."""
    wanted = json.loads(json.dumps(config))
    file = out / "config.json"
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        for key, before, now in (("suite", found.get("suite"), suite.name), ("config", found.get("config"), wanted)):
            if before != now:
                raise ConfigError(f"{out} holds rows of another {key}. Give another --out. Found {before}, now {now}.")
    return {
        "suite": suite.name,
        "config": wanted,
        "versions": {"genco": __version__, "python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
    }


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
