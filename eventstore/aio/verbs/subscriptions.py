"""The verbs of verbs/subscriptions.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.async_feed import AsyncFeed
from eventstore.aio.async_traces import AsyncTraces
from eventstore.aio.async_webhooks import AsyncWebhooks
from eventstore.aio.verbs.queries import AsyncQueries
from eventstore.verbs.subscriptions import SubscriptionVerbs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eventstore.feed.delivery import From, Of
    from eventstore.feed.webhooks.dead_letters import DeadLetter
    from eventstore.verbs.filter_params import MetadataConditions
    from eventstore.verbs.reports import SubscriptionStatus


class AsyncSubscriptionVerbs(AsyncQueries):
    """The verbs of `SubscriptionVerbs`, each called in a thread."""

    def subscribe(
        self,
        name: str,
        of: Of | None = None,
        from_: From = "now",
        *,
        types: Sequence[str] | None = None,
        metadata: MetadataConditions | None = None,
        lease: float = 30.0,
        once: bool = False,
    ) -> AsyncFeed:
        """Follow all sessions: each event, each finished response, or each session that has ended.

        A subscription has a checkpoint for each session in the database. So a process that ends
        goes on where it was, and several processes with one subscription share the sessions. What
        is of one session comes in its order, at least once; across sessions there is no order.

        Args:
            name: The subscription's name: letters, digits and `. _ : -`. It is added if the store
                has none of this name.
            of: `events` (which a new subscription is of by default), `responses`, `sessions`
                that have ended, `endings` for both, or `changes`, which tells of a session's new
                events once, however many have come. A subscription that is there stays of what it
                is.
            from_: Where a new subscription begins: at the `start` of all sessions, or with what
                comes from `now` on.
            types: Only events of these types. Without it, and without `metadata`, a subscription
                that is there delivers what it did before.
            metadata: Only sessions with this metadata, as for `sessions`; what comes before a
                session has it is not delivered.
            lease: How many seconds one delivery may take. After that, another process may get the
                session.
            once: End when there are no more deliveries for now, and do not wait for more.

        Returns:
            What yields the deliveries: iterate over it, or give its `run` a function.

        Raises:
            InvalidInputError: An argument is wrong, or the subscription is of something else.
            DatabaseUnavailableError: The database cannot be reached.
        """
        later = self._later(
            SubscriptionVerbs.subscribe,
            name,
            of,
            from_,
            types=types,
            metadata=metadata,
            lease=lease,
            once=once,
        )
        return AsyncFeed(self._threads, later)

    def webhooks(
        self,
        to: str,
        secret: str,
        *,
        on: str | Collection[str] = ("session.ended",),
        name: str = "webhooks",
        from_: From = "now",
        metadata: MetadataConditions | None = None,
        link: str | None = None,
        allow_private: bool = False,
        once: bool = False,
    ) -> AsyncWebhooks:
        """Post each finished response, or each session that has ended, to an app.

        Webhooks are signed as Standard Webhooks says, and sent in their order for each session. One
        that is not taken is sent again, with pauses that grow up to ten minutes. After 14 times it
        is given up: `dead_letters` lists it.

        Args:
            to: The app's URL, `https://…`.
            secret: The secret that signs them: `whsec_` and 24 bytes or more in base64.
            on: `session.ended`, `response.done` or both, also as one text with a comma.
            name: The name of their subscription: webhooks to two apps have two names.
            from_: Where they begin: at the `start` of all sessions, or with what comes from `now`.
            metadata: Only sessions with this metadata, as for `sessions`.
            link: Where the store's pages are, such as `https://calls.example.com`: each webhook has
                a link to its session.
            allow_private: Let them go to a private address, and by HTTP.
            once: End when all are sent, and do not wait for more.

        Returns:
            What sends them: call its `run`.

        Raises:
            InvalidInputError: An argument is wrong.
            DatabaseUnavailableError: The database cannot be reached.
        """
        later = self._later(
            SubscriptionVerbs.webhooks,
            to,
            secret,
            on=on,
            name=name,
            from_=from_,
            metadata=metadata,
            link=link,
            allow_private=allow_private,
            once=once,
        )
        return AsyncWebhooks(self._threads, later)

    def traces(
        self,
        to: str | None = None,
        *,
        name: str = "traces",
        from_: From = "now",
        metadata: MetadataConditions | None = None,
        content: bool = False,
        link: str | None = None,
        once: bool = False,
    ) -> AsyncTraces:
        """Send the spans of sessions to an OpenTelemetry collector while the sessions go on.

        The span of a response, a tool call or a transcription is sent when it ends, and the
        session's own when the session has ended. They are the spans that `read_spans` returns.
        While the collector is away, they wait. This needs the extra `otel`.

        Args:
            to: The collector's URL for OTLP over HTTP, such as `http://localhost:4318`; by default
                what OTEL_EXPORTER_OTLP_ENDPOINT names.
            name: The name of their subscription: two collectors need two names.
            from_: Where they begin: at the `start` of all sessions, or with what comes from `now`.
            metadata: Only sessions with this metadata, as for `sessions`.
            content: Include what was said, and the arguments and outputs of tools.
            link: Where the store's pages are, such as `https://calls.example.com`: each span has
                the address of its session's page.
            once: End when all are sent, and do not wait for more.

        Returns:
            What sends them: call its `run`.

        Raises:
            InvalidInputError: An argument is wrong.
            MissingExtraError: OpenTelemetry's packages are not installed.
            DatabaseUnavailableError: The database cannot be reached.
        """
        later = self._later(
            SubscriptionVerbs.traces,
            to,
            name=name,
            from_=from_,
            metadata=metadata,
            content=content,
            link=link,
            once=once,
        )
        return AsyncTraces(self._threads, later)

    async def dead_letters(self, name: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return webhooks that were given up, by session and event.

        `send_again` has them sent once more.

        Args:
            name: Only those of this subscription; None for all.
            limit: How many at most.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(SubscriptionVerbs.dead_letters, name, limit)

    async def send_again(
        self,
        dead_letter: str | Collection[str] | None = None,
        *,
        name: str | None = None,
    ) -> int:
        """Mark webhooks that were given up to be sent once more.

        Whoever sends the webhooks of their subscription sends them within seconds: `Webhooks.run`,
        `eventstore webhooks`, or a server that was told to. What is not taken is given up again.

        Args:
            dead_letter: The id of one, or ids of several; None for all.
            name: Of all, only those of this subscription.

        Returns:
            How many were marked; those that were marked before do not count.

        Raises:
            InvalidInputError: An argument is wrong.
            NotFoundError: This is no id of a webhook that was given up.
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(SubscriptionVerbs.send_again, dead_letter, name=name)

    async def subscriptions(self) -> list[SubscriptionStatus]:
        """Return the subscriptions that the store has, and how far each of them is.

        Returns:
            For each its name, what it is of, how many sessions are `behind`, how many of those
            `failed`, with the first hundred of them, and when it was followed last.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(SubscriptionVerbs.subscriptions)

    async def drop_subscription(self, name: str) -> None:
        """Forget a subscription, and how far it was. Subscribing again begins anew.

        Args:
            name: The subscription's name.

        Raises:
            InvalidInputError: The store has no such subscription.
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(SubscriptionVerbs.drop_subscription, name)
