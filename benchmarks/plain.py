"""A plain script, as one writes it in an afternoon with the official client: no promises, but readable.

``python benchmarks/plain.py URL DATABASE``, in an environment with the package ``woocommerce``.
"""

from __future__ import annotations

import json
import sqlite3
import sys

from woocommerce import API  # type: ignore[import-not-found]


def main() -> None:
    """Sync what changed since the last run."""
    url, path = sys.argv[1:3]
    shop = API(url=url, consumer_key="ck_bench", consumer_secret="cs_bench", version="wc/v3", timeout=60)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, number TEXT, status TEXT, currency TEXT,"
        " total TEXT, total_tax TEXT, created TEXT, modified TEXT, email TEXT, payload TEXT)"
    )
    db.execute(
        "CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, order_id INTEGER, sku TEXT, quantity INTEGER,"
        " total TEXT)"
    )
    db.execute("CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, value TEXT)")
    found = db.execute("SELECT value FROM cursor").fetchone()
    cursor, count = found[0] if found else "1970-01-01T00:00:00", 0
    while True:
        query = {"orderby": "modified", "order": "asc", "per_page": 100, "dates_are_gmt": "true"}
        answer = shop.get("orders", params={**query, "modified_after": cursor})
        answer.raise_for_status()
        orders = answer.json()
        for order in orders:
            db.execute(
                "INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    order["id"], order["number"], order["status"], order["currency"], order["total"],
                    order["total_tax"], order["date_created_gmt"], order["date_modified_gmt"],
                    order["billing"]["email"], json.dumps(order),
                ),
            )  # fmt: skip
            for line in order["line_items"]:
                db.execute(
                    "INSERT OR REPLACE INTO lines VALUES (?,?,?,?,?)",
                    (line["id"], order["id"], line["sku"], line["quantity"], line["total"]),
                )
            cursor = order["date_modified_gmt"]
        db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (cursor,))
        db.commit()
        count += len(orders)
        if len(orders) < 100:
            break
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main()
