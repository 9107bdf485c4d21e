"""GPT-Live sessions as cues: both speakers, in true time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st
from support.events import Call
from support.examples import examples
from support.gpt_live import LiveCall, client_call, decisions_call, responses_call
from support.live_speech import live_of, say, speech, started

from eventstore import EventStore, Frame
from eventstore.projection.views.resources import item_text
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cue_lines import placed_cues
from eventstore.replay.player.cues import CUE_TYPES, cues
from eventstore.store.log.follow import Quiet


def stored(played: Iterable[Frame]) -> Iterator[StoredEvent]:
    """The events that a replay reads."""
    for seq, frame in enumerate(played, 1):
        type_ = decode(frame.text).type
        if type_ in CUE_TYPES:
            yield StoredEvent(seq, frame.at, frame.direction, type_, frame.text)


def script(played: Iterable[Frame], whole: bool = True) -> list[Cue]:
    """The cues of a call that is replayed as a whole, or followed event by event."""
    return list(cues(stored(played) if whole else chain([Quiet(0)], stored(played))))


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
        (3.0, "interrupted", "the user spoke while it was answering"),
        (3.2, "user", "now!"),
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


def as_told(found: list[Cue]) -> list[tuple[object, ...]]:
    return sorted((cue.offset_ms, cue.kind, cue.text, cue.id, cue.overlaps) for cue in found)


def test_while_a_call_runs_the_same_is_told_with_the_same_times() -> None:
    for call in (client_call(), responses_call(), decisions_call()):
        followed, whole = script(call.frames, whole=False), script(call.frames)
        times = [cue.offset_ms for cue in whole]
        assert times == sorted(times)
        assert as_told(followed) == as_told(whole)


def test_a_cue_names_the_event_that_it_tells_of() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "stop", "it", "now", "please")
    call.ms += 9000
    call.server("session.usage.updated", usage={"seconds": 12})
    for whole in (True, False):
        told = {cue.kind: cue for cue in script(call.frames, whole) if cue.kind != "opened"}
        assert (told["said"].seq, told["said"].text) == (15, "stop it now please")
        assert told["interrupted"].seq == 14  # the first one that ends behind the assistant's words
        assert told["interrupted"].at == call.frames[13].at


def test_each_turn_is_told_as_a_whole_when_it_has_ended() -> None:
    told = script(client_call().frames)
    assert [(cue.speaker, cue.text, cue.offset_ms) for cue in told if cue.kind == "said"] == [
        ("user", "Where is my order forty two?", 1800),
        ("assistant", "Let me check that.", 2800),
        ("assistant", "Your order is in the oven and it will be ready at five.", 7600),
        ("user", "Thank you.", 8600),
    ]
    assert [cue.text for cue in told if cue.kind == "backchannel"] == ["Mhm."]


def interruptions(call: Call) -> dict[bool, list[str | None]]:
    """The ids of items that the cues of a replay, and of a view, tell to be interrupted."""
    return {
        whole: [cue.id for cue in script(call.frames, whole) if cue.kind == "interrupted"]
        for whole in (True, False)
    }


def folded_interruptions(call: Call) -> list[str]:
    """The ids of the items whose responses are interrupted in the state."""
    return [
        item.id for item in call.state.items.values() if item.response_id in call.state.interrupted
    ]


def test_who_ends_a_moment_after_the_assistant_interrupts_it() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, " stop", " it", " now")
    assert folded_interruptions(call) == ["item_said_2"]
    assert interruptions(call) == {True: ["item_said_2"], False: ["item_said_2"]}


def test_an_assistant_that_goes_on_was_not_interrupted() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "Wait", "I", "mean", "it")
    say(call, "assistant", 2350, *["word"] * 8)
    assert folded_interruptions(call) == []
    assert interruptions(call) == {True: [], False: []}


def test_what_the_user_says_later_does_not_undo_an_interruption() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "No", "stop", "please", "stop")
    say(call, "user", 4500, "Hello?")
    assert folded_interruptions(call) == ["item_said_2"]
    assert interruptions(call) == {True: ["item_said_2"], False: ["item_said_2"]}


def test_words_said_last_are_told_at_the_end_of_an_open_session() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "wait")
    for whole in (True, False):
        assert ("backchannel", "wait") in [(c.kind, c.text) for c in script(call.frames, whole)]


def test_a_silence_tells_the_words_said_last_while_the_call_runs() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1500, "wait", "please", "wait", "please")

    def events() -> Iterator[StoredEvent | Quiet]:
        yield from stored(call.frames)
        for tenths in range(40):
            yield Quiet(tenths / 10)
        reached.append(len(told))

    told: list[Cue] = []
    reached: list[int] = []
    for cue in cues(events()):  # `extend` would show them only at the end
        told.append(cue)
    assert reached == [len(told)]
    assert [(cue.kind, cue.offset_ms) for cue in told[-3:]] == [
        ("said", 2000.0),
        ("interrupted", 2000.0),
        ("said", 2300.0),
    ]


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


def contexts(call: Call) -> list[str]:
    return [text for _, kind, text in lines(call) if kind == "context"]


def test_an_answer_belongs_to_the_append_that_it_names() -> None:
    call = LiveCall().starts().told("commentary", "Mine.", 400, answered=False)
    other = {"start_ms": 400, "end_ms": 500, "client_event_id": "other_1"}
    call.live("session.commentary.appended", 500, **other)
    mine = {"start_ms": 600, "end_ms": 700, "client_event_id": "client_2"}
    call.live("session.commentary.appended", 700, **mine)
    assert contexts(call) == ["Mine.", "(its text is not in the log)"]
    assert [at for at, kind, _ in lines(call) if kind == "context"] == [0.4, 0.4]


def test_a_refused_append_waits_for_no_answer() -> None:
    call = LiveCall().starts().told("commentary", "Refused.", 400, answered=False)
    error = {"type": "invalid_request_error", "message": "no", "client_event_id": "client_2"}
    call.live("error", 500, error=error)
    call.live("session.commentary.appended", 700, start_ms=600, end_ms=700)
    assert contexts(call) == ["Refused.", "(its text is not in the log)"]


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
        assert times == sorted(times) or not whole


@given(st.lists(TURN, max_size=6))
@examples(100)
def test_replay_and_state_tell_the_same_turns(turns: list[tuple[str, int, str]]) -> None:
    turns = [(speaker, start_ms // 4, words) for speaker, start_ms, words in turns]
    call = LiveCall().starts().said(*turns).closes(70_000, 70)
    spoken = [item for item in speech(call) if item_text(item).strip()]
    kept = {item.id: item_text(item).strip() for item in spoken if not live_of(item).backchannel}
    for whole in (True, False):
        told = script(call.frames, whole)
        said = [cue for cue in told if cue.kind == "said"]
        assert {cue.id: cue.text for cue in said}.items() >= kept.items()
        assert len(said) == len({cue.id for cue in said})
        ended = {cue.id for cue in told if cue.kind in ("said", "backchannel")}
        assert ended == {item.id for item in spoken}
        found = sorted(cue.id or "" for cue in told if cue.kind == "interrupted")
        assert found == sorted(folded_interruptions(call))


def test_a_stored_session_is_replayed_in_order() -> None:
    with EventStore("sqlite://") as store:
        store.append("live_1", client_call().frames, close=True)
        kinds = [cue.kind for cue in store.replay("live_1")]
    assert kinds.index("backchannel") < len(kinds) - 3
    assert kinds[-1] == "closed"
