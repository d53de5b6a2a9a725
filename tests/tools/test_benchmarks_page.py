"""The benchmark page is made of raw rows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "# Benchmarks\n\n<!-- results cost -->\n\n<!-- results other -->\n"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_page", ROOT / "tools" / "benchmarks_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A documentation folder, and beside it `cost`, as the suite `throughput` leaves it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "benchmarks.md.in").write_text(TEMPLATE)
    folder = tmp_path / "cost"
    folder.mkdir()
    seconds = {"reward_model_seconds": 0.1, "seconds": 0.2}
    rows = [{"impressions": 1_000, "seed": 1, "impressions_per_second": 12_345.0, "peak_rss_mib": 9.0, **seconds}]
    pl.DataFrame(rows).write_parquet(folder / "rows.parquet")
    description = {
        "suite": "throughput",
        "config": {"impressions": [1_000], "scenario": "pairs_sparse", "table": "/somewhere/else/file.parquet"},
        "versions": {"genco": "1.2.3"},
        "machine": {"cores": 2, "architecture": "x86_64", "system": "Linux"},
        "command": "genco bench throughput",
    }
    (folder / "config.json").write_text(json.dumps(description))
    return tmp_path / "docs"


def test_the_page_holds_command_machine_and_the_table_of_the_rows(tool: ModuleType, docs: Path) -> None:
    tool.main(docs, [docs.parent / "cost"])
    page = (docs / "benchmarks.md").read_text()
    assert "`genco bench throughput` on 2 cores (x86_64), genco 1.2.3;" in page
    assert "12,345" in page and page.count("\n# ") == 0 and page.endswith("Not run for this version.\n")
    kept = docs / "benchmarks" / "cost"
    assert json.loads((kept / "config.json").read_text())["config"]["table"] == "file.parquet"
    assert pl.read_parquet(kept / "rows.parquet").height == 1
    tool.main(docs, [])
    assert (docs / "benchmarks.md").read_text() == page


def test_large_rows_are_not_kept(tool: ModuleType, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "MAX_ROWS_BYTES", 10)
    tool.main(docs, [docs.parent / "cost"])
    assert not (docs / "benchmarks" / "cost" / "rows.parquet").exists()
    assert "12,345" in (docs / "benchmarks.md").read_text() and "raw rows" not in (docs / "benchmarks.md").read_text()


def test_results_without_a_place_are_an_error(tool: ModuleType, docs: Path) -> None:
    (docs / "benchmarks.md.in").write_text("# Benchmarks\n")
    with pytest.raises(SystemExit, match=r"a line <!-- results cost -->\. Found none"):
        tool.main(docs, [docs.parent / "cost"])


def test_the_template_has_a_place_for_every_suite() -> None:
    from genco.benchmarks.suites import SUITE_NAMES

    template = (ROOT / "docs" / "benchmarks.md.in").read_text(encoding="utf-8")
    assert [name for name in SUITE_NAMES if f"<!-- results {name} -->" not in template] == []
