"""Every suite in a very small form: rows, table, configuration, and going on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from genco.benchmarks.run_suite import of_scenarios, run_suite
from genco.benchmarks.suite import Options, Suite
from genco.benchmarks.suites import SUITE_NAMES, suite_named
from genco.benchmarks.suites.latency import exponent
from genco.cli.bench_command import SuiteName
from genco.errors import ConfigError, DataError

TINY_TRAINING = {
    "training": {"steps": 2, "requests": 8, "group": 4},
    "reward_model": {"residual": "off", "max_rounds": 3},
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty tests of four headlines; those that say "why" are clicked twice as often."""
    rng = np.random.default_rng(0)
    rows = []
    for test in range(60):
        for package in range(4):
            why = bool(rng.integers(2))
            rows.append(
                {
                    "clickability_test_id": f"t{test}",
                    "headline": f"{'why' if why else 'how'} number {rng.integers(1000)}",
                    "eyecatcher_id": f"i{package % 2}",
                    "impressions": 3_000,
                    "clicks": int(rng.binomial(3_000, 0.04 if why else 0.02)),
                    "test_week": 201446,
                }
            )
    file = tmp_path_factory.mktemp("archive") / "packages.parquet"
    pl.DataFrame(rows).write_parquet(file)
    return file


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own take seconds to start; `test_own_process` has them."""

    def call(function: Any, arguments: dict[str, Any], progress: Any, threads: int | None = None) -> Any:
        given = json.loads(json.dumps(arguments))
        return json.loads(json.dumps(function(progress=progress, **given), default=lambda value: value.tolist()))

    for name in SUITE_NAMES:
        monkeypatch.setattr(f"genco.benchmarks.suites.{name}.call_apart", call, raising=False)


def run(name: str, out: Path, changes: dict[str, Any], options: Options | None = None) -> dict[str, Any]:
    result = run_suite(suite_named(name), out, options or Options(quick=True), changes)
    assert (out / "table.md").read_text(encoding="utf-8") == result["table"]
    assert pl.read_parquet(out / "rows.parquet").height == len(result["rows"])
    assert not (out / "data").exists()
    written = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (
        written["suite"] == name and {"cores", "system"} <= set(written["machine"]) and "torch" in written["versions"]
    )
    return result


def test_scenarios(tmp_path: Path) -> None:
    changes = {"impressions": {"pairs_dense": 3_000}, "products": 8, "requests": 3, "training": TINY_TRAINING}
    result = run("scenarios", tmp_path, changes)
    row = result["rows"][0]
    assert row["value.reward_model_argmax"] is not None and row["train.peak_rss_mib"] > 0
    for column in ("argmax / ceiling", "top 1 / argmax", "refined / argmax", "coverage 95%", "peak MiB"):
        assert f"| {column} |" in result["table"]
    assert "| pairs_dense | 3,000 | 1 |" in result["table"]


SIMULATOR = {
    "impressions": {"pairs_dense": 3_000, "jd_card": 2_000},
    "products": 8,
    "requests": 4,
    "training": TINY_TRAINING,
}


def test_simulator(tmp_path: Path) -> None:
    """Peers alone first, ours later into the same folder: worlds are simulated again, rows are kept."""
    pytest.importorskip("vowpalwabbit")
    options = Options(quick=True, peers="independent_components,vw_slates")
    result = run("simulator", tmp_path, SIMULATOR, options)
    assert {row["policy"] for row in result["rows"]} == {"independent_components", "vw_slates"}
    assert len(result["rows"]) == 2 * 2 * 4 and "Ours minus the peer" not in result["table"]
    result = run("simulator", tmp_path, SIMULATOR, Options(quick=True, peers="none"))
    assert len(result["rows"]) == 3 * 2 * 4 and not (tmp_path / "shared").exists()
    by_request = (
        pl.DataFrame(result["rows"]).group_by("scenario", "request").agg(pl.col("uniform", "oracle").n_unique())
    )
    assert (by_request["oracle"] == 1).all() and (by_request["uniform"] == 1).all()
    assert all(row["milliseconds"] > 0 and row["train_cpu_seconds"] > 0 for row in result["rows"])
    assert "Ours minus the peer" in result["table"] and "| genco |" in result["table"]
    assert "Highest mean value" in result["table"] and (tmp_path / "plot.svg").read_text().startswith("<svg xmlns")


def test_wide(tmp_path: Path) -> None:
    changes = {
        "impressions": 2_000,
        "products": 3,
        "candidates": [30, 30, 30],
        "requests": 3,
        "training": TINY_TRAINING,
        "residual": ["off"],
    }
    result = run("wide", tmp_path, changes)
    assert len(result["rows"]) == 3 * 6
    assert all(row["milliseconds"] > 0 and row["oracle"] >= row["uniform"] for row in result["rows"])
    assert "| table beam, width 16 |" in result["table"] and "Highest value: " in result["table"]


def test_latency(tmp_path: Path) -> None:
    changes = {
        "shapes": [[4, 10], [4, 20]],
        "products": 2,
        "impressions": 500,
        "proposals": 3,
        "decisions": 2,
        "training": TINY_TRAINING,
    }
    result = run("latency", tmp_path, changes)
    assert all(row["propose_p99_ms"] >= row["propose_median_ms"] > 0 for row in result["rows"])
    assert "| 4 | 20 | 160,000 |" in result["table"] and "grows as candidates to the power" in result["table"]


def test_throughput(tmp_path: Path) -> None:
    result = run("throughput", tmp_path, {"impressions": [3_000], "products": 8, "training": TINY_TRAINING})
    assert result["rows"][0]["impressions_per_second"] > 0
    assert "| 3,000 |" in result["table"] and "peak MiB" in result["table"]


def test_upworthy(tmp_path: Path, archive: Path) -> None:
    pytest.importorskip("vowpalwabbit")
    changes = {"text": "hashed", "draws": 50, "training": TINY_TRAINING}
    result = run("upworthy", tmp_path, changes, Options(quick=True, table=archive))
    right = {name: np.mean([row[name] for row in result["rows"]]) for name in ("genco", "ridge", "vw", "mlp")}
    assert min(right.values()) > 0.9, right
    assert "| genco - peer | standard error |" in result["table"] and "| all |" in result["table"]
    assert "factorisation_machine" in (tmp_path / "plot.svg").read_text()
    assert not (tmp_path / "run").exists()


def test_ope(tmp_path: Path) -> None:
    setting = {"scenario": "pairs_sparse", "sharpness": 1.0, "tilted": False, "impressions": 2_000}
    short = {**setting, "impressions": 300}
    changes = {"settings": [setting, short], "products": 2, "logs": 4, "slates": ["pairs_dense"], "slate_products": 2}
    result = run("ope", tmp_path, changes)
    assert len(result["rows"]) == 2 * 4 * 3 + 1
    assert sum(row["bootstrap_low"] is not None for row in result["rows"]) == 3
    assert "| `pairs_sparse`, softmax 1, 2,000 | SNIPS | 4 of 4 |" in result["table"]
    assert "| `pairs_sparse`, softmax 1, 300 | DR | 0 of 4 |" in result["table"]
    slate = next(row for row in result["rows"] if row["part"] == "pseudo-inverse")
    assert slate["adding_expected"] == pytest.approx(slate["adding_truth"], rel=1e-6)
    assert slate["expected"] < 0.7 * slate["truth"]


def counting_suite(calls: list[int], stop_at: int | None = None) -> Suite:
    def measure(unit: dict[str, Any], config: Any, scratch: Path, progress: Any) -> list[dict[str, Any]]:
        if unit["seed"] == stop_at:
            raise KeyboardInterrupt
        calls.append(unit["seed"])
        return [{"value": unit["seed"]}, {"value": 0.5, "note": None}]

    return Suite(
        "counting",
        ("seed",),
        lambda options: {"quick": options.quick},
        lambda config, num: [{"seed": seed} for seed in range(1, (num or 2) + 1)],
        measure,
        lambda rows, config: f"{rows.height} rows\n",
    )


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_suite(counting_suite(calls, stop_at=3), tmp_path, Options(num_seeds=3))
    assert calls == [1, 2] and pl.read_parquet(tmp_path / "rows.parquet").height == 4
    assert not (tmp_path / "data").exists()
    result = run_suite(counting_suite(calls), tmp_path, Options(num_seeds=4))
    assert calls == [1, 2, 3, 4] and result["table"] == "8 rows\n"
    run_suite(counting_suite(calls), tmp_path, Options(num_seeds=4))
    assert calls == [1, 2, 3, 4]


def test_another_configuration_needs_another_folder(tmp_path: Path) -> None:
    run_suite(counting_suite([]), tmp_path)
    with pytest.raises(ConfigError, match=r"rows of another config. Give another --out"):
        run_suite(counting_suite([]), tmp_path, Options(quick=True))


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    run_suite(counting_suite([]), tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"rows\.parquet: a Parquet file of benchmark rows is expected"):
        run_suite(counting_suite([]), tmp_path)


def test_names() -> None:
    assert tuple(SuiteName) == SUITE_NAMES
    assert [suite_named(name).name for name in SUITE_NAMES] == list(SUITE_NAMES)
    with pytest.raises(ConfigError, match=rf"one of {', '.join(SUITE_NAMES)}. Found 'speed'"):
        suite_named("speed")


@pytest.mark.parametrize(("num", "message"), [(None, "needs `--table`"), (4, "should be 1 to 3. Found 4")])
def test_upworthy_refuses(num: int | None, message: str, archive: Path, tmp_path: Path) -> None:
    options = Options(num_seeds=num, table=None if num is None else archive)
    with pytest.raises(ConfigError, match=message):
        run_suite(suite_named("upworthy"), tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_exponent_of_a_power_law() -> None:
    took = {size: 0.01 * size**1.5 for size in (10, 100, 1_000)}
    assert exponent(took) == pytest.approx(1.5)
    assert exponent({**took, 10: 7.0}, least=100) == pytest.approx(1.5)
    assert exponent({10: 1.0}) is None


def test_ablation(tmp_path: Path) -> None:
    changes = {
        "impressions": 3_000,
        "products": 8,
        "requests": 3,
        "steps": 2,
        "repetitions": 2,
        "stage_two": ["as built", "no pair effects"],
        "stage_one": ["as built"],
        "log_sizes": [2_000],
        "widths": [0.0, 1.0],
    }
    result = run("ablation", tmp_path, changes)
    rows = pl.DataFrame(result["rows"], infer_schema_length=None)
    assert set(rows["part"]) == {"stage 1", "stage 2", "log size", "gradient", "draws", "width"}
    ratios = rows.filter(pl.col("measure").str.starts_with("variance"))["value"]
    assert len(ratios) == 4 and (ratios > 0).all()
    drawn = rows.filter((pl.col("part") == "draws") & (pl.col("variant") == "without replacement"))
    assert drawn["distinct"].to_list() == [16.0] * 3
    for heading in ("Stage 2, parts off", "Stage 1, parts off", "Size of the log", "Width of exploration"):
        assert f"## {heading}" in result["table"]


def test_scenarios_chosen_by_name():
    units = [{"scenario": name, "seed": seed} for seed in (1, 2) for name in ("cold", "wide", "jd_card")]
    assert of_scenarios(units, None) == units
    assert of_scenarios(units, "jd_card, cold") == [unit for unit in units if unit["scenario"] != "wide"]
    with pytest.raises(ConfigError, match=r"`scenarios` should be some of cold, wide, jd_card. Found 'warm'"):
        of_scenarios(units, "warm")
    with pytest.raises(ConfigError, match="left out: this suite has none"):
        of_scenarios([{"seed": 1}], "cold")
