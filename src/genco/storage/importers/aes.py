"""AES tables: the click-through rate of every legal combination of one composited creative.

Source: a text table, `id template background size colour font CTR` separated by blanks, with or without a line of these
names (`ctr_online.txt`, `ctr_new.txt`, or any of that format), or a folder that holds one. If `tree_constraint.txt`
lies beside it (format: `aes_tree.py`), its matrices become `allow` rules, and the table must list exactly the
combinations they leave; without it the listed combinations become an `only` rule.

A template is a product; background, size, colour and font are the slots; elements (`colour-3`) are shared and have no
content. The table itself becomes the truth, and the log is drawn from it: single impressions, uniform over legal
combinations, propensities logged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from genco.data.catalogue import Slot
from genco.data.rules import Allow, Block, Only, Rule
from genco.errors import DataError
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.aes_tree import TEMPLATE, TreeEdge, legal_combinations, read_tree
from genco.storage.importers.drawn_log import write_drawn_dataset
from genco.storage.importers.rate_table import numbered_elements, rate_table
from genco.storage.importers.source import cast_table, find_file, refuse_rows
from genco.storage.importers.summary import ImportSummary

ORIGIN = (
    "AES code and data, Alimama, https://github.com/alimama-creative/AES-Adaptive-and-Efficient-ad-creative-Selection"
)
CITATION = "Efficient Optimal Selection for Composited Advertising Creatives with Tree Structure. AAAI 2021."
PARTS = ("background", "size", "colour", "font")
CONSTRAINT_FILE = "tree_constraint.txt"
DEFAULT_IMPRESSIONS = 240_000
_COLUMNS = ("id", "template", *PARTS, "ctr")


def import_aes(
    source: Path, out: Path, num_impressions: int | None = None, seed: int = 0, *, overwrite: bool = False
) -> ImportSummary:
    """Write table, rules and a drawn log of `num_impressions` (default 240,000) as a dataset folder at `out`.

    Raises `DataError` naming file, row and value, also where table and constraint disagree.
    """
    path = find_file(Path(source), (".txt",), ignore=(CONSTRAINT_FILE,))
    rows = read_aes(path)
    templates = sorted(rows["template"].unique().to_list())
    constraint = path.parent / CONSTRAINT_FILE
    if constraint.exists():
        edges = read_tree(constraint, len(templates), len(PARTS))
        _require_agreement(rows, templates, edges, path)
        rules = _tree_rules(edges, templates)
    else:
        rules = tuple(_listed_rule(rows, template) for template in templates)
    num_impressions = DEFAULT_IMPRESSIONS if num_impressions is None else num_impressions
    origin: dict[str, str | int | float] = {
        "source": ORIGIN,
        "citation": CITATION,
        "file": path.name,
        "combinations": rows.height,
    }
    log_note = f"the log is drawn: {num_impressions:,} impressions uniform over legal combinations, seed {seed}"
    meta = DatasetMeta(
        name=f"aes-{path.stem}",
        slots=tuple(Slot(part, part) for part in PARTS),
        rules=rules,
        origin={**origin, "log": log_note, "rows_read": rows.height, "rows_written": rows.height},
    )
    products = pl.DataFrame({"product_id": [_product_id(template) for template in templates]})
    elements, table = numbered_elements(rows, PARTS), rate_table(rows, "template", PARTS, "ctr")
    write_drawn_dataset(Path(out), meta, products, elements, table, num_impressions, seed, overwrite)
    summary_origin = f"{ORIGIN}. {CITATION}"
    rule_note = f"rules from {CONSTRAINT_FILE}" if constraint.exists() else "rules: only the listed combinations"
    return ImportSummary(meta.name, rows.height, rows.height, {}, summary_origin, (log_note, rule_note))


def read_aes(path: Path) -> pl.DataFrame:
    """Return the table sorted by template and parts; values as integers, ctr as a float."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text. {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    first_row = 1
    if lines and tuple(name.lower() for name in lines[0]) == _COLUMNS:
        lines, first_row = lines[1:], 2
    if not lines:
        raise DataError(f"{path}: at least one row is expected. Found none.")
    for number, fields in enumerate(lines, start=first_row):
        if len(fields) != len(_COLUMNS):
            raise DataError(
                f"{path}, row {number}: {len(_COLUMNS)} values are expected ({' '.join(_COLUMNS)}). Found {fields}."
            )
    rows = pl.DataFrame(lines, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
    rows = cast_table(rows, {**dict.fromkeys(("template", *PARTS), pl.Int64()), "ctr": pl.Float64()}, path, first_row)
    for column in ("template", *PARTS):
        refuse_rows(rows, pl.col(column) < 0, column, "a number from 0 is expected", path, first_row)
    refuse_rows(rows, ~pl.col("ctr").is_between(0, 1), "ctr", "a rate in [0, 1] is expected", path, first_row)
    twice = ~pl.struct("template", *PARTS).is_first_distinct()
    refuse_rows(rows, twice, "id", "every combination is listed once; this one is listed again", path, first_row)
    return rows.with_row_index("row", offset=first_row).sort("template", *PARTS)


def _require_agreement(rows: pl.DataFrame, templates: list[int], edges: tuple[TreeEdge, ...], path: Path) -> None:
    """The table lists exactly the legal combinations. Raises `DataError` naming the first that differs."""
    for position, template in enumerate(templates):
        legal = {tuple(values) for values in legal_combinations(edges, position).tolist()}
        listed = dict(
            zip(rows.filter(template=template).select(PARTS).rows(), rows.filter(template=template)["row"], strict=True)
        )
        illegal = [values for values in listed if values not in legal]
        missing = sorted(legal - listed.keys())
        if illegal:
            shown = dict(zip(PARTS, illegal[0], strict=True))
            raise DataError(
                f"{path}, row {listed[illegal[0]]}: {CONSTRAINT_FILE} forbids this combination. Found {shown}."
            )
        if missing:
            shown = dict(zip(PARTS, missing[0], strict=True))
            raise DataError(
                f"{path}: a rate for each of {len(legal)} legal combinations is expected. Found none for {shown}."
            )


def _tree_rules(edges: tuple[TreeEdge, ...], templates: list[int]) -> tuple[Rule, ...]:
    """One `allow` per edge that forbids something; what a template forbids becomes `block`."""
    rules: list[Rule] = []
    for edge in edges:
        child = PARTS[edge.child]
        if edge.parent == TEMPLATE:
            blocked = np.argwhere(~edge.legal).tolist()
            rules += [Block(f"{child}-{value}", child, _product_id(templates[t])) for t, value in blocked]
        elif not edge.legal.all():
            parent = PARTS[edge.parent]
            pairs = tuple((f"{parent}-{a}", f"{child}-{b}") for a, b in np.argwhere(edge.legal).tolist())
            rules.append(Allow((parent, child), pairs))
    return tuple(rules)


def _listed_rule(rows: pl.DataFrame, template: int) -> Only:
    listed = rows.filter(template=template).select(PARTS).rows()
    combinations = tuple(tuple(f"{part}-{v}" for part, v in zip(PARTS, values, strict=True)) for values in listed)
    return Only(_product_id(template), combinations)


def _product_id(template: int) -> str:
    return f"template-{template}"
