"""The configuration: unknown keys, wrong types and values out of range are named, with the nearest known key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from genco.errors import ConfigError
from genco.training.config import SplitConfig, TrainConfig, config_from, config_of_run


def test_nothing_said_is_the_default() -> None:
    assert config_from({}) == TrainConfig()


def test_nested_tables_override_what_they_name() -> None:
    text = """
        seed = 7
        text = "none"
        [reward_model]
        pair = false
        max_rounds = 4
        [training]
        learning_rate = 1
        [decision]
        epsilon = 0.1
        [decision.minimum_share]
        e1 = 0.05
    """
    config = config_from(tomllib.loads(text))
    assert (config.seed, config.text) == (7, "none")
    assert not config.reward_model.pair and config.reward_model.max_rounds == 4 and config.reward_model.own
    assert config.training.learning_rate == 1.0 and isinstance(config.training.learning_rate, float)
    assert config.decision.minimum_share == {"e1": 0.05}
    assert config.generator == TrainConfig().generator


def test_there_and_back() -> None:
    config = config_from({"seed": 3, "generator": {"width": 16}, "split": {"by": "product", "holdout": 0.2}})
    assert config_from(config.to_dict()) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainning": {}}, r"Unknown configuration key 'trainning'. Did you mean 'training'\?"),
        ({"reward_model": {"max_rank": 3}}, r"'reward_model.max_rank'. Did you mean 'reward_model.max_"),
        ({"zzz": 1}, r"Unknown configuration key 'zzz'. Known keys: seed, text"),
        ({"seed": "1"}, r"'seed' should be of type int. Found '1'"),
        ({"seed": True}, r"'seed' should be of type int. Found True"),
        ({"seed": 1.5}, r"'seed' should be of type int. Found 1.5"),
        ({"training": {"learning_rate": True}}, r"'training.learning_rate' should be of type float. Found True"),
        ({"training": 3}, r"'training' should be a table. Found 3"),
        ({"decision": {"minimum_share": 0.1}}, r"'decision.minimum_share' should be a table. Found 0.1"),
        ({"text": "bert"}, r"`text` should be one of hashed, minilm, none. Found 'bert'"),
        ({"split": {"by": "user"}}, r'`split.by` should be "auto", "time" or "product". Found \'user\''),
        ({"split": {"holdout": 1.0}}, r"`split.holdout` should be in \[0, 1\). Found `holdout = 1.0`"),
        ({"training": {"group": 0}}, r"`group` should be positive. Found `group = 0`"),
        ({"training": {"steps": -1}}, r"`steps` should not be negative. Found `steps = -1`"),
        ({"reward_model": {"residual": "yes"}}, r'`residual` should be "auto", "on" or "off". Found \'yes\''),
        ({"reward_model": {"max_own_rank": 0}}, r"`max_own_rank` should be positive. Found `max_own_rank = 0`"),
        ({"generator": {"temperature": 0.0}}, r"`temperature` should be positive. Found `temperature = 0.0`"),
        ({"decision": {"epsilon": 0.0}}, r"`epsilon` should be in \(0, 1\]. Found `epsilon = 0.0`"),
        ({"seed": -1}, "Parameter `seed` should not be negative. Found `seed = -1`"),
        (
            {"training": {"learning_rate": float("nan")}},
            "'training.learning_rate' should be a finite number. Found nan",
        ),
        ({"reward_model": {"propensity_clip": -1}}, "Found `propensity_clip = -1.0`"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from(values)


def test_split_defaults() -> None:
    assert SplitConfig() == SplitConfig("auto", 0.05)


def test_no_run_has_no_configuration(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert config_of_run(tmp_path / "nothing") is None
