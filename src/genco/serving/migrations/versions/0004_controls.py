"""Controls replace the table of statuses."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    controls = op.create_table(
        "controls",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("undoes", sa.Integer),
        sa.Column("root", sa.Integer),
        sa.Column("turns_on", sa.Boolean, nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("controls_root", "controls", ["root"])
    op.create_index("controls_product_id", "controls", ["product_id"])
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT element_id, status, changed_at FROM element_status ORDER BY changed_at"))
    rows = [
        {
            "at": at,
            "actor": "",
            "change": json.dumps({"kind": "status", "element_ids": [element], "status": status}),
            "turns_on": True,
            "in_force": True,
            "version": 0,
        }
        for element, status, at in found
    ]
    if rows:
        connection.execute(controls.insert(), rows)
    op.drop_table("element_status")
