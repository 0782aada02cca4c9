"""The figures of phantom_study.sh.

    phantom_study.py FOLDER

Intervals are of 95 %, from 1,000 samples of as many scans, drawn with replacement; the seed is fixed, so the same runs give the
same figures. What a segmenter found is compared at equal numbers of candidates: of each run those of the largest volume, as many
as the other has, and as 50, 25 and 10 a scan. A nodule is found by a candidate nearer than its radius.
"""
import csv
import json
import os
import sys

import numpy as np

SAMPLES, SEED = 1000, 1
SIZES_MM = [(0, 4), (4, 6), (6, 8), (8, 12), (12, 99)]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def place(row):
    return np.array([float(row["coord" + a]) for a in "XYZ"])


def area(positive, negative):
    """Under the ROC curve; equal scores half."""
    if not len(positive) or not len(negative):
        return np.nan
    negative = np.sort(negative)
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return below.mean() / 2 / len(negative)


def interval(values):
    values = np.sort(values[np.isfinite(values)])
    return values[int(0.025 * len(values))], values[int(0.975 * len(values))]


def draws(count):
    return np.random.default_rng(SEED).integers(0, count, (SAMPLES, count))


def validation(folder):
    """Every validation of the two trainings, a line each."""
    for row in rows(f"{folder}/networks/metrics.csv") + rows(f"{folder}/slices/metrics.csv"):
        if row["set"] == "validation":
            print("validation", *(f"{k}={v}" for k, v in row.items() if v and k != "set"))


def listed(folder):
    """The classifier on the listed candidates of the test scans."""
    of_scan = {}
    for row in rows(f"{folder}/listed/candidates.csv"):
        of_scan.setdefault(row["seriesuid"], []).append((place(row), float(row["probability"])))
    scores = {}
    for row in rows(f"{folder}/test/candidates_V2.csv"):
        found = of_scan.get(row["seriesuid"])
        if found:
            distance, probability = min((np.abs(p - place(row)).max(), q) for p, q in found)
            assert distance < 0.01, row
            scores.setdefault(row["seriesuid"], ([], []))[int(row["class"] == "0")].append(probability)
    scans = [(np.array(a), np.array(b)) for a, b in scores.values()]

    def pooled(chosen):
        return area(np.concatenate([scans[i][0] for i in chosen]), np.concatenate([scans[i][1] for i in chosen]))

    bounds = interval(np.array([pooled(d) for d in draws(len(scans))]))
    print(f"listed scans={len(scans)} nodules={sum(len(a) for a, _ in scans)} others={sum(len(b) for _, b in scans)} "
          f"auc={pooled(range(len(scans))):.4f} lower={bounds[0]:.4f} upper={bounds[1]:.4f}")


class Run:
    """The candidates of a run, those of the largest volume first."""

    def __init__(self, folder):
        self.candidates = sorted(rows(f"{folder}/candidates.csv"), key=lambda r: -float(r["diameter_mm"]))

    def found(self, nodules, count):
        of_scan = {}
        for row in self.candidates[:count]:
            of_scan.setdefault(row["seriesuid"], []).append(place(row))
        return np.array([any(np.linalg.norm(p - n["place"]) < n["diameter"] / 2 for p in of_scan.get(n["scan"], []))
                         for n in nodules], bool)


def nodules_of(folder):
    kinds = {(r["seriesuid"], r["coordX"], r["coordY"], r["coordZ"]): r for r in rows(f"{folder}/test/findings.csv")}
    nodules = []
    for row in rows(f"{folder}/test/annotations.csv"):
        kind = kinds[row["seriesuid"], row["coordX"], row["coordY"], row["coordZ"]]
        nodules.append({"scan": row["seriesuid"], "place": place(row), "diameter": float(row["diameter_mm"]),
                        "texture": kind["texture"], "margin": kind["margin"], "at": kind["place"]})
    return nodules


def segmenters(folder):
    scans = [line.strip() for line in open(f"{folder}/test/seriesuids.csv")]
    nodules = nodules_of(folder)
    flat, deep = Run(f"{folder}/detect-2d"), Run(f"{folder}/detect-3d")
    print(f"candidates 2d={len(flat.candidates) / len(scans):.1f} 3d={len(deep.candidates) / len(scans):.1f} a scan")
    groups = [("all", [True] * len(nodules))]
    groups += [(f"{a}-{b}mm", [a <= n["diameter"] < b for n in nodules]) for a, b in SIZES_MM]
    for key in ("texture", "margin", "at"):
        groups += [(f"{key}={v}", [n[key] == v for n in nodules]) for v in sorted({n[key] for n in nodules})]
    number = {s: i for i, s in enumerate(scans)}
    scan_of = np.array([number[n["scan"]] for n in nodules])
    weights = np.array([np.bincount(d, minlength=len(scans))[scan_of] for d in draws(len(scans))])
    counts = sorted({min(len(flat.candidates), len(deep.candidates))} |
                    {n * len(scans) for n in (50, 25, 10)}, reverse=True)
    for count in counts:
        if count > min(len(flat.candidates), len(deep.candidates)):
            continue
        a, b = flat.found(nodules, count), deep.found(nodules, count)
        for name, chosen in groups:
            chosen = np.array(chosen)
            if not chosen.any():
                continue
            with np.errstate(invalid="ignore"):
                difference = (weights[:, chosen] @ (b[chosen].astype(float) - a[chosen])) / weights[:, chosen].sum(1)
            low, high = interval(difference)
            print(f"candidates_a_scan={count / len(scans):.1f} {name} nodules={chosen.sum()} 2d={a[chosen].mean():.3f} "
                  f"3d={b[chosen].mean():.3f} difference={b[chosen].mean() - a[chosen].mean():+.3f} "
                  f"({low:+.3f} to {high:+.3f})")


def end_to_end(folder):
    for run in ("classical", "classical-classified", "detect-2d", "detect-3d"):
        score = json.load(open(f"{folder}/{run}/froc/score.json"))
        points = " ".join(f"{p['false_positives_per_scan']}:{p['sensitivity']:.3f}" for p in score["froc"]["points"])
        print(f"froc {run} cpm={score['froc']['cpm']:.4f} {points} nodules={json.dumps(score['nodules'])}")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit(__doc__)
    validation(sys.argv[1])
    listed(sys.argv[1])
    end_to_end(sys.argv[1])
    segmenters(sys.argv[1])
