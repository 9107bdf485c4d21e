"""Check that nothing of a session was erased while a file was made from it.

Called by call_audio.py, plot.py and exports/html.py before a sound, a picture or a page is kept.
"""

from __future__ import annotations

from eventstore.errors import ErasedMeanwhileError
from eventstore.store.log.session_facts import Revision
from eventstore.store.sessions.log import Log


def check_not_erased_since(log: Log, session_id: str, version: Revision) -> None:
    """Raise if anything of a session was erased since it had this revision.

    Args:
        version: What `log.revision` returned before the session was read.

    Raises:
        ErasedError: The whole session was erased since.
        ErasedMeanwhileError: A part of the session, such as its audio, was erased since.
    """
    if log.revision(session_id)[1] != version[1]:
        raise ErasedMeanwhileError(session_id)
