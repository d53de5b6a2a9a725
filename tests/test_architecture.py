"""The shape of the package: what rooms there are, what they may touch, and what importing it costs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "genco"
ROOMS = (
    "benchmarks",
    "cli",
    "data",
    "drawings",
    "evaluation",
    "models",
    "objectives",
    "policies",
    "runtime",
    "serving",
    "simulator",
    "storage",
    "studio",
    "training",
)
PURE = ("data", "evaluation", "models", "objectives", "policies", "runtime", "simulator")
MAX_LINES = 400
IMPURE_CALLS = {"open", "print", "input"}
IMPURE_NAMES = {"os.environ", "os.getenv", "logging.basicConfig"}
# Spelled in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join(["/" + "work/", "/" + "root/", "/" + r"home/\w+/", "/" + r"Users/\w+/"]))

SOURCES = sorted(PACKAGE.rglob("*.py"))
PURE_SOURCES = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in PURE]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """First parts of the names of all modules that `tree` imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def impurities(tree: ast.AST) -> Iterator[str]:
    """What a pure room must not do, with line numbers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"line {node.lineno}: {node.func.id}("
        if isinstance(node, ast.Attribute) and ast.unparse(node) in IMPURE_NAMES:
            yield f"line {node.lineno}: {ast.unparse(node)}"
    yield from (f"import {name}" for name in imported(tree) if name == "matplotlib")


def modules_after_import(name: str) -> set[str]:
    """Top-level modules loaded in a fresh process by `import name`."""
    code = f"import sys, {name}; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_genco_does_not_import_torch() -> None:
    assert not {"torch", "transformers", "sentence_transformers"} & modules_after_import("genco")


def test_serving_rooms_do_not_import_torch() -> None:
    assert "torch" not in modules_after_import("genco.policies.generative")
    assert "torch" not in modules_after_import("genco.serving.server")


def test_rooms_are_those_of_the_architecture() -> None:
    found = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert found == set(ROOMS), "a new room needs a line in ROOMS and in the import contract"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_longer_than_the_limit(path: Path) -> None:
    num_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert num_lines <= MAX_LINES, f"{name_of(path)} has {num_lines} lines: split it, it is more than one idea"


@pytest.mark.parametrize("path", PURE_SOURCES, ids=name_of)
def test_pure_rooms_touch_nothing_outside(path: Path) -> None:
    assert list(impurities(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_impurities_are_found() -> None:
    code = "import matplotlib.pyplot\nimport os\ndef f(p):\n    os.environ['A']\n    return open(p)\n"
    assert sorted(impurities(ast.parse(code))) == ["import matplotlib", "line 4: os.environ", "line 5: open("]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_pickle_is_not_imported(path: Path) -> None:
    forbidden = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    assert not forbidden & set(imported(ast.parse(path.read_text(encoding="utf-8"))))


def test_tracked_files_name_no_machine_paths() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: tracked files are unknown")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    found = []
    for name in filter(None, os.fsdecode(listed).split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in (".png", ".safetensors", ".parquet", ".npz"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match.group()}" for match in MACHINE_PATHS.finditer(text)]
    assert found == []
