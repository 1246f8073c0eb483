"""Faults that only a dead process shows: the right connector, a few lines replaced, and the hazard that sees it."""

from __future__ import annotations

from catalogue import wrong

_CREATE = '        answer = session.http.post("orders", body, create=True)\n'
_WALK = """    for batch in walk_feeds({"orders": feed(session)}, query):
        yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
"""

OF_WRITING = (
    wrong(
        "notes-before-sending-and-tidies-up-after-errors",
        (_CREATE, """        if session.memory.get_many("sent", [key]):
            return Receipt(external_id=key)
        session.memory.put_many("sent", {key: "yes"})
        try:
            answer = session.http.post("orders", body, create=True)
        except BaseException:
            session.memory.forget("sent", [key])
            raise
"""),
        bitten="stopped-at-every-step",
    ),
    wrong(
        "finds-only-what-this-process-sent",
        (_CREATE, "        SENT.add(key)\n" + _CREATE),
        ('    rows = session.http.get("orders", {"reference": key}).json()\n',
         '    rows = session.http.get("orders", {"reference": key}).json() if key in SENT else []\n'),
        bitten="stopped-at-every-step",
        needs="SENT = set()",
    ),
)  # fmt: skip
OF_READING = (
    wrong(
        "queue-of-its-own",
        (_WALK, """    if query.cursor is None:
        session.memory.forget("queue", session.memory.items("queue"))
    if not session.memory.items("queue"):
        for batch in walk_feeds({"orders": feed(session)}, query):
            found = {row.value.id: batch.cursor or "" for row in batch.rows if row.value is not None}
            session.memory.put_many("queue", found)
    while queue := session.memory.items("queue"):
        keys = list(queue)[len(queue) // 2 :]
        page = session.page(
            session.http.get("orders", {"ids": ",".join(keys)}).rows(ROW), to_order, cursor=max(queue.values()))
        session.memory.forget("queue", keys)
        yield page
"""),
        bitten="stopped-at-every-step",
    ),
)  # fmt: skip
CRASHING = (*OF_WRITING, *OF_READING)
