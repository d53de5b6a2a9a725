"""Prints the id of the first product of a dataset folder that can be shown."""

from __future__ import annotations

import sys

from genco.storage.dataset import open_dataset

print(open_dataset(sys.argv[1]).catalogue.products["product_id"][0])
