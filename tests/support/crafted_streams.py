"""Streams of n events or a few n that make somebody look through all that came before."""

from __future__ import annotations

from collections.abc import Callable

from support.events import Call, message, text_part

ITEM = "conversation.item.create"


def _typed(number: int) -> dict[str, object]:
    return message(f"item_{number}", "user", text_part("Hi", "input_text"))


def creates(n: int) -> Call:
    """Items that clients ask for, and others that the server adds."""
    call = Call()
    for i in range(n):
        call.client(ITEM, event_id=f"e{i}", item={"id": f"mine_{i}", "type": "message"})
    for i in range(n):
        call.added(_typed(i))
    return call


def creates_without_ids(n: int) -> Call:
    """Items without ids, added from the last to the first."""
    call = Call()
    for i in range(n):
        item = {"type": "function_call_output", "call_id": f"c{i}", "output": "."}
        call.client(ITEM, previous_item_id="root", item=item)
    for i in reversed(range(n)):
        item = {"id": f"i{i}", "type": "function_call_output", "call_id": f"c{i}", "output": "."}
        call.added(item)
    return call


def at_the_front(n: int) -> Call:
    """Each item before all others."""
    call = Call()
    for i in range(n):
        call.added(_typed(i), "root")
    return call


def behind_the_first(n: int) -> Call:
    """Each item behind the first one."""
    call = Call()
    for i in range(n):
        call.added(_typed(i), "item_0")
    return call


def deletions(n: int) -> Call:
    """Items that are deleted from the first on, some of them twice."""
    call = Call()
    for i in range(n):
        call.added(_typed(i))
    for i in range(n):
        call.server("conversation.item.deleted", item_id=f"item_{i // 2 * 2}")
    return call


def output_items(n: int) -> Call:
    """A response of many items."""
    call = Call().created("resp_1")
    for i in range(n):
        item = message(f"item_{i}", "assistant")
        call.server("response.output_item.added", response_id="resp_1", item=item)
    for i in range(n):
        item = message(f"item_{i}", "assistant", text_part("Hi"))
        call.server("response.output_item.done", response_id="resp_1", item=item)
    return call.done("resp_1")


def made_and_done_again(n: int) -> Call:
    """A response of many items that begins and ends again and again."""
    call = output_items(n)
    for _ in range(n):
        call.created("resp_1").done("resp_1")
    return call


def cancelled(n: int) -> Call:
    """Responses that answer no request, and are cancelled."""
    call = Call()
    for i in range(n):
        call.client("response.create", event_id=f"e{i}", response={"metadata": {"n": f"{i}"}})
    for i in range(n):
        call.created(f"resp_{i}", metadata={"of": f"{i}"})
        details = {"type": "cancelled", "reason": "turn_detected"}
        call.done(f"resp_{i}", status="cancelled", status_details=details)
    return call


def asked_from_the_last(n: int) -> Call:
    """Responses that answer the last request first, beside turns of the user's."""
    call = Call()
    for i in range(n):
        call.client("response.create", response={"metadata": {"n": f"{i}"}})
        call.spoken(f"item_{i}", i, i + 1)
    for i in reversed(range(n)):
        call.created(f"resp_{i}", metadata={"n": f"{i}"})
    return call


def scored(n: int) -> Call:
    """Scores of a session, of one response again and again, and of an item each."""
    call = Call().typed("item_1", "Hi").answers("resp_1", "item_2", "Hello")
    for i in range(n):
        told = {"name": f"n{i % 40}", "value": i, "reason": "because"}
        call.store("scored", score=told)
        call.store("scored", score={**told, "target": {"response_id": "resp_1"}})
        call.typed(f"item_{i + 3}", "Hi")
        call.store("scored", score={**told, "target": {"item_id": f"item_{i + 3}"}})
        call.store("scored", score={"name": f"n{i % 40}", "by": "nobody"})
    return call


def errors(n: int) -> Call:
    """Requests, and errors that refuse others."""
    call = Call()
    for i in range(n):
        call.client("response.create", event_id=f"r{i}")
        call.client(ITEM, event_id=f"c{i}", item={"id": f"mine_{i}", "type": "message"})
    for i in range(n):
        call.server("error", error={"code": "no", "event_id": f"x{i}"})
        call.server("error", error={"code": "conversation_already_has_active_response"})
    return call


def unanswered(n: int) -> Call:
    """The user's items, and a response that ties others."""
    call = Call()
    for i in range(n):
        call.added(_typed(i))
    for i in range(n):
        named = {"response_id": "resp_1", "item_id": f"out_{i}"}
        call.server("response.output_text.done", content_index=0, text="Hi", **named)
    return call


def named_conversations(n: int) -> Call:
    """A conversation of its own for each response."""
    call = Call()
    for i in range(n):
        call.server("conversation.created", conversation={"id": f"conv_{i}"})
        call.created(f"resp_{i}", f"conv_{i}").done(f"resp_{i}", f"conv_{i}")
    return call


def metadata(n: int) -> Call:
    """Notes of metadata, each with a key of its own."""
    call = Call().created("resp_1")
    for i in range(n):
        call.store("metadata", metadata={f"key_{i}": "value"})
    return call


def fields(n: int) -> Call:
    """Configurations, responses and items, each with a field of its own."""
    call = Call()
    for i in range(n):
        call.server("session.updated", session={f"field_{i}": "value"})
        call.created("resp_1", **{f"field_{i}": "value"})
        call.added(message("item_1", "user", **{f"field_{i}": "value"}))
    return call


def parts(n: int) -> Call:
    """A message of many parts, and of numbers far beyond."""
    call = Call().created("resp_1")
    for i in range(n):
        for index in (i, 10**12 + i):
            named = {"response_id": "resp_1", "item_id": "item_1", "content_index": index}
            call.server("response.content_part.added", part={"type": "text"}, **named)
            call.server("response.output_text.done", text="Hi", **named)
    return call


def tools(n: int) -> Call:
    """Calls of one id, and their outputs."""
    call = Call()
    for i in range(n):
        call.added({"id": f"call_{i}", "type": "function_call", "name": "f", "call_id": "c"})
    for i in range(n):
        item = {"id": f"out_{i}", "type": "function_call_output", "call_id": "c", "output": "."}
        call.added(item)
    return call


def outputs_before_calls(n: int) -> Call:
    """Outputs of one id before calls that wait for theirs."""
    call = Call()
    for i in range(n):
        item = {"id": f"out_{i}", "type": "function_call_output", "call_id": "c", "output": "."}
        call.added(item)
    for i in range(n):
        call.added({"id": f"call_{i}", "type": "function_call", "name": "f", "call_id": "c"})
    return call


def translation(n: int) -> Call:
    """A translation, word by word."""
    call = Call()
    for _ in range(n):
        call.server("session.input_transcript.delta", delta="word ")
        call.server("session.output_transcript.delta", delta="Wort ")
    return call


def transcriptions(n: int) -> Call:
    """Transcripts of turns that no item tells of, each twice."""
    call = Call()
    for i in range(n):
        said = {"item_id": f"item_{i // 2}", "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        call.server(f"{kind}.delta", delta="Hi", **said)
        call.server(f"{kind}.completed", transcript="Hi", usage={"total_tokens": 1}, **said)
    return call


STREAMS: dict[str, Callable[[int], Call]] = {
    made.__name__: made
    for made in (
        creates,
        creates_without_ids,
        at_the_front,
        behind_the_first,
        deletions,
        output_items,
        made_and_done_again,
        cancelled,
        asked_from_the_last,
        scored,
        errors,
        unanswered,
        named_conversations,
        metadata,
        fields,
        parts,
        tools,
        outputs_before_calls,
        translation,
        transcriptions,
    )
}
