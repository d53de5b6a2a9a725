from pathlib import Path

import pytest

from genco.benchmarks.run_suite import run_suite
from genco.benchmarks.suite import Options
from genco.benchmarks.suites.autoco import SUITE
from genco.errors import ConfigError


def write_table(path: Path) -> Path:
    rows = ["item,pos,f0,f1,e0,e1,e2,e3,ctr"]
    for item in range(5):
        for pos, (a, b) in enumerate((a, b) for a in range(2) for b in range(3)):
            rows.append(f"{item},{pos},{item % 2},{item},{a},{b},0,{a},{0.05 + 0.03 * a + 0.01 * b}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_items_share_what_is_learned(tmp_path: Path) -> None:
    changes = {"views": 20_000, "update_every": 2_000}
    options = Options(1, table=write_table(tmp_path / "item_ctr.csv"), peers="uniform")
    result = run_suite(SUITE, tmp_path / "out", options, changes)
    assert result["genco"]["norm_at_20000"] > 0.5 > abs(result["uniform"]["norm_at_20000"])
    assert "## item_ctr" in result["table"]


def test_a_table_is_needed() -> None:
    with pytest.raises(ConfigError, match="needs `--table`"):
        SUITE.configuration(Options())
