"""What stage 2 can be told."""

from __future__ import annotations

from dataclasses import dataclass

from genco.errors import ConfigError

MIN_CURVATURE_ROWS = 1_000


@dataclass(frozen=True)
class RewardModelConfig:
    """Stage 2. Ranks are upper bounds; the number used is learned from the content. Each part can be switched off.

    max_own_rank, max_pair_rank: latent dimensions of own and of pair effects · own, pair: those effects · appeal: of
    product and context, whatever is shown · context: effects of content may differ by context, once for each kind of
    content; own_context: and besides by component · element_effects: shrunk effects of single elements ·
    exposure_control: the log share of an element is fitted beside its content · pair_directions: "auto", "on", "off":
    learn which latents pairs read of wide content · residual: "auto", "on", "off": attention residual · max_rounds: of
    the fit · curvature_rows: rows the information matrix is taken from · propensity_clip: above 0, rows are weighted by
    the inverse propensity, at most this. Raises `ConfigError` naming parameter and value.
    """

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
