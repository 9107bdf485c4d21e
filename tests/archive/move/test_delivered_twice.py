"""A call of which a proxy delivered events twice, sealed and unsealed, verified and copied."""

from __future__ import annotations

import pytest
from support.events import Call, audio

from eventstore import EventStore, Frame
from eventstore.store.database.transaction import write

MARK = "UPDATE events SET load_key = NULL WHERE session_id = 'sess_1' AND seq = ?"


def twice_delivered() -> tuple[list[Frame], int]:
    """Its frames, and the seq of the first delta of audio: each of three comes twice."""
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    first = len(call.frames) + 1
    for number in range(3):
        for _ in range(2):
            call.server(
                "response.output_audio.delta",
                event_id=f"event_{number}",
                response_id="resp_1",
                item_id="item_1",
                content_index=0,
                delta=audio(1000),
            )
    return call.done("resp_1").frames, first


def check(store: EventStore) -> None:
    """Three seconds, whoever asks; and nothing is wrong."""
    (conversation,) = store.state("sess_1")["conversations"]
    (sound,) = conversation["items"][0]["eventstore"]["audio"]
    assert (sound["duration_ms"], sound["chunks"]) == (3000, 3)
    assert store.verify("sess_1").done[0].problems == []
    assert [one.changed for one in store.rebuild(["sess_1"]).done] == [0]


@pytest.mark.parametrize("projection", ["inline", "deferred"])
def test_sealed_unsealed_and_copied(
    database_url: str, elsewhere: EventStore, projection: str
) -> None:
    frames, first = twice_delivered()
    with EventStore(database_url, projection=projection) as store:  # type: ignore[arg-type]
        store.append("sess_1", frames[: first + 1])
        if projection == "deferred":
            (conversation,) = store.state("sess_1")["conversations"]
            assert conversation["items"][0]["eventstore"]["audio"][0]["chunks"] == 1
        store.append("sess_1", frames[first + 1 :], close=True)
        store.project().raise_for_errors()
        check(store)
        store.copy(["sess_1"], elsewhere)
        check(elsewhere)
        store.seal(["sess_1"])
        check(store)
        store.unseal("sess_1").raise_for_errors()
        check(store)


def test_a_delta_that_came_once_cannot_be_hidden(store: EventStore) -> None:
    frames, first = twice_delivered()
    store.append("sess_1", frames)
    assert store.verify("sess_1").done[0].problems == []
    with write(store.engine) as tx:
        assert tx.run(MARK, (first,)) == 1
    (problem,) = store.verify("sess_1").done[0].problems
    assert (problem.first_seq, "load_key" in problem.problem) == (first, True)
