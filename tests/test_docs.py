"""The documentation names every configuration key, and its examples are found as written."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

from genco.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
PAGE = """# Page

<!-- file map.toml -->
```toml
a = 1
```

<!-- runnable -->
```console
$ cat map.toml
a = ...
$ echo one \\
  two
one two
```

```console
$ exit 1
```
"""


@pytest.fixture(scope="module")
def doc_examples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("doc_examples", ROOT / "tools" / "doc_examples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["doc_examples"] = module
    spec.loader.exec_module(module)
    return module


def keys(record: object) -> Iterator[str]:
    for entry in fields(record):  # type: ignore[arg-type]
        value = getattr(record, entry.name)
        if is_dataclass(value):
            yield f"[{entry.name}]"
            yield from keys(value)
        else:
            yield f"`{entry.name}`"


def test_every_configuration_key_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert [key for key in keys(TrainConfig()) if key not in text] == []


def test_documented_defaults_are_those_of_the_records() -> None:
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        section = line[4:-1] if line.startswith("## [") else section
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found |= {f"{section}.{key}".lstrip("."): cells[1].strip('`"') for key in re.findall(r"`(\w+)`", cells[0])}
    config = TrainConfig().to_dict()
    tables = {name: value for name, value in config.items() if isinstance(value, dict)}
    flat = {f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()}
    flat |= {name: value for name, value in config.items() if name not in tables}
    wanted = {name: "none" if value == {} else str(value) for name, value in flat.items()}
    assert {name: value.lower() for name, value in found.items()} == {k: v.lower() for k, v in wanted.items()}


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    missing = [page for page in pages if f'"{page}"' not in navigation and not page.startswith("decisions/")]
    assert missing == []


def test_runnable_blocks_run_and_others_do_not(doc_examples: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    assert doc_examples.run_page(page) == 2


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```console\n$ echo one\ntwo\n```", "expected:\ntwo\nfound:\none"),
        ("```console\n$ false\n```", "exit code 1"),
        ("```python\nassert 1 == 2\n```", "AssertionError"),
        ("```sql\nselect 1\n```", "should be python or console. Found 'sql'"),
    ],
)
def test_a_failing_example_says_how(doc_examples: ModuleType, tmp_path: Path, block: str, message: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"<!-- runnable -->\n{block}\n", encoding="utf-8")
    with pytest.raises(doc_examples.ExampleError, match=r"page\.md:3") as caught:
        doc_examples.run_page(page)
    assert message in str(caught.value)
