"""A GPT-Live session with secrets in every place that people and programs put them."""

from __future__ import annotations

import json
from typing import Any

from support.events import Call, Json, message, text_part
from support.planted import NAMES

WORKED = "dlg_1"


def _responds(call: Call, type_: str, **fields: Any) -> None:
    call.server("response.event", delegation_id=WORKED, event={"type": type_, **fields})


def _in_pieces(call: Call, type_: str, text: str, **fields: Any) -> None:
    """The deltas of a text of the backend, seven characters each."""
    for begin in range(0, len(text), 7):
        _responds(call, type_, delta=text[begin : begin + 7], **fields)


def _session(secret: str) -> Json:
    key = f"sk-{secret}"
    mcp = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": f"https://u{secret}:p{secret}@mcp.example.test/sse?key={secret}&x={secret}",
        "authorization": secret,
        "headers": {"X-Mine": secret},
    }
    mail = {"type": "mcp", "server_label": "mail", "connector_id": "connector_gmail"}
    shell = {"type": "shell", "environment": {"type": "local", "api_key": secret}}
    question = {
        "type": "predicate",
        "instructions": [
            {"type": "input_text", "text": f"API key: {secret}"},
            {"type": "input_image", "image_url": f"https://a.test/b.png?sig={secret}"},
            {"type": "input_json", "data": {"token": secret}},
        ],
    }
    trigger = {
        "type": "decisions",
        "event_type": "session.input_transcript.delta",
        "decisions": {"questions": [question]},
    }
    return {
        "id": "live_planted",
        "model": "gpt-live-1",
        "instructions": key,
        "safety_identifier": secret,
        "delegation": {
            "type": "responses",
            "responses": {
                "model": "gpt-5.2",
                "instructions": f"password = '{secret}'",
                "tools": [mcp, {**mail, "authorization": f"ya29.{secret}"}, shell],
            },
        },
        "triggers": [trigger],
        "input": [message("hist_1", "user", text_part(f"my key is {key}", "input_text"))],
    }


def planted_live_call(secret: str) -> Call:
    """A Live session in whose every kind of event this secret stands.

    Args:
        secret: letters and digits.
    """
    key = f"sk-{secret}"
    named = dict.fromkeys(NAMES, secret)
    inner = json.dumps({"deep": [named], "again": json.dumps({"password": secret}), "city": "Oslo"})
    url = f"wss://api.openai.com/v1/live/sessions?api_key={secret}"
    call = Call().store("opened", url=url, headers={"OpenAI-Safety-Identifier": secret})
    call.client("session.start", session=_session(secret))
    call.server("session.started", session=_session(secret))
    call.store("metadata", metadata={"customer": "42", "note": key, "token": secret})
    place = {"start_ms": 0, "end_ms": 800}
    call.server("session.input_transcript.delta", delta=f"my key is {key} in", **place)
    place = {"start_ms": 800, "end_ms": 1000}
    call.server("session.input_transcript.delta", delta=" Oslo", **place)
    for number, piece in enumerate((" password", " =", secret[:9], secret[9:], " there")):
        place = {"start_ms": 1000 + 200 * number, "end_ms": 1200 + 200 * number}
        call.server("session.input_transcript.delta", delta=piece, **place)
    delegation = {"id": WORKED, "type": "delegation", "target": "responses", "api_key": secret}
    call.server("session.delegation.created", offset_ms=1000, delegation=delegation)
    response = {"id": "resp_1", "status": "in_progress", "safety_identifier": secret}
    tools = _session(secret)["delegation"]["responses"]["tools"]
    _responds(call, "response.created", response={**response, "tools": tools})
    ids = {"item_id": "fc_1", "output_index": 0}
    _in_pieces(call, "response.function_call_arguments.delta", inner, **ids)
    called = {"id": "fc_1", "type": "function_call", "name": "f", "call_id": "call_1"}
    _responds(call, "response.output_item.done", item={**called, "arguments": inner})
    mcp = {
        "id": "mcp_1", "type": "mcp_call", "server_label": "docs", "name": "search",
        "arguments": inner, "output": inner, "error": {"message": f"refused {key}"},
    }  # fmt: skip
    _responds(call, "response.output_item.done", item=mcp)
    _in_pieces(call, "response.output_text.delta", f'so {{"api_key": "{secret}"}} in Oslo', **ids)
    failed = {**response, "status": "failed", "error": {"message": f"api_key={secret}"}}
    _responds(call, "response.failed", response=failed)
    result = {
        "id": "out_1", "type": "function_call_output", "call_id": "call_1",
        "output": f"Authorization: Bearer {secret}\n<apiKey>{secret}</apiKey>\n{inner}",
    }  # fmt: skip
    call.client("response.item.create", item=result)
    image = {"type": "input_image", "image_url": f"https://a.test/b.png?X-Amz-Signature={secret}"}
    item = message("dec_1", "user", image, text_part(f"token={secret}", "input_text"))
    call.client("decision.item.create", item=item).server("decision.item.created", item=item)
    answers = [{"type": "choice", "name": "key", "choice": key}]
    decided = {"type": "decision.completed", "decision": {"model": "d", "answers": answers}}
    call.server("decision.event", event=decided)
    for kind in ("instructions", "thinking", "commentary"):
        call.client(f"session.{kind}.append", event_id=kind, content=f"{kind}: {key}\n{inner}")
        asked = {"client_event_id": kind, "start_ms": 2000, "end_ms": 2200}
        call.server(f"session.{kind}.appended", **asked)
    place = {"start_ms": 3000, "end_ms": 3800}
    call.server("session.output_transcript.delta", delta=f"you said {key}", **place)
    call.server("error", error={"type": "x", "code": "bad", "message": f"wrong api key: {key}"})
    call.server("info", code="notice", message=f"password => '{secret}'")
    failure = {"type": "call_error", "code": "no", "message": f"refused {key}"}
    call.server("transport.failed", session_id="live_planted", error=failure)
    call.server("session.closed", reason="expired", session=_session(secret), usage={"seconds": 4})
    return call.store("closed", reason=f"token={secret}")
