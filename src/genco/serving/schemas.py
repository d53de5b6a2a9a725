"""Bodies of requests and answers. Unknown fields are refused: a misspelt one would be silently without effect."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from genco.serving.rollout import STAGES, Plan

Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")]
Element = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f]+$")]
Value = str | bool | int | float | None
MOST_EVENTS = 50_000
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class SlotElement(BaseModel):
    """An element in a slot; null = the slot stays empty."""

    model_config = _STRICT
    slot_id: Id
    element_id: Element | None


class Candidate(BaseModel):
    """An element that may be shown: of the catalogue, or brought along with its content, which is read only where the
    catalogue does not have the id."""

    model_config = _STRICT
    id: Element
    text: Annotated[str | None, Field(max_length=10_000)] = None
    features: Annotated[dict[str, Value], Field(max_length=1_000)] = {}

    @property
    def has_content(self) -> bool:
        return self.text is not None or bool(self.features)


class SlotCandidates(BaseModel):
    """What one slot may show: a part of its pool."""

    model_config = _STRICT
    id: Id
    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=10_000)]


Named = TypeVar("Named", SlotCandidates, SlotElement)


class DecideRequest(BaseModel):
    """Asks for one combination."""

    model_config = _STRICT
    product_id: Element
    event_id: Annotated[
        Id | None, Field(description="Yours, or one is made. Repeating it repeats the answer while that may be shown.")
    ] = None
    actor_id: Annotated[Id | None, Field(description="Whom it is shown to; stored as a keyed hash.")] = None
    context: dict[str, Value] = Field(default_factory=dict, max_length=256)
    slots: Annotated[
        list[SlotCandidates],
        Field(max_length=64, description="What the slots may show: a part of their pools, or candidates with content."),
    ] = []
    baseline: Annotated[list[SlotElement], Field(max_length=64, description="Your own choice, one a slot.")] = []
    baseline_propensity: Annotated[float | None, Field(gt=0, le=1)] = None
    pinned: Annotated[list[SlotElement], Field(max_length=64)] = []
    excluded: Annotated[list[Element], Field(max_length=10_000)] = []
    timeout_ms: Annotated[float | None, Field(gt=0, le=60_000)] = None
    defer_activation: Annotated[bool, Field(description="false: it is shown at once, count it as shown.")] = True
    explain: Annotated[bool, Field(description="Answer `candidates` and `attribution` too.")] = False

    @field_validator("slots", "baseline", "pinned")
    @classmethod
    def _once(cls, entries: list[Named]) -> list[Named]:
        """A slot named twice would have the last one's say, silently."""
        names = [entry.id if isinstance(entry, SlotCandidates) else entry.slot_id for entry in entries]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"each slot should be named once, found {twice!r} more often")
        return entries


class DecidedSlot(BaseModel):
    """A slot and what it shows."""

    id: str
    element_id: str | None


class CandidateOut(BaseModel):
    """A combination the model proposes. propensity: with which it is served · uplift: logits above the average
    creative · click_probability: predicted; of a conversion, where the run learned these · expected_revenue: of an
    impression, null unless the run was trained on revenue."""

    slots: list[DecidedSlot]
    propensity: float
    uplift: float
    click_probability: float
    expected_revenue: float | None = None


class CreditOut(BaseModel):
    """Credit of one element in the combination served: own + interaction + residual = total, with a 95% interval."""

    slot_id: str
    element_id: str | None
    own: float
    interaction: float
    residual: float
    total: float
    low: float
    high: float


class EventValueOut(BaseModel):
    """What one event of the product is worth, with a 95% interval; null = the run does not know it."""

    value: float
    low: float | None
    high: float | None


class AttributionOut(BaseModel):
    """Credits of the combination served; their totals add up to its uplift. unit: of credits and uplift · rate_of:
    the events whose probability is meant · expected_revenue: as in the candidates · event_value: null unless the run
    was trained on revenue."""

    unit: Literal["logit"]
    uplift: float
    click_probability: float
    rate_of: Literal["num_clicks", "num_conversions"]
    expected_revenue: float | None
    event_value: EventValueOut | None
    elements: list[CreditOut]


class DecideAnswer(BaseModel):
    """The combination to show. propensity: of exactly this combination; null = not known · candidates, attribution:
    with `explain`; null where the model is in service no longer."""

    event_id: str
    slots: list[DecidedSlot]
    propensity: float | None
    policy: Literal["model", "baseline", "holdout"]
    mode: Literal["logging_only", "apprentice", "online"]
    reason: str
    model_version: str
    model_slots: list[DecidedSlot] | None = None
    candidates: list[CandidateOut] | None = None
    attribution: AttributionOut | None = None
    took_ms: float


class EventIn(BaseModel):
    """One report. value: revenue of a conversion, else from 0 to 1."""

    model_config = _STRICT
    event_id: Id
    kind: Literal["impression", "activation", "click", "conversion", "reward"]
    slot_id: Id | None = None
    value: float = 1.0
    id: Id | None = None


class EventsIn(BaseModel):
    """A batch of reports as JSON. Rows are checked one by one: each should be an EventIn."""

    model_config = _STRICT
    events: Annotated[list[Any], Field(max_length=MOST_EVENTS)]


class EventResult(BaseModel):
    """What became of one row."""

    status: Literal["accepted", "duplicate", "late", "rejected"]
    code: str | None = None
    message: str | None = None


class EventsAnswer(BaseModel):
    """Counts, and one result a row in the order of the rows."""

    accepted: int
    duplicate: int
    late: int
    rejected: int
    results: list[EventResult]


class RewardIn(BaseModel):
    """A reward from 0 to 1, of the whole decision or of one slot."""

    model_config = _STRICT
    value: float
    slot_id: Id | None = None
    id: Id | None = None


class ElementStatus(BaseModel):
    """The status an element shall have."""

    model_config = _STRICT
    element_id: Element
    status: Literal["approved", "pending", "blocked"]


class RunIn(BaseModel):
    """path: of a run folder on the server's machine."""

    model_config = _STRICT
    path: Element


class PromoteIn(BaseModel):
    """How to promote. Without a body, or with staged = false, the version serves everybody at once."""

    model_config = _STRICT
    staged: Annotated[bool, Field(description="true: a growing share of actors")] = False
    stages: Annotated[list[float], Field(min_length=1, max_length=100, description="Percent, up to 100.")] = [*STAGES]
    minutes: Annotated[float, Field(ge=0, le=1e6, description="Least length of a stage.")] = Plan.minutes
    min_decisions: Annotated[int, Field(ge=0, le=10**12, description="Of the candidate.")] = Plan.min_decisions


class ModelOut(BaseModel):
    """origin: run or learner · parent: the run a learned version came from · created_at, trained_to: microseconds; the
    service's decisions before `trained_to` are in a run's own training."""

    version: str
    origin: str
    path: str
    parent: str | None
    created_at: int
    trained_to: int | None
    served: bool


class ArmOut(BaseModel):
    """One arm. decisions: of this stage, by the guard's last look · mean_reward: of a decision, of rewards that came in
    time · error_rate, p99_ms: of its choices in the last ten minutes, null = too few."""

    arm: Literal["control", "candidate"]
    version: str
    decisions: int = 0
    mean_reward: float | None = None
    error_rate: float | None = None
    p99_ms: float | None = None


class DifferenceOut(BaseModel):
    """Mean reward of the candidate less that of the control, and its 95% interval, which holds at all times at once."""

    point: float
    low: float
    high: float


class RolloutOut(BaseModel):
    """A rollout under way. started_from: the version it began with · stage: place in `stages` (percent) · started_at,
    stage_at: microseconds · difference: null = too few decisions."""

    number: int
    started_from: str
    arms: list[ArmOut]
    difference: DifferenceOut | None
    stages: list[float]
    stage: int
    minutes: float
    min_decisions: int
    started_at: int
    stage_at: int


class ModelsAnswer(BaseModel):
    """Newest first. learning: whether learned versions take over · rollout: null = none under way."""

    learning: bool
    rollout: RolloutOut | None
    models: list[ModelOut]


class RetrainIn(BaseModel):
    """then: what to do with the run: only make it known, or roll it out in the usual stages · data: path of a dataset
    folder on the server's machine, to train on together with the log."""

    model_config = _STRICT
    then: Literal["register", "stage"] = "register"
    data: Element | None = None


class JobStarted(BaseModel):
    """job: its number in GET /v1/jobs."""

    job: int


class JobOut(BaseModel):
    """started_at, ended_at: microseconds · progress: what it said last · error: why it failed · result: of retraining
    path, version, until, rows, rounded, left_out, joined, continued, then and rollout."""

    number: int
    kind: str
    state: Literal["running", "done", "failed"]
    started_at: int
    ended_at: int | None
    progress: str
    error: str | None
    result: dict[str, Any]


class JobsAnswer(BaseModel):
    """Newest first."""

    jobs: list[JobOut]


class AlarmOut(BaseModel):
    """since: microseconds · detail: the figures that raised it."""

    number: int
    name: str
    since: int
    detail: dict[str, Any]


class AlarmsAnswer(BaseModel):
    """Alarms nobody has closed, newest first."""

    alarms: list[AlarmOut]


class RowFaultOut(BaseModel):
    """One fault of one row (from 0) of a table sent. field: "" where none alone is to blame."""

    table: str
    row: int
    field: str
    rule: str
    value: str
    message: str


class ErrorBody(BaseModel):
    """code: for programs · message: for people · rows: faults of rows, at most 100, where rows were sent."""

    code: str
    message: str
    rows: list[RowFaultOut] | None = None


class ErrorAnswer(BaseModel):
    """Every error has this body."""

    error: ErrorBody
