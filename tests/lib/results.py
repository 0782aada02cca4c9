#!/usr/bin/env python3
"""What the end-to-end tests look at in a run directory, from outside, as docs/formats.md has it.

    results.py same A.h5 B.h5            /results of both: the same names, types, attributes and bytes
    results.py finished JOURNAL          how many scans the journal says are finished
    results.py wait JOURNAL COUNT        waits, a minute at most, until that many are
    results.py geometry RUN.h5 ROOT EROSION MIN_VOXELS
                                         millimetres and weighted centres, computed anew from the volumes
    results.py order CANDIDATES.csv      rows sorted by seriesuid, then descending probability, coordinates
"""
import csv
import os
import struct
import sys
import time
import zlib

import h5py
import numpy as np


# --- same ---

def content(file):
    """{name: (type, shape, attributes, bytes)} of everything under /results."""
    out = {}

    def visit(name, item):
        attributes = {k: np.asarray(v).tobytes() for k, v in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            out[name] = (item.dtype.str, item.shape, attributes, item[()].tobytes() if item.shape else item.asstr()[()])
        else:
            out[name] = ("group", None, attributes, None)

    file["results"].visititems(visit)
    return out


def same(a, b):
    with h5py.File(a) as f, h5py.File(b) as g:
        x, y = content(f), content(g)
    if x.keys() != y.keys():
        sys.exit(f"only in one: {sorted(x.keys() ^ y.keys())}")
    for name in x:
        if x[name] != y[name]:
            sys.exit(f"/results/{name} differs: {x[name][:3]} {y[name][:3]}")
    assert len(x) > 20, "there is hardly anything in /results"


# --- the journal ---

RECORD_SCAN = 6


def finished(path):
    items = set()
    try:
        with open(path, "rb") as f:
            data = f.read()
    except FileNotFoundError:
        return 0
    at = 16
    while at + 80 <= len(data):
        magic, kind = struct.unpack_from("<II", data, at)
        (size,) = struct.unpack_from("<Q", data, at + 48)
        if magic != 0x43455250 or at + 80 + size > len(data):
            break
        if kind == RECORD_SCAN:
            items.add(data[at + 16 : at + 32])
        at += 80 + size
    return len(items)


def wait(path, count):
    for _ in range(6000):
        if finished(path) >= count:
            return
        if os.path.exists(os.path.join(os.path.dirname(path), "DONE")):
            sys.exit("the job is done already")
        time.sleep(0.01)
    sys.exit(f"{finished(path)} scans are finished after a minute")


# --- geometry ---

def read_volume(path):
    """(HU, spacing, origin, D) of an uncompressed or compressed MET_SHORT volume."""
    with open(path, "rb") as f:
        head = b""
        while True:
            line = f.readline()
            head += line
            if line.startswith(b"ElementDataFile"):
                break
        keys = dict((p.strip() for p in l.split("=", 1)) for l in head.decode().splitlines() if "=" in l)
        data = f.read()
    if keys["ElementDataFile"] != "LOCAL":
        with open(os.path.join(os.path.dirname(path), keys["ElementDataFile"]), "rb") as f:
            data = f.read()
    if keys.get("CompressedData", "False") == "True":
        data = zlib.decompress(data)
    assert keys["ElementType"] == "MET_SHORT"
    assert keys.get("BinaryDataByteOrderMSB", keys.get("ElementByteOrderMSB", "False")) == "False"
    size = [int(n) for n in keys["DimSize"].split()]
    numbers = lambda *names: np.array([float(v) for n in names if n in keys for v in keys[n].split()])
    # The nine numbers are the columns of D, one after the other.
    direction = numbers("TransformMatrix").reshape(3, 3).T
    origin = numbers("Offset") if "Offset" in keys else numbers("Position")
    return np.frombuffer(data, "<i2").reshape(size[::-1]), numbers("ElementSpacing"), origin, direction


def mask_of(results, i):
    scans = results["scans"]
    depth, height, width = scans["size"][i]
    first = scans["mask_first"][i]
    data = results["mask/bytes"][first : first + scans["mask_bytes"][i]].tobytes()
    slabs, at = [], 0
    for z in range(0, depth, 4):
        slices = min(4, depth - z)
        (length,) = struct.unpack_from("<I", data, at)
        bits = np.unpackbits(np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), "u1"), bitorder="little")
        slabs.append(bits[: slices * height * width].reshape(slices, height, width))
        at += 4 + length
    return np.concatenate(slabs).astype(bool)


def erode(mask, kind):
    """Binary erosion with a cross of 6 ("3d") or of 4 in the slice ("in-plane"); outside is 0."""
    out = mask.copy()
    for axis in {"3d": (0, 1, 2), "in-plane": (1, 2), "none": ()}[kind]:
        for shift in (1, -1):
            moved = np.roll(mask, shift, axis)
            edge = [slice(None)] * 3
            edge[axis] = 0 if shift == 1 else -1
            moved[tuple(edge)] = False
            out &= moved
    return out


def component(mask, seed):
    """The voxels 6-connected to a seed."""
    found, stack = {seed}, [seed]
    while stack:
        v = stack.pop()
        for axis in range(3):
            for step in (1, -1):
                w = tuple(n + (step if a == axis else 0) for a, n in enumerate(v))
                if w not in found and all(0 <= w[a] < mask.shape[a] for a in range(3)) and mask[w]:
                    found.add(w)
                    stack.append(w)
    return np.array(sorted(found))


def check_centres(hu, mask, index, voxels, min_voxels):
    """Each component of the eroded mask, found anew, is a candidate: its centre of mass weighted with
    clipped HU + 1001, and its number of voxels. There are no other candidates."""
    left = mask.copy()
    weight = np.clip(hu, -1000, 1000).astype(float) + 1001
    checked = 0
    while left.any():
        seed = np.unravel_index(np.flatnonzero(left)[0], left.shape)
        v = component(left, tuple(int(n) for n in seed))
        left[tuple(v.T)] = False
        if len(v) < min_voxels:
            continue
        w = weight[tuple(v.T)]
        centre = (v * w[:, None]).sum(0) / w.sum()
        nearest = np.abs(index - centre).max(1)
        best = nearest.argmin()
        assert nearest[best] < 1e-6, f"no candidate at {centre} (zyx), the nearest is {nearest[best]} off"
        same_place = nearest < 1e-6
        assert len(v) in voxels[same_place], f"{voxels[same_place]} voxels at {centre}, not {len(v)}"
        checked += 1
    assert checked == len(index), f"{len(index)} candidates, {checked} components"
    return checked


def geometry(run, root, erosion, min_voxels):
    paths = {os.path.splitext(n)[0]: os.path.join(d, n) for d, _, names in os.walk(root) for n in names
             if n.endswith((".mhd", ".mha"))}
    with h5py.File(run) as f:
        results = f["results"]
        scans, candidates = results["scans"], results["candidates"]
        for i, uid in enumerate(scans["seriesuid"].asstr()[:]):
            hu, spacing, origin, direction = read_volume(paths[uid])
            assert np.abs(scans["direction"][i].reshape(3, 3) - direction).max() < 1e-6, uid
            assert (scans["spacing"][i] == spacing).all() and (scans["origin"][i] == origin).all(), uid
            rows = slice(scans["candidate_first"][i], scans["candidate_first"][i] + scans["candidate_count"][i])
            index, xyz, voxels = (candidates[name][rows] for name in ("index", "xyz", "voxels"))
            expected = np.array([direction @ (c[::-1] * spacing) + origin for c in index]).reshape(-1, 3)
            worst = np.abs(xyz - expected).max(initial=0)
            assert worst < 1e-6, f"{uid}: {worst} mm off"
            diameter = 2 * (voxels * np.prod(spacing) * 3 / (4 * np.pi)) ** (1 / 3)
            assert np.abs(candidates["diameter_mm"][rows] - diameter).max(initial=0) < 1e-6, uid
            assert len(index) > 0, f"{uid}: no candidate to hold"
            checked = check_centres(hu, erode(mask_of(results, i), erosion), index, voxels, min_voxels)
            print(f"  {uid}: {len(index)} candidates, off by {worst:.1e} mm at most, {checked} centres of mass as computed, "
                  f"direction {' '.join('%.3g' % v for v in direction.flat)}")


# --- order ---

def order(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    keys = [(r["seriesuid"], -float(r["probability"]), *(float(r["coord" + a]) for a in "XYZ")) for r in rows]
    assert keys == sorted(keys), "rows are out of order"
    print(f"  {len(rows)} rows in order")


def main():
    what, *a = sys.argv[1:]
    if what == "same":
        same(*a)
    elif what == "finished":
        print(finished(a[0]))
    elif what == "wait":
        wait(a[0], int(a[1]))
    elif what == "geometry":
        geometry(a[0], a[1], a[2], int(a[3]))
    elif what == "order":
        order(a[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
