"""Answers of the reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class CombinationOut(BaseModel):
    """combination: slot -> element · clicks: decisions with a click · reward: sum of rewards and clicks."""

    product_id: str
    combination: dict[str, str | None]
    impressions: int
    clicks: int
    conversions: int
    revenue: float
    reward: float


class CombinationsAnswer(BaseModel):
    """Totals of all, and the combinations they add up from, most impressions first, as far as asked for. until:
    microseconds; decisions before it are counted."""

    until: int
    impressions: int
    clicks: int
    num_combinations: int
    combinations: list[CombinationOut]


class ElementOut(BaseModel):
    """element_id: null = the slot stayed empty · ctr: clicks an impression · contribution: what it adds in logits, over
    the average context and all slots of its component, with its 95% interval, by the served model; null for an element
    that the catalogue lacks · label: PENDING, LEARNING, LOW, GOOD or BEST, "" = blocked."""

    slot_id: str
    element_id: str | None
    component: str
    status: str | None
    impressions: int
    clicks: int
    ctr: float | None
    contribution: float | None
    ci_low: float | None
    ci_high: float | None
    label: str | None


class ElementsAnswer(BaseModel):
    """Totals of all, and the elements of every slot, each of which adds up to them, as far as asked for. until:
    microseconds; decisions before it are counted."""

    until: int
    impressions: int
    clicks: int
    num_elements: int
    elements: list[ElementOut]
    label_rules: dict[str, str]


class PairOut(BaseModel):
    """Two elements. effect: what they add together beyond what each adds alone (`first_own`, `second_own`), in logits,
    with its 95% interval · impressions, clicks: decisions that showed both."""

    first: str | None
    first_component: str
    second: str | None
    second_component: str
    first_own: float
    second_own: float
    effect: float
    ci_low: float
    ci_high: float
    impressions: int
    clicks: int


class InteractionsAnswer(BaseModel):
    """Of one product in one context, by the served model; strongest first, those that help and those that clash."""

    product_id: str
    model_version: str
    helps: list[PairOut]
    clashes: list[PairOut]


class VersionValueOut(BaseModel):
    """What a version would have earned on the log's requests. value: SNIPS · difference: from the log's own mean reward
    · refused: why there is no value · warning: what makes it doubtful."""

    version: str
    served: bool
    value: float | None
    ci_low: float | None
    ci_high: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: Annotated[str, Field(description="better, worse or cannot tell, against the log.")]
    rows: int
    mean_weight: float | None
    effective_sample_size: float | None
    refused: str | None
    warning: str | None


class PolicyAnswer(BaseModel):
    """rows: decisions looked at, the last ones a model made freely and that were shown · first, last: their times in
    microseconds · mean_reward: of them as they were served · rate_of: events that are a reward, those that the
    served run learns, `num_clicks` or `num_conversions` · left_out: of that time, as the request pinned, excluded,
    narrowed or brought along elements."""

    rows: int
    first: int | None
    last: int | None
    mean_reward: float | None
    rate_of: str
    left_out: int
    versions: list[VersionValueOut]
