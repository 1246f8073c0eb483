"""The seller's sales channels, asked from Octopia: ids are never guessed (vendor page section 7)."""

from __future__ import annotations

import attrs

from crossdock import Session
from crossdock_cdiscount import guesses
from crossdock_cdiscount.settings import API, Settings


@attrs.frozen
class Channel:
    """A subscription: the channel's id, its name, the subscription's state and the currency of what is submitted."""

    id: str
    name: str = ""
    state: str = ""
    currency: str = ""

    @property
    def open(self) -> bool:
        """Whether anything can be sold there."""
        return self.state.casefold() not in guesses.CLOSED


def subscribed(session: Session[Settings]) -> dict[str, Channel]:
    """All channels of the seller by id, in the vendor's order."""
    answer = session.http.get("sellers/subscriptions", budget=API).json()
    channels: dict[str, Channel] = {}
    for row in guesses.rows(answer):
        found = Channel(
            id=guesses.found(row, guesses.CHANNEL_ID),
            name=guesses.found(row, guesses.CHANNEL_NAME),
            state=guesses.found(row, guesses.CHANNEL_STATE),
            currency=guesses.found(row, guesses.CHANNEL_CURRENCY),
        )
        # A channel may be listed once per plan; one that is open counts.
        if found.id and (found.id not in channels or found.open):
            channels[found.id] = found
    return channels


def chosen(session: Session[Settings]) -> dict[str, Channel]:
    """The channels that this connection serves: those of the settings, or all that are open."""
    known = subscribed(session)
    names = session.settings.sales_channels
    if names:
        return {name: known.get(name, Channel(name)) for name in names}
    return {channel.id: channel for channel in known.values() if channel.open}
