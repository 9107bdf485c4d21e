"""Encrypted frames without audio have a mark of their own, which older code cannot read."""

from __future__ import annotations

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing: rows say how they are encrypted. Older code refuses the newer schema."""


def downgrade() -> None:
    """Do nothing: events that were encrypted since then need the newer code."""
