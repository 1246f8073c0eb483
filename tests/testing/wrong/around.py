"""Faults around reading and writing: settings, verify, webhooks, secrets, and the plugin itself."""

from __future__ import annotations

from catalogue import wrong

_PING = '    session.http.get("ping")\n    yield Check(name="Token", state="ok")\n'
_FORGED = """    if not secret or not hmac.compare_digest(digest, request.headers.get("x-stall-signature", "")):
        return WebhookReply(status=401)
"""
_LISTED = """    for batch in walk_feeds({"orders": feed(session)}, query):
        yield session.page(batch.rows, to_order, cursor=batch.cursor, identify=lambda row: row.id)
"""

AROUND = (
    wrong(
        "verify-places-an-order",
        (_PING, '    trial = {"reference": "test", "lines": [], "total": "1", "note": ""}\n'
         '    session.http.post("orders", trial)\n' + _PING),
        bitten="verify-writes-something",
    ),
    wrong(
        "verify-asks-nothing",
        (_PING, '    yield Check(name="Token", state="ok")\n'),
        bitten="verify-writes-something verify-without-steps wrong-credentials",
    ),
    wrong(
        "red-without-a-hint",
        (_PING, '    answer = session.http.request("GET", "ping", raw=True)\n'
         '    yield Check(name="Token", state="ok" if answer.status == 200 else "fail")\n'),
        bitten="verify-without-steps wrong-credentials",
    ),
    wrong(
        "steps-without-names",
        (_PING, '    session.http.get("ping")\n    yield Check(name="", state="ok")\n'),
        bitten="verify-without-steps",
    ),
    wrong(
        "credentials-not-proven",
        (_PING, '    answer = session.http.request("GET", "ping", raw=True)\n'
         '    ok = answer.status in (200, 401)\n'
         '    yield Check(name="Shop", state="ok" if ok else "fail", hint="Is it closed?")\n'),
        bitten="wrong-credentials",
    ),
    wrong(
        "setting-without-help",
        (', help="What webhooks are signed with"', ""),
        bitten="setting-without-a-word",
    ),
    wrong(
        "token-as-a-text",
        ("    token: Secret = setting", "    token: str = setting"),
        ('header_auth("X-Token", settings.token)', 'header_auth("X-Token", Secret(settings.token))'),
        bitten="secret-in-the-clear link-instead-of-secret",
    ),
    wrong(
        "webhook-that-fetches",
        ("    changed = Changed(", '    session.http.get("ping")\n    changed = Changed('),
        bitten="webhook-taken",
    ),
    wrong(
        "webhook-without-a-signal",
        ("signals=(changed,), ", "signals=(changed,) if not event.order else (), "),
        bitten="webhook-taken webhook-repeated webhook-out-of-order webhook-garbage",
    ),
    wrong(
        "signature-not-compared",
        (_FORGED, '    if not secret or len(request.headers.get("x-stall-signature", "")) != len(digest):\n'
         "        return WebhookReply(status=401)\n"),
        bitten="webhook-forged webhook-altered",
    ),
    wrong(
        "signature-of-the-header-alone",
        ("hmac.new(secret, request.body, hashlib.sha256)",
         "hmac.new(secret, request.body.rstrip(), hashlib.sha256)"),
        bitten="webhook-altered",
    ),
    wrong(
        "refused-and-fetched-all-the-same",
        ("        return WebhookReply(status=401)\n",
         '        return WebhookReply(status=401, signals=(Changed(stream="orders"),))\n'),
        bitten="webhook-forged webhook-altered webhook-garbage",
    ),
    wrong(
        "mark-of-the-order-alone",
        ('dedupe=f"{event.order} {event.changed}"', "dedupe=event.order"),
        bitten="webhook-repeated",
    ),
    wrong(
        "mark-of-the-moment",
        ('dedupe=f"{event.order} {event.changed}"', 'dedupe=f"{event.order} {session.clock.now()}"'),
        bitten="webhook-repeated",
    ),
    wrong(
        "older-webhooks-thrown-away",
        ("    changed = Changed(",
         '    known = session.memory.get_many("seen", [event.order]).get(event.order, "")\n'
         "    if event.changed < known:\n        return WebhookReply(status=200)\n"
         '    session.memory.put_many("seen", {event.order: event.changed})\n    changed = Changed('),
        bitten="webhook-out-of-order",
    ),
    wrong(
        "garbage-breaks-it",
        ("    except (msgspec.MsgspecError, ValueError, RecursionError):\n        return WebhookReply(status=400)\n",
         "    except msgspec.DecodeError:\n        raise\n"),
        bitten="webhook-garbage",
    ),
    wrong(
        "token-in-an-error",
        ("    body = from_order(order, key)\n", "    body = from_order(order, key)\n    check(session, order)\n"),
        bitten="secret-comes-to-light",
        needs="""def check(session, order):
    answer = session.http.request("GET", "ping", raw=True)
    if answer.status != 200:
        raise RecordError(f"{order.key}: the shop with {session.settings.token.reveal()} says {answer.status}")
""",
    ),
    wrong(
        "token-in-a-log-line",
        (_PING, '    session.log.debug("asking with %s", session.settings.token.reveal())\n' + _PING),
        bitten="secret-comes-to-light",
    ),
    wrong(
        "answers-body-logged",
        (_PING, '    answer = session.http.request("GET", "ping", raw=True)\n'
         '    session.log.warning("ping: %s", answer.content)\n' + _PING),
        bitten="secret-comes-to-light",
    ),
    wrong("line-for-debugging", (_PING, '    print("here")\n' + _PING), bitten="prints-something"),
    wrong(
        "plain-client",
        (_PING, '    urlopen(session.settings.url + "/ping?" + str(session.clock.now().year))\n' + _PING),
        bitten="client-of-its-own",
        needs="""from urllib.error import HTTPError
from urllib.request import urlopen as opened
def urlopen(address):
    try:
        opened(address, timeout=5).close()
    except HTTPError as error:
        error.close()
    except OSError:
        pass
""",
    ),
    wrong(
        "describes-what-it-does-not-read",
        ('sandbox="stall:create")', 'sandbox="stall:create", streams={"prices": StreamInfo()})'),
        bitten="accepted-by-the-registry",
        needs="from crossdock import StreamInfo",
    ),
    wrong(
        "stream-that-its-sandbox-does-not-rehearse",
        ("# -- writing ---",
         "@hookimpl\ndef fetch_products(session, query):\n    yield Page((), seen=0)\n\n\n# -- writing ---"),
        bitten="every-stream-rehearsed",
    ),
)  # fmt: skip

REFUSED = (
    wrong("misspelt-hook", ("def fetch_orders(", "def fetch_order("), bitten="accepted-by-the-registry"),
    wrong("coroutine-hook", ("def find_order(", "async def find_order("), bitten="accepted-by-the-registry"),
    wrong(
        "keyword-only-parameter",
        ("def cancel_order(session: Session[Settings], known: Receipt, reason: str)",
         "def cancel_order(session: Session[Settings], known: Receipt, *, reason: str)"),
        bitten="accepted-by-the-registry",
    ),
    wrong(
        "defaulted-parameter",
        ("def cancel_order(session: Session[Settings], known: Receipt, reason: str)",
         'def cancel_order(session: Session[Settings], known: Receipt, reason: str = "")'),
        bitten="accepted-by-the-registry",
    ),
    wrong(
        "specname",
        ("@hookimpl\ndef find_order(", '@hookimpl(specname="find_order")\ndef look_for_order('),
        bitten="accepted-by-the-registry",
    ),
    wrong(
        "wrapper",
        ("@hookimpl\ndef verify(session: Session[Settings]) -> Iterable[Check]:\n",
         "@hookimpl(wrapper=True)\ndef verify(session: Session[Settings]) -> Iterable[Check]:\n    yield\n"),
        bitten="accepted-by-the-registry",
    ),
)  # fmt: skip
"""What the registry does not let in; nothing else can be played then."""
