"""The named scenarios: how a world is drawn and how its log is collected. One row of the table, one `Scenario`."""

from __future__ import annotations

from dataclasses import dataclass

from genco.errors import ConfigError

UNIFORM, SOFTMAX, SEQUENTIAL = "uniform", "softmax", "sequential"


@dataclass(frozen=True)
class ComponentSpec:
    """One component: how many candidates a product has and how many slots show it."""

    name: str
    num_candidates: int
    num_slots: int = 1
    required: bool = True


@dataclass(frozen=True)
class Scenario:
    """A world and a log to be drawn from a seed.

    strength: `k` · higher_order: `h`, share of the logit that is not bilinear · logging: `uniform`, `softmax` (slots
    independent) or `sequential` (softmax over legal completions) · confounding: how much better the elements of an
    appealing product look · never_logged_*: shares · rotation_*: tastes turn by that many degrees every so many
    requests · mean_delay: requests until a click arrives · lost_clicks: share that never arrives · horizon: requests
    that 28 days hold when the log is only their beginning · text: elements are readable words and pictures.
    """

    name: str
    why: str
    num_products: int
    components: tuple[ComponentSpec, ...]
    num_segments: int
    strength: float
    num_impressions: int
    higher_order: float = 0.0
    logging: str = UNIFORM
    confounding: float = 0.0
    never_logged_products: float = 0.0
    never_logged_elements: float = 0.0
    rotation_degrees: float = 0.0
    rotation_every: int = 0
    mean_delay: float = 0.0
    lost_clicks: float = 0.0
    horizon: int = 0
    text: bool = False

    def __post_init__(self) -> None:
        for name in ("num_products", "num_segments", "num_impressions"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Scenario {name!r} must be at least 1. Found {getattr(self, name)}.")
        for name in ("higher_order", "never_logged_products", "never_logged_elements", "lost_clicks"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"Scenario {name!r} must lie in [0, 1]. Found {getattr(self, name)}.")

    @property
    def slot_component(self) -> tuple[int, ...]:
        """Component index of each slot."""
        return tuple(i for i, component in enumerate(self.components) for _ in range(component.num_slots))

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The component's name, numbered where it has several slots."""
        return tuple(
            component.name if component.num_slots == 1 else f"{component.name}_{i + 1}"
            for component in self.components
            for i in range(component.num_slots)
        )

    @property
    def elements_per_product(self) -> int:
        return sum(component.num_candidates for component in self.components)

    @property
    def num_elements(self) -> int:
        return self.num_products * self.elements_per_product


_CARD = (
    ComponentSpec("title", 10),
    ComponentSpec("image", 10),
    ComponentSpec("highlight", 8),
    ComponentSpec("tag", 5),
)

_ALL = (
    Scenario(
        name="pairs_dense",
        why="strong effects, plenty of data (oracle about 8 x random)",
        num_products=300,
        components=_CARD,
        num_segments=6,
        strength=0.6,
        num_impressions=1_000_000,
    ),
    Scenario(
        name="pairs_sparse",
        why="what logs look like: about 1,000 impressions and 38 clicks per product (oracle about 3 x random)",
        num_products=2_000,
        components=_CARD,
        num_segments=6,
        strength=0.25,
        num_impressions=2_000_000,
    ),
    Scenario(
        name="higher_order",
        why="the bilinear form is wrong",
        num_products=2_000,
        components=_CARD,
        num_segments=6,
        strength=0.25,
        higher_order=0.5,
        num_impressions=2_000_000,
    ),
    Scenario(
        name="confounded",
        why="appeal must be separated from creative",
        num_products=2_000,
        components=_CARD,
        num_segments=6,
        strength=0.25,
        num_impressions=2_000_000,
        logging=SOFTMAX,
        confounding=0.5,
    ),
    Scenario(
        name="cold",
        why="new products, new elements",
        num_products=2_000,
        components=_CARD,
        num_segments=6,
        strength=0.25,
        num_impressions=2_000_000,
        never_logged_products=0.2,
        never_logged_elements=0.2,
    ),
    Scenario(
        name="drift",
        why="continual learning: tastes rotate, clicks arrive late; the log is the uniform beginning of online play",
        num_products=300,
        components=_CARD,
        num_segments=6,
        strength=0.6,
        num_impressions=10_000,
        rotation_degrees=30.0,
        rotation_every=250_000,
        mean_delay=5_000.0,
        lost_clicks=0.02,
        horizon=1_000_000,
    ),
    Scenario(
        name="wide",
        why="10^15 combinations: cost must follow elements, not combinations",
        num_products=50,
        components=tuple(ComponentSpec(name, 1_000) for name in ("title", "image", "highlight", "tag", "badge")),
        num_segments=6,
        strength=0.25,
        higher_order=0.2,
        num_impressions=2_000_000,
    ),
    Scenario(
        name="jd_card",
        why="the demo: readable titles and highlights, forbidden pairs, pending and blocked elements, an optional tag",
        num_products=500,
        components=(
            ComponentSpec("title", 12),
            ComponentSpec("image", 10),
            ComponentSpec("highlight", 15, num_slots=3),
            ComponentSpec("tag", 6, required=False),
        ),
        num_segments=8,
        strength=0.25,
        higher_order=0.1,
        num_impressions=1_000_000,
        logging=SEQUENTIAL,
        text=True,
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def scenario_named(name: str) -> Scenario:
    """The scenario of that name. Raises `ConfigError` that lists the known names."""
    if name not in SCENARIOS:
        raise ConfigError(f"Parameter `scenario` must be one of {', '.join(SCENARIOS)}. Found {name!r}.")
    return SCENARIOS[name]
