"""What models see of a catalogue and of a request: content of elements, features of products, context.

Content is split into *blocks* (one per feature column, and `text`). Components whose elements fill the same blocks have
the same *signature*: they carry the same kind of content and may share a projection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import ELEMENT_COLUMNS, PRODUCT_COLUMNS, Catalogue
from genco.data.columns import ColumnEncoder, Features, NumericColumn
from genco.errors import DataError

TEXT_BLOCK = "text"
LARGEST = 1e6  # of an encoded number of a request: one far off all others would decide alone what is learned


class TextEncoder(Protocol):
    """Turns texts into vectors. Equal `name` promises equal vectors; it carries the version."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [text, dim]; empty text gives zeros."""
        ...


@dataclass(frozen=True)
class ContentTable:
    """Content of every element of a catalogue.

    features: float32 [element, feature], 0 where an element has no such content · blocks: features of each block ·
    signature: int32 [component], in the order of `Catalogue.components`; equal numbers = the same blocks are filled ·
    filled: bool [component, block], in the order of `blocks` · columns: how feature columns were encoded.
    """

    features: Features
    blocks: dict[str, slice]
    signature: NDArray[np.int32]
    filled: NDArray[np.bool_]
    columns: ColumnEncoder

    def features_of(self, component: int) -> NDArray[np.int64]:
        """Indices of the features that the component fills."""
        spans = [np.arange(block.start, block.stop) for block in self.blocks.values()]
        chosen = [span for span, filled in zip(spans, self.filled[component], strict=True) if filled]
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)


def element_content(
    catalogue: Catalogue, text_encoder: TextEncoder | None, columns: ColumnEncoder | None = None
) -> ContentTable:
    """Return the content of all elements: feature columns, then text.

    Numbers are taken as given unless large (see `ColumnEncoder.fit`; null -> 0, no indicator: elements of other
    components leave a column null), other columns one-hot. Pass the `columns` of an earlier table to encode a
    later catalogue alike; pass `ColumnEncoder.fit(...)` to standardise. The text block is present exactly when there
    is a `text_encoder`. Raises `DataError` naming column and row on NaN or infinity.
    """
    table = catalogue.elements.drop(ELEMENT_COLUMNS, strict=False)
    columns = columns or ColumnEncoder.fit(table, "elements", standardise=False, indicators=False)
    parts, blocks = [columns.transform(table, "elements")], columns.slices
    present = [table[column.name].is_not_null().to_numpy() for column in columns.columns]
    if text_encoder is not None:
        text = _text(catalogue)
        parts.append(_encode_text(text, text_encoder))
        blocks[TEXT_BLOCK] = slice(columns.dim, columns.dim + text_encoder.dim)
        present.append((text != "").to_numpy())
    filled = _filled_by_component(catalogue, present)
    return ContentTable(np.concatenate(parts, axis=1), blocks, _signatures(filled), filled, columns)


def product_columns(catalogue: Catalogue) -> ColumnEncoder:
    """Fit the encoder of product features on this catalogue; keep it with the run."""
    return ColumnEncoder.fit(catalogue.products.drop(PRODUCT_COLUMNS), "products")


def product_features(catalogue: Catalogue, columns: ColumnEncoder | None = None) -> tuple[Features, tuple[str, ...]]:
    """Return float32 [product, feature] and the feature names.

    Numbers are standardised (null -> 0, and an indicator where the fitted column had nulls), strings one-hot up to the
    64 most frequent values. Without `columns` the encoder is fitted on this very catalogue. Raises `DataError`.
    """
    columns = columns or product_columns(catalogue)
    return columns.transform(catalogue.products, "products"), columns.names


@dataclass(frozen=True)
class ContextEncoder:
    """Encodes request contexts: numbers standardised, strings and booleans one-hot (an unknown value gives zeros)."""

    columns: ColumnEncoder

    @classmethod
    def fit(cls, context: Mapping[str, NDArray[Any]]) -> ContextEncoder:
        """Learn from a sample of contexts, one array [batch] per column (`ImpressionBatch.context`)."""
        return cls(ColumnEncoder.fit(_table(context), "context"))

    @property
    def dim(self) -> int:
        return self.columns.dim

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns.names

    def transform(self, context: Mapping[str, NDArray[Any]], num_rows: int | None = None) -> Features:
        """Return float32 [batch, feature]; `num_rows` is needed only where there is no context column at all."""
        if not self.columns.columns:
            lengths = [len(values) for values in context.values()]
            return np.zeros((num_rows if num_rows is not None else max(lengths, default=0), 0), dtype=np.float32)
        return self.columns.transform(_table(context), "context")

    def transform_some(self, values: Mapping[str, Any]) -> Features:
        """Encode one context of which only some columns are known [feature]; the others count as average (zeros).

        Numbers may come as text, as from a command line. Raises `DataError` where a numeric column gets something else.
        """
        encoded = np.zeros(self.dim, dtype=np.float32)
        for column in self.columns.columns:
            if column.name not in values:
                continue
            value = values[column.name]
            if isinstance(column, NumericColumn):
                try:
                    value = float(value)
                except (TypeError, ValueError, OverflowError) as error:
                    raise DataError(
                        f"context, column {column.name!r}: a number is expected. Found {value!r}."
                    ) from error
            else:
                value = str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
            part = column.encode(pl.Series(column.name, [value]), "context")[0]
            if np.abs(part).max(initial=0.0) > LARGEST:
                raise DataError(
                    f"context, column {column.name!r}: a number like those of the log is expected. Found {value!r}."
                )
            encoded[self.columns.slices[column.name]] = part
        return encoded

    def to_dict(self) -> dict[str, Any]:
        return self.columns.to_dict()

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ContextEncoder:
        return cls(ColumnEncoder.from_dict(state))


def _table(context: Mapping[str, NDArray[Any]]) -> pl.DataFrame:
    try:
        return pl.DataFrame({name: _series(name, np.asarray(values)) for name, values in context.items()})
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"context: columns of equal length, each of one type, are expected. {error}") from error


def _series(name: str, values: NDArray[Any]) -> pl.Series:
    return pl.Series(name, values.tolist() if values.dtype == object else values)


def _text(catalogue: Catalogue) -> pl.Series:
    if "text" not in catalogue.elements.columns:
        return pl.Series("text", [""] * catalogue.num_elements, dtype=pl.String)
    return catalogue.elements["text"].cast(pl.String).fill_null("")


def _encode_text(text: pl.Series, encoder: TextEncoder) -> Features:
    """Encode each distinct text once."""
    distinct = text.unique(maintain_order=True)
    index = text.replace_strict(distinct, pl.int_range(len(distinct), eager=True), return_dtype=pl.Int64)
    vectors = encoder.encode(distinct.to_list())
    return np.asarray(vectors[np.asarray(index.to_numpy(), dtype=np.int64)], dtype=np.float32)


def _filled_by_component(catalogue: Catalogue, present: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """[component, block]: does any element of the component have this content?"""
    filled = np.zeros((len(catalogue.components), len(present)), dtype=bool)
    shown = catalogue.element_component >= 0
    for block, has_content in enumerate(present):
        filled[np.unique(catalogue.element_component[shown & has_content]), block] = True
    return filled


def _signatures(filled: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the distinct rows of `filled` in order of first appearance."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in filled], dtype=np.int32)
