"""What stage 2 can be told."""

from __future__ import annotations

from dataclasses import dataclass

from genco.errors import ConfigError

MIN_CURVATURE_ROWS = 1_000


@dataclass(frozen=True)
class RewardModelConfig:
    """Stage 2. Ranks are upper bounds; the number used is learned from the content. Each part can be switched off."""

    max_own_rank: int = 384
    max_pair_rank: int = 8
    own: bool = True
    pair: bool = True
    appeal: bool = True
    context: bool = True
    own_context: bool = True
    element_effects: bool = True
    exposure_control: bool = True
    pair_directions: str = "auto"
    residual: str = "auto"
    max_rounds: int = 8
    curvature_rows: int = 300_000
    propensity_clip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("residual", "pair_directions"):
            if getattr(self, name) not in ("auto", "on", "off"):
                raise ConfigError(f'Parameter `{name}` should be "auto", "on" or "off". Found {getattr(self, name)!r}.')
        for name in ("max_own_rank", "max_pair_rank", "max_rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Parameter `{name}` should be positive. Found `{name} = {getattr(self, name)}`.")
        if not self.propensity_clip >= 0:
            raise ConfigError(
                f"Parameter `propensity_clip` should not be negative. Found `propensity_clip = {self.propensity_clip}`."
            )
        if self.curvature_rows < MIN_CURVATURE_ROWS:
            raise ConfigError(
                f"Parameter `curvature_rows` should be at least {MIN_CURVATURE_ROWS:,}. "
                f"Found `curvature_rows = {self.curvature_rows}`."
            )
