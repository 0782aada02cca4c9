#!/usr/bin/env python3
"""Makes a LUNA16 tree of volumes that are wrong in one way each, among some that are right but odd.

    make_bad_tree.py make TREE GOOD EXPECTED [--fifo]   the tree; GOOD: the same without the bad ones
    make_bad_tree.py hold EXPECTED RUN GOOD_RUN         the lists of a run of TREE beside those of one of GOOD

EXPECTED has a JSON line a scan: its seriesuid and, when it is bad, what its reason must say (a regular
expression). Bad scans are all found while they are loaded.
"""
import csv, json, os, re, sys, zlib
import numpy as np

HEADER = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
          "CompressedData": "False", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "0 0 0",
          "ElementSpacing": "0.7 0.7 1.25", "ElementType": "MET_SHORT"}
SIZE = (12, 40, 44)


def voxels(size, seed):
    """HU that give some candidates: noise and a few balls."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(size)
    hu = rng.normal(-850, 40, size)
    for _ in range(3):
        c = [rng.integers(0, n) for n in size]
        hu[((z - c[0]) * 2) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2 < 16] = 40
    return np.round(hu).astype("<i2")


class Tree:
    def __init__(self, folder, good, expected):
        self.folder, self.good, self.expected, self.count = folder, good, expected, 0
        for root in (folder, good):
            for subset in range(2):
                os.makedirs(f"{root}/subset{subset}", exist_ok=True)

    def expect(self, uid, reason=None):
        self.expected.write(json.dumps({"seriesuid": uid, "reason": reason}) + "\n")

    def put(self, root, subset, name, data):
        with open(os.path.join(root, f"subset{subset}".encode(), name), "wb") as f:
            f.write(data)

    def scan(self, uid, reason=None, size=SIZE, data=None, raw=True, head=None, subset=0, after=b"", **keys):
        """A scan; data None: voxels of its size, head None: the header, with keys set or (None) left out.
        `raw` False: no file of voxels."""
        self.count += 1
        name = uid if isinstance(uid, bytes) else uid.encode()
        if data is None:
            data = voxels(size, self.count).tobytes()
        if head is None:
            fields = HEADER | {"DimSize": " ".join(str(n) for n in size[::-1])} | keys
            data_file = fields.pop("ElementDataFile", None)
            head = "".join(f"{k} = {v}\n" for k, v in fields.items() if v is not None).encode()
            head += b"ElementDataFile = " + (data_file.encode() if data_file is not None else name + b".raw") + b"\n"
        for root in [self.folder] if reason else [self.folder, self.good]:
            root = root.encode()
            self.put(root, subset, name + b".mhd", head + after)
            if raw:
                self.put(root, subset, name + b".raw", data)
        self.expect(os.fsdecode(name), reason)


    def whole(self, uid, data, reason=None):
        """A scan in one file, .mha."""
        name = uid if isinstance(uid, bytes) else uid.encode()
        for root in [self.folder] if reason else [self.folder, self.good]:
            self.put(root.encode(), 1, name + b".mha", data)
        self.expect(os.fsdecode(name), reason)


def odd_but_good(t):
    t.scan("good-1")
    t.scan("good-2", subset=1)
    t.scan("uchar", data=(voxels(SIZE, 99) // 16 + 128).astype("u1").tobytes(), ElementType="MET_UCHAR")
    t.scan("one-voxel", size=(1, 1, 1))
    t.scan("one-slice", size=(1, 40, 44))
    t.scan("one-row", size=(9, 1, 40))
    t.scan("one-column", size=(9, 40, 1))
    t.scan("three", size=(3, 3, 3))
    t.scan("no-multiple-of-4", size=(2, 511, 513))
    t.scan("huge-spacing", ElementSpacing="1e30 1e30 1e30")
    t.scan("tiny-spacing", ElementSpacing="1e-30 1e-30 1e-30")
    t.scan("windows-lines", head=b"NDims = 3\r\nDimSize = 44 40 12\r\nElementType = MET_SHORT\r\n"
           b"ElementDataFile = windows-lines.raw\r\n")
    for name in ("with space", "with,comma", 'with"quote', "it's", "line\nbreak", "tab\tand\rreturn", "-dash",
                 "=formula", "ünïcödé 漢字", "%s%n%d", "$(touch pwned)", "\x1b[31mred", "n" * 240, "a.mhd",
                 " spaces ", b"latin-\xe9"):
        # In one file: no header could name such a file.
        data = b"NDims = 3\nDimSize = 8 8 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n" + bytes(384)
        t.whole(name, data)


def bad_data(t):
    whole = voxels(SIZE, 1).tobytes()
    packed = zlib.compress(whole)
    t.scan("raw-missing", r"raw-missing\.raw: No such file", raw=False)
    t.scan("raw-truncated", r"raw-truncated\.raw holds \d+ bytes, fewer than", data=whole[:-1])
    t.scan("raw-empty", r"raw-empty\.raw holds 0 bytes", data=b"")
    t.scan("raw-longer", r"raw-longer\.raw holds \d+ bytes, more than", data=whole + b"\0")
    zlib_keys = {"CompressedData": "True"}
    t.scan("zlib-size-wrong", r"CompressedDataSize = 17\b", data=packed, CompressedDataSize="17", **zlib_keys)
    t.scan("zlib-size-negative", r"CompressedDataSize = -5", data=packed, CompressedDataSize="-5", **zlib_keys)
    middle = len(packed) // 2
    t.scan("zlib-corrupt", r"zlib-corrupt\.raw.*(compressed|stream|zlib)",
           data=packed[:middle] + bytes(b ^ 0x5A for b in packed[middle:middle + 64]) + packed[middle + 64:], **zlib_keys)
    t.scan("zlib-checksum", r"zlib-checksum\.raw.*(compressed|stream|zlib)", data=packed[:-1] + bytes([packed[-1] ^ 1]), **zlib_keys)
    t.scan("zlib-truncated", r"zlib-truncated\.raw.*(compressed|stream|zlib)", data=packed[:middle], **zlib_keys)
    t.scan("zlib-short", r"zlib-short\.raw: the compressed stream ends after", data=zlib.compress(whole[:-100]), **zlib_keys)
    t.scan("zlib-longer", r"zlib-longer\.raw: the compressed stream holds more", data=zlib.compress(whole + b"xx"), **zlib_keys)
    t.scan("zlib-is-raw", r"zlib-is-raw\.raw", data=whole, **zlib_keys)
    t.scan("zlib-bomb", r"zlib-bomb\.raw.*cannot hold", data=zlib.compress(b""), DimSize="40000 40000 40000", **zlib_keys)
    # In every slab, so that what is said must not depend on who reads which.
    values = np.full((40, 24, 24), -800, "<f4")
    values[2::3, 7, 5] = np.nan
    t.scan("nan-voxels", r"nan-voxels.*\(z, y, x\) = \(2, 7, 5\) is -?nan", size=values.shape, data=values.tobytes(), ElementType="MET_FLOAT")
    values[...] = -800
    values[33, 1, 2] = np.inf
    t.scan("infinite-voxel", r"\(33, 1, 2\) is inf", size=values.shape, data=values.tobytes(), ElementType="MET_FLOAT")


def bad_headers(t):
    for name, value, reason in (
            ("zero", "0 40 44", "must be positive"), ("negative", "44 -40 12", "must be positive"),
            ("overflow", "4294967296 4294967296 4294967296", "64 bits"),
            ("beyond-64-bits", "99999999999999999999 1 1", "64 bits"),
            ("far-larger", "100000 100000 1000", "fewer than"), ("two", "44 40", "3 whole numbers"),
            ("words", "many 40 12", "3 whole numbers"), ("fraction", "44.5 40 12", "3 whole numbers")):
        t.scan(f"size-{name}", rf"DimSize = .*{reason}|{reason}.*DimSize = ", DimSize=value)
    t.scan("size-missing", "DimSize is missing", DimSize=None)
    outside = "leaves|outside|dataset.allow_outside"
    t.scan("file-absolute", rf"ElementDataFile.*/etc/passwd.*({outside})", ElementDataFile="/etc/passwd")
    t.scan("file-leaves", rf"ElementDataFile.*\.\./.*({outside})", ElementDataFile="../../../secret.raw")
    t.scan("file-leaves-later", rf"ElementDataFile.*\.\..*({outside})", ElementDataFile="a/../../x.raw")
    t.scan("file-none", "ElementDataFile", ElementDataFile="")
    t.scan("file-folder", "not a regular file", ElementDataFile=".")
    t.scan("file-itself", r"file-itself\.mhd holds", ElementDataFile="file-itself.mhd")
    t.scan("file-list-leaves", outside, ElementDataFile="LIST", after=b"../../secret.raw\n" * 12)
    t.scan("file-list-short", "LIST|slices|files", ElementDataFile="LIST", after=b"a.raw\n")
    t.scan("file-pattern", "%|pattern", ElementDataFile="x%n%s%d.raw 1 12 1")
    t.scan("dimensions-2", "NDims = 2", NDims="2", DimSize="44 40")
    t.scan("dimensions-4", "NDims = 4", NDims="4", DimSize="44 40 12 1")
    t.scan("direction-singular", "singular", TransformMatrix="1 0 0 1 0 0 0 0 1")
    t.scan("direction-zero", "singular", TransformMatrix="0 0 0 0 0 0 0 0 0")
    t.scan("direction-nan", "not finite", TransformMatrix="nan 0 0 0 1 0 0 0 1")
    t.scan("direction-short", "TransformMatrix.*9 numbers", TransformMatrix="1 0 0")
    for value in ("nan 1 1", "inf 1 1", "0 1 1", "1 1 -1"):
        t.scan(f"spacing-{value.replace(' ', '_')}", "ElementSpacing.*positive", ElementSpacing=value)
    t.scan("spacing-words", "ElementSpacing = wide", ElementSpacing="wide 1 1")
    t.scan("offset-infinite", "Offset.*finite", Offset="1e999 0 0")
    t.scan("type-unknown", "ElementType = MET_OTHER", ElementType="MET_OTHER")
    t.scan("type-missing", "ElementType is missing", ElementType=None)
    t.scan("as-text", "BinaryData = False", BinaryData="False")
    t.scan("channels", "ElementNumberOfChannels = 3", ElementNumberOfChannels="3")
    t.scan("flag", "CompressedData = maybe", CompressedData="maybe")
    t.scan("twice", r"line \d+: Origin = 1 1 1.*Offset", Origin="1 1 1")
    t.scan("head-empty", "ElementDataFile is missing|no MetaImage header", head=b"", raw=False)
    t.scan("head-nul", "NUL", head=b"NDims = 3\nDimSize = 44 4\0000 12\nElementType = MET_SHORT\nElementDataFile = head-nul.raw\n")
    t.scan("head-garbage", "Key = value|header", head=bytes(range(256)) * 50, raw=False)
    t.scan("head-cut", "ElementDataFile is missing", head=b"NDims = 3\nDimSize = 44 40 12\n", raw=False)
    t.scan("head-skip", "HeaderSize|bytes", HeaderSize="9223372036854775807")
    t.scan("head-skip-negative", "HeaderSize = -7", HeaderSize="-7")


def file_of(t, name, reason, make):
    """A bad scan that is one entry of the folder, which `make` makes."""
    make(f"{t.folder}/subset0/{name}")
    t.expect(name.split(".")[0], reason)


def giant(path):
    with open(path, "wb") as f:
        f.write(b"garbage " * 200000)
        f.truncate(300 << 20)


def written(data):
    def make(path):
        with open(path, "wb") as f:
            f.write(data)
    return make


def bad_entries(t, fifo):
    for name in ("bad\nbreak", "bad,comma", 'bad"quote', "-bad", "bad\x1b[31mred", "b" * 240, b"bad-latin-\xe9"):
        t.whole(name, b"NDims = 4\nDimSize = 1 1 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n", "NDims = 4")
    def loop(path):
        os.symlink(os.path.basename(path) + "2", path)
        os.symlink(os.path.basename(path), path + "2")

    file_of(t, "head-giant.mhd", "header", giant)
    file_of(t, "head-folder.mhd", "no file", os.mkdir)
    file_of(t, "head-loop.mhd", "Too many levels of symbolic links", loop)
    file_of(t, "head-dangling.mhd", "No such file", lambda path: os.symlink("nowhere", path))
    file_of(t, "nifti-empty.nii", "nifti-empty", written(b""))
    file_of(t, "nifti-garbage.nii", "nifti-garbage", written(b"\x5c\x01\0\0" + b"garbage " * 100))
    file_of(t, "nifti-no-gzip.nii.gz", "nifti-no-gzip", written(b"garbage " * 100))
    file_of(t, "local-short.mha", "holds|bytes",
            written(b"NDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n\0\0"))
    t.scan("raw-loop", "Too many levels of symbolic links", raw=False)
    loop(f"{t.folder}/subset0/raw-loop.raw")
    t.scan("raw-folder", "not a regular file", raw=False)
    os.mkdir(f"{t.folder}/subset0/raw-folder.raw")
    if fifo:
        t.scan("raw-pipe", "not a regular file", raw=False)
        os.mkfifo(f"{t.folder}/subset0/raw-pipe.raw")
        file_of(t, "head-pipe.mhd", "no file", os.mkfifo)
    # The first of two scans of one name is good and used, the second is set aside.
    t.scan("twin", size=(4, 12, 12))
    t.scan("twin", r"twin\.mhd again", size=(4, 12, 12), subset=1)


def hold(expected, run, good_run):
    good, bad = set(), {}
    with open(expected) as f:
        for line in f:
            e = json.loads(line)
            if e["reason"]:
                bad[e["seriesuid"]] = e["reason"]
            else:
                good.add(e["seriesuid"])

    def rows(name, run=run):
        with open(f"{run}/{name}", newline="", errors="surrogateescape") as f:
            return list(csv.DictReader(f))

    faults = []
    quarantined = {row["seriesuid"]: row for row in rows("quarantine.csv")}
    for uid in bad.keys() - quarantined.keys():
        faults.append(f"{uid!r} is bad and not in quarantine.csv")
    for uid in quarantined.keys() - bad.keys():
        faults.append(f"{uid!r} is good and quarantined: {quarantined[uid]['reason']}")
    for uid in bad.keys() & quarantined.keys():
        row = quarantined[uid]
        if row["stage"] != "load" or not re.search(bad[uid], row["reason"], re.S):
            faults.append(f"{uid!r}: not {bad[uid]!r} in stage load, but {row['stage']}: {row['reason']!r}")
    diagnosis = {row["seriesuid"]: row for row in rows("diagnosis.csv")}
    for uid in good:
        if uid not in diagnosis or diagnosis[uid]["status"] == "quarantined":
            faults.append(f"{uid!r} is good and has no diagnosis")
    for uid in diagnosis.keys() - good - bad.keys():
        faults.append(f"{uid!r} in diagnosis.csv is no scan")
    if [row for row in rows("diagnosis.csv") if row["status"] != "quarantined"] != rows("diagnosis.csv", good_run):
        faults.append("diagnosis.csv of the good scans depends on the bad ones")
    for fault in faults:
        print(fault.encode(errors="backslashreplace").decode(), file=sys.stderr)
    print(f"  {len(bad)} bad scans quarantined, {len(good)} odd ones done")
    return 1 if faults else 0


def make(tree, good, expected, fifo):
    with open(expected, "w") as f:
        t = Tree(tree, good, f)
        odd_but_good(t)
        bad_data(t)
        bad_headers(t)
        bad_entries(t, fifo)


if sys.argv[1] == "make":
    make(*sys.argv[2:5], "--fifo" in sys.argv)
else:
    sys.exit(hold(*sys.argv[2:5]))
