"""The first schema of the service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("event_id", sa.String(128), primary_key=True),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("combination", sa.Text, nullable=False),
        sa.Column("propensity", sa.Double),
        sa.Column("policy", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("catalogue_version", sa.Integer, nullable=False),
        sa.Column("model_combination", sa.Text),
        sa.Column("activated", sa.Boolean, nullable=False),
        sa.Column("actor", sa.String(32)),
        sa.Column("digest", sa.String(32), nullable=False),
    )
    op.create_index("decisions_decided_at", "decisions", ["decided_at"])
    op.create_table(
        "events",
        sa.Column("row_id", sa.String(32), primary_key=True),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("slot_id", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
    )
    op.create_index("events_event_id", "events", ["event_id"])
    op.create_table(
        "keys",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_table(
        "models",
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("parent", sa.String(64)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "promotions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
    )
    op.create_table(
        "element_status",
        sa.Column("element_id", sa.Text, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
