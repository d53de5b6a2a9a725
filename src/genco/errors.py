"""One tree of errors. The command line turns every one of them into one message and exit code 1.

GencoError
├── DataError            a file, a row, a column or a value breaks a rule of the dataset format
│   └── UnknownIdError   a product, element, slot or context column that the catalogue does not have
├── RuleError            the rules of the catalogue leave no legal combination, or contradict each other
├── ConfigError          an unknown key, a wrong type or a value out of range in a configuration
├── SupportError         a log says too little of a policy to put a number on it
└── CheckpointError      a run folder is incomplete, damaged, or written by another schema
"""

from __future__ import annotations


class GencoError(Exception):
    """Anything a user can mend: the message names the parameter, the rule and the value found."""


class DataError(GencoError):
    """Input data break a rule. The message carries file, row, column and value where they are known."""


class UnknownIdError(DataError):
    """An identifier that the catalogue does not know."""


class RuleError(GencoError):
    """The rules leave nothing to choose from; `rule` names the one that emptied the choice."""

    def __init__(self, message: str, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


class ConfigError(GencoError):
    """A configuration key or value is wrong."""


class CheckpointError(GencoError):
    """A run folder cannot be used."""


class SupportError(GencoError):
    """A log says too little of a policy to put a number on it."""
