"""The context that a page is asked for: which columns there are, and what is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genco.data.columns import CategoricalColumn
from genco.policies.optimizer import Optimizer


@dataclass(frozen=True)
class ContextColumn:
    """A column of the context that can be chosen. values: known ones, none of a number · chosen: "" = the average."""

    name: str
    values: tuple[str, ...]
    chosen: str


def context_columns(optimizer: Optimizer, context: Mapping[str, str]) -> tuple[ContextColumn, ...]:
    """What can be chosen, and what is."""
    return tuple(
        ContextColumn(
            column.name,
            column.values if isinstance(column, CategoricalColumn) else (),
            context.get(column.name, ""),
        )
        for column in optimizer.encoders.context.columns.columns
    )


def given_in(context: Mapping[str, str]) -> dict[str, Any]:
    """Values of the columns that are chosen, as the service reads them."""
    return {name: value for name, value in context.items() if value != ""}


def chosen_context(columns: Iterable[ContextColumn]) -> dict[str, str]:
    """The query fields that ask for the same context again."""
    return {f"context.{column.name}": column.chosen for column in columns if column.chosen}
