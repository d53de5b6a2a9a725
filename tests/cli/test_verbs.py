"""Each verb does what it says: text for people, one JSON object for programs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.command_line import assert_refused, genco, genco_json, quick_config, tiny_world, write_tiny
from tests.kits.small_dataset import write_small

from genco.cli.export_command import As
from genco.cli.import_command import Format, Limits
from genco.cli.train_command import Text
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.truth import truth_of
from genco.simulator.world import World
from genco.storage.dataset import open_dataset
from genco.storage.exporters import EXPORTERS
from genco.storage.importers import IMPORTERS
from genco.storage.importers.asset_profiles import PROFILES
from genco.training.config import TEXT_ENCODERS

COLD = {"never_logged_products": 0.3, "never_logged_elements": 0.2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verbs")


@pytest.fixture(scope="module")
def data(place: Path) -> Path:
    return write_tiny(place / "data", "cold", num_products=20, **COLD)


@pytest.fixture(scope="module")
def run(place: Path, data: Path) -> Path:
    shown = genco_json("train", "--data", data, "--out", place / "run", "--config", quick_config(place))
    assert shown["run"] == str(place / "run")
    assert shown["seconds"] > 0
    return place / "run"


@pytest.fixture
def tiny_scenario(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SCENARIOS, "tiny", tiny_world())
    return "tiny"


def test_simulate(tiny_scenario: str, tmp_path: Path) -> None:
    words = ("simulate", "--scenario", tiny_scenario, "--impressions", "500", "--seed", "3", "--out", tmp_path / "d")
    shown = genco_json(*words)
    assert (shown["num_rows"], shown["num_products"], shown["seed"]) == (500, 12, 3)
    assert shown["slots"] == ["title", "image", "tag"]
    dataset = open_dataset(tmp_path / "d")
    assert (dataset.num_rows, dataset.meta.origin["seed"]) == (500, 3)
    assert_refused(genco(*words), str(tmp_path / "d"))
    assert "500 impressions" in genco(*words, "--overwrite").stdout


def test_simulate_unknown_scenario(tmp_path: Path) -> None:
    assert_refused(genco("simulate", "--scenario", "pears", "--out", tmp_path / "d"), "'pears'", "pairs_dense")
    assert not (tmp_path / "d").exists()


def test_validate(data: Path) -> None:
    assert genco_json("validate", data) == {
        "dataset": str(data),
        "valid": True,
        "violations": [],
        "products_without_legal_combination": 0,
        "left_out": [],
    }
    assert "no violations" in genco("validate", data).stdout


def test_validate_json_of_bad_data(tmp_path: Path) -> None:
    result = genco("validate", tmp_path, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not found["valid"]
    assert set(found["violations"][0]) == {"file", "row", "column", "rule", "value", "message"}


def test_formats_are_those_there_are() -> None:
    assert {*(entry.value for entry in Limits), "meta_dynamic_creative"} == set(PROFILES)
    assert {entry.value for entry in Format} == set(IMPORTERS)
    assert {entry.value for entry in As} == {"dataset", *EXPORTERS}
    assert tuple(entry.value for entry in Text) == TEXT_ENCODERS


def test_import(tmp_path: Path) -> None:
    table = pl.DataFrame({"item": [1, 1, 2], "f0": [0, 0, 1], "f1": [2, 2, 2]}).with_columns(
        *(pl.Series(f"e{i}", [i, i + 1, i]) for i in range(4)), pl.Series("ctr", [0.1, 0.2, 0.3]), pos=pl.lit(0)
    )
    table.write_csv(tmp_path / "item_ctr.csv")
    words = ("import", "autoco", tmp_path / "item_ctr.csv", "--out", tmp_path / "d", "--impressions", "200")
    shown = genco_json(*words)
    assert (shown["name"], shown["rows_read"], shown["rows_written"], shown["dropped"]) == ("autoco", 3, 3, {})
    assert open_dataset(tmp_path / "d").num_rows == 200
    assert_refused(genco(*words), "d")


def test_import_of_a_table_with_a_map(tmp_path: Path) -> None:
    log = pl.DataFrame({"sku": ["p1", "p1"], "head": ["a", "b"], "seen": [10, 20], "clicked": [1, 2]})
    log.write_csv(tmp_path / "log.csv")
    (tmp_path / "map.toml").write_text(
        'name = "mine"\n[columns]\nproduct_id = "sku"\nnum_impressions = "seen"\nnum_clicks = "clicked"\n'
        '[slots.title]\ncolumn = "head"\nvalues = "texts"\n'
    )
    words = ("import", "table", tmp_path / "log.csv", "--map", tmp_path / "map.toml", "--out", tmp_path / "d")
    assert genco_json(*words)["rows_written"] == 2
    assert genco("validate", tmp_path / "d").exit_code == 0
    log.with_columns(clicked=pl.Series([1, 21])).write_csv(tmp_path / "log.csv")
    assert_refused(genco(*words, "--overwrite"), "log.csv", "row 2", "'clicked'", "21")
    assert open_dataset(tmp_path / "d").num_rows == 2


def test_export_of_a_dataset_folder(data: Path, tmp_path: Path) -> None:
    words = ("export", "--data", data, "--out", tmp_path / "log.vw")
    assert genco(*words).exit_code == 2  # it is a dataset folder already
    found = genco_json(*words, "--format", "vw")
    assert (found["path"], found["rows"]) == (str(tmp_path / "log.vw"), open_dataset(data).num_rows)
    assert_refused(genco(*words, "--format", "vw"), "log.vw")
    assert "impressions as vw" in genco(*words, "--format", "vw", "--overwrite").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("aes", "x", "--keep-flagged"),
        ("aes", "x", "--map", "m.toml"),
        ("meta", "x", "--profile", "google_rsa"),
        ("facebook", "x"),
        ("aes",),
    ],
)
def test_import_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    assert genco("import", *words, "--out", tmp_path / "d").exit_code == 2


def test_import_lists_the_first_rows_left_out(tmp_path: Path) -> None:
    rows = [f"HEADLINE,h{i}" for i in range(3)] + ["DESCRIPTION,a", "DESCRIPTION,b"] + ["HEADLINE," + "x" * 999] * 50
    (tmp_path / "assets.csv").write_text("\n".join(["type,text", *rows]))
    result = genco("import", "google", tmp_path / "assets.csv", "--out", tmp_path / "a")
    lines = [line for line in result.stdout.splitlines() if "left out" in line or "listed with" in line]
    assert (len(lines), lines[-1].strip()) == (21, "and 30 more, listed with --json")
    assert max(map(len, lines)) < 200
    found = genco_json("import", "google", tmp_path / "assets.csv", "--out", tmp_path / "b")
    assert len(found["errors"]) == 50


def test_import_of_what_is_not_there(tmp_path: Path) -> None:
    assert_refused(genco("import", "upworthy", tmp_path / "none", "--out", tmp_path / "d"), "none")


def test_train_options_go_over_the_file(data: Path, tmp_path: Path) -> None:
    words = ("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    genco_json(*words, "--seed", "5", "--text", "none")
    again = genco(*words)
    assert_refused(again, str(tmp_path / "run"), "--resume")
    assert_refused(genco(*words, "--resume"), "another configuration")
    resumed = genco("train", "--data", data, "--out", tmp_path / "run", "--resume", "--json")
    assert resumed.exit_code == 0, resumed.output
    config = tomllib.loads((tmp_path / "run" / "run.toml").read_text())["config"]
    assert (config["seed"], config["text"], config["training"]["steps"]) == (5, "none", 3)


def test_train_from_an_earlier_run(data: Path, run: Path, tmp_path: Path) -> None:
    words = ("train", "--data", data, "--out", tmp_path / "next", "--config", quick_config(tmp_path))
    genco_json(*words, "--from", run)
    assert_refused(genco(*words, "--from", tmp_path / "none", "--overwrite"), "none")
    assert_refused(genco(*words, "--from", tmp_path / "next", "--overwrite"), "next")


@pytest.mark.parametrize("out", ["a-file", "a-folder"])
def test_train_into_what_is_not_a_run(out: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("mine")
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-folder" / "mine.txt").write_text("mine")
    for extra in ((), ("--overwrite",)):
        assert_refused(genco("train", "--data", data, "--out", tmp_path / out, *extra), out)
    assert (tmp_path / "a-file").read_text() == (tmp_path / "a-folder" / "mine.txt").read_text() == "mine"


def test_evaluate_keys_are_flat_and_nested(run: Path, data: Path) -> None:
    shown = genco_json("evaluate", "--run", run, "--data", data, "--requests", "6")
    assert shown["value.refined"] == shown["value"]["refined"]
    for group in ("value", "value_cold_elements", "diversity", "attribution", "calibration", "ranking", "train"):
        assert group in shown
        assert shown[group] == {k.partition(".")[2]: v for k, v in shown.items() if k.startswith(f"{group}.")}
    assert set(shown["value_cold_elements"]) == set(shown["value"])


def test_cold_values_are_about_what_the_log_never_shows(run: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genco.evaluation import evaluate as module

    asked: list[np.ndarray] = []
    drawn = module._requests

    def spy(optimizer: object, truth: object, products: np.ndarray, num: int, seed: int) -> object:
        asked.append(products)
        return drawn(optimizer, truth, products, num, seed)

    monkeypatch.setattr(module, "_requests", spy)
    genco_json("evaluate", "--run", run, "--data", data, "--requests", "3")
    truth, catalogue = truth_of(open_dataset(data)), open_dataset(data).catalogue
    assert isinstance(truth, World)
    new = np.flatnonzero(truth.never_logged_products)
    assert len(new) == 6
    assert asked[0].tolist() == new.tolist()
    owners = catalogue.element_product[truth.never_logged_elements]
    assert asked[-1].tolist() == sorted(set(owners.tolist()) - set(new.tolist()))


def test_evaluate_prints_groups(run: Path, data: Path) -> None:
    result = genco("evaluate", "--run", run, "--data", data, "--requests", "4")
    lines = result.stdout.splitlines()
    groups = [line for line in lines if line and not line.startswith(" ") and ":" not in line]
    assert groups == [
        "value", "value cold elements", "diversity", "attribution", "calibration", "ranking", "train",
    ]  # fmt: skip
    assert any(line.startswith("  refined") and "±" in line for line in lines)


def test_evaluate_without_truth_says_why(tmp_path: Path) -> None:
    data = write_small(tmp_path / "data")
    genco_json("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    shown = genco_json("evaluate", "--run", tmp_path / "run", "--data", data)
    assert shown["value"]["refined"] is None
    assert "truth" in shown["value"]["refined_reason"]
    assert "value_cold_elements" not in shown


def test_evaluate_of_a_run_that_is_none(data: Path, tmp_path: Path) -> None:
    assert_refused(genco("evaluate", "--run", tmp_path, "--data", data), str(tmp_path), "run.toml")


def test_generate(run: Path) -> None:
    words = ("generate", "--run", run, "--product", "p00003", "-k", "4", "--context", "segment=s1")
    shown = genco_json(*words)
    proposals = shown["proposals"]
    assert len({tuple(entry["combination"].values()) for entry in proposals}) == len(proposals) == 4
    assert [entry["uplift"] for entry in proposals] == sorted((e["uplift"] for e in proposals), reverse=True)
    for entry in proposals:
        credit = entry["attribution"]
        assert [c["slot"] for c in credit] == ["title", "image", "tag"]
        assert sum(c["total"] for c in credit) == pytest.approx(entry["uplift"], abs=1e-4)
        assert all(c["low"] <= c["total"] <= c["high"] for c in credit)
    assert genco_json(*words) == shown
    text = genco(*words).stdout
    assert text.startswith("1. click probability 0.")
    assert all(e in text for e in proposals[0]["combination"].values())


def test_generate_pins_and_exclusions(run: Path) -> None:
    words = ("generate", "--run", run, "--product", "p00003", "-k", "3")
    best = genco_json(*words)["proposals"][0]["combination"]
    without = genco_json(*words, "--exclude", best["title"], "--exclude", best["image"])
    for entry in without["proposals"]:
        assert entry["combination"]["title"] != best["title"]
        assert entry["combination"]["image"] != best["image"]
    pinned = without["proposals"][-1]["combination"]["tag"]
    held = genco_json(*words, "--pin", f"tag={pinned}")
    assert {entry["combination"]["tag"] for entry in held["proposals"]} == {pinned}


@pytest.mark.parametrize(
    ("extra", "mentioned"),
    [
        (("--product", "p9"), ("'p9'",)),
        (("--product", "p00003", "--context", "city=x"), ("'city'", "segment")),
        (("--product", "p00003", "--pin", "titel=e0000030"), ("'titel'",)),
        (("--product", "p00003", "--pin", "title=e9"), ("'e9'",)),
        (("--product", "p00003", "--exclude", "e9"), ("'e9'",)),
    ],
)
def test_generate_refuses_unknown_names(extra: tuple[str, ...], mentioned: tuple[str, ...], run: Path) -> None:
    assert_refused(genco("generate", "--run", run, *extra), *mentioned)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("fly",),
        ("train",),
        ("train", "--data", "d", "--out", "r", "--resume", "--overwrite"),
        ("train", "--data", "d", "--out", "r", "--text", "bert"),
        ("simulate", "--scenario", "pairs_dense", "--out", "d", "--impressions", "0"),
        ("generate", "--run", "r", "--product", "p", "-k", "0"),
        ("generate", "--run", "r", "--product", "p", "--context", "segment"),
        ("generate", "--run", "r", "--product", "p", "--pin", "a=b", "--pin", "a=c"),
    ],
)
def test_usage_errors(words: tuple[str, ...]) -> None:
    assert genco(*words).exit_code == 2


def test_version() -> None:
    import genco as package

    assert genco("--version").stdout == f"genco {package.__version__}\n"


def test_report(run: Path, data: Path, tmp_path: Path) -> None:
    assert genco_json("report", "--run", run, "--data", data, "--out", tmp_path / "r.html") == {
        "report": str(tmp_path / "r.html")
    }
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert_refused(genco("report", "--run", run, "--data", tmp_path, "--out", tmp_path / "s.html"), "dataset.toml")
    assert not (tmp_path / "s.html").exists()
