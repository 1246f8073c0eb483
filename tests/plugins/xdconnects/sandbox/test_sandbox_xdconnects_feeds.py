"""The feeds of the sandbox: the published columns and habits, secret links, the five-minute rule, broken files."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import httpx
import pytest
from sandbox_kit import TLS, FrozenClock
from xdconnects_sandbox_kit import SAMPLES, fetch, link, sample, serving, table

from crossdock_xdconnects.sandbox import BREAKAGES, FEEDS, XdSandbox, create

ADDED = "AColumnAddedLater"
MOMENTS = ("FeedCreatedDateTime", "LastModifiedDateTime")
SAMPLE_ERROR = (SAMPLES / "feed-error-document.html").read_bytes()


def without_moments(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if not name.endswith(MOMENTS) and name != ADDED}


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("feed", "name"),
    [
        ("ProductPrices", "feed-Xindao.V2.ProductPrices-en-gb.txt"),
        ("PrintData", "feed-Xindao.V2.PrintData-en-gb.txt"),
        ("PrintPrices", "feed-Xindao.V2.PrintPrices-en-gb.txt"),
        ("Stock", "feed-Xindao.V2.Stock-en-gb.txt"),
    ],
)
class TestV2Text:
    def test_has_the_columns_of_the_sample_in_their_order(self, twin: XdSandbox, feed: str, name: str) -> None:
        expected = (SAMPLES / name).read_text().splitlines()[0]
        header = fetch(twin, feed).text.splitlines()[0]
        assert header.removesuffix(f"\t{ADDED}") == expected

    def test_has_the_rows_of_the_sample_among_its_own(self, twin: XdSandbox, feed: str, name: str) -> None:
        rows = [without_moments(row) for row in table(fetch(twin, feed).content)]
        missing = [row for row in table((SAMPLES / name).read_bytes()) if without_moments(row) not in rows]
        assert not missing


def test_json_prices_have_the_keys_and_kinds_of_the_sample(twin: XdSandbox, api: httpx.Client) -> None:
    row, expected = fetch(twin, "ProductPrices", "json").json()[0], sample("feed-Xindao.V2.ProductPrices-en-gb.json")[0]
    assert [*row] == [*expected, ADDED]
    assert without_moments(row) == without_moments(expected)


def test_json_products_have_the_keys_of_the_sample_with_their_spaces(twin: XdSandbox, api: httpx.Client) -> None:
    row, expected = fetch(twin, "Products", "json").json()[0], sample("feed-Xindao.V6.Products-en-gb.json")[0]
    assert expected.keys() <= row.keys()
    assert {type(row[name]) for name in ("PVC free", "Eco")} == {bool}
    assert [name for name in expected if type(row[name]) is not type(expected[name])] == []


def test_all_data_has_the_columns_of_the_sample(twin: XdSandbox, api: httpx.Client) -> None:
    expected = table((SAMPLES / "feed-Xindao.V5.AllData-en-gb.quoted.txt").read_bytes())[0]
    row = table(fetch(twin, "AllData").content)[0]
    assert expected.keys() <= row.keys()
    assert (row["ProductLifeCycle"], row["MainImage Neutral"][-6:]) == ("Current", "-n.jpg")


@pytest.mark.parametrize("feed", ["Products", "AllData"])
def test_quoted_text_begins_with_a_mark_and_holds_tabs_and_line_breaks(
    twin: XdSandbox, api: httpx.Client, feed: str
) -> None:
    content = fetch(twin, feed).content
    assert content.startswith(b'\xef\xbb\xbf"FeedCreatedDateTime"\t"')
    assert content.endswith(b'"\r\n')
    assert b'a\ttab and a ""quoted"" word.\r\nThe second' in content


@pytest.mark.parametrize("feed", FEEDS)
def test_the_three_formats_say_the_same(twin: XdSandbox, api: httpx.Client, feed: str) -> None:
    text = table(fetch(twin, feed, "txt").content)
    objects = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in json.loads(fetch(twin, feed, "json").content)
    ]
    elements = [
        {each.tag: each.text or "" for each in product}
        for product in ET.fromstring(fetch(twin, feed, "xml").content).findall("Product")  # noqa: S314
    ]
    assert text == objects
    assert elements == [{name.replace(" ", ""): value for name, value in row.items()} for row in text]


def test_every_format_has_its_media_type(twin: XdSandbox, api: httpx.Client) -> None:
    kinds = [fetch(twin, "Stock", each).headers["content-type"].split(";")[0] for each in ("json", "xml", "txt")]
    assert kinds == ["application/json", "application/xml", "text/plain"]


def test_the_time_is_that_of_amsterdam_without_an_offset(twin: XdSandbox, api: httpx.Client) -> None:
    assert {row["FeedCreatedDateTime"] for row in table(fetch(twin, "Stock").content)} == {"2026-09-15T08:20:30"}


def test_the_catalogue_has_colours_sizes_outlet_moq_restrictions_and_an_item_with_one_tier(
    twin: XdSandbox, api: httpx.Client
) -> None:
    products = {row["ItemCode"]: row for row in table(fetch(twin, "Products").content)}
    prices = {row["ItemCode"]: row for row in table(fetch(twin, "ProductPrices").content)}
    assert len(products) == len(prices) == 12
    assert {row["Color"] for row in products.values() if row["ModelCode"] == "P990"} == {"black", "blue", "white"}
    assert {row["TextileSize"] for row in products.values() if row["ModelCode"] == "T9900"} == {"XL", "M"}
    assert {row["ProductLifeCycle"] for row in products.values()} == {"current", "new", "outlet"}
    assert products["P992.010"]["RestrictedCountriesForSale"] == "NO, CH"
    assert {row["MOQBlankOrder"] for row in prices.values()} == {"1", "10", "50"}
    assert [row["Qty2"] for row in prices.values() if row["NonStandardDiscount"]] == [""]


def test_print_prices_are_by_colours_by_area_and_flat(twin: XdSandbox, api: httpx.Client) -> None:
    keys = {
        (row["PrintCode"], row["NrOfColors"], row["PrintArea"]) for row in table(fetch(twin, "PrintPrices").content)
    }
    assert {("Demo Pad", "2", ""), ("Demo Transfer OS", "", "25 - 60 cm2"), ("Demo Laser 1", "", "")} <= keys


def test_techniques_come_in_the_language_of_the_link(twin: XdSandbox, api: httpx.Client) -> None:
    rows = table(fetch(twin, "PrintPrices", language="nl-nl").content)
    assert rows[0]["PrintTechnique"] == "Lasergravering"


def test_item_codes_can_be_given() -> None:
    with serving(twin := create(skus=[f"SKU-{n}" for n in range(1, 15)])):
        rows = table(fetch(twin, "Products").content)
    assert [row["ItemCode"] for row in rows] == [f"SKU-{n}" for n in range(1, 15)]
    assert [row["ModelCode"] for row in rows[-2:]] == ["P990-2", "P990-2"]


def test_the_account_has_its_currency_and_prices_in_it() -> None:
    with serving(twin := create(currency="DKK")):
        rows = table(fetch(twin, "ProductPrices").content)
    assert {row["Currency"] for row in rows} == {"DKK"}
    assert rows[0]["ItemPriceNet_Qty1"] == "73.85"


@pytest.mark.parametrize(
    ("known", "wrong"),
    [
        ("sandbox-feed-token", "another-token"),
        ("C00000", "C00001"),
        ("V2", "V3"),
        ("Stock", "Stocks"),
        ("en-gb", "xx-yy"),
        (".txt", ".xlsx"),
    ],
)
def test_a_wrong_link_gets_an_error_document_with_status_200(
    twin: XdSandbox, api: httpx.Client, known: str, wrong: str
) -> None:
    answer = httpx.get(link(twin, "Stock").replace(known, wrong), verify=TLS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content.startswith(b"<!doctype html>")


def test_feeds_are_free_without_strict_limits(twin: XdSandbox, api: httpx.Client) -> None:
    assert [fetch(twin, "Stock").content[:4] for _ in range(3)] == [b"Feed"] * 3


class TestStrictLimits:
    @pytest.fixture
    def twin(self, supplier_clock: FrozenClock) -> XdSandbox:
        return create(clock=supplier_clock, strict_limits=True)

    @pytest.mark.parametrize(("seconds", "refused"), [(299, True), (300, False)])
    def test_the_second_fetch_waits_300_seconds(
        self, twin: XdSandbox, api: httpx.Client, seconds: int, refused: bool
    ) -> None:
        fetch(twin, "Stock")
        twin.advance(seconds)
        answer = fetch(twin, "Stock")
        assert (answer.content == SAMPLE_ERROR) is refused
        assert answer.status_code == 200

    def test_a_refused_fetch_counts_too(self, twin: XdSandbox, api: httpx.Client) -> None:
        bodies = []
        for _ in range(3):
            bodies.append(fetch(twin, "Stock").content)
            twin.advance(200)
        assert bodies[1:] == [SAMPLE_ERROR] * 2

    def test_a_head_counts_not(self, twin: XdSandbox, api: httpx.Client) -> None:
        heads = [httpx.head(link(twin, "Stock"), verify=TLS) for _ in range(2)]
        assert [each.headers["content-type"] for each in heads] == ["text/plain; charset=utf-8"] * 2
        assert fetch(twin, "Stock").content != SAMPLE_ERROR
        assert httpx.head(link(twin, "Stock"), verify=TLS).headers["content-type"] == "text/plain; charset=utf-8"

    def test_feeds_have_each_their_own(self, twin: XdSandbox, api: httpx.Client) -> None:
        assert SAMPLE_ERROR not in [fetch(twin, feed).content for feed in FEEDS]


class TestScheduledFeeds:
    @pytest.fixture
    def twin(self, supplier_clock: FrozenClock) -> XdSandbox:
        return create(clock=supplier_clock, scheduled_feeds=True)

    @pytest.mark.parametrize(
        ("feed", "created"),
        [
            ("Products", "2026-09-15T08:00:00"),
            ("ProductPrices", "2026-09-15T00:00:00"),
            ("PrintData", "2026-09-15T02:00:00"),
            ("Stock", "2026-09-15T08:15:00"),
        ],
    )
    def test_a_feed_tells_when_it_was_renewed(
        self, twin: XdSandbox, api: httpx.Client, feed: str, created: str
    ) -> None:
        assert table(fetch(twin, feed).content)[0]["FeedCreatedDateTime"] == created

    def test_a_change_shows_at_the_next_renewal(self, twin: XdSandbox, api: httpx.Client) -> None:
        twin.change_stock("P990.001", 5)
        seen = [table(fetch(twin, "Stock").content)[0]["CurrentStock"]]
        twin.advance(900)
        seen.append(table(fetch(twin, "Stock").content)[0]["CurrentStock"])
        assert seen == ["812", "5"]


class TestBrokenFeeds:
    @pytest.fixture(autouse=True)
    def broken(self, twin: XdSandbox, api: httpx.Client) -> None:
        pass

    def test_cut_in_the_middle(self, twin: XdSandbox) -> None:
        whole = fetch(twin, "ProductPrices").content
        twin.break_feed("ProductPrices", "cut")
        cut = fetch(twin, "ProductPrices").content
        assert whole.startswith(cut)
        assert not cut.endswith(b"\n")

    @pytest.mark.parametrize(
        ("kind", "column"), [("mixed_currency", "Currency"), ("mixed_created", "FeedCreatedDateTime")]
    )
    def test_two_files_in_one(self, twin: XdSandbox, kind: str, column: str) -> None:
        twin.break_feed("ProductPrices", kind)
        assert len({row[column] for row in table(fetch(twin, "ProductPrices").content)}) == 2

    @pytest.mark.parametrize(("kind", "rows"), [("few_rows", 1), ("no_rows", 0)])
    def test_rows_missing(self, twin: XdSandbox, kind: str, rows: int) -> None:
        twin.break_feed("Stock", kind)
        assert len(table(fetch(twin, "Stock").content)) == rows

    def test_empty(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "empty")
        assert (fetch(twin, "Stock").status_code, fetch(twin, "Stock").content) == (200, b"")

    def test_old(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "stale")
        assert table(fetch(twin, "Stock").content)[0]["FeedCreatedDateTime"] == "2026-09-12T08:20:30"

    def test_redirected(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "redirect")
        assert fetch(twin, "Stock").status_code == 302

    def test_an_error_document(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "error_document")
        assert fetch(twin, "Stock").content.startswith(b"<")

    def test_for_so_many_fetches(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "empty", times=2)
        assert [len(fetch(twin, "Stock").content) > 0 for _ in range(3)] == [False, False, True]

    def test_until_repaired(self, twin: XdSandbox) -> None:
        twin.break_feed("Stock", "empty")
        twin.break_feed("Stock", "")
        assert fetch(twin, "Stock").content

    @pytest.mark.parametrize(("feed", "kind"), [("Socks", "cut"), ("Stock", "worn"), ("Stock", "mixed_currency")])
    def test_only_what_can_break(self, twin: XdSandbox, feed: str, kind: str) -> None:
        with pytest.raises(ValueError, match=r"There is no feed|can not break by|has no currency"):
            twin.break_feed(feed, kind)

    @pytest.mark.parametrize("extension", ["json", "xml", "txt"])
    @pytest.mark.parametrize("kind", BREAKAGES)
    def test_in_every_format(self, twin: XdSandbox, kind: str, extension: str) -> None:
        whole = fetch(twin, "AllData", extension)
        twin.break_feed("AllData", kind)
        answer = fetch(twin, "AllData", extension)
        assert (answer.status_code, answer.content) != (whole.status_code, whole.content)


def test_a_changed_price_shows_with_the_moment_of_its_change(twin: XdSandbox, api: httpx.Client) -> None:
    twin.change_price("p990.001", "10.10", gross="15.10")
    row = table(fetch(twin, "ProductPrices").content)[0]
    assert (row["ItemPriceNet_Qty1"], row["ItemPriceGross_Qty1"], row["ItemPriceNet_Qty2"]) == (
        "10.10",
        "15.10",
        "9.60",
    )
    assert row["ItemPriceLastModifiedDateTime"] == "2026-09-15T08:20:30"
