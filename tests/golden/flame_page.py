"""What a person does with a recorded flame graph, in headless Chromium: argument: the folder with the pages."""
import os
import sys
import time

from playwright.sync_api import sync_playwright

FOLDER = sys.argv[1]


def check(condition, what):
    if not condition:
        raise SystemExit(f"failed: {what}")


def equal(got, expected, what):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


class Tab:
    """One page, with everything that it complained of or asked the network for."""

    def __init__(self, browser, name):
        self.page = browser.new_page(viewport={"width": 1300, "height": 800})
        self.page.set_default_timeout(120_000) # a machine may have much else to do
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append("dialog " + dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"file://{FOLDER}/{name}.html")
        self.page.wait_for_function("window.page && window.page.view.drawn")

    def status(self):
        return self.page.inner_text("#status")

    def box(self, name):
        """The middle, in the window, of the first drawn box with that name."""
        return self.page.evaluate("""name => {
            const view = window.page.view, p = view.profile, frame = view.canvas.getBoundingClientRect();
            for (let node = 0; node < p.nr; node++) {
                const [x, y, width] = view.boxOf(node);
                if (p.name(node) === name && p.within(node, view.focus) && width >= 1)
                    return [frame.left + x + width / 2, frame.top + y + 8];
            }
            return null;
        }""", name)

    def close(self):
        equal(self.complaints, [], "the console")
        equal([url for url in self.requests if not url.startswith("file://")], [], "requests")
        self.page.close()


def wait_status(tab, start):
    tab.page.wait_for_function("start => document.querySelector('#status').innerText.startsWith(start)", arg=start)


def test_known(browser):
    tab = Tab(browser, "known")
    page = tab.page
    page.mouse.move(*tab.box("ns::hot(int)"))
    page.wait_for_selector(".tip:not([hidden])")
    tip = page.inner_text(".tip")
    for part in ("ns::hot(int)", "hot.h:12", "inlined", "600 ms", "60 samples", "app"):
        check(part in tip, f"{part!r} is missing in the tip: {tip}")
    page.mouse.click(*tab.box("ns::hot(int)"))
    wait_status(tab, "ns::hot(int)")
    check(page.evaluate("window.page.view.focus") != 0, "a click zooms")
    page.keyboard.press("ArrowUp")
    wait_status(tab, "work(void)")
    page.keyboard.press("Escape")
    wait_status(tab, "all")
    for key, name in (("ArrowDown", "web"), ("ArrowRight", "ssh.service"), ("ArrowLeft", "web"), ("ArrowDown", "app")):
        page.keyboard.press(key)
        wait_status(tab, name)
    page.keyboard.press("Enter")
    equal(page.evaluate("window.page.view.profile.name(window.page.view.focus)"), "app", "Enter zooms")
    page.keyboard.press("0")
    page.keyboard.press("/")
    page.keyboard.type("^ns::hot")
    equal(page.inner_text("#found"), "60.0 % of what is shown", "the search's share")
    page.keyboard.type("(")
    equal(page.inner_text("#found"), "no valid expression", "a bad expression")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    wait_status(tab, "ns::hot(int)")
    page.keyboard.press("t")
    row = page.inner_text("#table tbody tr")
    check("60.0 %" in row and "ns::hot(int)" in row, f"the table's first row: {row}")
    page.click("#table tbody .small")
    equal(page.inner_text(".sandwich-title bdi"), "ns::hot(int)", "the sandwich of it")
    check(page.locator("#callers").is_visible() and page.locator("#callees").is_visible(), "callers and callees")
    page.keyboard.press("g")
    page.select_option("#owner", label=[o for o in page.locator("#owner option").all_inner_texts() if "ssh" in o][0])
    wait_status(tab, "ssh.service")
    check(tab.box("sshd") and not tab.box("web"), "one owner alone")
    page.click("#flip")
    page.wait_for_function("window.page.view.flames")
    page.select_option("#owner", "0")
    page.evaluate("new Promise((done) => setTimeout(done, 100))") # by the page's own clock
    check(tab.box("all")[1] > tab.box("web")[1], "the root stands below")
    check("3 missed" in page.inner_text("#losses"), "the losses are told")
    tab.close()


def test_evil(browser):
    tab = Tab(browser, "evil")
    page = tab.page
    equal(page.title(), "evil", "the title")
    equal(page.evaluate("document.querySelectorAll('script').length"), 2, "scripts")
    equal(page.evaluate("document.querySelectorAll('img, iframe, object, embed, a, svg').length"), 0, "foreign elements")
    names = page.evaluate("window.page.view.profile.names")
    check(any("</script>" in name for name in names), "a name with a tag in it is shown as it is")
    for name in names:
        check(not any(ord(c) < 32 or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in name), repr(name))
    page.keyboard.press("t")
    for option in page.locator("#owner option").all():
        page.select_option("#owner", option.get_attribute("value"))
    check(page.locator("#table tbody tr").count() > 0, "the table has rows")
    page.select_option("#owner", "0")
    for node in range(1, page.evaluate("window.page.view.profile.nr"), 7):
        page.evaluate("node => window.page.view.zoom(node)", node)
    equal(page.title(), "evil", "the title in the end")
    tab.close()


def test_big(browser):
    start = time.monotonic()
    tab = Tab(browser, "big")
    opened = time.monotonic() - start
    nodes = tab.page.evaluate("window.page.view.profile.nr")
    check(nodes >= 100000, f"only {nodes} nodes")
    ms = tab.page.evaluate("""() => {
        const view = window.page.view, start = performance.now();
        for (let i = 0; i < 20; i++)
            view.drawNow();
        return (performance.now() - start) / 20;
    }""")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("function_12")
    tab.page.wait_for_function("document.querySelector('#found').innerText.includes('%')")
    print(f"{nodes} nodes: opened in {opened:.2f} s, drawn in {ms:.1f} ms")
    tab.close()


with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
    test_known(chromium)
    test_evil(chromium)
    test_big(chromium)
    chromium.close()
