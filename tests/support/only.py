"""The outcome of a verb that was asked for one session."""

from __future__ import annotations

from typing import TypeVar

from eventstore.verbs.results import Results

Done = TypeVar("Done")


def only(results: Results[Done]) -> Done:
    """What was done with the one session; its own error is raised where nothing could be."""
    if not results.done:
        raise results.failed[0].error
    (done,) = results.done
    return done
