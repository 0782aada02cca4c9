"""The page of a run in a headless Chromium: report_browser.py REPORT"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Browser

COLUMN = "[...document.querySelectorAll('#scan-table tbody tr')].map((r) => r.cells[%d].dataset.v ?? r.cells[%d].textContent)"


def charts(b):
    """What every chart has to have: a title, names of both axes, numbers along them."""
    found = b.run("""[...document.querySelectorAll('figure.chart')].map((f) => ({
        title: f.querySelector('figcaption').textContent,
        name: f.querySelector('svg > title')?.textContent ?? '',
        texts: [...f.querySelectorAll('svg text')].map((t) => t.textContent.trim()),
        turned: [...f.querySelectorAll('svg g[transform*=rotate] text')].map((t) => t.textContent.trim()) }))""")
    assert len(found) >= 5, "%d charts" % len(found)
    for chart in found:
        assert chart["title"] and " against " in chart["name"], chart
        y, x = chart["name"].removeprefix(chart["title"] + ": ").split(" against ")
        assert x in chart["texts"] and y in chart["turned"], chart
        assert "(" in x + y and ("(" in y or "(" in x), "no unit: %s" % chart["name"]
        assert sum(t.replace(".", "").isdigit() for t in chart["texts"]) >= 3, chart
    return len(found)


def tables(b):
    def column(i):
        return b.run(COLUMN % (i, i))

    heads = b.run("[...document.querySelectorAll('#scan-table thead th')].map((h) => h.textContent)")
    i = heads.index("candidates")
    b.run("document.querySelectorAll('#scan-table thead button')[%d].focus()" % i)
    b.key("Enter")  # from the keyboard
    up = [float(v) for v in column(i) if v]
    assert up == sorted(up) and len(set(up)) > 1, up
    b.run("document.querySelectorAll('#scan-table thead button')[%d].click()" % i)
    assert [float(v) for v in column(i) if v] == up[::-1]
    assert b.run("document.querySelectorAll('#scan-table thead th')[%d].getAttribute('aria-sort')" % i) == "descending"
    name = column(0)[1]
    shown = "[...document.querySelectorAll('#scan-table tbody tr')].filter((r) => !r.hidden).length"
    field = "const f = document.querySelector('[data-filter]'); f.value = %s; f.dispatchEvent(new Event('input'));"
    b.run("{%s}" % (field % repr(name.strip())))
    assert b.run(shown) == 1
    b.run("{%s}" % (field % "''"))
    assert b.run(shown) == len(column(0))


def scroller(b):
    state = "[document.querySelector('.scroller img').src.length, document.querySelector('.scroller output').textContent]"
    before = b.run(state)
    b.run("document.querySelector('.scroller input').focus()")
    b.key("ArrowRight")
    after = b.run(state)
    assert int(after[1]) > int(before[1]) and after[0] > 100, (before, after)
    assert b.run("new Promise((r) => { const i = document.querySelector('.scroller img');"
                 "i.decode().then(() => r(i.naturalWidth), () => r(0)) })") > 10
    b.run("document.querySelector('.scroller .marks button').click()")
    assert b.run("document.querySelectorAll('.overlay circle').length") >= 1, "no ring at a place of the list"


def layers(b):
    if not b.run("document.querySelectorAll('.stack .truth').length"):
        return  # no exact masks
    shown = "getComputedStyle(document.querySelector('.stack .truth')).display"
    assert b.run(shown) == "none"
    b.run("document.querySelector('[data-layer=truth]').click()")
    assert b.run(shown) == "block"


def main():
    with Browser() as b:
        for width in (1440, 390):
            for dark in (False, True):
                b.view(width, dark=dark)
                b.open(sys.argv[1])
                assert b.run("document.documentElement.scrollWidth") <= width, "wider than %d" % width
                paper = b.run("getComputedStyle(document.body).backgroundColor")
                assert (int(paper.split("(")[1].split(",")[0]) < 128) == dark, paper
        print("%d charts with title, axes and units" % charts(b))
        tables(b)
        scroller(b)
        layers(b)
        assert not b.errors, b.errors
        print("tables sort and filter, the scroller moves, layers show, no error on the console")


main()
