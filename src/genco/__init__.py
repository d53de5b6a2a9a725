"""genco: generative modelling with multi-instance reward learning for ad creatives.

    dataset = genco.open_dataset("data/")
    optimizer = genco.train(dataset, out="runs/a")
    proposals = optimizer.generate(product_id="p1", context={"segment": "new"}, k=10)

Names are loaded when they are first used: importing genco imports neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genco.version import __version__

if TYPE_CHECKING:
    from genco.api import evaluate, load, open_dataset, policy_value, products_left_out, simulate, train, validate
    from genco.data.catalogue import Catalogue, Slot
    from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin
    from genco.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        GencoError,
        RuleError,
        SupportError,
        UnknownIdError,
    )
    from genco.models.generator import GeneratorConfig
    from genco.policies.optimizer import ElementCredit, Optimizer, Proposal
    from genco.runtime.decision import DecisionConfig
    from genco.storage.dataset import Dataset
    from genco.storage.dataset_toml import DatasetMeta
    from genco.storage.violation import Violation
    from genco.training.config import SplitConfig, TrainConfig
    from genco.training.generator_loop import GeneratorTrainingConfig
    from genco.training.reward_model_config import RewardModelConfig

__all__ = [
    "Allow",
    "Block",
    "Catalogue",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Dataset",
    "DatasetMeta",
    "DecisionConfig",
    "Distinct",
    "ElementCredit",
    "Forbid",
    "GencoError",
    "GeneratorConfig",
    "GeneratorTrainingConfig",
    "Only",
    "Optimizer",
    "Pin",
    "Proposal",
    "RewardModelConfig",
    "RuleError",
    "Slot",
    "SplitConfig",
    "SupportError",
    "TrainConfig",
    "UnknownIdError",
    "Violation",
    "__version__",
    "evaluate",
    "load",
    "open_dataset",
    "policy_value",
    "products_left_out",
    "simulate",
    "train",
    "validate",
]

_HOMES = {
    "genco.api": (
        "evaluate",
        "load",
        "open_dataset",
        "policy_value",
        "products_left_out",
        "simulate",
        "train",
        "validate",
    ),
    "genco.data.catalogue": ("Catalogue", "Slot"),
    "genco.data.rules": ("Allow", "Block", "Distinct", "Forbid", "Only", "Pin"),
    "genco.errors": (
        "CheckpointError",
        "ConfigError",
        "DataError",
        "GencoError",
        "RuleError",
        "SupportError",
        "UnknownIdError",
    ),
    "genco.models.generator": ("GeneratorConfig",),
    "genco.policies.optimizer": ("ElementCredit", "Optimizer", "Proposal"),
    "genco.runtime.decision": ("DecisionConfig",),
    "genco.storage.dataset": ("Dataset",),
    "genco.storage.dataset_toml": ("DatasetMeta",),
    "genco.storage.violation": ("Violation",),
    "genco.training.config": ("SplitConfig", "TrainConfig"),
    "genco.training.generator_loop": ("GeneratorTrainingConfig",),
    "genco.training.reward_model_loop": ("RewardModelConfig",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'genco' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
