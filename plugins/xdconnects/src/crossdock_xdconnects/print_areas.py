"""A hook of this connector for other plugins: narrow or correct where and how large an item may be printed.

XD's print data says what XD can print; a seller may know better: own limits, a size that turned out to be wrong, a
position that is not to be sold. A plugin in the group ``crossdock.plugins``, or the project's ``crossdock_local.py``,
implements the hook::

    @hookimpl
    def xdconnects_print_areas(connection, item, areas):
        return [area for area in areas if area.position_code != "A2"]
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from crossdock import PluginError, hookimpl, hookspec


@attrs.frozen(kw_only=True)
class PrintArea:
    """A place where an item can be printed with one print code; sizes in millimetres, `None`: no limit known."""

    code: str
    position: str
    position_code: str = ""
    max_width: Decimal | None = None
    max_height: Decimal | None = None
    max_colors: int = 0
    full_color: bool = False


class PrintAreaSpecs:
    """The hooks that this distribution adds."""

    @hookspec(firstresult=True)
    def xdconnects_print_areas(
        self, connection: str, item: str, areas: Sequence[PrintArea]
    ) -> Sequence[PrintArea] | None:
        """The print areas of `item` that an order on `connection` may use; `None` leaves them as XD says.

        Called while an order is previewed, with everything XD's print data holds of the item. The first
        implementation that answers wins.
        """


@hookimpl
def add_hookspecs(manager: Any) -> None:
    """Make the hook known."""
    manager.add_hookspecs(PrintAreaSpecs)


def allowed(hooks: Any, connection: str, item: str, areas: Sequence[PrintArea]) -> Sequence[PrintArea]:
    """The areas after the plugins had their say; raises `PluginError` when one answers something else."""
    hook = getattr(hooks, "xdconnects_print_areas", None)
    answer = hook(connection=connection, item=item, areas=tuple(areas)) if hook else None
    if answer is None:
        return areas
    found = list(answer)
    if not all(isinstance(area, PrintArea) for area in found):
        raise PluginError("A plugin answered something else than print areas from xdconnects_print_areas.")
    return found
