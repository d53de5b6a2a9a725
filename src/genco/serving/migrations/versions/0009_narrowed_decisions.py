"""Whether a request narrowed the choice; decisions by the set of candidates that came along."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("narrowed", sa.Boolean))
    known = sa.text("candidates IS NOT NULL")
    op.create_index("decisions_candidates", "decisions", ["candidates"], sqlite_where=known, postgresql_where=known)
