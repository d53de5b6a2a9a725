"""The report on versions: which are valued, and how their values are told."""

from __future__ import annotations

from genco.serving.learner import SETTLE_US
from genco.serving.registry import LEARNER, RUN, ModelVersion, version_named, versions
from genco.serving.report_policy import VersionValue, mean_reward, recent_decisions, version_value
from genco.serving.report_schemas import PolicyAnswer, VersionValueOut
from genco.serving.service import Service

NEWEST_RUNS = 3


def policy_report(service: Service, version: str | None, num: int) -> PolicyAnswer:
    """Values on the last `num` settled decisions of one version, or of those in service and the newest runs, each under
    the controls in force now.

    Raises `ApiError` 404 for an unknown version, 422 for a damaged one.
    """
    rate_of = service.live.serving.control.base.meta.reward
    until = service.clock.now() - service.config.reward_window_us - SETTLE_US
    with service.engine.connect() as connection:
        rows, left_out = recent_decisions(connection, until, num, rate_of)
    chosen = _candidates(service) if version is None else [version_named(service.engine, version)]
    values = []
    for entry in chosen:
        learned_to = entry.created_at if entry.origin == LEARNER else entry.trained_to or 0
        value = version_value(service.live.optimizer_of(entry.version), rows, learned_to) if rows else _NOTHING
        values.append(_told(service, entry, value))
    return PolicyAnswer(
        rows=len(rows),
        first=rows[0].decided_at if rows else None,
        last=rows[-1].decided_at if rows else None,
        mean_reward=mean_reward(rows),
        rate_of=rate_of,
        left_out=left_out,
        versions=values,
    )


_NOTHING = VersionValue(None, "no decision by a model that was shown has settled yet", 0, None, None, "")


def _candidates(service: Service) -> list[ModelVersion]:
    """The versions in service, then the newest runs."""
    serving, known = service.live.serving, versions(service.engine)
    arms = [arm.version.version for arm in (serving.control, serving.candidate) if arm is not None]
    runs = [entry.version for entry in known if entry.origin == RUN and entry.version not in arms]
    wanted = [*arms, *runs[:NEWEST_RUNS]]
    return sorted((entry for entry in known if entry.version in wanted), key=lambda entry: wanted.index(entry.version))


def _told(service: Service, entry: ModelVersion, value: VersionValue) -> VersionValueOut:
    found = value.snips
    return VersionValueOut(
        version=entry.version,
        served=entry.version == service.live.version.version,
        value=None if found is None else found.value,
        ci_low=None if found is None else found.interval.low,
        ci_high=None if found is None else found.interval.high,
        difference_low=None if found is None else found.difference.low,
        difference_high=None if found is None else found.difference.high,
        verdict=value.verdict,
        rows=value.num_rows,
        mean_weight=value.mean_weight,
        effective_sample_size=value.effective_size,
        refused=value.refused or None,
        warning=value.warning or None,
    )
