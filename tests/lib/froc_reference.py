"""LUNA16's score, computed the slow and obvious way: every rule as the evaluation states it, the curve as
scikit-learn's roc_curve makes it, read with numpy.interp. What `pulmo froc` is held against.

    froc_reference.py score ANNOTATIONS EXCLUDED SERIESUIDS SUBMISSION     prints JSON
    froc_reference.py band  ANNOTATIONS EXCLUDED SERIESUIDS SUBMISSION RESAMPLES SEED BAND.csv
                            prints the largest difference of mean, lower and upper bound
    froc_reference.py make FOLDER SEED SCANS                              writes lists and marks full of ties
"""
import csv
import json
import math
import sys

import numpy as np

POINTS = [0.125, 0.25, 0.5, 1, 2, 4, 8]
MISSED = -1e9


def rows_by_scan(path, value):
    scans = {}
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            xyz = [float(row["coord" + axis]) for axis in "XYZ"]
            scans.setdefault(row["seriesuid"], []).append((xyz, float(row[value])))
    return scans


def hits(mark, finding):
    (a, _), (b, diameter) = mark, finding
    diameter = 10.0 if diameter < 0 else diameter
    return sum((p - q) ** 2 for p, q in zip(a, b)) < (diameter / 2) ** 2


def cut(marks):
    if len(marks) <= 100:
        return marks
    least = sorted((p for _, p in marks), reverse=True)[100]
    return [m for m in marks if m[1] > least]


class Vectors:
    """Nodules and false positives, one entry each: truth, probability, scan."""

    def __init__(self, annotations, excluded, seriesuids, submission):
        included = rows_by_scan(annotations, "diameter_mm")
        excluded = rows_by_scan(excluded, "diameter_mm")
        marks = rows_by_scan(submission, "probability")
        with open(seriesuids) as f:
            self.listed = sorted({line.strip() for line in f if line.strip()})
        names = "true_positives false_positives false_negatives excluded doubles candidates nodules"
        self.counts = dict.fromkeys(names.split(), 0)
        self.entries = []
        for scan, name in enumerate(self.listed):
            self.add(scan, cut(marks.get(name, [])), included.get(name, []), excluded.get(name, []))
        self.truth, self.score, self.scan = (np.array(v, float) for v in zip(*self.entries))

    def add(self, scan, marks, included, excluded):
        counts, left = self.counts, dict(enumerate(marks))
        counts["candidates"] += len(marks)
        counts["nodules"] += len(included)
        for finding in included:
            found = [i for i, m in enumerate(marks) if hits(m, finding)]
            for i in found:
                left.pop(i, None)
            counts["true_positives" if found else "false_negatives"] += 1
            counts["doubles"] += max(0, len(found) - 1)
            self.entries.append((1, max((marks[i][1] for i in found), default=MISSED), scan))
        for finding in excluded:
            for i in [i for i, m in left.items() if hits(m, finding)]:
                counts["excluded"] += 1
                del left[i]
        counts["false_positives"] += len(left)
        self.entries += [(0, p, scan) for _, p in left.values()]


def curve(truth, score, scans):
    """Mean false positives a scan and sensitivity at distinct scores."""
    seen = score > MISSED
    nodules, detected, every = truth.sum(), truth[seen].sum(), seen.sum()
    order = np.argsort(-score[seen], kind="stable")
    t, p = truth[seen][order], score[seen][order]
    last = np.r_[np.flatnonzero(np.diff(p)), every - 1] if every else np.array([], int)
    tps = np.r_[0, np.cumsum(t)[last]]
    fps = np.r_[0, 1 + last - np.cumsum(t)[last]]
    fpr = fps / fps[-1] if fps[-1] else np.zeros(len(fps))
    tpr = tps / tps[-1] if tps[-1] else np.zeros(len(tps))
    return fpr * (every - detected) / scans, tpr * detected / nodules


def score(paths):
    v = Vectors(*paths)
    points = np.interp(POINTS, *curve(v.truth, v.score, len(v.listed)))
    return {"cpm": points.mean(), "points": list(points), **v.counts, "scans": len(v.listed)}


def band(paths, resamples, seed, path):
    v = Vectors(*paths)
    scans, random = len(v.listed), np.random.default_rng(seed)
    of_scan = [np.flatnonzero(v.scan == i) for i in range(scans)]
    grid = np.linspace(0.125, 8, 10000)
    curves = np.zeros((resamples, len(grid)), "float32")
    for i in range(resamples):
        drawn = np.concatenate([of_scan[k] for k in random.integers(scans, size=scans)])
        curves[i] = np.interp(grid, *curve(v.truth[drawn], v.score[drawn], scans))
    curves.sort(0)
    wanted = [curves.mean(0), curves[math.floor(0.025 * resamples)], curves[math.floor(0.975 * resamples)]]
    got = np.loadtxt(path, delimiter=",", skiprows=1)
    assert np.abs(got[:, 0] - grid).max() < 1e-9
    return [float(np.abs(got[:, k + 1] - w).max()) for k, w in enumerate(wanted)]


def make(folder, seed, scans):
    """Marks with few distinct scores, coordinates on a grid (so that distances equal radii), nodules that
    overlap, findings without a diameter, scans without marks, with more than 100, and not listed."""
    r = np.random.default_rng(seed)
    names = ["1.2.%d" % i for i in range(scans + 3)]
    with open(folder + "/seriesuids.csv", "w") as f:
        f.writelines(n + "\n" for n in names[:scans])
    header = "seriesuid,coordX,coordY,coordZ,"
    places = {}
    for path, mean, diameters in (("annotations", 1.3, [4, 6, 8, 10]), ("annotations_excluded", 3, [-1, 4, 6])):
        with open("%s/%s.csv" % (folder, path), "w") as f:
            f.write(header + "diameter_mm\n")
            for n in names:
                for _ in range(r.poisson(mean)):
                    xyz = r.integers(0, 40, 3)
                    places.setdefault(n, []).append(xyz)
                    f.write("%s,%d,%d,%d,%g\n" % (n, *xyz, r.choice(diameters)))
    with open(folder + "/submission.csv", "w") as f:
        f.write(header + "probability\n")
        for n in names:
            if r.random() < 0.1:
                continue
            for _ in range(150 if r.random() < 0.1 else r.poisson(30)):
                near = n in places and r.random() < 0.2
                xyz = places[n][r.integers(len(places[n]))] + r.integers(-3, 4, 3) if near else r.integers(0, 200, 3)
                f.write("%s,%d,%d,%d,%g\n" % (n, *xyz, min(1, r.integers(0, 60) / 100 + 0.4 * near)))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "score":
        print(json.dumps(score(arguments)))
    elif command == "band":
        print(*band(arguments[:4], int(arguments[4]), int(arguments[5]), arguments[6]))
    else:
        make(arguments[0], int(arguments[1]), int(arguments[2]))
