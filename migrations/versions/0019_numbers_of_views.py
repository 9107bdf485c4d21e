"""Numbers of the views have a type on SQLite. After the migrations, env.py makes the views."""

from __future__ import annotations

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing but make the views anew."""


def downgrade() -> None:
    """Do nothing: env.py makes the views of the newest schema alone."""
