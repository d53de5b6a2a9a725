from pathlib import Path

import pytest

from genco.benchmarks.run_suite import run_suite
from genco.benchmarks.suite import Options
from genco.benchmarks.suites.aes import SUITE
from genco.errors import ConfigError, DataError

SMALL = {"views": 20_000, "update_every": 2_000}


def write_table(path: Path, best: float = 0.08) -> Path:
    rows = [
        f"{10_000 + 4 * a + b} 0 0 {a} 1 {b} {best if (a, b) == (2, 3) else 0.02 + 0.005 * a}"
        for a in range(3)
        for b in range(4)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_one_table(tmp_path: Path) -> None:
    file = write_table(tmp_path / "small.txt")
    result = run_suite(SUITE, tmp_path / "out", Options(2, table=file, peers="uniform"), SMALL)
    for name in ("genco", "uniform"):
        assert set(result[name]) == {"norm_at_10000", "norm_at_10000_sd", "norm_at_20000", "norm_at_20000_sd"}
        assert all(isinstance(value, float) for value in result[name].values())
    assert result["genco"]["norm_at_20000"] > 0.2 > result["uniform"]["norm_at_20000"]
    assert "| genco | 2 |" in result["table"]
    again = run_suite(SUITE, tmp_path / "out", Options(2, table=file, peers="uniform"), SMALL)
    assert again["rows"] == result["rows"]


def test_two_templates_are_two_items(tmp_path: Path) -> None:
    file = write_table(tmp_path / "two.txt", 0.03)
    second = [
        line.replace(" 0 0 ", " 1 0 ", 1).replace("100", "200", 1) for line in file.read_text("utf-8").split("\n")
    ]
    file.write_text("\n".join([*file.read_text("utf-8").split("\n")[:12], *second]), encoding="utf-8")
    result = run_suite(SUITE, tmp_path / "out", Options(1, table=file), SMALL)
    assert result["genco"]["norm_at_20000"] > 0.2


def test_a_folder_is_played_with_all_peers_and_a_file_with_none(tmp_path: Path) -> None:
    write_table(tmp_path / "a.txt")
    write_table(tmp_path / "b.txt", 0.05)
    (tmp_path / "tree_constraint.txt").write_text("a, 1, 1\n1\n", encoding="utf-8")
    folder, file = SUITE.configuration(Options(table=tmp_path)), SUITE.configuration(Options(table=tmp_path / "a.txt"))
    assert list(folder["tables"]) == ["a", "b"] and len(folder["policies"]) > 5
    assert file["policies"] == ["genco"]
    result = run_suite(SUITE, tmp_path / "out", Options(1, table=tmp_path, peers="none"), SMALL)
    assert set(result) >= {"a", "b"} and result["a"]["genco"]["norm_at_20000_sd"] is None


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs `--table`"):
        SUITE.configuration(Options())
    with pytest.raises(DataError, match="Found neither"):
        SUITE.configuration(Options(table=tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="Found 'nobody'"):
        SUITE.configuration(Options(table=write_table(tmp_path / "t.txt"), peers="nobody"))
