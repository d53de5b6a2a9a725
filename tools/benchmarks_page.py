"""Make docs/benchmarks.md of benchmark folders: tools/benchmarks_page.py [FOLDER ...]

Each FOLDER that `genco bench` wrote is kept as docs/benchmarks/NAME (NAME: the folder's): its table, remade of the
raw rows, its configuration, its figure, and the rows themselves where they are small. The page is docs/benchmarks.md.in
with every line `<!-- results NAME -->` replaced by what is kept of NAME. Without a FOLDER it is remade of what is kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl

from genco.benchmarks.suites import suite_named

MAX_ROWS_BYTES = 200_000
PLACE = re.compile(r"^<!-- results (\S+) -->$", re.MULTILINE)
NOT_RUN = "Not run for this version."


def keep(folder: Path, kept: Path) -> None:
    """Write what the page needs of `folder` into `kept`."""
    description = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = pl.read_parquet(folder / "rows.parquet")
    suite = suite_named(description["suite"])
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "table.txt").write_text(suite.table(rows, description["config"]), encoding="utf-8")
    if suite.plot is not None:
        (kept / "plot.svg").write_text(suite.plot(rows, description["config"]), encoding="utf-8")
    text = json.dumps(without_paths(description), indent=2, ensure_ascii=False)
    (kept / "config.json").write_text(text + "\n", encoding="utf-8")
    file = kept / "rows.parquet"
    rows.with_columns(pl.col(pl.Float64).cast(pl.Float32)).write_parquet(file, compression="zstd", compression_level=19)
    if file.stat().st_size > MAX_ROWS_BYTES:
        print(f"{folder}: its rows take {file.stat().st_size:,} bytes and are not kept, the table is", file=sys.stderr)
        file.unlink()


def without_paths(value: Any) -> Any:
    """The same with absolute paths cut to their last part."""
    if isinstance(value, dict):
        return {key: without_paths(entry) for key, entry in value.items()}
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def page(template: str, kept: Path) -> str:
    """The template with results in their places. Raises `SystemExit` naming a kept folder that has no place."""
    places = PLACE.findall(template)
    for folder in sorted(path.name for path in kept.glob("*") if path.is_dir()):
        if folder not in places:
            raise SystemExit(f"docs/benchmarks.md.in should have a line <!-- results {folder} -->. Found none.")
    return PLACE.sub(lambda match: results(kept / match.group(1)), template)


def results(kept: Path) -> str:
    """Command, machine, figure and table of one kept folder; headings one level down and without the title."""
    if not (kept / "config.json").exists():
        return NOT_RUN
    description = json.loads((kept / "config.json").read_text(encoding="utf-8"))
    machine, versions = description["machine"], description["versions"]
    parts = [
        f"`{description['command']}` on {machine['cores']} cores ({machine['architecture']}), "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; [configuration](benchmarks/{kept.name}/config.json)"
        + (f", [raw rows](benchmarks/{kept.name}/rows.parquet)" if (kept / "rows.parquet").exists() else "")
        + "."
    ]
    if (kept / "plot.svg").exists():
        parts.append(f"![{kept.name}](benchmarks/{kept.name}/plot.svg)")
    table = re.sub(r"\A# .*\n+", "", (kept / "table.txt").read_text(encoding="utf-8"))
    parts.append(re.sub(r"^(#+ )", r"#\1", table, flags=re.MULTILINE).strip())
    return "\n\n".join(parts)


def main(docs: Path, folders: list[Path]) -> None:
    for folder in folders:
        keep(folder, docs / "benchmarks" / folder.resolve().name)
    template = (docs / "benchmarks.md.in").read_text(encoding="utf-8")
    (docs / "benchmarks.md").write_text(page(template, docs / "benchmarks"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).resolve().parents[1] / "docs", [Path(argument) for argument in sys.argv[1:]])
