"""Text for VowpalWabbit's `--slates`: https://github.com/VowpalWabbit/vowpal_wabbit/wiki/Slates.

An impression is one example: the cost (-1 for a click, 0 without), product and context in the shared line, one line for
every approved candidate of every slot with id, features and words of its text, and one line a slot that says which was
shown and with what probability. Namespaces: `c` context and product, `i` id, `f` features, `t` text.

VowpalWabbit wants one probability a slot; a log has the propensity p of the whole combination. Slot s of n_s candidates
is given p^(log n_s / sum of log n), so that the product over the slots is p: exact where slots were drawn uniformly and
independently, a split of the joint probability otherwise. It knows no rules: what it proposes may be illegal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import ELEMENT_COLUMNS, EMPTY, PRODUCT_COLUMNS, Catalogue
from genco.storage.dataset import Dataset
from genco.storage.exporters.single_rows import SingleRows, single_rows
from genco.storage.exporters.summary import ExportSummary
from genco.storage.new_file import new_file

_SPECIAL = re.compile(r"[\s:|%]")
KEPT_BLOCKS = 20_000  # of lines written out: memory does not grow with the catalogue
NOTE = "slot probabilities share out the propensity of the combination; rules are not part of the format"


def export_vw(dataset: Dataset, out: Path, overwrite: bool = False) -> ExportSummary:
    """Write the log as one text file. Raises `DataError` and `ConfigError` as `single_rows` and `new_file` do."""
    lines = _Lines(dataset.catalogue)
    num_rows = dropped = 0
    with new_file(out, overwrite) as part, part.open("w", encoding="utf-8") as file:
        for rows in single_rows(dataset):
            lines.write(rows, file)
            num_rows, dropped = num_rows + len(rows), dropped + rows.num_dropped
    return ExportSummary(out, num_rows, {"no_propensity": dropped}, (NOTE,))


class _Lines:
    """Lines of a catalogue. The candidates of a product are written out once and kept."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._products = _features(catalogue.products, PRODUCT_COLUMNS)
        self._ids = catalogue.products["product_id"].to_list()
        features = _features(catalogue.elements, ELEMENT_COLUMNS)
        self._elements = [
            f"|i {word(name)}{' |f ' + known if known else ''}{_words(text)}"
            for name, text, known in zip(
                catalogue.elements["element_id"], catalogue.elements["text"], features, strict=True
            )
        ]
        self._blocks: dict[tuple[int, int], tuple[str, dict[int, int]]] = {}

    def write(self, rows: SingleRows, file: TextIO) -> None:
        names = list(rows.context)
        for at, (product, combination) in enumerate(zip(rows.product.tolist(), rows.combination.tolist(), strict=True)):
            known = [feature(name, rows.context[name][at]) for name in names]
            shared = " ".join([feature("product_id", self._ids[product]), self._products[product], *known])
            file.write(f"slates shared {-rows.click[at]} |c {' '.join(shared.split())}\n")
            blocks = [self._block(product, slot, element) for slot, element in enumerate(combination)]
            file.writelines(text for text, _ in blocks)
            shares = _slot_shares(rows.propensity[at], [len(places) for _, places in blocks])
            for (_, places), element, share in zip(blocks, combination, shares, strict=True):
                file.write(f"slates slot {places[element]}:{share:.9g} |\n")
            file.write("\n")

    def _block(self, product: int, slot: int, shown: int) -> tuple[str, dict[int, int]]:
        """Lines of the slot's candidates and the place of each; what was shown and is no candidate now comes last."""
        found = self._blocks.get((product, slot))
        if found is None:
            candidates = self._catalogue.candidates(product, slot).tolist()
            found = "".join(self._line(slot, row) for row in candidates), {row: i for i, row in enumerate(candidates)}
            if len(self._blocks) >= KEPT_BLOCKS:
                self._blocks.clear()
            self._blocks[product, slot] = found
        text, places = found
        if shown in places:
            return found
        return text + self._line(slot, shown), {**places, shown: len(places)}

    def _line(self, slot: int, row: int) -> str:
        return f"slates action {slot} {'|i empty' if row == EMPTY else self._elements[row]}\n"


def _slot_shares(propensity: float, sizes: Sequence[int]) -> NDArray[np.float64]:
    """The propensity of a combination shared out over its slots, by the logarithm of their numbers of candidates."""
    weights = np.log(sizes)
    weights = weights / weights.sum() if weights.any() else np.full(len(sizes), 1 / len(sizes))
    return np.asarray(propensity**weights)


def word(text: str) -> str:
    """The text as one word: white space, `:`, `|` and `%` as %XX of their UTF-8 bytes."""
    return _SPECIAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def feature(name: str, value: object) -> str:
    """`name:number`, or `name=value`; nothing for null and NaN."""
    if value is None or value != value:
        return ""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return word(f"{name}={value}")
    return f"{word(name)}:{float(value):.9g}"


def _words(text: str | None) -> str:
    return " |t " + " ".join(word(part) for part in text.lower().split()) if text and text.strip() else ""


def _features(table: pl.DataFrame, known: tuple[str, ...]) -> list[str]:
    """Feature columns of every row."""
    columns = table.drop(known, strict=False)
    if not columns.width:
        return [""] * table.height
    named = [[feature(name, value) for value in columns[name]] for name in columns.columns]
    return [" ".join(part for part in parts if part) for parts in zip(*named, strict=True)]
