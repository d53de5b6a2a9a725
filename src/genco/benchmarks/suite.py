"""What a benchmark suite is: named units of work, a function that measures one, and a table of all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

Progress = Callable[[str, dict[str, float]], None]
Config = Mapping[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What `genco bench` was told. num_seeds: None = as many as the suite runs by default · table: a file or folder of
    the user's · peers: `all`, `none` or names with commas (`peer_names.chosen_peers`), None = the suite's default ·
    scenarios: names with commas of the suites that go through scenarios, None = all of them."""

    num_seeds: int | None = None
    quick: bool = False
    table: Path | None = None
    peers: str | None = None
    scenarios: str | None = None


@dataclass(frozen=True)
class Suite:
    """One benchmark.

    configuration: everything that decides the numbers, but not how many seeds · keys: columns that name a unit of
    work · units: all units of so many seeds (None = the default), each a table of `keys` · measure: (unit,
    configuration, scratch folder, progress) -> the unit's rows, without `keys`; what units share they keep in `shared`
    of that folder · table: Markdown of all rows · plot: SVG of all rows · policies: values of the unit's `policy` that
    `--peers` chooses from, ours first · summary: what `--json` has beside the rows, by name.
    """

    name: str
    keys: tuple[str, ...]
    configuration: Callable[[Options], dict[str, Any]]
    units: Callable[[Config, int | None], list[Row]]
    measure: Callable[[Row, Config, Path, Progress], list[Row]]
    table: Callable[[pl.DataFrame, Config], str]
    plot: Callable[[pl.DataFrame, Config], str] | None = None
    policies: tuple[str, ...] = ()
    summary: Callable[[pl.DataFrame, Config], dict[str, Any]] = lambda rows, config: {}


def shared(scratch: Path) -> Path:
    """The folder beside `scratch` that outlives a unit of work: units may leave there what the next can use."""
    return scratch.parent / "shared"
