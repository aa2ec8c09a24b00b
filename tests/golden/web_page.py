"""What a person does with the agent's page, in headless Chromium. Arguments: the build folder, a folder with "store" in it."""
import gzip
import json
import os
import sys
import time

from playwright.sync_api import sync_playwright

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from exporter import TOKEN, Exporter

BUILD, FOLDER = sys.argv[1:3]
PATIENCE_MS = 120_000 # of a machine with much else to do
SHOTS = os.environ.get("FLEETPROF_SCREENSHOTS") # a folder: pictures of what a person sees


def check(condition, what):
    if not condition:
        raise SystemExit(f"failed: {what}")


def equal(got, expected, what):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


def pause(page, milliseconds):
    """By the page's own clock: what it put off for less has begun by then, however late its timers are."""
    page.evaluate("(ms) => new Promise((done) => setTimeout(done, ms))", milliseconds)


class Tab:
    """One page, with everything that it complained of or asked others for."""

    def __init__(self, browser, url, size=(1280, 800), dark=False, expected=()):
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light",
                                           accept_downloads=True, permissions=["clipboard-read", "clipboard-write"])
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.expected = expected
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append("dialog " + dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.origin = url.split("/#")[0]
        self.page.goto(url)

    def loaded(self):
        self.page.wait_for_function("""() => window.page && !Object.keys(window.page.running).length && window.page.list.owners.length &&
            window.page.view.graph.profile.totalNs[0] > 0""", timeout=300_000)
        return self

    def js(self, code, argument=None):
        return self.page.evaluate(code, argument)

    def state(self):
        return self.js("() => window.page.state")

    def settle(self, action):
        """Does something that asks the agent, and waits for the answers."""
        before = self.js("() => window.page.view.graph.profile.nr + ':' + performance.now()")
        action()
        pause(self.page, 60)
        self.loaded()
        return before

    def owner(self, name):
        return self.page.locator(".owner-rows tr", has=self.page.locator(f".owner-name:text-is('{name}')"))

    def box(self, name):
        """The middle, in the window, of the widest box with that name."""
        return self.js("""name => {
            const graph = window.page.view.graph, frame = graph.canvas.getBoundingClientRect(), p = graph.profile;
            let best = null;
            for (let node = 0; node < p.nr; node++) {
                const [x, y, width] = graph.boxOf(node);
                if (p.name(node) === name && y >= 0 && y < graph.height && (!best || width > best[2]))
                    best = [frame.left + Math.max(x, 0) + Math.min(width, graph.width) / 2, frame.top + y + 8, width];
            }
            return best;
        }""", name)

    def shot(self, name):
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png")

    def close(self):
        unexpected = [text for text in self.complaints if not any(part in text for part in self.expected)]
        equal(unexpected, [], "the console")
        equal([url for url in self.requests if not url.startswith((self.origin + "/", "data:", "blob:"))], [], "requests elsewhere")
        check(not any(TOKEN in url for url in self.requests), "the token is in no request's address")
        self.context.close()


def drag(tab, start, end):
    """Over the chart, by shares of its width."""
    box = tab.page.locator("#chart").bounding_box()
    x = [box["x"] + 46 + share * (box["width"] - 56) for share in (start, end)]
    y = box["y"] + box["height"] / 2
    tab.page.mouse.move(x[0], y)
    tab.page.mouse.down()
    tab.page.mouse.move((x[0] + x[1]) / 2, y, steps=4)
    tab.page.mouse.move(x[1], y, steps=4)
    tab.page.mouse.up()


def test_first_look(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    check(TOKEN not in page.url and "span=3600000" in page.url, f"the token leaves the address at once: {page.url}")
    equal(page.locator(".owner-rows tr").count(), 51, "50 owners, and all")
    check("node-7" in page.inner_text("#host"), "the host's name")
    check("missed" in page.inner_text("#losses") and "ring full" in page.inner_text("#losses"), "the losses of the range are told")
    check("runs" not in page.inner_text("#losses"), "what is no loss is not")
    check(page.inner_text("#coverage")[:10] in ("59 windows", "60 windows"), page.inner_text("#coverage"))
    equal(page.inner_text(".owner-rows tr:nth-child(2) .owner-name"), "monolith", "the heaviest first")
    check("stored, back to" in page.inner_text("#storage"), "how much is stored, and how far back")
    equal(page.evaluate("document.querySelectorAll('script').length"), 1, "scripts")
    equal(page.evaluate("document.querySelectorAll('img, iframe, object, embed').length"), 0, "foreign elements")
    equal(page.title(), "fleetprof", "the title, whatever owners are called")
    check(any("</script>" in name for name in page.locator(".owner-name").all_inner_texts()), "an evil name is shown as text")
    tab.shot("first-look")
    tab.close()


def test_wrong_token(browser, exporter):
    tab = Tab(browser, exporter.url().replace(TOKEN, "0" * 32), expected=("401",))
    page = tab.page
    page.wait_for_selector("#door[open]")
    tab.shot("door")
    page.fill("#token", "nonsense with spaces")
    page.keyboard.press("Enter")
    page.wait_for_selector("#door[open]")
    page.fill("#token", exporter.url())
    page.click("#door .primary")
    tab.loaded()
    check(not page.locator("#door[open]").count(), "the right address opens it")
    tab.close()


def test_owners(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    names = lambda: page.locator(".owner-rows tr:not(:first-child) .owner-name").all_inner_texts()
    page.click("[data-order=name]")
    equal(names(), sorted(names()), "sorted by name")
    page.click("[data-order=throttled]")
    check("throttled" in page.inner_text(".owner-rows tr:nth-child(2)"), "the throttled one first")
    page.click("[data-order=cpu]")
    page.fill("#owner-search", "cart WORKER")
    equal(names(), ["cart-worker"], "the search")
    tab.settle(lambda: tab.owner("cart-worker").click())
    check("cart-worker" in page.inner_text("#range"), "the owner is chosen")
    equal(page.get_attribute(".owner-rows tr[aria-current] .pick", "data-pick"), str(tab.state()["owner"]), "and marked")
    equal(tab.js("() => window.page.view.graph.profile.meta.owners.map((o) => o.name)"), ["cart-worker"], "its flame graph")
    page.fill("#owner-search", "")
    tab.shot("owner")
    tab.close()


def test_time(browser, exporter):
    tab = Tab(browser, exporter.url("&span=86400000")).loaded()
    page = tab.page
    whole = tab.js("() => window.page.view.graph.profile.totalNs[0]")
    tab.settle(lambda: drag(tab, 0.5, 0.6))
    selection = tab.state()["selection"]
    check(abs(selection[1] - selection[0] - 8640e3) < 600e3, f"a tenth of a day is selected: {selection}")
    part = tab.js("() => window.page.view.graph.profile.totalNs[0]")
    check(0 < part < whole / 4, "the profile is of the selection")
    tab.shot("selected")
    page.focus("#chart")
    tab.settle(lambda: page.keyboard.press("Enter"))
    equal([tab.state()[k] for k in ("span", "from", "to")], [0, *selection], "Enter zooms in")
    tab.settle(lambda: page.keyboard.press("-"))
    check(tab.state()["to"] - tab.state()["from"] > 1.9 * (selection[1] - selection[0]), "minus zooms out")
    tab.settle(lambda: page.click("[data-span='900000']"))
    equal(tab.state()["span"], 900000, "a span")
    page.hover("#chart", position={"x": 300, "y": 60})
    tip = page.locator(".tip:not([hidden])").inner_text()
    check("cores sampled" in tip and "kernel's own count" in tip, f"the tip: {tip}")
    tab.settle(lambda: page.click("[data-span='604800000']"))
    page.wait_for_function("document.querySelector('#coverage').innerText.includes('reaches back only to')")
    check(page.inner_text("#pause").startswith("❚❚"), "it refreshes")
    page.click("#pause")
    check("paused" in page.inner_text("#pause"), "and can be paused")
    tab.close()


def test_profile(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    tab.settle(lambda: tab.owner("catalog-api").click())
    name = tab.js("""() => { const p = window.page.view.graph.profile; let best = 0;
        for (let i = 1; i < p.nr; i++) if (p.kind(i) === 0 && p.totalNs[i] > (best ? p.totalNs[best] : 0)) best = i; return p.name(best); }""")
    page.mouse.move(*tab.box(name)[:2])
    page.wait_for_selector(".tip:not([hidden])")
    tip = page.locator(".tip:not([hidden])").inner_text()
    check(name in tip and "total" in tip and "self" in tip, f"the tip: {tip}")
    tab.shot("tip")
    page.mouse.click(*tab.box(name)[:2])
    equal(tab.js("() => window.page.view.graph.profile.name(window.page.view.graph.focus)"), name, "a click zooms")
    check("path=" in page.url, "the zoom stands in the address")
    page.keyboard.press("s")
    page.wait_for_selector("#callers:visible")
    check(name in page.inner_text(".sandwich-title"), "the sandwich of the selected function")
    sides = tab.js("() => [window.page.view.sandwich.callers.profile.totalNs[0], window.page.view.sandwich.callees.profile.totalNs[0]]")
    equal(sides[0], sides[1], "callers and callees have the same time")
    pause(page, 100)
    tab.shot("sandwich")
    page.click("#tab-graph")
    page.keyboard.press("/")
    page.keyboard.type("flush")
    page.wait_for_function("document.querySelector('#found').innerText.includes('%')")
    page.keyboard.type("(")
    equal(page.inner_text("#found"), "no valid expression", "a bad expression")
    page.keyboard.press("Backspace")
    tab.shot("search")
    page.click("#tab-table")
    check(all("flush" in text for text in page.locator("#table tbody .link").all_inner_texts()), "the search narrows the table")
    page.fill("#search", "")
    rows = page.locator("#table tbody tr")
    first = rows.nth(0).inner_text()
    tab.shot("table")
    page.click("#table th:nth-child(2) button")
    check(rows.nth(0).inner_text() != first or rows.count() == 1, "sorted by total")
    page.locator("#table tbody .link").nth(0).click()
    check(page.input_value("#search").startswith("^") and page.locator("#graph").is_visible(), "a row leads to the graph")
    tab.close()


def test_compare(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    tab.settle(lambda: tab.owner("catalog-api").click())
    tab.settle(lambda: page.select_option("#compare", "before"))
    check(tab.js("() => Boolean(window.page.view.graph.profile.totalBase)"), "a base is there")
    check("more" in page.inner_text("#legend"), "another legend")
    tab.shot("diff")
    page.click("#tab-table")
    check("pp" in page.inner_text("#table tbody tr"), "percentage points in the table")
    tab.shot("diff-table")
    page.click("#tab-graph")
    page.click("#pin")
    tab.settle(lambda: tab.owner("search-api").click())
    tab.settle(lambda: page.select_option("#compare", "pin"))
    check("pinned: catalog-api" in page.locator("#compare option:checked").inner_text(), "the pinned owner")
    other = page.locator("#compare optgroup option").nth(3)
    tab.settle(lambda: page.select_option("#compare", other.get_attribute("value")))
    check(tab.js("() => window.page.view.graph.profile.totalBase[0] > 0"), "another owner as base")
    tab.settle(lambda: page.select_option("#compare", ""))
    check(not tab.js("() => Boolean(window.page.view.graph.profile.totalBase)"), "and none again")
    tab.close()


def test_downloads(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    tab.settle(lambda: tab.owner("catalog-api").click())
    samples = tab.js("() => window.page.list.find(window.page.state.owner).samples")
    for number, (ending, reader) in enumerate((("pb.gz", gzip.decompress), ("txt", bytes))):
        page.click("#download summary")
        with page.expect_download() as waiting:
            page.click(f"#download .menu-list button >> nth={number}")
        name = waiting.value.suggested_filename
        check(name.startswith("fleetprof-catalog-api-") and name.endswith(ending), f"the file's name: {name}")
        with open(waiting.value.path(), "rb") as file:
            data = reader(file.read())
        if ending == "txt":
            lines = data.decode().splitlines()
            equal(sum(int(line.rsplit(" ", 1)[1]) for line in lines), samples, "samples in the folded file")
            check(all(line.startswith("catalog-api;") for line in lines), "of this owner")
        else:
            check(b"catalog-api" in data and b"nanoseconds" in data, "a pprof file")
    tab.close()


def test_permalink(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    tab.settle(lambda: tab.owner("catalog-api").click())
    tab.settle(lambda: drag(tab, 0.2, 0.5))
    page.keyboard.press("/")
    page.keyboard.type("Row")
    page.click("#tab-table")
    page.click("#link summary")
    page.click("#link .menu-list button >> nth=0")
    page.wait_for_selector("#note:not([hidden])")
    link = tab.js("() => navigator.clipboard.readText()")
    check(TOKEN not in link and "owner=" in link and "range=" in link, f"a link without the token: {link}")
    page.click("#link summary")
    page.click("#link .menu-list button >> nth=1")
    pause(page, 50)
    with_token = tab.js("() => navigator.clipboard.readText()")
    check(f"token={TOKEN}" in with_token, "and one with it, when asked")
    state = tab.state()
    second = tab.context.new_page()
    second.goto(link)
    second.wait_for_function("() => window.page && !Object.keys(window.page.running).length && window.page.list.owners.length")
    again = second.evaluate("() => window.page.state")
    for key in ("owner", "selection", "search", "tab"):
        equal(again[key], state[key], f"{key} of the link, in the same browser")
    check(second.locator("#table").is_visible(), "its table")
    tab.close()
    tab = Tab(browser, link, expected=("401",)) # another browser: it has no token
    tab.page.wait_for_selector("#door[open]")
    tab.close()


def test_keyboard(browser, exporter):
    """All without a mouse: choose an owner, select a time, zoom, search, read the table, find callers."""
    tab = Tab(browser, exporter.url("&span=86400000")).loaded()
    page = tab.page
    for _ in range(40):
        page.keyboard.press("Tab")
        if tab.js("() => document.activeElement.classList.contains('pick')"):
            break
    check(tab.js("() => document.activeElement.dataset.pick") == "0", "Tab reaches the owners")
    outline = tab.js("() => getComputedStyle(document.activeElement).outlineStyle")
    check(outline != "none", "the focus is seen")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    tab.settle(lambda: page.keyboard.press("Enter"))
    check(tab.state()["owner"] != 0, "Enter chooses an owner")
    page.keyboard.press("c")
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    check("cores" in page.inner_text("#chart-text"), "the chart says what is under its cursor")
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function("() => window.page.state.selection")
    tab.loaded()
    page.keyboard.press("g")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    check(tab.js("() => window.page.view.graph.focus") != 0, "Enter zooms")
    check(len(page.inner_text("#status")) > 20, "the status line tells")
    page.keyboard.press("s")
    check(page.locator("#sandwich").is_visible(), "s: callers and callees")
    page.keyboard.press("t")
    check(page.locator("#table").is_visible(), "t: the table")
    page.keyboard.press("?")
    check(page.locator("#help").is_visible(), "?: the keys")
    tab.shot("help")
    page.keyboard.press("?")
    dark = tab.js("() => theme.dark")
    page.keyboard.press("d")
    check(tab.js("() => theme.dark") != dark, "d: the other theme")
    unnamed = tab.js("""() => [...document.querySelectorAll('button, input, select, [role=application], aside, table')].filter((e) =>
        !(e.getAttribute('aria-label') || e.innerText || e.title || e.closest('[hidden], dialog:not([open]), details:not([open])')))
        .map((e) => e.outerHTML.slice(0, 80))""")
    equal(unnamed, [], "everything has a name")
    tab.close()


CONTRAST = """() => {
    const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
    const poor = [];
    for (const e of document.querySelectorAll('body *')) {
        if (!e.innerText || e.children.length || !e.getClientRects().length || e.disabled)
            continue;
        const a = light(parse(getComputedStyle(e).color)), b = light(back(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5)
            poor.push(`${e.tagName} ${e.className} "${e.innerText.slice(0, 20)}" ${ratio.toFixed(2)}`);
    }
    return poor;
}"""


def test_themes_and_sizes(browser, exporter):
    for dark in (False, True):
        for width, height in ((1280, 800), (1920, 1080), (420, 900)):
            tab = Tab(browser, exporter.url("&span=86400000&owner=3"), (width, height), dark).loaded()
            pause(tab.page, 200)
            equal(tab.js(CONTRAST), [], f"contrast, {'dark' if dark else 'light'}")
            wide = tab.js("() => document.documentElement.scrollWidth")
            check(wide <= width, f"nothing stands out of {width} pixels: {wide}")
            tab.shot(f"{'dark' if dark else 'light'}-{width}")
            tab.close()
    tab = Tab(browser, exporter.url(), dark=True).loaded()
    back = lambda: tab.js("() => getComputedStyle(document.body).backgroundColor")
    dark = back()
    tab.page.click("#theme")
    check(back() != dark, "the toggle turns the theme")
    tab.page.reload()
    tab.loaded()
    check(back() != dark, "and it stays")
    tab.close()


def test_evil_owner(browser, exporter):
    tab = Tab(browser, exporter.url()).loaded()
    page = tab.page
    evil = page.locator(".owner-name", has_text="</script>").first
    tab.settle(lambda: evil.click())
    for name in tab.js("() => window.page.view.graph.profile.names"):
        check(not any(ord(c) < 32 or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in name), repr(name))
    page.click("#tab-table")
    for row in page.locator("#table tbody .small").all()[:8]:
        page.click("#tab-table")
        row.click()
    page.click("#tab-graph")
    for node in range(1, tab.js("() => window.page.view.graph.profile.nr"), 37):
        tab.js("(node) => window.page.view.graph.zoom(node)", node)
    page.click("#pin")
    tab.settle(lambda: page.reload()) # the state, zoomed into an evil name, from the address
    equal(page.title(), "fleetprof", "the title in the end")
    equal(page.evaluate("document.querySelectorAll('script').length"), 1, "scripts in the end")
    tab.shot("evil")
    tab.close()


def test_agent_goes(browser, folder):
    exporter = Exporter(BUILD, f"{folder}/empty")
    tab = Tab(browser, exporter.url(), expected=("ERR_CONNECTION", "Failed to load"))
    tab.page.wait_for_function("document.querySelector('#hint')?.innerText.includes('No window is stored')")
    check("Nothing is stored yet" in tab.page.inner_text("#coverage"), "an empty store says so")
    tab.shot("empty")
    exporter.stop()
    tab.page.click("[data-span='900000']")
    tab.page.wait_for_function("document.querySelector('#note')?.innerText.includes('does not answer')")
    tab.shot("gone")
    tab.close()


def test_speed(browser, exporter):
    """No limit here, numbers for the bench: a day's opening, and frames at 100,000 nodes."""
    start = time.monotonic()
    tab = Tab(browser, exporter.url("&span=86400000"))
    tab.page.wait_for_function("() => window.page && window.page.list.owners.length && window.page.chart.data")
    opened = time.monotonic() - start
    tab.loaded()
    whole = time.monotonic() - start
    tab.settle(lambda: tab.page.click("[data-span='900000']"))
    tab.settle(lambda: tab.owner("monolith").click())
    frames = tab.js("""async () => {
        const graph = window.page.view.graph, times = [], begin = performance.now();
        let drawn = 0;
        for (let i = 0; i < 60; i++) { graph.hovered = i; graph.drawNow(); }
        const frame_ms = (performance.now() - begin) / 60;
        await new Promise((done) => { /* as fast as the browser asks for frames, for a second */
            let last = performance.now(), end = last + 1000;
            const next = (now) => { graph.hovered = drawn++ % graph.profile.nr; graph.drawNow(); times.push(now - last); last = now;
                now < end ? requestAnimationFrame(next) : done(); };
            requestAnimationFrame(next);
        });
        return { nodes: graph.profile.nr, frame_ms, frames_per_s: drawn, slowest_ms: Math.max(...times.slice(1)) }; }""")
    print("speed " + json.dumps({"opened_s": opened, "whole_s": whole, **frames}))
    tab.shot("big")
    tab.close()


TESTS = (test_first_look, test_wrong_token, test_owners, test_time, test_profile, test_compare, test_downloads, test_permalink,
         test_keyboard, test_themes_and_sizes, test_evil_owner, test_speed)

with sync_playwright() as playwright, Exporter(BUILD, f"{FOLDER}/store") as running:
    chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
    wanted = sys.argv[3:]
    for test in TESTS:
        if not wanted or test.__name__ in wanted:
            print(test.__name__, flush=True)
            test(chromium, running)
    if not wanted or "test_agent_goes" in wanted:
        test_agent_goes(chromium, FOLDER)
    chromium.close()
