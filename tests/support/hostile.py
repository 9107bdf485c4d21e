"""A call whose every text tries to be more than text."""

from __future__ import annotations

from support.events import Call, message, text_part

EVIL = (
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    "<!--<script>--> \" ' & </style></title></p> \u202e\u2028 {{ 7*7 }} {% raw %}"
    "<a href='javascript:alert(1)'>"
)


def hostile_call() -> Call:
    call = Call().store("opened", metadata={f"k{EVIL[:60]}": EVIL})
    session = {"id": "sess_1", "model": EVIL, "instructions": EVIL}
    call.server("session.created", session=session)
    call.added(message("item_1", f"user{EVIL}", text_part(EVIL, "input_text")))
    item = {"id": "item_2", "type": "function_call", "name": EVIL, "arguments": EVIL}
    call.created("resp_1").added({**item, "call_id": "c"})
    call.added({"id": "item_3", "type": "function_call_output", "call_id": "c", "output": EVIL * 9})
    call.added({"id": "item_4", "type": EVIL})
    details = {"error": {"message": EVIL}}
    call.done("resp_1", status="failed", status_details=details)
    call.created("resp_2").begins_speech("resp_2", "item_5").says("resp_2", "item_5", EVIL)
    call.sounds("resp_2", "item_5", 1000).done("resp_2").truncated("item_5", 300)
    call.server("error", error={"message": EVIL}).server(EVIL).frame("server", EVIL)
    return call.frame("client", EVIL.encode()).store("closed", reason=EVIL)
