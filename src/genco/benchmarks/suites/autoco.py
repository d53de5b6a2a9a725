"""Online play on the simulator of AutoCO: 167 items, each with its own list of combinations of shared elements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genco.benchmarks.online.loop import PlayConfig
from genco.benchmarks.online.policies import PEERS
from genco.benchmarks.online.runs import play_named
from genco.benchmarks.online.table_suite import KEYS, plot, summary, table, units
from genco.benchmarks.online.tables import autoco_environment
from genco.benchmarks.peer_names import chosen_peers
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.errors import ConfigError
from genco.storage.importers.source import find_file

QUICK_PEERS = "lin_ucb,uniform"
BY_DEFAULT = "lin_ucb,linear_thompson,fm_greedy,independent_greedy,epsilon_greedy,uniform"


def configuration(options: Options) -> dict[str, Any]:
    """200,000 views, items uniform, an update every 10,000, 2,000 random views first; 15 runs. `quick`: one run, two
    peers."""
    if options.table is None:
        raise ConfigError("The suite `autoco` needs `--table`: the file `item_ctr.csv`, or its folder.")
    path = find_file(options.table)
    return {
        "tables": {path.stem: str(path.resolve())},
        "policies": ["genco", *chosen_peers(options.peers or (QUICK_PEERS if options.quick else BY_DEFAULT), PEERS)],
        "views": 200_000,
        "update_every": 10_000,
        "random_views": 2_000,
        "seeds": 1 if options.quick else 15,
    }


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """One run of one policy: a row per checkpoint."""
    environment = autoco_environment(Path(config["tables"][unit["table"]]))
    play = PlayConfig(config["views"], config["update_every"], random_views=config["random_views"])
    return play_named(unit["policy"], environment, play, unit["run"])


SUITE = Suite("autoco", KEYS, configuration, units, measure, table, plot, summary=summary)
