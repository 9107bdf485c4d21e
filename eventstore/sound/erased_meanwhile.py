"""Whether what was made of a session may be kept: nothing of it was erased since it was read.

Called where sound, pictures and pages are made, before they are put in their place.
"""

from __future__ import annotations

from eventstore.errors import ErasedMeanwhileError
from eventstore.store.log.session_facts import Revision
from eventstore.store.sessions.log import Log


def check_not_erased_since(log: Log, session_id: str, version: Revision) -> None:
    """Look whether anything of a session was erased since it had a version.

    Raises:
        ErasedError: the session was erased since. ErasedMeanwhileError: some of it was.
    """
    if log.revision(session_id)[1] != version[1]:
        raise ErasedMeanwhileError(session_id)
