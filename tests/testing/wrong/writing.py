"""Faults in what is written: the right connector, a few lines replaced, and the hazards that see it."""

from __future__ import annotations

from catalogue import wrong

IDEMPOTENT = (
    ('sandbox="stall:create")', 'sandbox="stall:create", create_is_idempotent=True)'),
    ('session.http.post("orders", body, create=True)',
     'session.http.post("orders", body, create=True, headers={"Idempotency-Key": key})'),
)  # fmt: skip
"""What makes the right connector one whose creates are idempotent."""

_CREATE = 'session.http.post("orders", body, create=True)'
_ROWS = 'rows = session.http.get("orders", {"reference": key}).json()\n'
_STOCK = """    rows = session.http.post("stock", body, safe=True).json()
    return [outcome(balance.key, row) for balance, row in zip(balances, rows, strict=True)]
"""
_FAILED = """    if said["state"] == "failed":
        raise RecordError(f"The import failed: {said['message']}")
"""

WRITING = (
    wrong(
        "create-repeated-by-its-own-loop",
        (_CREATE, "patiently(lambda: session.http.post(\"orders\", body, create=True))"),
        bitten="create-repeated-blindly answer-to-an-order-lost",
        needs="""from crossdock import OutcomeUnknownError
def patiently(act):
    try:
        return act()
    except OutcomeUnknownError:
        return act()
""",
    ),
    wrong(
        "create-that-is-no-create",
        (_CREATE, 'session.http.post("orders", body)'),
        bitten="create-repeated-blindly answer-to-an-order-lost",
    ),
    wrong(
        "lost-answer-taken-for-done",
        ("    except RecordError as error:\n        raise named",
         "    except OutcomeUnknownError:\n        return Receipt(external_id=key)\n"
         "    except RecordError as error:\n        raise named"),
        bitten="answer-to-an-order-lost",
        needs="from crossdock import OutcomeUnknownError",
    ),
    wrong(
        "idempotent-only-in-its-words",
        IDEMPOTENT[0],
        bitten="same-key-twice answer-to-an-order-lost",
    ),
    wrong(
        "asks-its-own-memory",
        (_ROWS, 'known = session.memory.get_many("orders", [key]).values()\n'
         '    rows = [{"id": each, "reference": key} for each in known]\n'),
        ('return Receipt(external_id=answer.json()["id"])\n\n\ndef named',
         'session.memory.put_many("orders", {key: answer.json()["id"]})\n'
         '    return Receipt(external_id=answer.json()["id"])\n\n\ndef named'),
        bitten="asked-for-an-order answer-to-an-order-lost",
    ),
    wrong(
        "finds-what-begins-alike",
        ('for row in rows if row["reference"] == key]', "for row in rows]"),
        bitten="asked-for-an-order",
    ),
    wrong(
        "finds-only-the-first",
        ('for row in rows if row["reference"] == key]', 'for row in rows if row["reference"] == key][:1]'),
        bitten="asked-for-an-order",
    ),
    wrong(
        "total-rounded",
        ('"total": str(order.total)', '"total": str(round(order.total, 1))'),
        bitten="order-arrives-exact known-order-is-updated",
    ),
    wrong(
        "receipt-of-the-number",
        ('return Receipt(external_id=answer.json()["id"])\n\n\ndef named',
         'return Receipt(external_id=order.number)\n\n\ndef named'),
        bitten="order-arrives-exact known-order-is-updated cancelled-order",
    ),
    wrong(
        "known-means-new",
        ('        session.http.put(f"orders/{known.external_id}", body)\n        return known\n',
         '        return Receipt(external_id=session.http.post("orders", body, create=True).json()["id"])\n'),
        bitten="known-order-is-updated",
    ),
    wrong(
        "known-means-nothing-to-do",
        ('        session.http.put(f"orders/{known.external_id}", body)\n', ""),
        bitten="known-order-is-updated",
    ),
    wrong(
        "refusal-swallowed",
        ("        raise named(error, order) from error\n",
         "        if error.vendor_message.startswith('The credit'):\n            return Receipt(external_id=key)\n"
         "        raise named(error, order) from error\n"),
        bitten="order-refused",
    ),
    wrong(
        "refusal-without-the-vendors-words",
        ("        raise named(error, order) from error\n",
         "        error = named(error, order)\n"
         "        raise RecordError('It was refused.', gap=error.gap) from error\n"),
        bitten="order-refused",
    ),
    wrong(
        "refusal-taken-for-passing-trouble",
        ("        raise named(error, order) from error\n",
         "        if named(error, order) is error:\n            raise TransientError(str(error)) from error\n"
         "        raise named(error, order) from error\n"),
        bitten="order-refused",
        needs="from crossdock import TransientError",
    ),
    wrong(
        "no-gap",
        ('gap=Gap("sku", strange[0]), ', ""),
        bitten="order-of-an-unknown-product",
    ),
    wrong(
        "preview-that-orders",
        ("    body = msgspec.json.encode(from_order(order, key))\n",
         '    session.http.post("orders", from_order(order, key))\n'
         "    body = msgspec.json.encode(from_order(order, key))\n"),
        bitten="preview-is-what-is-sent",
    ),
    wrong(
        "preview-of-something-else",
        ("    body = msgspec.json.encode(from_order(order, key))\n",
         "    body = msgspec.json.encode({**from_order(order, key), 'note': 'Thank you'})\n"),
        bitten="preview-is-what-is-sent",
    ),
    wrong(
        "preview-that-forgets-the-goods",
        ("hash=hashlib.sha256(body).hexdigest())", "hash=hashlib.sha256(order.currency.encode()).hexdigest())"),
        bitten="preview-is-what-is-sent",
    ),
    wrong(
        "cancelled-only-here",
        ('    session.http.post(f"orders/{known.external_id}/cancel", {"reason": reason}, safe=True)\n', ""),
        bitten="cancelled-order",
    ),
    wrong(
        "too-late-swallowed",
        ('    session.http.post(f"orders/{known.external_id}/cancel", {"reason": reason}, safe=True)\n',
         "    with suppress(RecordError):\n"
         '        session.http.post(f"orders/{known.external_id}/cancel", {"reason": reason}, safe=True)\n'),
        bitten="cancelled-order",
        needs="from contextlib import suppress",
    ),
    wrong(
        "parcel-on-the-origins-order",
        ('    answer = session.http.post(f"orders/{order.key}/shipments", body, create=True)\n'
         '    return Receipt(external_id=answer.json()["id"])\n',
         '    return Receipt(external_id=f"noted {body}")\n'),
        bitten="shipment-arrives answer-to-a-shipment-lost asked-for-a-shipment",
    ),
    wrong(
        "parcel-that-is-no-create",
        ('shipments", body, create=True)', 'shipments", body, safe=True)'),
        bitten="answer-to-a-shipment-lost",
    ),
    wrong(
        "any-parcel-will-do",
        ('if row["number"] == shipment.tracking_number]', 'if row["number"]] or [Receipt(external_id=key)]'),
        bitten="asked-for-a-shipment answer-to-a-shipment-lost",
    ),
    wrong(
        "accepts-everything",
        ('{"accepted": decision.accept})', '{"accepted": True})'),
        bitten="order-accepted-or-refused",
    ),
    wrong(
        "accepts-without-looking",
        ('    if said["accepted"] is not decision.accept:\n', "    if said:\n"),
        bitten="acceptance-repeated",
    ),
    wrong(
        "refused-items-left-out",
        ("for balance, row in zip(balances, rows, strict=True)]",
         'for balance, row in zip(balances, rows, strict=True) if not row["error"]]'),
        bitten="one-outcome-for-each-item",
    ),
    wrong(
        "everything-is-done",
        (_STOCK, '    session.http.post("stock", body, safe=True).json()\n'
         '    return [Outcome(key=balance.key, state="done") for balance in balances]\n'),
        bitten="done-means-stored item-of-an-unknown-product",
    ),
    wrong(
        "one-refusal-stops-all",
        (_STOCK, '    rows = session.http.post("stock", body, safe=True).json()\n'
         '    if any(row["error"] for row in rows):\n'
         '        rows = [{**row, "error": "A row was refused."} for row in rows]\n'
         "    return [outcome(balance.key, row) for balance, row in zip(balances, rows, strict=True)]\n"),
        bitten="one-bad-item done-means-stored item-of-an-unknown-product",
    ),
    wrong(
        "stock-of-the-first-only",
        ("for balance in balances]\n    rows", "for balance in balances[:1] * len(balances)]\n    rows"),
        bitten="done-means-stored",
    ),
    wrong(
        "nobody-knows-which-code",
        ('gap = Gap("sku", row["sku"]) if row["error"] == "unknown_product" else None', "gap = None"),
        bitten="item-of-an-unknown-product",
    ),
    wrong(
        "handed-in-means-done",
        ('    if said["state"] == "running":\n        return StillRunning(30)\n',
         '    if said["state"] == "running":\n'
         '        return [Outcome(key=key, state="done") for key in session.memory.items(f"job {job}").values()]\n'),
        bitten="import-still-running",
    ),
    wrong(
        "failed-import-taken-for-done",
        (_FAILED, '    if said["state"] == "failed":\n'
         '        return [Outcome(key=key, state="done") for key in session.memory.items(f"job {job}").values()]\n'),
        bitten="import-fails",
    ),
    wrong(
        "failed-import-without-words",
        ("The import failed: {said['message']}", "The import failed."),
        bitten="import-fails",
    ),
    wrong(
        "customers-by-chance",
        ('session.http.put(f"customers/{key}", {"name": customer.name, "email": customer.email})\n'
         "    return Receipt(external_id=key)",
         "made = known.external_id if known else key + os.urandom(2).hex()\n"
         '    session.http.put(f"customers/{made}", {"name": customer.name, "email": customer.email})\n'
         "    return Receipt(external_id=made)"),
        bitten="same-customer-twice",
        needs="import os",
    ),
)  # fmt: skip
