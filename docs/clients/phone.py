"""Be Twilio, without a phone: play a Media Stream of question.ulaw to a bridge (see twilio.md)."""

import asyncio
import base64
import json
from pathlib import Path

from websockets.asyncio.client import connect

START = {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {"customer": "42"}}


async def call(url="ws://127.0.0.1:5050"):
    """Ask the question; gives how many seconds of an answer came."""
    sound = Path("question.ulaw").read_bytes() + b"\xff" * 8000  # and a second of silence
    chunks = [base64.b64encode(sound[at : at + 160]) for at in range(0, len(sound), 160)]
    media = [{"event": "media", "media": {"payload": chunk.decode()}} for chunk in chunks]
    async with connect(url) as bridge:
        for message in ({"event": "connected"}, {"event": "start", "start": START}, *media):
            await bridge.send(json.dumps(message))
        heard = 0
        async for message in bridge:
            event = json.loads(message)
            if event["event"] == "media":
                heard += len(base64.b64decode(event["media"]["payload"])) / 8000
            elif event["event"] == "mark":
                await bridge.send(json.dumps({"event": "stop"}))
                break
    return heard


if __name__ == "__main__":
    print(f"{asyncio.run(call()):.1f} seconds came")
