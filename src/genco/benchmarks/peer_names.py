"""What `--peers` says: `all`, `none`, or names with commas between them."""

from __future__ import annotations

from collections.abc import Iterable

from genco.errors import ConfigError


def chosen_peers(said: str, known: Iterable[str]) -> list[str]:
    """The peers meant, in the order of `known`. Raises `ConfigError` for a name that is not known, listing them."""
    names = list(known)
    if said == "all":
        return names
    wanted = [] if said == "none" else [name.strip() for name in said.split(",")]
    for name in wanted:
        if name not in names:
            raise ConfigError(
                f"Parameter `peers` should be `all`, `none`, or some of {', '.join(names)}. Found {name!r}."
            )
    return [name for name in names if name in wanted]
