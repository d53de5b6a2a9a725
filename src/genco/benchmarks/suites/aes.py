"""Online play on tables of the AES format: one composited creative, a click rate for each legal combination."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genco.benchmarks.online.loop import PlayConfig
from genco.benchmarks.online.policies import PEERS
from genco.benchmarks.online.runs import play_named
from genco.benchmarks.online.table_suite import KEYS, plot, summary, table, units
from genco.benchmarks.online.tables import aes_environment, table_files
from genco.benchmarks.peer_names import chosen_peers
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.errors import ConfigError

QUICK_PEERS = "te_greedy,vertex_ts,uniform"


def configuration(options: Options) -> dict[str, Any]:
    """240,000 views, an update every 1,000, 15 runs. A folder of tables is played with all peers; `quick`: one run,
    three peers."""
    if options.table is None:
        raise ConfigError(
            "The suite `aes` needs `--table`: a file `id template background size colour font CTR`, or a folder."
        )
    files = table_files(options.table)
    by_default = "none" if options.table.is_file() else QUICK_PEERS if options.quick else "all"
    return {
        "tables": {path.stem: str(path.resolve()) for path in files},
        "policies": ["genco", *chosen_peers(options.peers or by_default, PEERS)],
        "views": 240_000,
        "update_every": 1_000,
        "seeds": 1 if options.quick else 15,
    }


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """One run of one policy: a row per checkpoint."""
    environment = aes_environment(Path(config["tables"][unit["table"]]))
    play = PlayConfig(config["views"], config["update_every"])
    return play_named(unit["policy"], environment, play, unit["run"])


SUITE = Suite("aes", KEYS, configuration, units, measure, table, plot, summary=summary)
