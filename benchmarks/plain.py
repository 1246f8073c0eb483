"""What one would write instead: the official client, a loop, sqlite3. ``python plain.py URL FILE``."""

import json
import sqlite3
import sys

from woocommerce import API


def main() -> None:
    url, path = sys.argv[1:3]
    api = API(url=url, consumer_key="ck_1", consumer_secret="cs_1", version="wc/v3", timeout=60)
    db = sqlite3.connect(path)
    db.execute(
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, number, status, currency, total, tax, created,"
        " modified, email, country, payload)"
    )
    db.execute("CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, order_id, sku, name, quantity, total)")
    db.execute("CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY, value)")
    row = db.execute("SELECT value FROM cursor").fetchone()
    after, page, count = (row[0] if row else "1970-01-01T00:00:00"), 1, 0
    newest = after
    while True:
        orders = api.get(
            "orders",
            params={"orderby": "modified", "order": "asc", "per_page": 100, "page": page, "dates_are_gmt": "true",
                    "modified_after": after},
        ).json()  # fmt: skip
        for order in orders:
            db.execute(
                "INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (order["id"], order["number"], order["status"], order["currency"], order["total"], order["total_tax"],
                 order["date_created_gmt"], order["date_modified_gmt"], order["billing"]["email"],
                 order["billing"]["country"], json.dumps(order)),
            )  # fmt: skip
            for place, line in enumerate(order["line_items"]):
                db.execute(
                    "INSERT OR REPLACE INTO lines VALUES (?,?,?,?,?,?)",
                    (
                        order["id"] * 100 + place,
                        order["id"],
                        line["sku"],
                        line["name"],
                        line["quantity"],
                        line["total"],
                    ),
                )
            newest = max(newest, order["date_modified_gmt"])
        db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (newest,))
        db.commit()
        count += len(orders)
        if len(orders) < 100:
            break
        page += 1
    print(count)


main()
