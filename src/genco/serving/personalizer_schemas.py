"""Bodies of the wire format of Azure AI Personalizer. Unlike ours they may have fields we do not know."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from genco.serving.schemas import Element, Id


class PersonalizerAction(BaseModel):
    """An action: an element of the catalogue. features: not read, for content comes from the catalogue."""

    id: Element
    features: list[dict[str, Any]] = []


class PersonalizerSlot(BaseModel):
    """A slot of the run. features: not read."""

    id: Id
    baselineAction: Element
    excludedActions: list[Element] = []
    features: list[dict[str, Any]] = []


class PersonalizerRank(BaseModel):
    """What every rank carries. contextFeatures: nested as they like; leaves named as context columns are read."""

    actions: Annotated[list[PersonalizerAction], Field(min_length=1, max_length=10_000)]
    contextFeatures: list[dict[str, Any]] = []
    deferActivation: bool = False
    eventId: Id | None = None


class MultiSlotRank(PersonalizerRank):
    """POST /personalizer/multislot/rank."""

    slots: Annotated[list[PersonalizerSlot], Field(min_length=1, max_length=64)]


class SingleSlotRank(PersonalizerRank):
    """POST /personalizer/rank."""

    excludedActions: list[Element] = []


class SlotRewardIn(BaseModel):
    """A reward of one slot."""

    slotId: Id
    value: float


class MultiSlotReward(BaseModel):
    """POST /personalizer/multislot/events/{event_id}/reward."""

    reward: Annotated[list[SlotRewardIn], Field(min_length=1, max_length=64)]


class SingleSlotReward(BaseModel):
    """POST /personalizer/events/{event_id}/reward."""

    value: float


class MultiSlotRanked(BaseModel):
    """slots: [{id, rewardActionId}]."""

    eventId: str
    slots: list[dict[str, str | None]]


class RankedAction(BaseModel):
    """probability: with which it is served."""

    id: str
    probability: float


class SingleSlotRanked(BaseModel):
    """ranking: most probable first."""

    eventId: str
    ranking: list[RankedAction]
    rewardActionId: str | None
