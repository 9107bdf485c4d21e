"""What can be asked of a store about conversations.

Each verb imports its queries when it is called: a list of sessions does not wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from eventstore.realtime.masking.mask import mask_value
from eventstore.store.filters.filters import Paging, checked_filter
from eventstore.verbs.analytics import Totals

if TYPE_CHECKING:
    from eventstore.store.queries.query_responses import Page


class Conversations(Totals):
    """Conversations and their items: for `Queries`, which see a scope."""

    def conversation(self, conversation_id: str, session: str | None = None) -> dict[str, Any]:
        """A conversation with its items in order.

        Args:
            session: its session, where several have a conversation of this id.

        Raises:
            NotFoundError, AmbiguousError: none, or several sessions' have the id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        found: dict[str, Any] = mask_value(
            query_conversations.read_conversation(self.engine, chosen)
        )
        return found

    def conversation_session(self, conversation_id: str, session: str | None = None) -> str:
        """The id of the session that a conversation is in.

        Args:
            session: where several have a conversation of this id.

        Raises:
            NotFoundError, AmbiguousError: none, or several sessions' have the id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        return query_conversations.find_conversation(self.engine, chosen)

    def conversation_items(
        self,
        conversation_id: str,
        session: str | None = None,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page:
        """A page of a conversation's items, the last one first.

        Args:
            session: its session, where several have a conversation of this id.
            limit: 1 to 100.
            after: the `last_id` of the page before.
            order: `desc`, or `asc` as they are in the conversation.

        Raises:
            InvalidInputError: a bad argument.
            NotFoundError: there is no such conversation, or `after` names no item of it.
            AmbiguousError: several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        paging = checked_filter(Paging, {"limit": limit, "after": after, "order": order})
        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        page = query_conversations.query_items(self.engine, chosen, paging)
        return page._replace(data=mask_value(page.data))

    def conversation_item(
        self, conversation_id: str, item_id: str, session: str | None = None
    ) -> dict[str, Any]:
        """An item of a conversation.

        Args:
            session: its session, where several have a conversation of this id.

        Raises:
            NotFoundError: there is no such conversation or item.
            AmbiguousError: several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        item: dict[str, Any] = mask_value(
            query_conversations.read_item(self.engine, chosen, item_id)
        )
        return item
