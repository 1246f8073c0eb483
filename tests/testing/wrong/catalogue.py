"""Connectors as they are found in the wild: the right one, a few lines replaced, and the hazards that see it."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Wrong:
    """A fault: each of `edits` replaces a text of the right connector, and exactly the hazards of `bitten` see it."""

    name: str
    edits: tuple[tuple[str, str], ...]
    bitten: frozenset[str]
    needs: str = ""

    def source(self, right: str) -> str:
        """The wrong connector's source, made of the right one's."""
        for before, after in self.edits:
            assert right.count(before) == 1, f"{self.name}: not once in the right connector: {before}"
            right = right.replace(before, after)
        return right.replace("import attrs\n", f"import attrs\n{self.needs}\n", 1)


def wrong(name: str, *edits: tuple[str, str], bitten: str, needs: str = "") -> Wrong:
    """A fault with the names of its hazards in one text."""
    return Wrong(name=name, edits=edits, bitten=frozenset(bitten.split()), needs=needs)


_WALK = """    for batch in walk_feeds({"orders": feed(session)}, query):
        yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
"""

CATALOGUE = (
    wrong(
        "page-numbers",
        (_WALK, """    since = datetime.fromisoformat(query.cursor) if query.cursor else datetime(2000, 1, 1)
    offset, top = 0, written(since)
    while True:
        asked = {"sort": "changed", "from": written(since - timedelta(minutes=10)), "offset": offset, "limit": 100}
        rows = session.http.get("orders", asked).rows(ROW)
        top = max([top, *(row.value.changed for row in rows if row.value)])
        yield session.page(rows, to_order, cursor=top, identify=lambda row: row.id)
        offset += 100
        if len(rows) < 100:
            return
"""),
        bitten="rows-edited-between-pages rows-removed-between-pages",
        needs="from datetime import timedelta",
    ),
    wrong(
        "strictly-after-the-last-second",
        (_WALK, """    since = query.cursor or ""
    while True:
        asked = {"sort": "changed", "from": since, "limit": 100}
        rows = session.http.get("orders", asked).rows(ROW)
        if not rows:
            return
        last = max(datetime.fromisoformat(row.value.changed) for row in rows if row.value)
        since = written(last + timedelta(seconds=1))
        yield session.page(rows, to_order, cursor=since, identify=lambda row: row.id)
"""),
        bitten="many-rows-of-one-moment same-moment-as-the-last-row committed-late",
        needs="from datetime import timedelta",
    ),
    wrong(
        "local-time-watermark",
        ("return datetime.fromisoformat(row.changed)", "return LOCAL(row.changed_local)"),
        ('return at.strftime("%Y-%m-%dT%H:%M:%SZ")', 'return at.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M:%S")'),
        ('{"sort": order, ', '{"local": 1, "sort": order, '),
        bitten="hour-that-comes-twice",
        needs="from zoneinfo import ZoneInfo\nZONE = ZoneInfo('Europe/Amsterdam')\n"
        "LOCAL = lambda text: datetime.fromisoformat(text).replace(tzinfo=ZONE)",
    ),
    wrong(
        "now-stored-after-the-fetch",
        (_WALK, """    start = datetime.fromisoformat(query.cursor) if query.cursor else None
    for batch in walk_feeds({"orders": feed(session)}, Since(None, start=start)):
        yield session.page(batch.rows, to_order, identify=lambda row: row.id)
    yield Page((), cursor=written(session.clock.now()), seen=0)
"""),
        bitten="rows-edited-between-pages rows-added-between-pages same-moment-as-the-last-row committed-late "
        "remote-clock-behind",
        needs="from crossdock import Since",
    ),
    wrong(
        "swallowed-exceptions",
        (_WALK, """    try:
        for batch in walk_feeds({"orders": feed(session)}, query):
            yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
    except Exception:
        return
"""),
        bitten="refused-credentials refused-rights server-errors page-instead-of-data answer-cut-short slow-answer "
        "limit-with-seconds limit-with-date limit-without-a-word",
    ),
    wrong(
        "rows-dropped-in-silence",
        (_WALK, """    for batch in walk_feeds({"orders": feed(session)}, query):
        page = session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
        yield Page(page.records, page.cursor, seen=len(page.records))
"""),
        bitten="one-bad-row",
    ),
    wrong("float-money", ("return Decimal(text)", "return Decimal(float(Decimal(text)))"), bitten="values-are-exact"),
    wrong(
        "unknown-status-refused",
        ('STATUSES.get(row.status, "unknown")', "STATUSES[row.status]"),
        bitten="new-word",
    ),
    wrong(
        "vendors-word-lost",
        ("raw_status=row.status", "raw_status=STATUSES.get(row.status, '')"),
        bitten="new-word",
    ),
    wrong(
        "strict-fields",
        ("class Row(msgspec.Struct):", "class Row(msgspec.Struct, forbid_unknown_fields=True):"),
        bitten="added-fields",
    ),
    wrong(
        "limits-taken-for-bad-orders",
        ('auth=header_auth("X-Token", settings.token))',
         'auth=header_auth("X-Token", settings.token), rules=(Rule(status=429, verdict="record"),))'),
        bitten="limit-with-seconds limit-with-date limit-without-a-word",
        needs="from crossdock import Rule",
    ),
    wrong(
        "our-clock-as-the-upper-bound",
        ("walk_feeds({\"orders\": feed(session)}, query)",
         "walk_feeds({\"orders\": feed(session)}, evolve(query, until=session.clock.now() + timedelta(seconds=2)))"),
        bitten="remote-clock-ahead",
        needs="from datetime import timedelta\nfrom crossdock import evolve",
    ),
    wrong(
        "bookmark-saved-although-it-failed",
        (_WALK, """    begun = False
    try:
        for batch in walk_feeds({"orders": feed(session)}, query):
            yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
            begun = True
    except TransientError:
        now = {"feeds": {"orders": {"top": written(session.clock.now())}}}
        if begun:
            yield Page((), cursor=msgspec.json.encode(now).decode(), seen=0)
        raise
"""),
        bitten="trouble-in-the-middle",
        needs="from crossdock import TransientError",
    ),
    wrong(
        "cursor-before-its-rows",
        (_WALK, """    batches = list(walk_feeds({"orders": feed(session)}, query))
    for batch in batches:
        yield session.page(batch.rows, to_order, cursor=batches[-1].cursor, identify=lambda row: row.id)
"""),
        bitten="restart-from-any-page",
    ),
    wrong(
        "everything-each-time",
        ('walk_feeds({"orders": feed(session)}, query)', 'walk_feeds({"orders": feed(session)}, Since(None))'),
        bitten="quiet-second-run",
        needs="from crossdock import Since",
    ),
    wrong(
        "rows-not-counted",
        (_WALK, """    for batch in walk_feeds({"orders": feed(session)}, query):
        page = session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
        yield Page(page.records, page.cursor, page.rejects)
"""),
        bitten="every-row-is-accounted-for one-bad-row",
    ),
    wrong(
        "other-shape-by-key",
        ("session.page(rows, to_order)", 'session.page(rows, lambda row: evolve(to_order(row), note="by key"))'),
        bitten="by-keys-as-in-the-list",
        needs="from crossdock import evolve",
    ),
)  # fmt: skip
