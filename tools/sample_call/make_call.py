"""Composes the sample call and writes it into `eventstore/demo/`.

Run it by `python -m tools.sample_call.make_call`. It needs hibari-tts for the voices, and openai
for the check at its end. The same input gives the same call, because every id, delay and sound
comes from a fixed seed.
"""

import json
import lzma
import random
from pathlib import Path

import click

from eventstore import demo
from tools.sample_call import replies, script, turns, voices
from tools.sample_call.replies import Reply, Spoken
from tools.sample_call.script import Line
from tools.sample_call.tokens import Ledger, pieces
from tools.sample_call.turns import Call
from tools.sample_call.voices import Pcm
from tools.sample_call.wire import Wire

SEED = 4417
MIC_AT = 0.31
TOOL_SECONDS = 0.14
TARGET = Path(demo.__file__).with_name("call.jsonl.xz")
LINES_BY_AGENT = (script.ON_ITS_WAY, script.RETURNS, script.WEEKDAYS, script.OPEN_SATURDAY)
LINES_BY_CALLER = (script.WHERE, script.SADDLE, script.PICKUP, script.SATURDAY)


def read_lines() -> dict[Line, Pcm]:
    """Return every line of the script as sound."""
    tts = voices.voice()
    agent = {line: voices.agent(tts, line.spoken) for line in LINES_BY_AGENT}
    return agent | {line: voices.caller(tts, line.spoken) for line in LINES_BY_CALLER}


def compose() -> list[str]:
    """Return the whole call as JSON lines."""
    clips = read_lines()
    call = _connect()
    answered = _order_turn(call, clips)
    reply, said = _saddle_turn(call, clips, answered.ends_at + 0.5)
    answered = _pickup_turns(call, clips, reply, said)
    done_at = _summary(call, answered.ends_at + 0.35)
    turns.microphone(call, done_at + 0.6)
    return call.wire.envelopes()


def _connect() -> Call:
    """Write the events by which the session is created and configured."""
    wire = Wire(random.Random(SEED))
    session_id, conversation_id = wire.new_id("sess", 0), wire.new_id("conv", 0)
    wire.server(0.0, "session.created", session=script.session(session_id, configured=False))
    wire.client(0.021, "session.update", session=script.session_update())
    wire.server(0.118, "session.updated", session=script.session(session_id, configured=True))
    prompt = len(pieces(script.INSTRUCTIONS + json.dumps(script.TOOL)))
    return Call(wire, Ledger(prompt), conversation_id, MIC_AT)


def _answer_at(heard: turns.Heard) -> float:
    """Return when the server's turn detection creates a response to a turn, in seconds."""
    return heard.stopped_at + 0.018


def _order_turn(call: Call, clips: dict[Line, Pcm]) -> Spoken:
    """Write the first turn: the customer asks for an order, and the agent calls a tool for it."""
    heard = turns.listen(call, 0.97, script.WHERE, clips[script.WHERE], 0.62)
    reply = replies.begin(call, _answer_at(heard))
    call_id, done_at = replies.call_function(call, reply)
    # `begin` for the answer comes after the tool's result, which the answer reads.
    replies.answer_function(call, done_at + TOOL_SECONDS, call_id, script.TOOL_OUTPUT)
    ask_at = done_at + TOOL_SECONDS + 0.002
    metadata = {"topic": "delivery", "turn": "1"}
    call.wire.client(
        ask_at, "response.create", event_id="client_answer_1", response={"metadata": metadata}
    )
    reply = replies.begin(call, ask_at + 0.075, metadata=metadata)
    audio_at = replies.open_speech(call, reply)
    return replies.speak(call, reply, audio_at, script.ON_ITS_WAY, clips[script.ON_ITS_WAY])


def _saddle_turn(call: Call, clips: dict[Line, Pcm], at: float) -> tuple[Reply, Spoken]:
    """Write the second turn, whose long answer is sent before much of it has been played."""
    heard = turns.listen(call, at, script.SADDLE, clips[script.SADDLE], 0.58)
    reply = replies.begin(call, _answer_at(heard))
    audio_at = replies.open_speech(call, reply)
    return reply, replies.speak(call, reply, audio_at, script.RETURNS, clips[script.RETURNS])


def _pickup_turns(call: Call, clips: dict[Line, Pcm], playing: Reply, said: Spoken) -> Spoken:
    """Write two interruptions: of an answer's playback, then of an answer being generated."""
    heard = turns.listen(call, said.plays_at + 4.9, script.PICKUP, clips[script.PICKUP], 1.35)
    replies.truncate(call, heard.started_at + 0.009, playing, said)
    reply = replies.begin(call, _answer_at(heard))
    audio_at = replies.open_speech(call, reply)
    heard = turns.listen(call, audio_at + 0.75, script.SATURDAY, clips[script.SATURDAY], 0.55)
    said = replies.speak(
        call, reply, audio_at, script.WEEKDAYS, clips[script.WEEKDAYS], until=heard.started_at
    )
    replies.truncate(call, heard.started_at + 0.014, reply, said, event_id="client_truncate_2")
    reply = replies.begin(call, _answer_at(heard))
    audio_at = replies.open_speech(call, reply)
    return replies.speak(call, reply, audio_at, script.OPEN_SATURDAY, clips[script.OPEN_SATURDAY])


def _summary(call: Call, at: float) -> float:
    """Write the client's request for a summary as text, outside the conversation."""
    metadata = {"purpose": "summary", "topic": "delivery"}
    request = {
        "conversation": "none",
        "output_modalities": ["text"],
        "metadata": metadata,
        "instructions": script.SUMMARY_INSTRUCTIONS,
    }
    call.wire.client(at, "response.create", event_id="client_summary_1", response=request)
    prompt = len(pieces(script.SUMMARY_INSTRUCTIONS + json.dumps(script.TOOL)))
    reply = replies.begin(call, at + 0.08, modality="text", metadata=metadata, aside=prompt)
    return replies.write(call, reply, script.SUMMARY)


@click.command()
def main() -> None:
    """Compose the sample call anew, check it, and write it into the package."""
    from tools.sample_call.check import check

    lines = compose()
    check(lines)
    text = "".join(line + "\n" for line in lines)
    TARGET.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{TARGET.name}: {len(lines)} frames, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
