#!/usr/bin/env python3
"""Holds a data set of phantoms or implants against its lists and masks.

phantom_truth.py lists DIR SCANS     formats, columns and agreement of the lists
phantom_truth.py masks DIR           every nodule's mask against its annotation
phantom_truth.py implants FROM DIR   copies against their sources
"""
import csv
import glob
import os
import sys
import zlib

import numpy as np

TYPES = {"MET_SHORT": "<i2", "MET_UCHAR": "u1", "MET_USHORT": "<u2", "MET_FLOAT": "<f4"}


def volume(path):
    header = dict(line.split(" = ", 1) for line in open(path).read().splitlines())
    data = open(os.path.join(os.path.dirname(path), header["ElementDataFile"]), "rb").read()
    if header["CompressedData"] == "True":
        assert len(data) == int(header["CompressedDataSize"]), path
        data = zlib.decompress(data)
    size = [int(n) for n in header["DimSize"].split()]
    return np.frombuffer(data, TYPES[header["ElementType"]]).reshape(size[::-1]), header


def numbers(header, key):
    return np.array([float(n) for n in header[key].split()])


def rows(folder, name):
    with open(os.path.join(folder, name), newline="") as f:
        return list(csv.DictReader(f))


def place(row):
    return np.array([float(row["coord" + a]) for a in "XYZ"])


def by_scan(folder, name):
    scans = {}
    for row in rows(folder, name):
        scans.setdefault(row["seriesuid"], []).append(row)
    return scans


def lists(folder, scans):
    names = open(os.path.join(folder, "seriesuids.csv")).read().split("\n")
    assert names.pop() == "" and len(names) == int(scans) and names == sorted(names)
    on_disk = {os.path.basename(p)[:-4] for p in glob.glob(folder + "/subset*/*.mhd")}
    assert set(names) == on_disk
    annotations = rows(folder, "annotations.csv")
    assert annotations and list(annotations[0]) == ["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"]
    malignancy = rows(folder, "annotations_with_malignancy.csv")
    assert list(malignancy[0])[5:7] == ["mal_bool", "mal_details"] and len(malignancy[0]) == 14
    assert len(malignancy) == len(annotations)
    for a, m in zip(annotations, malignancy):
        assert all(a[k] == m[k] for k in a)
        ratings = [int(r) for r in m["mal_details"].strip("[]").split(",")]
        assert m["mal_bool"] == str(sum(r >= 4 for r in ratings) >= 2) and len(ratings) == int(m["len_mal_details"])
    findings = rows(folder, "findings.csv")
    assert [f["diameter_mm"] for f in findings if f["kind"] == "nodule"] == [a["diameter_mm"] for a in annotations]
    excluded = rows(folder, "annotations_excluded.csv")
    assert len(excluded) == sum(f["excluded"] == "True" for f in findings)
    patients = rows(folder, "patients.csv")
    assert [p["seriesuid"] for p in patients] == names and all(p["patient"] for p in patients)
    first, second = ({tuple(r.values()) for r in rows(folder, n)} for n in ("candidates.csv", "candidates_V2.csv"))
    assert first and first < second
    for uid, nodules in by_scan(folder, "annotations.csv").items():
        hits = [c for c in by_scan(folder, "candidates_V2.csv")[uid] if c["class"] == "1"]
        for n in nodules:
            assert any(np.linalg.norm(place(c) - place(n)) < float(n["diameter_mm"]) / 2 for c in hits), n


def masks(folder):
    """The centroid within half a voxel, the volume within 5 % or one voxel."""
    seen = 0
    for path in sorted(glob.glob(folder + "/subset*/*.mhd")):
        below = os.path.relpath(path, folder)
        uid = os.path.basename(path)[:-4]
        labels, header = volume(os.path.join(folder, "masks", below))
        lungs, _ = volume(os.path.join(folder, "lungs", below))
        voxels, _ = volume(path)
        assert labels.shape == voxels.shape == lungs.shape
        assert 0.05 < (lungs > 0).mean() < 0.5 and set(np.unique(lungs)) == {0, 1, 2}
        assert -980 < voxels[lungs > 0].mean() < -600
        spacing, origin = numbers(header, "ElementSpacing"), numbers(header, "Offset")
        direction = numbers(header, "TransformMatrix").reshape(3, 3).T
        nodules = by_scan(folder, "annotations.csv").get(uid, [])
        assert labels.max() <= len(nodules)
        for i, nodule in enumerate(nodules, 1):
            where = np.argwhere(labels == i)[:, ::-1]
            index = np.linalg.solve(direction, place(nodule) - origin) / spacing
            volume_mm = np.pi / 6 * float(nodule["diameter_mm"]) ** 3
            wanted = volume_mm / spacing.prod()
            assert abs(len(where) - wanted) <= max(1, 0.05 * wanted), (uid, nodule, len(where), wanted)
            if len(where):
                assert (abs(where.mean(0) - index) <= 0.5 + 1e-6).all(), (uid, nodule, where.mean(0), index)
                seen += 1
    assert seen > 0
    print(f"  {seen} nodules where they are said to be")


def implants(source, folder):
    for path in sorted(glob.glob(folder + "/subset*/*.mhd")):
        below = os.path.relpath(path, folder)
        after, header = volume(path)
        before, original = volume(os.path.join(source, below))
        for key in ("DimSize", "ElementSpacing", "Offset", "TransformMatrix"):
            assert (numbers(header, key) == numbers(original, key)).all(), key
        assert header["ElementType"] == original["ElementType"]
        labels, _ = volume(os.path.join(folder, "masks", below))
        assert (after[before < -1024] == before[before < -1024]).all()
        changed = after != before
        assert 0 < changed.mean() < 0.05 and changed[labels > 0].mean() > 0.5
        uid = os.path.basename(path)[:-4]
        truth = by_scan(folder, "annotations.csv")[uid]
        assert 1 <= len(truth) <= 3 and all(11.5 <= float(t["diameter_mm"]) <= 20.5 for t in truth), truth
        assert {c["class"] for c in by_scan(folder, "candidates_V2.csv")[uid]} == {"0", "1"}


if __name__ == "__main__":
    {"lists": lists, "masks": masks, "implants": implants}[sys.argv[1]](*sys.argv[2:])
