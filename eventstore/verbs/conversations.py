"""What can be asked of a store about conversations.

Each verb imports its queries when it is called: a list of sessions does not wait for them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from eventstore.realtime.masking.mask import mask_value
from eventstore.store.filters.filters import Paging, checked_filter
from eventstore.verbs.scores import ScoreQueries

if TYPE_CHECKING:
    from eventstore.store.queries.pages import Page
    from eventstore.verbs.resources import ConversationResource, ItemResource


class Conversations(ScoreQueries):
    """Conversations and their items: for `Queries`, which see a scope."""

    def conversation(
        self, conversation_id: str, session: str | None = None
    ) -> ConversationResource:
        """Return a conversation with its items, in order.

        Args:
            conversation_id: The conversation's id.
            session: The id of its session, if several sessions have a conversation of this id.

        Raises:
            NotFoundError: There is no such conversation.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        conversation = mask_value(query_conversations.read_conversation(self._reads, chosen))
        return cast("ConversationResource", conversation)

    def conversation_session(self, conversation_id: str, session: str | None = None) -> str:
        """Return the id of the session that a conversation is in.

        Args:
            conversation_id: The conversation's id.
            session: The id of its session, if several sessions have a conversation of this id.

        Raises:
            NotFoundError: There is no such conversation.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        return query_conversations.find_conversation(self._reads, chosen)

    def conversation_items(
        self,
        conversation_id: str,
        session: str | None = None,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page[ItemResource]:
        """Return a page of a conversation's items, the last one first.

        Args:
            conversation_id: The conversation's id.
            session: The id of its session, if several sessions have a conversation of this id.
            limit: How many entries the page has at most, 1 to 100.
            after: The `last_id` of a page: this one begins behind it.
            order: `desc`, or `asc` as they are in the conversation.

        Returns:
            A page, which is a sequence of item resources.

        Raises:
            InvalidInputError: An argument is wrong.
            NotFoundError: There is no such conversation, or `after` names no item of it.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        paging = checked_filter(Paging, {"limit": limit, "after": after, "order": order})
        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        page = query_conversations.query_items(self._reads, chosen, paging)
        ask = partial(self.conversation_items, conversation_id, session, limit=limit, order=order)
        items = cast("list[ItemResource]", mask_value(page.data))
        return page.with_data(items, partial(ask, after=page.last_id))

    def conversation_item(
        self, conversation_id: str, item_id: str, session: str | None = None
    ) -> ItemResource:
        """Return an item of a conversation.

        Args:
            conversation_id: The conversation's id.
            item_id: The item's id.
            session: The id of its session, if several sessions have a conversation of this id.

        Raises:
            NotFoundError: There is no such conversation or item.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        from eventstore.store.queries import query_conversations

        chosen = query_conversations.ConversationChoice(conversation_id, session, self.scope)
        item = mask_value(query_conversations.read_item(self._reads, chosen, item_id))
        return cast("ItemResource", item)
