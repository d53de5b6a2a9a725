"""`import genco`: the public names, loaded when first used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kits.command_line import write_tiny

import genco
from genco.errors import ConfigError

QUICK = {"training": {"steps": 2, "requests": 8, "group": 4}, "generator": {"width": 8, "key_width": 4}}


def test_every_public_name_is_there() -> None:
    assert genco.__all__ == sorted(genco.__all__)
    for name in genco.__all__:
        assert getattr(genco, name) is not None
    assert set(genco.__all__) <= set(dir(genco))


def test_homes_and_names_agree() -> None:
    assert {*genco._HOME, "__version__"} == set(genco.__all__)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'genco' has no attribute 'trian'"):
        genco.trian  # noqa: B018


@pytest.mark.parametrize("statement", ["import genco", "from genco.cli.main import app"])
def test_import_is_light(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in ('torch', 'numpy', 'polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_loading_a_run_needs_no_torch() -> None:
    code = "import sys, genco; genco.load; genco.open_dataset; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_verbs(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "data")
    dataset = genco.open_dataset(data)
    optimizer = genco.train(dataset, out=tmp_path / "a", config=QUICK)
    assert isinstance(optimizer, genco.Optimizer)
    proposal = optimizer.generate(product_id="p00001", context={"segment": "s1"}, k=3)[0]
    assert isinstance(proposal, genco.Proposal)
    again = genco.train(data, tmp_path / "b", QUICK).generate("p00001", {"segment": "s1"}, 3)[0]
    assert again == proposal == genco.load(tmp_path / "a").generate("p00001", {"segment": "s1"}, 3)[0]
    kept = genco.train(dataset, tmp_path / "a", resume=True)
    assert kept.run.info["config"]["training"]["steps"] == 2
    assert genco.validate(data) == []
    measured = genco.evaluate(optimizer, data, num_requests=2)
    assert measured == genco.evaluate(tmp_path / "a", dataset, num_requests=2)
    assert "value.refined" in measured


def test_config_may_be_a_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'training\.step'"):
        genco.train(write_tiny(tmp_path / "data"), tmp_path / "a", {"training": {"step": 2}})
    assert not (tmp_path / "a").exists()
