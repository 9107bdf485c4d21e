"""GPT-Live sessions as cues: both speakers, in true time."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from support.events import Call
from support.examples import examples
from support.gpt_live import LiveCall, client_call, decisions_call, responses_call

from eventstore import EventStore, Frame
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cue_lines import placed_cues
from eventstore.replay.player.cues import CUE_TYPES, cues


def script(played: Iterable[Frame], whole: bool = True) -> list[Cue]:
    events = (
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(played, 1)
    )
    return list(cues((event for event in events if event.type in CUE_TYPES), whole))


def lines(call: Call, whole: bool = True) -> list[tuple[float | None, str, str]]:
    """The lines of a call: their seconds, who speaks or what happens, and the words."""
    found: list[list[Cue]] = []
    number = -1
    for piece in placed_cues(script(call.frames, whole)):
        if piece.line != number:
            found.append([])
        number = piece.line
        found[-1].append(piece.cue)
    return [
        (
            None if line[0].offset_ms is None else line[0].offset_ms / 1000,
            line[0].speaker if line[0].kind == "saying" else line[0].kind,
            "".join(cue.text for cue in line).strip(),
        )
        for line in found
    ]


def test_an_interruption_is_told_in_the_order_of_the_timeline() -> None:
    assert lines(decisions_call())[5:12] == [
        (0.6, "assistant", "Welcome to the bakery, I can"),
        (1.6, "user", "No, I want to speak"),
        (1.8, "assistant", "tell you all about our"),
        (2.6, "user", "to a human"),
        (2.8, "assistant", "bread"),
        (3.2, "user", "now!"),
        (3.2, "interrupted", "the user spoke while it was answering"),
    ]


def test_a_usual_overlap_of_two_turns_is_no_interruption() -> None:
    call = LiveCall().starts()
    call.said(("assistant", 0, "How can I help you"), ("user", 800, "My bread is late"))
    assert "interrupted" not in [kind for _, kind, _ in lines(call)]


def test_a_backchannel_splits_what_the_other_one_says_and_is_marked() -> None:
    told = lines(client_call())
    place = told.index((5.6, "backchannel", "Mhm."))
    assert told[place - 1] == (5.0, "assistant", "Your order is in")
    assert told[place + 1] == (5.8, "assistant", "the oven and it will be ready at five.")


def test_while_a_call_runs_the_times_never_fall_and_no_word_is_lost() -> None:
    for call in (client_call(), responses_call(), decisions_call()):
        followed, whole = script(call.frames, whole=False), script(call.frames)
        for told in (followed, whole):
            times = [cue.offset_ms for cue in told if cue.offset_ms is not None]
            assert times == sorted(times)
        assert sorted(cue.text for cue in followed) == sorted(cue.text for cue in whole)


def test_work_of_a_backend_is_told() -> None:
    told = [(kind, text) for _, kind, text in lines(responses_call())]
    for line in (
        ("delegation", "to responses"),
        ("tool_call", 'find_order({"number": 42})'),
        ("tool_result", '{"ready": true}'),
        ("backend", "Order 42 is ready."),
        ("response_ended", "backend: failed The backend is not available."),
    ):
        assert line in told


def test_decisions_keys_mutes_and_errors_are_told() -> None:
    told = [(kind, text) for _, kind, text in lines(decisions_call())]
    answers = "mood: upset (91 %) · wants_human: yes (85 %) · urgency: 0.7 (60 %)"
    for line in (
        ("moment", "the phone rings"),
        ("decision", answers),
        ("moment", "the user is muted"),
        ("moment", "key received: 5"),
        ("moment", "key sent: #"),
        ("error", "The session could not be stored."),
        ("closed", "remote_hangup"),
    ):
        assert line in told


def test_the_timeline_gives_the_times_of_a_recording_without_times() -> None:
    call = LiveCall(timed=False).starts().said(("user", 400, "Hello"), ("assistant", 900, "Hi"))
    assert lines(call)[1:] == [(0.4, "user", "Hello"), (0.9, "assistant", "Hi")]


def test_context_that_another_connection_appends_is_told_without_its_text() -> None:
    call = LiveCall().starts().live("session.thinking.appended", 500, start_ms=400, end_ms=500)
    call.told("thinking", "It rains.", 800)
    assert [text for _, kind, text in lines(call) if kind == "context"] == [
        "(its text is not in the log)",
        "It rains.",
    ]


def test_a_repeated_event_is_told_once() -> None:
    call = LiveCall().starts().delegates("item_work", "client", 100)
    call.frames.append(call.frames[-1])
    assert [kind for _, kind, _ in lines(call)].count("delegation") == 1


def test_a_translation_is_told_as_before() -> None:
    call = Call().server("session.created", session={"id": "sess_1", "type": "translation"})
    call.server("session.input_transcript.delta", delta="Hallo")
    call.server("session.output_transcript.delta", delta="Hello")
    assert [text for *_, text in lines(call)] == ["sess_1", "Hallo", "Hello"]


def letters(words: Iterable[str]) -> list[str]:
    return sorted("".join("".join(words).split()))


TURN = st.tuples(
    st.sampled_from(["user", "assistant"]),
    st.integers(0, 60_000).map(lambda ms: ms // 100 * 100),
    st.text("ab ,.", min_size=1, max_size=30),
)


@given(st.lists(TURN, max_size=6))
@examples(50)
def test_every_letter_is_told_once(turns: list[tuple[str, int, str]]) -> None:
    call = LiveCall().starts().said(*turns).closes(70_000, 70)
    said = letters(words for *_, words in turns)
    for whole in (True, False):
        told = script(call.frames, whole)
        speech = [cue for cue in told if cue.kind in ("saying", "backchannel")]
        assert letters(cue.text for cue in speech) == said
        times = [cue.offset_ms or 0 for cue in told]
        assert times == sorted(times)


def test_a_stored_session_is_replayed_in_order() -> None:
    with EventStore("sqlite://") as store:
        store.append("live_1", client_call().frames, close=True)
        kinds = [cue.kind for cue in store.replay("live_1")]
    assert kinds.index("backchannel") < len(kinds) - 3
    assert kinds[-1] == "closed"
