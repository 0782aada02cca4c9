"""Holds phantoms against what was promised of them: a line a figure, its target, and whether it holds.

    phantom_figures.py FOLDER [REAL.mhd ...]

FOLDER is what phantoms.sh made: tree/ (the data set), listed/ (the classifier on the listed candidates),
book/ (whole pipeline), threshold/ (the detector without a network) and their froc-*/; implants-N/ and
their runs. What is missing is left out. Measures of voxels are kept in FOLDER/measures/, one file a scan.
"""
import csv
import glob
import json
import os
import sys
import zlib

import h5py
import numpy as np

from phantom_scan import Scan, lungs, noise, region

DIAMETERS = [(0, 4), (4, 6), (6, 8), (8, 12), (12, 20), (20, 99)]
BESIDE_MM = 3  # a candidate of class 0 this far outside a finding still stands on it


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def place(row):
    return np.array([float(row["coord" + axis]) for axis in "XYZ"])


def by_scan(table):
    found = {}
    for row in table:
        found.setdefault(row["seriesuid"], []).append(row)
    return found


def auc(positive, negative):
    """Probability that one of the positives scores higher than one of the negatives; ties count half."""
    positive, negative = np.asarray(positive, float), np.sort(np.asarray(negative, float))
    if not len(positive) or not len(negative):
        return np.nan
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return below.mean() / 2 / len(negative)


def figure(name, value, target="", holds=None, detail=""):
    verdict = {None: "", True: "holds", False: "FALLS SHORT"}[holds if holds is None else bool(holds)]
    print(f"{name:<34} {value:>10}  {target:<12} {verdict:<11} {detail}".rstrip(), flush=True)


def share(count, total):
    return f"{count / total:.3f}" if total else "none"


# --- the data set ---

class Finding:
    def __init__(self, row):
        self.kind, self.place = row["kind"], place(row)
        self.texture, self.margin, self.site = row["texture"], row["margin"], row["place"]
        self.diameter = float(row["diameter_mm"])


class Candidate:
    """A listed one, and the finding it stands on: `kind` is "nodule", a mimic's or "elsewhere"."""

    def __init__(self, row, findings):
        self.place, self.nodule = place(row), row["class"] == "1"
        self.seriesuid, self.probability, self.region = row["seriesuid"], None, None
        wanted = [f for f in findings if (f.kind == "nodule") == self.nodule]
        apart = [np.linalg.norm(f.place - self.place) - f.diameter / 2 for f in wanted]
        near = int(np.argmin(apart)) if apart else -1
        self.finding = wanted[near] if apart and (self.nodule or apart[near] < BESIDE_MM) else None
        self.kind = "nodule" if self.nodule else self.finding.kind if self.finding else "elsewhere"


class DataSet:
    def __init__(self, root):
        self.root = root
        self.volumes = {os.path.basename(p)[:-4]: p for p in sorted(glob.glob(f"{root}/**/*.mhd", recursive=True))}
        self.findings = {uid: [Finding(r) for r in table]
                         for uid, table in by_scan(rows(f"{root}/findings.csv")).items()}
        listed = f"{root}/candidates_V2.csv"
        self.candidates = [Candidate(r, self.findings.get(r["seriesuid"], [])) for r in rows(listed)]

    def nodules(self):
        return [(uid, f) for uid, table in self.findings.items() for f in table if f.kind == "nodule"]


# --- what a run found ---

class Run:
    def __init__(self, folder):
        self.found = by_scan(rows(f"{folder}/candidates.csv"))
        self.places = {uid: np.array([place(r) for r in table]) for uid, table in self.found.items()}
        self.probability = {uid: np.array([float(r["probability"] or "nan") for r in table])
                            for uid, table in self.found.items()}
        store = h5py.File(f"{folder}/run.h5", "r")["results"]
        self.scans, self.masks = store["scans"], store["mask/bytes"]
        self.row = {uid: i for i, uid in enumerate(self.scans["seriesuid"].asstr()[:])}
        self.done = [uid for uid, i in self.row.items() if self.scans["status"].asstr()[i] == "done"]

    def at(self, uid, centre, radius):
        """The highest probability of a candidate within a radius; None without one."""
        if uid not in self.places:
            return None
        near = np.linalg.norm(self.places[uid] - centre, axis=1) <= radius
        return self.probability[uid][near].max() if near.any() else None

    def mask_near(self, uid, finding):
        """Whether a voxel within the finding's radius is above the threshold of the heatmap."""
        i = self.row[uid]
        size, spacing = self.scans["size"][i], self.scans["spacing"][i]
        direction = self.scans["direction"][i].reshape(3, 3)
        centre = (np.linalg.solve(direction, finding.place - self.scans["origin"][i]) / spacing)[::-1]
        reach = np.maximum(finding.diameter / 2 / spacing[::-1], 0.5)  # the voxel at the centre at least
        low = np.clip(np.ceil(centre - reach), 0, size - 1).astype(int)
        high = np.clip(np.floor(centre + reach), 0, size - 1).astype(int)
        box = self.slices(i, low[0], high[0])[:, low[1]:high[1] + 1, low[2]:high[2] + 1]
        at = np.argwhere(box) + low
        return bool((((at - centre) / reach) ** 2 <= 1.0001).all(1).any()) if len(at) else False

    def slices(self, i, first, last):
        """Slices of the mask: slabs of 4, see docs/formats.md."""
        _, height, width = size = self.scans["size"][i]
        at, slabs = self.scans["mask_first"][i], []
        for z in range(0, last + 1, 4):
            length = int.from_bytes(self.masks[at:at + 4].tobytes(), "little")
            if z + 4 > first:
                bits = np.unpackbits(np.frombuffer(zlib.decompress(self.masks[at + 4:at + 4 + length].tobytes()),
                                                   np.uint8), bitorder="little")
                count = min(4, size[0] - z)
                slabs.append(bits[:count * height * width].reshape(count, height, width))
            at += 4 + length
        return np.concatenate(slabs)[first % 4:first % 4 + last - first + 1]


# --- measures of voxels, kept ---

def measures(folder, data):
    """{seriesuid: {"lungs", "noise", "spacing", "regions"}}; regions in the order of the candidates."""
    os.makedirs(f"{folder}/measures", exist_ok=True)
    wanted, result = {}, {}
    for c in data.candidates:
        wanted.setdefault(c.seriesuid, []).append(c)
    for uid, path in data.volumes.items():
        kept = f"{folder}/measures/{uid}.json"
        if not os.path.exists(kept):
            scan = Scan(path)
            found = {"lungs": lungs(scan), "noise": noise(scan), "spacing": list(scan.spacing),
                     "regions": [region(scan, c.place) for c in wanted.get(uid, [])]}
            with open(kept + ".part", "w") as file:
                json.dump(found, file, default=lambda v: v.tolist())
            os.rename(kept + ".part", kept)
        with open(kept) as file:
            result[uid] = json.load(file)
        for c, found in zip(wanted.get(uid, []), result[uid]["regions"]):
            c.region = found
    return result


# --- the figures ---

def imaging(measured, real):
    def span(part, key, form):
        values = [m[part][key] for m in measured.values() if m[part]]
        if not values:
            return "none"
        return form % np.median(values) + f"  (of scans: {form % min(values)} to {form % max(values)})"

    for scan in real:
        l, n = lungs(scan), noise(scan)
        print(f"real {scan.seriesuid}: lung HU mean {l['mean']:.0f} SD {l['sd']:.0f} p5 {l['p5']:.0f} p95 {l['p95']:.0f};"
              f" soft tissue SD {n['sd']:.1f}, power spectrum: peak {n['peak']:.2f}/mm, slope below it"
              f" {n['slope']:.2f}, mean frequency {n['mean_frequency']:.2f}/mm")
    print("phantoms: lung HU mean", span("lungs", "mean", "%.0f"))
    print("phantoms: lung HU SD", span("lungs", "sd", "%.0f"))
    print("phantoms: lung HU p5", span("lungs", "p5", "%.0f"))
    print("phantoms: lung HU p95", span("lungs", "p95", "%.0f"))
    print("phantoms: soft tissue SD", span("noise", "sd", "%.1f"))
    print("phantoms: power spectrum peak, 1/mm", span("noise", "peak", "%.2f"))
    print("phantoms: power spectrum slope", span("noise", "slope", "%.2f"))
    print("phantoms: power spectrum mean, 1/mm", span("noise", "mean_frequency", "%.2f"))
    print("phantoms: soft tissue squares", span("noise", "squares", "%.0f"))


def classifier(data, run):
    for c in data.candidates:
        c.probability = run.at(c.seriesuid, c.place, 0.01)
    scored = [c for c in data.candidates if c.probability is not None]
    nodules = [c.probability for c in scored if c.nodule]
    others = [c for c in scored if not c.nodule]
    value = auc(nodules, [c.probability for c in others])
    figure("classifier_auc", f"{value:.3f}", ">= 0.90", value >= 0.9,
           f"{len(nodules)} marks on nodules, {len(others)} of class 0")
    for kind in sorted({c.kind for c in others}):
        these = np.array([c.probability for c in others if c.kind == kind])
        figure(f"classifier_auc[{kind}]", f"{auc(nodules, these):.3f}", "", None,
               f"{len(these)} candidates, {share((these >= 0.5).sum(), len(these))} above 0.5")
    best = {}
    for c in scored:
        if c.nodule:
            best[id(c.finding)] = max(best.get(id(c.finding), 0), c.probability)
    found = sum(p >= 0.5 for p in best.values())
    figure("nodules_above_0.5", share(found, len(best)), ">= 0.70", len(best) and found >= 0.7 * len(best),
           f"{found} of {len(best)} by their best mark; of all marks {share(sum(p >= 0.5 for p in nodules), len(nodules))}")
    breakdown("nodules_above_0.5", [(f, best.get(id(f), 0) >= 0.5) for _, f in data.nodules()])


def breakdown(name, found):
    """By diameter, texture, margin and site: pairs of finding and whether it was found."""
    for low, high in DIAMETERS:
        these = [hit for f, hit in found if low <= f.diameter < high]
        if these:
            figure(f"{name}[{low}-{high} mm]", share(sum(these), len(these)), "", None, f"of {len(these)}")
    for attribute in "texture", "margin", "site":
        for value in sorted({getattr(f, attribute) for f, _ in found}):
            these = [hit for f, hit in found if getattr(f, attribute) == value]
            figure(f"{name}[{value}]", share(sum(these), len(these)), "", None, f"of {len(these)}")


def alone(data):
    """What a single number, measured at the place, tells."""
    measured = [c for c in data.candidates if c.region]
    left_out = len(data.candidates) - len(measured)
    for key in "diameter", "mean_hu", "sphericity":
        value = auc([c.region[key] for c in measured if c.nodule], [c.region[key] for c in measured if not c.nodule])
        better = max(value, 1 - value)
        figure(f"auc_of_{key}_alone", f"{better:.3f}", "<= 0.80", better <= 0.8,
               ("nodules have more" if value >= 0.5 else "nodules have less") +
               f"; {left_out} places with nothing there are left out")
    # With nothing there as the lowest of all: what a detector would make of it.
    value = auc([c.region["diameter"] if c.region else 0 for c in data.candidates if c.nodule],
                [c.region["diameter"] if c.region else 0 for c in data.candidates if not c.nodule])
    figure("auc_of_diameter_with_nothing_as_0", f"{value:.3f}")


def pipeline(data, run):
    counts = np.array([len(run.found.get(uid, [])) for uid in run.done])
    above = np.array([(run.probability.get(uid, np.zeros(0)) >= 0.5).sum() for uid in run.done])
    inside = ((counts >= 300) & (counts <= 5000)).mean()
    figure("candidates_a_scan", f"{np.median(counts):.0f}", "300-5000", inside == 1,
           f"{counts.min()} to {counts.max()}, {inside:.2f} of scans inside")
    inside = ((above >= 5) & (above <= 60)).mean()
    figure("above_0.5_a_scan", f"{np.median(above):.0f}", "5-60", inside == 1,
           f"{above.min()} to {above.max()}, {inside:.2f} of scans inside")
    nodules = [(uid, f) for uid, f in data.nodules() if uid in run.row]
    large = [run.mask_near(uid, f) for uid, f in nodules if f.diameter >= 6]
    figure("heatmap_reaches_6mm", share(sum(large), len(large)), ">= 0.75",
           len(large) and sum(large) >= 0.75 * len(large), f"{sum(large)} of {len(large)}")
    breakdown("heatmap_reaches", [(f, run.mask_near(uid, f)) for uid, f in nodules])
    best = [(f, run.at(uid, f.place, f.diameter / 2)) for uid, f in nodules]
    figure("found_as_candidate", share(sum(p is not None for _, p in best), len(best)))
    found = [(f, p is not None and p >= 0.5) for f, p in best]
    figure("found_end_to_end", share(sum(h for _, h in found), len(found)), "", None, "at 0.5")
    breakdown("found_end_to_end", found)


def cpm(folder):
    path = f"{folder}/froc.json"
    with open(path) as file:
        return json.load(file)["cpm"]


def implants(sets):
    """Over copies of real scans: triples of data set, run on the listed places, run of the whole pipeline."""
    pairs, others, found = [], [], []
    for data, listed, book in sets:
        best = {}
        for c in data.candidates:
            p = listed.at(c.seriesuid, c.place, 0.01)
            if c.nodule:
                best[id(c.finding)] = max(best.get(id(c.finding), 0), p or 0)
            elif p is not None:
                others.append(p >= 0.5)
        pairs += [(f, best.get(id(f), 0) >= 0.5) for _, f in data.nodules()]
        if book:
            found += [(f, (book.at(uid, f.place, f.diameter / 2) or 0) >= 0.5) for uid, f in data.nodules()]
    large = [hit for f, hit in pairs if f.diameter >= 5]
    figure("implants_5mm_above_0.5", share(sum(large), len(large)), ">= 0.90",
           len(large) and sum(large) >= 0.9 * len(large), f"{sum(large)} of {len(large)}")
    breakdown("implants_above_0.5", pairs)
    figure("untouched_above_0.5", share(sum(others), len(others)), "<= 0.02",
           len(others) and sum(others) <= 0.02 * len(others), f"{sum(others)} of {len(others)}")
    if found:
        figure("implants_found_end_to_end", share(sum(h for _, h in found), len(found)), "", None, "at 0.5")
        breakdown("implants_found_end_to_end", found)


def main():
    folder, real = sys.argv[1], [Scan(path) for path in sys.argv[2:]]

    def run_of(name):
        return Run(f"{folder}/{name}") if os.path.exists(f"{folder}/{name}/DONE") else None

    data = DataSet(f"{folder}/tree")
    print(f"{len(data.volumes)} scans, {len(data.nodules())} nodules, {len(data.candidates)} listed candidates")
    imaging(measures(folder, data), real)
    if run := run_of("listed"):
        classifier(data, run)
    alone(data)
    if run := run_of("book"):
        pipeline(data, run)
    for name, target in ("threshold", 0.6), ("book", None):
        if os.path.exists(f"{folder}/froc-{name}/froc.json"):
            value = cpm(f"{folder}/froc-{name}")
            figure(f"cpm[{name}]", f"{value:.3f}", f"<= {target}" if target else "", value <= target if target else None)
    sets = [(DataSet(path), run_of(f"{os.path.basename(path)}-listed"), run_of(f"{os.path.basename(path)}-book"))
            for path in sorted(glob.glob(f"{folder}/implants-[0-9]"))]
    if sets := [one for one in sets if one[1]]:
        implants(sets)


if __name__ == "__main__":
    main()
