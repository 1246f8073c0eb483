"""Feed files become tables, whatever their format; what is no whole feed is refused with one sentence."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xd_kit import SAMPLES

from crossdock_xdconnects.tables import NoFeedError, read

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters='\t\n"'), max_size=30)
_NAMES = st.text(st.characters(categories=("Lu", "Ll"), max_codepoint=127), min_size=1, max_size=8)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


@pytest.mark.parametrize(("name", "rows", "created"), [
    ("feed-Xindao.V2.ProductPrices-en-gb.json", 2, datetime(2026, 9, 14, 22, 4, 11, tzinfo=UTC)),
    ("feed-Xindao.V2.ProductPrices-en-gb.txt", 5, datetime(2026, 9, 14, 22, 4, 11, tzinfo=UTC)),
    ("feed-Xindao.V2.PrintData-en-gb.txt", 4, datetime(2026, 9, 15, 0, 10, tzinfo=UTC)),
    ("feed-Xindao.V2.PrintPrices-en-gb.txt", 5, datetime(2026, 9, 14, 22, 5, 2, tzinfo=UTC)),
    ("feed-Xindao.V2.Stock-en-gb.txt", 3, datetime(2026, 9, 15, 6, 15, tzinfo=UTC)),
    ("feed-Xindao.V5.AllData-en-gb.quoted.txt", 1, datetime(2026, 9, 15, 6, 15, tzinfo=UTC)),
    ("feed-Xindao.V6.Products-en-gb.json", 1, datetime(2026, 9, 15, 6, 0, tzinfo=UTC)),
])  # fmt: skip
def test_every_recorded_feed_is_read_and_its_amsterdam_time_becomes_utc(
    name: str, rows: int, created: datetime
) -> None:
    table = read(sample(name))
    assert (len(table.rows), table.created) == (rows, created)


def test_json_and_text_of_one_feed_say_the_same() -> None:
    first, second = (read(sample(f"feed-Xindao.V2.ProductPrices-en-gb.{end}")) for end in ("json", "txt"))
    for name in first.columns:
        assert first.of_item("P990.001")[0].text(name) == second.of_item("P990.001")[0].text(name)


def test_a_quoted_field_may_hold_tabs_quotes_and_line_breaks() -> None:
    (row,) = read(sample("feed-Xindao.V5.AllData-en-gb.quoted.txt")).rows
    assert row.text("LongDescription") == 'First line\twith a tab and "quotes"\r\nsecond line'


def test_columns_are_found_without_spaces_and_case() -> None:
    (row,) = read(sample("feed-Xindao.V6.Products-en-gb.json")).rows
    assert row.yes("pvcfree")
    assert row.text("MainImage Neutral") == row.text("MainImageNeutral") != ""


def test_digits_of_json_numbers_stay_as_written() -> None:
    (row,) = read(b'[{"ItemCode": "A", "Net": 0.10, "Long": 12345678901234.5678}]').rows
    assert (row.text("Net"), row.text("Long")) == ("0.10", "12345678901234.5678")


def test_items_are_found_without_case() -> None:
    assert read(sample("feed-Xindao.V2.Stock-en-gb.txt")).of_item("t9900.002.xl")[0].text("CurrentStock") == "40"


@pytest.mark.parametrize("body", [
    '<?xml version="1.0" encoding="utf-16"?><Products><Product><ItemCode>A</ItemCode><Color/></Product></Products>',
    "<Feed><Products>\n<Product> <ItemCode>A</ItemCode>\n</Product></Products></Feed>",
    "<Products><Product><ItemCode><![CDATA[A]]></ItemCode></Product></Products>",
])  # fmt: skip
def test_xml_rows_are_the_elements_that_hold_texts(body: str) -> None:
    (row,) = read(body.encode()).rows
    assert row.text("ItemCode") == "A"


@given(st.lists(_NAMES, min_size=2, max_size=4, unique_by=str.lower), st.lists(st.lists(_TEXT), min_size=1, max_size=4))
def test_whatever_is_in_the_fields_comes_back_in_all_formats(names: list[str], rows: list[list[str]]) -> None:
    full = [["x", *(row + ["-"] * 9)[: len(names)]] for row in rows]
    heading = ["ItemCode0", *(f"{name}_" for name in names)]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([heading, *full])
    objects = [dict(zip(heading, row, strict=True)) for row in full]
    elements = "".join(
        f"<Product>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in each.items())}</Product>"
        for each in objects
    )
    files = text.getvalue(), json.dumps(objects), f"<Products>{elements}</Products>"
    for content in files:
        table = read(content.encode())
        assert [{name: row.text(name) for name in heading} for row in table.rows] == [
            {name: value.strip() for name, value in each.items()} for each in objects
        ]


@pytest.mark.parametrize(("content", "ending", "reason"), [
    (b"", "", "empty"),
    (b"\xef\xbb\xbf  \n", "", "empty"),
    (sample("feed-error-document.html"), "txt", "web page"),
    (sample("feed-error-document.html"), "xml", "web page"),
    (sample("feed-error-document.html"), "", "web page"),
    (b"<Error>too often</Error>", "json", "web page or an error document"),
    (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><y><z>&a;</z></y></x>', "xml", "document type"),
    (b"<Products><Product><ItemCode>A</Item", "xml", "cut off"),
    (b'[{"ItemCode": "A"}, {"ItemC', "json", "cut off"),
    (b'{"error": "too often"}', "json", "no list of rows"),
    (b"[]", "json", "no rows"),
    (b"ItemCode\tCurrentStock\nA\t1\nB\t", "txt", "line break"),
    (b"ItemCode\tCurrentStock\n", "txt", "no rows"),
    (b"Too many requests\n", "txt", "names no columns"),
    (b"ItemCode\tCurrentStock\nA\t1\t2\n", "txt", "3 values for 2 columns"),
    (b"ItemCode\tCurrency\nA\tEUR\nB\tDKK\n", "txt", "different values of Currency"),
    (b"ItemCode\tFeedCreatedDateTime\nA\t2026-09-15T00:00:00\nB\t2026-09-15T01:00:00\n", "txt", "FeedCreatedDateTime"),
    (b"PK\x03\x04", "", "Excel"),
    (b"\xff\xfe<\x00", "", "UTF-8"),
])  # fmt: skip
def test_what_is_no_whole_feed_is_refused(content: bytes, ending: str, reason: str) -> None:
    with pytest.raises(NoFeedError, match=reason):
        read(content, ending)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(content: bytes) -> None:
    with suppress(NoFeedError):
        assert read(content).rows
