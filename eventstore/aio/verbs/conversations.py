"""The verbs of verbs/conversations.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.scores import AsyncScoreQueries
from eventstore.verbs.conversations import Conversations

if TYPE_CHECKING:
    from typing import Literal

    from eventstore.aio.async_page import AsyncPage
    from eventstore.verbs.resources import ConversationResource, ItemResource


class AsyncConversations(AsyncScoreQueries):
    """The verbs of `Conversations`, each called in a thread."""

    async def conversation(
        self,
        conversation_id: str,
        session: str | None = None,
    ) -> ConversationResource:
        """Return a conversation with its items, in order.

        Args:
            conversation_id: The conversation's id.
            session: The id of its session, if several sessions have a conversation of this id.

        Raises:
            NotFoundError: There is no such conversation.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        return await self._run(Conversations.conversation, conversation_id, session)

    async def conversation_session(
        self,
        conversation_id: str,
        session: str | None = None,
    ) -> str:
        """Return the id of the session that a conversation is in.

        Args:
            conversation_id: The conversation's id.
            session: The id of its session, if several sessions have a conversation of this id.

        Raises:
            NotFoundError: There is no such conversation.
            AmbiguousError: Several sessions have a conversation of this id.
        """
        return await self._run(Conversations.conversation_session, conversation_id, session)

    async def conversation_items(
        self,
        conversation_id: str,
        session: str | None = None,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> AsyncPage[ItemResource]:
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
        return await self._page(
            Conversations.conversation_items,
            conversation_id,
            session,
            limit=limit,
            after=after,
            order=order,
        )

    async def conversation_item(
        self,
        conversation_id: str,
        item_id: str,
        session: str | None = None,
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
        return await self._run(Conversations.conversation_item, conversation_id, item_id, session)
