"""Decisions of an actor, by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    known = sa.text("actor IS NOT NULL")
    op.create_index("decisions_actor", "decisions", ["actor", "decided_at"], sqlite_where=known, postgresql_where=known)
