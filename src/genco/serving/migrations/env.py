"""Run by Alembic: migrates the connection that `store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from genco.serving.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
