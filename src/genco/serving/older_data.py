"""A dataset folder from before the store, such as that of the first run, in the words of a store's export."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from genco.data.columns import NumericColumn
from genco.errors import DataError
from genco.policies.optimizer import Optimizer
from genco.serving.additions import table_like
from genco.storage.dataset import Dataset
from genco.storage.impression_checks import read_columns

BATCH_ROWS = 131_072
ALSO = ("impression_id", "policy", "model_version")
PENDING = "pending"


class OlderData:
    """optimizer: of the export; what it has itself stays as it is there.

    Raises `DataError` where slots or context columns are not those of the run, or another event is the reward.
    """

    def __init__(self, dataset: Dataset, optimizer: Optimizer, reward: str) -> None:
        self._dataset, self._optimizer = dataset, optimizer
        slots = [(slot.name, slot.component) for slot in dataset.meta.slots]
        wanted = [(slot.name, slot.component) for slot in optimizer.catalogue.slots]
        for what, found, expected in (
            ("slots", slots, wanted),
            ("context columns", set(dataset.meta.context), set(optimizer.meta.context)),
            ("reward", dataset.meta.reward, reward),
        ):
            if found != expected:
                raise DataError(f"{dataset.path}: {what} as in the served run are expected, {expected}. Found {found}.")

    def grown(self) -> Optimizer:
        """The run with products and elements that only the older data have; pending, as nobody shows them now."""
        ours, theirs = self._optimizer.catalogue, self._dataset.catalogue
        products = theirs.products.filter(~pl.col("product_id").cast(pl.String).is_in(list(ours.product_rows)))
        elements = theirs.elements.filter(~pl.col("element_id").cast(pl.String).is_in(list(ours.element_rows)))
        if not products.height and not elements.height:
            return self._optimizer
        elements = elements.with_columns(status=pl.lit(PENDING))
        return self._optimizer.with_rows(
            table_like(ours.products, products.to_dicts()), table_like(ours.elements, elements.to_dicts()), ()
        )

    def tables(self) -> Iterator[pl.DataFrame]:
        """The log, some rows at a time, with the columns of the export's.

        Raises `DataError` naming file, row, column and value at the first broken rule.
        """
        numeric = {c.name for c in self._optimizer.encoders.context.columns.columns if isinstance(c, NumericColumn)}
        context = [
            pl.col(name).cast(pl.Float64 if name in numeric else pl.String) for name in self._optimizer.meta.context
        ]
        for file in self._dataset.files:
            also = [name for name in ALSO if name in file.schema.names]
            columns = [*read_columns(self._dataset.meta, file.schema.names), *also]
            for _, rows in file.stream(columns, (), BATCH_ROWS):
                table = pl.from_arrow(pa.Table.from_batches([rows]))
                assert isinstance(table, pl.DataFrame)
                yield table.with_columns(context)
