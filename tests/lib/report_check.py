"""What a report holds, read with nothing but Python: its pictures are decoded, its text is looked through.

    report_check.py pixels REPORT      the exact mask covers the crosshair of every missed nodule, in all planes
    report_check.py text REPORT TEXT   TEXT stands on the page as text; nothing of it is markup
    report_check.py without REPORT TEXT...   none of them stands anywhere in the file
"""
import base64
import html.parser
import struct
import sys
import zlib


def decode(data):
    """(width, height, rows of palette indices or greys, alpha of each palette entry) of a PNG."""
    at, packed, alpha = 8, b"", []
    while at < len(data):
        (n,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + n]
        assert struct.unpack_from(">I", data, at + 8 + n)[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        elif kind == b"tRNS":
            alpha = list(body)
        at += 12 + n
    assert colour in (0, 3)
    raw, stride = zlib.decompress(packed), (width * depth + 7) // 8
    rows, above = [], bytearray(stride)
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = (line[i - 1] if i else 0), above[i], (above[i - 1] if i else 0)
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[how]) & 255
        rows.append([line[x * depth // 8] >> (8 - depth - x * depth % 8) & ((1 << depth) - 1) for x in range(width)])
        above = line
    return width, height, rows, alpha


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.tags, self.planes, self.group = [], set(), [], ""
        self.heading = self.plane = None

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.tags.add(tag)
        for name in a:
            assert not name.startswith("on"), "an attribute %s" % name
        self.heading = tag if tag == "h3" else None
        if "data-plane" in a:
            self.plane = dict(a, group=self.group, pictures={})
            self.planes.append(self.plane)
        elif tag == "img" and self.plane is not None and a.get("src", "").startswith("data:"):
            self.plane["pictures"][a["class"]] = base64.b64decode(a["src"].split(",", 1)[1])

    def handle_data(self, data):
        if self.heading:
            self.group = data
        self.text.append(data)


def pixels(page):
    missed = [p for p in page.planes if p["group"] == "Missed nodules"]
    assert len(missed) >= 9 and len(missed) % 3 == 0, "%d planes of missed nodules" % len(missed)
    for p in missed:
        row, column = (round(float(p["data-" + k])) for k in ("row", "column"))
        width, height, _, _ = decode(p["pictures"]["scan"])
        assert (height, width) == (int(p["data-rows"]), int(p["data-columns"]))
        w, h, mask, alpha = decode(p["pictures"]["truth"])
        assert (w, h) == (width, height), "layers of other sizes"
        value = mask[row][column]
        opaque = alpha[value] if value < len(alpha) else 255
        assert opaque > 0, "%s: the mask leaves the crosshair free" % p["data-plane"]
        free = sum(alpha[v] == 0 if v < len(alpha) else 0 for line in mask for v in line)
        assert free > w * h / 2, "a mask that covers everything shows nothing"
    print("%d planes: the mask covers the crosshair" % len(missed))


def main():
    what, path = sys.argv[1:3]
    content = open(path, encoding="utf-8", newline="").read()
    if what == "without":
        for text in sys.argv[3:]:
            assert text not in content, "%r is in the file" % text
        return
    page = Page()
    page.feed(content)
    assert "http://" not in content.replace("http://www.w3.org/", "") and "https://" not in content, "a link outside"
    assert not page.tags & {"iframe", "object", "embed", "form", "b", "marquee"}, page.tags
    if what == "pixels":
        pixels(page)
    else:
        assert sys.argv[3] in "".join(page.text), "%r is not there as text" % sys.argv[3]


main()
