"""Calls of several tenants in one store."""

from __future__ import annotations

from support.events import Call


def call(tenant: str, number: int) -> Call:
    """A call of a tenant's, whose response claims to be the other's, with ids that both use."""
    other = "berta" if tenant == "anna" else "anna"
    begun = Call().server("session.created", session={"id": f"sess_{tenant}", "model": "m"})
    begun.store("metadata", metadata={"tenant": tenant, "queue": "vip"})
    begun.server("conversation.created", conversation={"id": "conv_1"})
    begun.typed("item_1", f"{tenant} asks {number}").created("resp_1", metadata={"tenant": other})
    begun.begins_speech("resp_1", "item_2").says("resp_1", "item_2", f"answer to {tenant}")
    usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
    return begun.done("resp_1", usage=usage, metadata={"tenant": other})
