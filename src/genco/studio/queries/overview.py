"""What the overview shows."""

from __future__ import annotations

from dataclasses import dataclass

from genco.studio.studio import Studio


@dataclass(frozen=True)
class Overview:
    """now: time of the server's clock · mode, model_version: what is served · learning: whether learned versions take
    over · products, elements: of the catalogue."""

    now: int
    mode: str
    model_version: str
    learning: bool
    products: int
    elements: int


def overview(studio: Studio) -> Overview:
    """The overview as of now."""
    service = studio.service
    model = service.model
    return Overview(
        now=service.clock.now(),
        mode=service.config.mode,
        model_version=model.version,
        learning=service.live.learning,
        products=model.catalogue.num_products,
        elements=model.catalogue.num_elements,
    )
