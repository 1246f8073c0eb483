"""The SQL views that give people real tables to query, for both databases."""

from __future__ import annotations

# column -> (field path in the document, type); a type of "text" needs no cast.
_VIEWS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "orders": (
        "orders",
        {
            "number": ("number", "text"), "channel": ("channel", "text"), "status": ("status", "text"),
            "raw_status": ("raw_status", "text"), "currency": ("currency", "text"), "total": ("total", "numeric"),
            "total_tax": ("total_tax", "numeric"), "discount_total": ("discount_total", "numeric"),
            "placed_at": ("placed_at", "time"), "paid_at": ("paid_at", "time"),
            "customer_email": ("customer.email", "text"), "payment_method": ("payment.method", "text"),
            "country": ("shipping_address.country", "text"), "fulfilled_by": ("fulfilled_by", "text"),
            "note": ("note", "text"),
        },
    ),
    "products": (
        "products",
        {
            "sku": ("sku", "text"), "gtin": ("gtin", "text"), "name": ("name", "text"), "brand": ("brand", "text"),
            "type": ("type", "text"), "weight": ("weight", "numeric"),
        },
    ),
    "prices": (
        "prices",
        {
            "sku": ("sku", "text"), "amount": ("amount", "numeric"), "currency": ("currency", "text"),
            "from_quantity": ("from_quantity", "numeric"), "customer": ("customer", "text"),
            "price_list": ("price_list", "text"), "list_price": ("list_price", "numeric"),
            "tax_rate": ("tax_rate", "numeric"),
        },
    ),
    "balances": (
        "balance",
        {
            "sku": ("sku", "text"), "warehouse": ("warehouse", "text"), "available": ("available", "numeric"),
            "physical": ("physical", "numeric"), "as_of": ("as_of", "time"),
        },
    ),
    "shipments": (
        "shipments",
        {
            "order_key": ("order_key", "text"), "number": ("number", "text"), "carrier": ("carrier", "text"),
            "tracking_number": ("tracking_number", "text"), "tracking_url": ("tracking_url", "text"),
            "shipped_at": ("shipped_at", "time"),
        },
    ),
    "customers": (
        "customers",
        {
            "number": ("number", "text"), "name": ("name", "text"), "company": ("company", "text"),
            "email": ("email", "text"), "phone": ("phone", "text"),
        },
    ),
}  # fmt: skip

_LINE = {
    "line_key": ("key", "text"), "sku": ("sku", "text"), "name": ("name", "text"),
    "quantity": ("quantity", "numeric"), "unit_price": ("unit_price", "numeric"), "discount": ("discount", "numeric"),
    "total": ("total", "numeric"), "tax": ("tax", "numeric"), "status": ("status", "text"),
}  # fmt: skip

_DEFAULTS = {"orders.status": "'unknown'", "orders.fulfilled_by": "'seller'", "prices.from_quantity": "1",
             "products.type": "'simple'"}  # fmt: skip
_UNKNOWN = {"physical", "list_price", "tax_rate", "weight", "country"}
"""Numbers and texts that may be unknown, which is not the same as zero or empty."""

VIEWS: tuple[str, ...] = (*_VIEWS, "order_lines")


def create_statements(dialect: str) -> list[str]:
    """``CREATE VIEW`` for all views in `dialect` (``sqlite`` or ``postgresql``).

    Money and quantities are numeric: exact in PostgreSQL, and in SQLite a REAL for sums and comparisons (the exact text
    is in ``record.document``). Times are text in UTC.
    """
    plain = _sqlite_field if dialect == "sqlite" else _postgres_field

    def field(view: str, column: str, source: str, path: str, kind: str) -> str:
        # A field that has its default is not in the document.
        value = plain(source, path, kind)
        default = _DEFAULTS.get(f"{view}.{column}", {"text": "''", "numeric": "0"}.get(kind, ""))
        return (
            f"COALESCE({value}, {default}) AS {column}"
            if default and column not in _UNKNOWN
            else f"{value} AS {column}"
        )

    statements = []
    for name, (stream, columns) in _VIEWS.items():
        picked = ", ".join(field(name, column, "r.document", path, kind) for column, (path, kind) in columns.items())
        statements.append(
            f"CREATE VIEW {name} AS SELECT r.connection, r.key, {picked}, "
            f"NULLIF(r.updated_at, '') AS updated_at, r.seen_at FROM record r WHERE r.stream = '{stream}'"
        )
    picked = ", ".join(field("order_lines", column, "l.value", path, kind) for column, (path, kind) in _LINE.items())
    number = field("order_lines", "order_number", "r.document", "number", "text")
    currency = field("order_lines", "currency", "r.document", "currency", "text")
    each = (
        "json_each(r.document, '$.lines') l"
        if dialect == "sqlite"
        else "LATERAL jsonb_array_elements((r.document::jsonb)->'lines') l(value)"
    )
    statements.append(
        f"CREATE VIEW order_lines AS SELECT r.connection, r.key AS order_key, {number}, {picked}, "
        f"{currency} FROM record r, {each} WHERE r.stream = 'orders'"
    )
    return statements


def drop_statements() -> list[str]:
    """``DROP VIEW`` for all views."""
    return [f"DROP VIEW IF EXISTS {name}" for name in VIEWS]


def _sqlite_field(source: str, path: str, kind: str) -> str:
    value = f"json_extract({source}, '$.{path}')"
    return f"CAST({value} AS NUMERIC)" if kind == "numeric" else value


def _postgres_field(source: str, path: str, kind: str) -> str:
    *parents, leaf = path.split(".")
    inner = "".join(f"->'{parent}'" for parent in parents)
    value = f"(({source}::jsonb){inner}->>'{leaf}')"
    return f"({value})::numeric" if kind == "numeric" else value
