"""The `jd_card` demo: readable titles, highlights and tags, drawn pictures, forbidden pairs, statuses.

An element's style is the sum over sqrt(count) of the embeddings of the attribute words it shows, plus noise 0.3, so its
text tells its style. Pictures show a colour, a backdrop and a layout, but only their numbers x are told, not the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import APPROVED, BLOCKED, PENDING
from genco.data.rules import Distinct, Forbid, Rule
from genco.rng import stream
from genco.simulator.draw import STYLE_DIM, component_starts, kept_elements
from genco.simulator.jd_card_words import (
    ATTRIBUTES,
    BACKDROPS,
    BRANDS,
    CATEGORIES,
    COLOURS,
    HIGHLIGHT_PHRASES,
    LAYOUTS,
    TAGS,
)
from genco.simulator.pictures import picture
from genco.simulator.scenarios import Scenario
from genco.simulator.world import Singles

STYLE_NOISE = 0.3
FORBIDDEN_SHARE, PENDING_SHARE, BLOCKED_SHARE = 0.05, 0.05, 0.03
TITLE, IMAGE, HIGHLIGHT, TAG = "title", "image", "highlight", "tag"

# Every way of choosing words, by component: titles and highlights show two attributes, tags one, pictures three.
_CHOICES: dict[str, tuple[tuple[str, ...], ...]] = {
    TITLE: tuple(combinations(ATTRIBUTES, 2)),
    IMAGE: tuple(product(COLOURS, BACKDROPS, LAYOUTS)),
    HIGHLIGHT: tuple(combinations(ATTRIBUTES, 2)),
    TAG: tuple((tag,) for tag in TAGS),
}


@dataclass(frozen=True, eq=False)
class Cards:
    """What `jd_card` adds to a scenario's elements and products.

    style, told: [element, 8], the latent style and the style its text tells (NaN for pictures) · words: attribute words
    of every element · text, image_uri, status: [element] · goes_with: bool [product, title, highlight], False =
    forbidden · product_columns: features by name, [product] each.
    """

    style: Singles
    told: Singles
    words: list[tuple[str, ...]]
    text: list[str | None]
    image_uri: list[str | None]
    status: NDArray[np.str_]
    goes_with: NDArray[np.bool_]
    product_columns: dict[str, Any]

    @property
    def approved(self) -> NDArray[np.bool_]:
        return np.asarray(self.status == APPROVED)

    def assets(self) -> Iterator[tuple[str, bytes]]:
        """Every picture as (relative path, PNG)."""
        per_product = len(self.words) // len(self.product_columns["category"])
        for row, uri in enumerate(self.image_uri):
            if uri is not None:
                colour, backdrop, layout = self.words[row]
                yield uri, picture(self.product_columns["category"][row // per_product], colour, backdrop, layout)

    def keeps_rules(self, scenario: Scenario, combination: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether element rows [batch, slot] repeat no highlight and pair no title with a forbidden one: [batch]."""
        components = [component.name for component in scenario.components]
        starts = component_starts(scenario)
        title, highlight = components.index(TITLE), components.index(HIGHLIGHT)
        titles = combination[:, scenario.slot_component.index(title)]
        row, within = np.divmod(titles, scenario.elements_per_product)
        row = np.clip(row, 0, scenario.num_products - 1)
        shown = [combination[:, slot] for slot, c in enumerate(scenario.slot_component) if c == highlight]
        kept = np.ones(len(combination), dtype=bool)
        for highlights in shown:
            position = highlights % scenario.elements_per_product - starts[highlight]
            position = np.clip(position, 0, self.goes_with.shape[2] - 1)
            kept &= self.goes_with[row, np.clip(within - starts[title], 0, self.goes_with.shape[1] - 1), position]
        for first, second in combinations(shown, 2):
            kept &= first != second
        return kept

    def rules(self, scenario: Scenario, products: pl.Series, elements: pl.Series) -> tuple[Rule, ...]:
        """Forbidden pairs of every product, and highlights that may not repeat."""
        starts = dict(zip([c.name for c in scenario.components], component_starts(scenario), strict=True))
        pairs: dict[int, list[tuple[str, str]]] = {}
        for p, title, highlight in np.argwhere(~self.goes_with):
            first = int(p) * scenario.elements_per_product
            rows = first + starts[TITLE] + title, first + starts[HIGHLIGHT] + highlight
            pairs.setdefault(int(p), []).append((elements[int(rows[0])], elements[int(rows[1])]))
        forbidden = [Forbid(tuple(found), products[p]) for p, found in pairs.items()]
        highlights = tuple(name for name in scenario.slot_names if name.startswith(HIGHLIGHT))
        return (Distinct(highlights), *forbidden)


def draw_cards(scenario: Scenario, seed: int) -> Cards:
    """Draw words, texts, statuses and forbidden pairs for the products of `scenario`."""
    rng = stream(seed, "cards")
    category = rng.choice(CATEGORIES, scenario.num_products)
    brand = rng.choice(BRANDS, scenario.num_products)
    price = np.round(np.exp(rng.normal(4.0, 0.8, scenario.num_products))) + 0.99
    words = _words(scenario, seed)
    text = _texts(scenario, words, brand, category, seed)
    pictured = np.array([line is None for line in text])
    told = _embedded(words, seed)
    noise = stream(seed, "style").standard_normal((scenario.num_elements, STYLE_DIM), dtype=np.float32)
    kept = kept_elements(scenario, stream(seed, "kept elements"), [1, 1, 3, 0])
    return Cards(
        style=told + np.float32(STYLE_NOISE) * noise,
        told=np.where(pictured[:, None], np.float32(np.nan), told),
        words=words,
        text=text,
        image_uri=[f"assets/e{row:07d}.png" if is_picture else None for row, is_picture in enumerate(pictured)],
        status=_statuses(kept, seed),
        goes_with=_goes_with(scenario, kept, seed),
        product_columns={"price": price, "brand": brand.tolist(), "category": category.tolist()},
    )


def _words(scenario: Scenario, seed: int) -> list[tuple[str, ...]]:
    """Attribute words of every element; no two elements of one product and component show the same."""
    rng = stream(seed, "words")
    picked = []
    for component in scenario.components:
        order = rng.random((scenario.num_products, len(_CHOICES[component.name]))).argsort(axis=1)
        picked.append(order[:, : component.num_candidates])
    names = [component.name for component in scenario.components]
    return [
        _CHOICES[name][choice]
        for p in range(scenario.num_products)
        for name, choices in zip(names, picked, strict=True)
        for choice in choices[p].tolist()
    ]


def _texts(
    scenario: Scenario, words: list[tuple[str, ...]], brand: NDArray[Any], category: NDArray[Any], seed: int
) -> list[str | None]:
    phrase = stream(seed, "phrases").integers(len(HIGHLIGHT_PHRASES), size=len(words))
    names = [c.name for c in scenario.components for _ in range(c.num_candidates)] * scenario.num_products
    texts: list[str | None] = []
    for row, (name, shown) in enumerate(zip(names, words, strict=True)):
        p = row // scenario.elements_per_product
        if name == IMAGE:
            texts.append(None)
        elif name == TITLE:
            texts.append(f"{brand[p]} {shown[0]} {shown[1]} {category[p]}")
        elif name == HIGHLIGHT:
            line = HIGHLIGHT_PHRASES[phrase[row]].format(*shown)
            texts.append(line[0].upper() + line[1:])
        else:
            texts.append(shown[0])
    return texts


def _embedded(words: list[tuple[str, ...]], seed: int) -> Singles:
    """Sum over sqrt(count) of the words' embeddings: [element, 8]."""
    vocabulary = [*ATTRIBUTES, *TAGS, *COLOURS, *BACKDROPS, *LAYOUTS]
    embedding = stream(seed, "embeddings").standard_normal((len(vocabulary), STYLE_DIM), dtype=np.float32)
    index = {word: row for row, word in enumerate(vocabulary)}
    return np.stack([embedding[[index[word] for word in shown]].sum(axis=0) / len(shown) ** 0.5 for shown in words])


def _statuses(kept: NDArray[np.bool_], seed: int) -> NDArray[np.str_]:
    """5% pending and 3% blocked of all elements; kept ones stay approved, so that required slots can be filled."""
    status = np.full(len(kept), APPROVED, dtype="<U8")
    order = stream(seed, "status").permutation(np.flatnonzero(~kept))
    num_pending, num_blocked = round(PENDING_SHARE * len(kept)), round(BLOCKED_SHARE * len(kept))
    status[order[:num_pending]] = PENDING
    status[order[num_pending : num_pending + num_blocked]] = BLOCKED
    return status


def _goes_with(scenario: Scenario, kept: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Which titles go with which highlights [product, title, highlight]; the kept highlights go with every title."""
    components = [component.name for component in scenario.components]
    starts, counts = component_starts(scenario), [component.num_candidates for component in scenario.components]
    title, highlight = components.index(TITLE), components.index(HIGHLIGHT)
    by_product = kept.reshape(scenario.num_products, -1)
    always = by_product[:, starts[highlight] : starts[highlight] + counts[highlight]]
    num_forbidden = round(FORBIDDEN_SHARE * counts[title] * counts[highlight])
    keys = stream(seed, "forbidden pairs").random((scenario.num_products, counts[title], counts[highlight]))
    keys = np.where(always[:, None, :], 2.0, keys).reshape(scenario.num_products, -1)
    allowed = np.ones(keys.shape, dtype=bool)
    np.put_along_axis(allowed, keys.argsort(axis=1)[:, :num_forbidden], False, axis=1)
    return allowed.reshape(scenario.num_products, counts[title], counts[highlight])
