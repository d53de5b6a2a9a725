"""The catalogue a run was trained with, and its text encoder, as the run folder keeps them."""

from __future__ import annotations

from genco.data.catalogue import Catalogue
from genco.data.features import TextEncoder
from genco.storage.dataset_toml import DatasetMeta, read_meta, write_meta
from genco.storage.runs import RunFolder
from genco.storage.text import text_encoder


def keep_catalogue(run: RunFolder, catalogue: Catalogue, meta: DatasetMeta) -> None:
    """Write the catalogue a run was trained with into its folder."""
    run.write_table("products", catalogue.products)
    run.write_table("catalogue", catalogue.elements)
    write_meta(run.path, meta)


def read_catalogue(run: RunFolder) -> tuple[Catalogue, DatasetMeta]:
    """What `keep_catalogue` wrote. Raises `CheckpointError` where it is missing."""
    meta = read_meta(run.path)
    return Catalogue(meta.slots, run.read_table("products"), run.read_table("catalogue"), meta.rules), meta


def text_of(run: RunFolder) -> TextEncoder | None:
    """The text encoder the run was configured with, its cache beside the run folder."""
    return text_encoder(str(run.info["config"]["text"]), run.path.parent / ".genco-text-cache")
