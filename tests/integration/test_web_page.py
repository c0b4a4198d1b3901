"""The live page in a browser: moves without shifts, hostile ids as text, every width, the keyboard, coming back by itself."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from streams.cli.output import clipped, printable
from streams.redis.client import session
from streams.secret import Secret
from streams.settings import Settings
from tests.dashboard import Dashboard
from tests.scored import write

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no browser: put `chromium` or `google-chrome` on PATH, for example with `apt-get install chromium`"
)
TOKEN = "correct-horse-battery"
WAIT_MS = 30_000
MINUS = "\u2212"
MARK = "\u200e"  # a terminal needs it behind text from right to left; in the page <bdi> does the same
HOSTILE_IDS = [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\"><svg onload=alert(1)>",
    "javascript:alert(1)", "${alert(1)}",
    "a\u202egnp.exe", "\u2066\u2067x", "zero\u200bwidth\u2060joined", "\ufeffbom", "שלום 100.0", "👩\u200d🚀",
    "z" + "\u0335\u0336\u0337" * 80,
    "漢" * 256, "w" * 256, "user@host.example", "did:plc:abc", "%2e%2e%2f", "../..", "a b\u00a0c", "\U000e0041tag",
    "?entity=x#y", "&amp;",
]  # fmt: skip
# Sums up what the browser calls layout shifts.
SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifts += entry.hadRecentInput ? 0 : entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root, which containers of CI do.
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=args)
        yield browser
        browser.close()


@pytest.fixture
def filler(settings: Settings) -> Iterator[redis.Redis]:
    with session(settings) as client:
        yield client


@pytest.fixture
def dashboard(settings: Settings) -> Iterator[Dashboard]:
    with Dashboard(settings) as dashboard:
        yield dashboard


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser that may reach no host but the dashboard's, and say no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(SHIFTS)
    problems: list[str] = []
    hosts: set[str] = set()
    context.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield context
    context.close()
    # That the connection broke is what a browser says while the dashboard is away.
    assert [said for said in problems if "ERR_CONNECTION" not in said and "ERR_INCOMPLETE" not in said] == []
    assert len(hosts) <= 1, hosts


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def put(settings: Settings, filler: redis.Redis, reaches: dict[str, float], scope: str = "all", **fields: Any) -> None:
    for account, reach in reaches.items():
        write(settings, filler, account, scope, reach=reach, at=time.time(), **fields)


def tick(settings: Settings, filler: redis.Redis, position: int = 100) -> None:
    """Say that a worker is there."""
    row: dict[Any, Any] = {"applied": position, "position:events": position, "updated_at": time.time(), "latency_p50_ms": 12}
    filler.hset(f"{settings.redis_prefix}stats:0", mapping=row)
    filler.set(f"{settings.redis_prefix}epoch", "1")


def names(page: Page) -> list[str]:
    return page.locator(".rows .row .name").all_inner_texts()


def expect_names(page: Page, *expected: str) -> None:
    expect(page.locator(".rows .row .name")).to_have_text(list(expected), timeout=WAIT_MS)


def test_the_board_moves_and_nothing_shifts(settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page) -> None:
    put(settings, filler, {f"a{i:02}": 100.0 - i for i in range(30)}, likes=12_345)
    tick(settings, filler)
    page.goto(dashboard.url)
    expect_names(page, *(f"a{i:02}" for i in range(30)))
    expect(page.locator("#status")).to_contain_text("events/s · lag 12 ms")
    top = page.locator(".rows .row").first
    expect(top.locator(".score")).to_have_text("34.3")
    expect(top.locator(".likes")).to_have_text("12.3k")
    put(settings, filler, {"a29": 500.0})
    expect_names(page, "a29", *(f"a{i:02}" for i in range(29)))
    expect(top.locator(".moved")).to_have_text("▲29")
    put(settings, filler, {"fresh": 800.0})
    expect_names(page, "fresh", "a29", *(f"a{i:02}" for i in range(29)))
    expect(top.locator(".moved")).to_have_text("new")
    assert page.evaluate("window.shifts") == 0


def test_scope_board_and_weights_are_chosen_and_stay_in_the_address(
    settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page
) -> None:
    put(settings, filler, {"ann": 40.0, "bob": 30.0})
    put(settings, filler, {"cem": 25.0}, network=100.0)
    put(settings, filler, {"ai": 90.0}, scope="topics")
    put(settings, filler, {"dot": 20.0}, scope="topic:ai")
    page.goto(dashboard.url)
    expect_names(page, "cem", "ann", "bob")
    page.get_by_text("Weights").click()
    page.get_by_label("Network").fill("0")
    expect_names(page, "ann", "bob", "cem")
    assert "weights=reach%3D1%2Cnetwork%3D0%2Camplification%3D1" in page.url
    page.reload()
    expect_names(page, "ann", "bob", "cem")
    page.get_by_role("button", name="Reset").click()
    expect_names(page, "cem", "ann", "bob")
    page.get_by_label("Scope").select_option("topics")
    expect_names(page, "ai")
    page.get_by_label("Scope").select_option("topic")
    page.get_by_label("Topic", exact=True).fill("ai")
    page.get_by_role("button", name="Show").click()
    expect_names(page, "dot")
    page.get_by_role("button", name="Trending").click()
    expect(page.get_by_role("button", name="Trending")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    page.go_back()
    expect_names(page, "ai")


def test_hostile_ids_are_text(settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page) -> None:
    put(settings, filler, {account: 500.0 - i for i, account in enumerate(HOSTILE_IDS)})
    prefix = settings.redis_prefix
    causes = [{"kind": "<b>like</b>", "actor": account, "points": 0.5} for account in HOSTILE_IDS]
    put(settings, filler, {"ann": 3.0})
    filler.lpush(f"{prefix}why:account:ann", json.dumps({"at": time.time(), "before": 1.0, "after": 2.0, "causes": causes}))
    for account in HOSTILE_IDS:
        filler.xadd(f"{prefix}alerts", {"json": json.dumps({"id": account, "entity": f"account:{account}", "kind": account})})
        filler.hset(f"{prefix}campaigns", account, json.dumps({"tags": [account], "accounts": [account]}))
    page.goto(dashboard.url)
    expect_names(page, *map(shown, HOSTILE_IDS), "ann")
    page.evaluate("window.names = import('/static/js/names.js')")
    escaped = page.evaluate(
        "async (ids) => { const { printable } = await window.names; return ids.map(printable); }", HOSTILE_IDS
    )
    assert escaped == [printable(account).removesuffix(MARK) for account in HOSTILE_IDS]
    for path in ("/?entity=account:ann", "/?view=alerts", "/?view=campaigns"):
        page.goto(dashboard.url + path)
        expect(page.locator("main bdi").nth(5)).to_be_visible()
        assert page.locator("main script, main img, main svg[onload]").count() == 0
        assert fits(page), path
    for account in HOSTILE_IDS:
        page.goto(dashboard.url)
        page.get_by_role("link", name=shown(account), exact=True).first.click()
        expect(page.locator("h1 .name")).to_have_text(shown(account))
        expect(page.locator(".huge")).to_be_visible()


def shown(account: str) -> str:
    """Return an id as the page writes it."""
    return clipped(account).removesuffix(MARK)


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 760, 1600])
def test_it_fits_every_width_and_is_legible(
    width: int, scheme: Any, settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page
) -> None:
    put(
        settings,
        filler,
        {f"{'long-name-' * 8}{i}": 1e6 / (i + 1) for i in range(60)},
        likes=10**9,
        posts=123_456,
        plus_minus=12.3,
    )
    put(settings, filler, {"ann": 20.0})
    tick(settings, filler)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/?entity=account:ann", "/?view=alerts", "/?view=campaigns", "/?scope=topic:none"):
        page.goto(dashboard.url + path)
        expect(page.locator("#status .text")).to_contain_text("events/s")
        assert fits(page), path
        assert page.evaluate("window.shifts") < 0.01, path
        assert contrast(page) >= 4.5, path


def contrast(page: Page) -> float:
    """Return the contrast of the quiet text to the ground, as WCAG 2 counts it."""
    return float(
        page.evaluate(
            """() => {
              const light = (text) => {
                const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
                const [r, g, b] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const quiet = light(getComputedStyle(document.querySelector("main .quiet")).color);
              const ground = light(getComputedStyle(document.body).backgroundColor);
              return (Math.max(quiet, ground) + 0.05) / (Math.min(quiet, ground) + 0.05);
            }"""
        )
    )


def test_everything_is_reached_by_the_keyboard(settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page) -> None:
    put(settings, filler, {"ann": 40.0, "bob": 30.0, "cem": 20.0})
    page.goto(dashboard.url)
    expect_names(page, "ann", "bob", "cem")
    seen: list[str] = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))
        if seen[-1] == "ann":
            break
    expected = [
        "Skip to the content",
        "Cloutstream",
        "Board",
        "Campaigns",
        "Alerts",
        "find",
        "Standing",
        "Trending",
        "Weights",
        "ann",
    ]
    assert [item for item in seen if item in expected] == expected
    outline = "getComputedStyle(document.activeElement, '::after').outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == "bob"
    put(settings, filler, {"bob": 90.0})  # it moves under the finger, and keeps it
    expect_names(page, "bob", "ann", "cem")
    assert page.evaluate("document.activeElement.textContent") == "bob"
    page.keyboard.press("Enter")
    expect(page.locator("h1 .name")).to_have_text("bob")
    page.go_back()
    expect_names(page, "bob", "ann", "cem")
    page.get_by_label("Account").fill("cem")
    page.keyboard.press("Enter")
    expect(page.locator("h1 .name")).to_have_text("cem")


def test_an_account_shows_parts_history_reasons_and_who_engages(
    settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page
) -> None:
    put(settings, filler, {"ann": 30.0}, network=8.0, amplification=-4.0, posts=7, likes=55, momentum=2.5)
    now = time.time()
    points = [f"[{now - 60 * i},{20 + i % 5}]" for i in range(1, 50)]
    filler.rpush(f"{settings.redis_prefix}history:account:ann", *points)
    statement = {"at": now, "ver": 98, "before": 20.0, "after": 24.0}
    statement["causes"] = [
        {"kind": "share", "actor": "bob", "points": 3.25, "count": 4, "counted": 0.1, "damped_by": "trust"},
        {"kind": "like", "actor": "cem", "points": 1.0, "count": 1},
        {"kind": "decay", "points": -0.25},
    ]
    filler.lpush(f"{settings.redis_prefix}why:account:ann", json.dumps(statement))
    page.goto(f"{dashboard.url}/?entity=account:ann")
    numbers = (
        [float(text.replace(MINUS, "-")) for text in page.locator(".parts .number").all_inner_texts()] if opened(page) else []
    )
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.2)
    assert numbers[3] < 0
    expect(page.locator(".chart path.line")).to_have_count(1)
    told = page.locator(".reasons li")
    expect(told.nth(0)).to_have_text("+3.25bob 4 shares, counted at 10 %: new account")
    expect(told.nth(1)).to_have_text("+1.00cem like")
    expect(told.nth(2)).to_have_text(f"{MINUS}0.25decay")
    expect(page.locator(".engaged li").first).to_contain_text("bob")
    expect(page.locator(".facts")).to_contain_text("#1 of 1")
    change = {"entity": "account:ann", "before": 24.0, "after": 26.0, "at": now + 1, "published_at": now + 1, "ver": 99}
    change["causes"] = [{"kind": "reply", "actor": "dot", "points": 9.0}]
    filler.xadd(f"{settings.redis_prefix}changes:0", {"json": json.dumps(change)})
    expect(page.locator(".engaged li").first).to_contain_text("dot")


def opened(page: Page) -> bool:
    expect(page.locator(".parts .number")).to_have_count(5)
    return True


def test_alerts_and_campaigns_show_when_there_are_some(
    settings: Settings, filler: redis.Redis, dashboard: Dashboard, page: Page
) -> None:
    page.goto(f"{dashboard.url}/?view=alerts")
    expect(page.locator("main")).to_contain_text("No alerts.")
    text: dict[str, Any] = {"id": "1", "kind": "jump", "entity": "account:ann", "at": time.time(), "moved": 4.0, "score": 31.0}
    text["behind"] = {"people": 32, "likes": 90, "shares": 5, "replies": 1, "low_trust_ratio": 0.25}
    filler.xadd(f"{settings.redis_prefix}alerts", {"json": json.dumps(text)})
    expect(page.locator(".feed li")).to_contain_text("jumped by 4.0 points to 31.0")
    expect(page.locator(".feed li")).to_contain_text("32 or more people: 90 likes, 5 shares, 1 replies, 25 % from accounts")
    page.get_by_role("link", name="Campaigns").click()
    expect(page.locator("main")).to_contain_text("No campaigns.")
    definition = {"tags": ["ai"], "goal": {"of": "likes", "value": 200}}
    filler.hset(f"{settings.redis_prefix}campaigns", "launch", json.dumps(definition))
    put(settings, filler, {"launch": 20.0}, scope="campaigns", likes=50)
    expect(page.locator(".card")).to_contain_text("50 of 200 likes", timeout=WAIT_MS)
    expect(page.locator(".card .measure").nth(1)).to_contain_text("share of voice100.0 %")


def test_it_comes_back_by_itself(settings: Settings, filler: redis.Redis, page: Page) -> None:
    put(settings, filler, {"ann": 40.0})
    tick(settings, filler)
    with Dashboard(settings) as dashboard:
        page.goto(dashboard.url)
        expect_names(page, "ann")
        dashboard.stop()
        expect(page.locator("#status")).to_contain_text("reconnecting")
    put(settings, filler, {"bob": 50.0})
    with Dashboard(settings, dashboard.address):
        expect_names(page, "bob", "ann")
        expect(page.locator("#status")).to_contain_text("events/s")


def test_who_knows_the_token_signs_in(settings: Settings, filler: redis.Redis, page: Page) -> None:
    put(settings, filler, {"ann": 40.0})
    with Dashboard(replace(settings, dashboard_token=Secret(TOKEN))) as dashboard:
        page.goto(dashboard.url)
        expect(page).to_have_url(f"{dashboard.url}/login")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect_names(page, "ann")
