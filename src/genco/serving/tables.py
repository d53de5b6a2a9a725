"""The store's tables: one schema for SQLite and PostgreSQL. Times are microseconds since 1970 UTC by `Clock`.

`migrations/` creates the same schema; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData()
_HAS_ACTOR = text("actor IS NOT NULL")
_HAS_SET = text("candidates IS NOT NULL")

decisions = Table(
    "decisions",
    metadata,
    Column("event_id", String(128), primary_key=True),
    Column("decided_at", BigInteger, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("context", Text, nullable=False),  # JSON object as the caller sent it
    Column("combination", Text, nullable=False),  # JSON list: element id per slot of the run, null = empty
    Column("propensity", Double),  # of the combination as served; null = not known
    Column("policy", String(16), nullable=False),  # model, baseline or holdout
    Column("mode", String(16), nullable=False),
    Column("reason", String(32), nullable=False),  # why the model did not choose; "" where it did
    Column("model_version", String(64), nullable=False),
    Column("catalogue_version", Integer, nullable=False),
    Column("model_combination", Text),  # apprentice: what the model would have served
    Column("candidates", String(32)),  # digest of the set that the request brought along
    Column("narrowed", Boolean),  # whether the request pinned or left out elements; null: written by an older version
    Column("activated", Boolean, nullable=False),
    Column("actor", String(32)),  # keyed hash
    Column("digest", String(32), nullable=False),  # of the request: a repeated event_id must repeat the request
    Column("arm", String(16)),  # of the staged rollout that ran: control or candidate; null = none, or held out
    Column("took_us", Integer),  # time of the choice; null where no arm
    Index("decisions_decided_at", "decided_at"),
    Index("decisions_actor", "actor", "decided_at", sqlite_where=_HAS_ACTOR, postgresql_where=_HAS_ACTOR),
    Index("decisions_candidates", "candidates", sqlite_where=_HAS_SET, postgresql_where=_HAS_SET),
)

events = Table(
    "events",
    metadata,
    Column("row_id", String(32), primary_key=True),  # what makes the row the same row: see `joiner.row_id`
    Column("event_id", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("slot_id", Text, nullable=False),  # "" = the whole decision
    Column("value", Double, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),  # after the reward window: logged, never learned
    Index("events_event_id", "event_id"),
    Index("events_received_at", "received_at"),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # words with spaces between
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

models = Table(
    "models",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("origin", String(16), nullable=False),  # run or learner
    Column("path", Text, nullable=False),
    Column("parent", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("trained_to", BigInteger),  # a run has seen the service's decisions before this time
)

promotions = Table(
    "promotions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("version", String(64), nullable=False),
    Column("why", String(16), nullable=False),  # start, promote, rollback, rollout or learn
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("started_from", String(64), nullable=False),  # version the candidate was when it began
    Column("candidate", String(64), nullable=False),  # version learned from it last
    Column("plan", Text, nullable=False),  # JSON object: stages (percent), minutes, min_decisions
    Column("stage", Integer, nullable=False),  # place in the stages
    Column("started_at", BigInteger, nullable=False),
    Column("stage_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text),  # how it ended
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # running, done or failed
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("progress", Text, nullable=False),
    Column("error", Text),
    Column("result", Text, nullable=False),  # JSON object
)

alarms = Table(
    "alarms",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String(32), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("detail", Text, nullable=False),  # JSON object
)

controls = Table(
    "controls",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as in the audit log
    Column("product_id", Text),  # whom alone it concerns
    Column("change", Text, nullable=False),  # JSON: `changes.Change`
    Column("undoes", Integer),  # the act it undoes; null = the change itself
    Column("root", Integer),  # the change an undo is about
    Column("turns_on", Boolean, nullable=False),  # whether it puts that change in force
    Column("in_force", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # of the catalogue
    Index("controls_root", "root"),
    Index("controls_product_id", "product_id"),
)

candidate_sets = Table(
    "candidate_sets",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("body", Text, nullable=False),  # JSON list of `additions.AddedElement`
)

additions = Table(
    "additions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),  # product, element or rule
    Column("row_id", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False),
    Index("additions_kind_row_id", "kind", "row_id", unique=True),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("key_id", String(64), nullable=False),  # of the key, or `user:NAME`
    Column("act", String(32), nullable=False),
    Column("detail", Text, nullable=False),  # JSON object
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("password", Text, nullable=False),  # salted scrypt hash
    Column("role", String(16), nullable=False),  # viewer, editor or admin
    Column("created_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # of the secret in the reader's cookie
    Column("user_name", String(40), nullable=False),
    Column("form_token", String(64), nullable=False),  # what every form of the session must carry
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
