"""The figures of nodules.sh: how well models of the other subsets do on the nodules of each.

    nodules.py FOLDER NODULES malignancy|unet3d|unet2d
    nodules.py FOLDER NODULES paint     makes FOLDER/painted: the cut-outs without their nodules

Intervals are of 95 %, from 1,000 samples of as many patients, drawn with replacement: nodules of one patient
are alike. The seed is fixed, so the same runs give the same figures.
"""
import csv
import glob
import os
import re
import sys
import zlib

import h5py
import numpy as np

SAMPLES, SEED, THRESHOLD = 1000, 1, 0.5
LUNG_HU, AIR_HU = -600, -850
SIZES_MM = [(0, 6), (6, 10), (10, 99)]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read_mha(path, voxels=True):
    """The header, and the voxels [z][y][x] of a MetaImage in one file."""
    with open(path, "rb") as file:
        data = file.read()
    end = data.index(b"\n", data.index(b"ElementDataFile")) + 1
    header = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in data[:end].decode("ascii").splitlines())
    if not voxels:
        return header, None
    kinds = {"MET_SHORT": "<i2", "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "<u2"}
    body = data[end:]
    if header.get("CompressedData", "False") == "True":
        body = zlib.decompress(body)
    size = [int(n) for n in header["DimSize"].split()]
    return header, np.frombuffer(body, kinds[header["ElementType"]]).reshape(size[::-1])


class Nodules:
    """What the lists say, of all nodules in the order of their names."""

    def __init__(self, folder):
        source = {r["seriesuid"]: r for r in rows(f"{folder}/source.csv")}
        truth = sorted(rows(f"{folder}/annotations_with_malignancy.csv"), key=lambda r: r["seriesuid"])
        self.folder = folder
        self.names = [r["seriesuid"] for r in truth]
        self.subset = np.array([int(source[n]["subset"]) for n in self.names])
        self.patient = np.array([source[n]["patient_id"] for n in self.names])
        self.diameter = np.array([float(r["diameter_mm"]) for r in truth])
        self.malignant = np.array([r["mal_bool"] == "True" for r in truth])

    def depth_mm(self):
        depths = []
        for name, subset in zip(self.names, self.subset):
            header, _ = read_mha(f"{self.folder}/subset{subset}/{name}.mha", voxels=False)
            depths.append(int(header["DimSize"].split()[2]) * float(header["ElementSpacing"].split()[2]))
        return np.array(depths)

    def mask(self, i):
        return read_mha(f"{self.folder}/masks/subset{self.subset[i]}/{self.names[i]}.mha")[1] > 0


def write_mha(path, header, voxels):
    header = dict(header, CompressedData="False", ElementType="MET_SHORT")
    header.pop("CompressedDataSize", None)
    last = header.pop("ElementDataFile")
    with open(path, "wb") as file:
        for key, value in [*header.items(), ("ElementDataFile", last)]:
            file.write(f"{key} = {value}\n".encode("ascii"))
        file.write(voxels.astype("<i2").tobytes())


def grown(mask, voxels):
    """The mask and what is up to so many voxels away from it along the axes, one after the other."""
    for axis in range(mask.ndim):
        for _ in range(voxels):
            wide = np.pad(mask, [(1, 1) if a == axis else (0, 0) for a in range(mask.ndim)])
            low, middle, high = (np.take(wide, range(k, k + mask.shape[axis]), axis) for k in range(3))
            mask = low | middle | high
    return mask


def paint(folder, nodules):
    """Each nodule, and two voxels around it, gets values of the lung around it: what is left to see of its
    size is the extent of the cut-out."""
    random = np.random.default_rng(SEED)
    for i, name in enumerate(nodules.names):
        place = f"subset{nodules.subset[i]}/{name}.mha"
        header, voxels = read_mha(f"{nodules.folder}/{place}")
        hidden, voxels = grown(nodules.mask(i), 2), voxels.copy()
        lung = voxels[~hidden & (voxels < LUNG_HU)]
        voxels[hidden] = random.choice(lung, hidden.sum()) if len(lung) else AIR_HU
        os.makedirs(f"{folder}/painted/subset{nodules.subset[i]}", exist_ok=True)
        write_mha(f"{folder}/painted/{place}", header, voxels)


def auc(scores, positive):
    """Probability that a positive scores higher than another; ties count half."""
    high, low = scores[positive], np.sort(scores[~positive])
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return below.mean() / 2 / len(low)


def by_patient(patients, figures):
    """Intervals of what figures(indices of nodules) gives, a row or a number, over samples of patients."""
    of = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    random = np.random.default_rng(SEED)
    drawn = [figures(np.concatenate([of[k] for k in random.integers(0, len(of), len(of))])) for _ in range(SAMPLES)]
    return np.percentile(drawn, [2.5, 97.5], axis=0).T


def tell(name, value, interval, detail=""):
    print(f"{name:<44} {value:7.4f}  {interval[0]:.4f}-{interval[1]:.4f}  {detail}".rstrip())


def runs(folder, what):
    """The test runs that are done, by fold."""
    found = {int(re.search(r"-(\d+)-test$", p).group(1)): p for p in glob.glob(f"{folder}/{what}-*-test")}
    return {k: p for k, p in sorted(found.items()) if os.path.exists(p + "/DONE")}


def tell_tested(what, nodules, tested, done):
    patients = len(set(nodules.patient[tested]))
    print(f"{what}: {len(tested)} of {len(nodules.names)} nodules, {patients} patients, models of folds {list(done)}")


def scores_of(folder, nodules, what):
    score = np.full(len(nodules.names), np.nan)
    at = {name: i for i, name in enumerate(nodules.names)}
    for run in runs(folder, what).values():
        for row in rows(run + "/candidates.csv"):
            assert row["seen"] == "unseen" or os.environ.get("VALIDATE") == "1", (run, row)
            score[at[row["seriesuid"]]] = float(row["malignancy"])
    return score


def malignancy(folder, nodules):
    score = scores_of(folder, nodules, "malignancy")
    painted = scores_of(folder, nodules, "painted")
    done = runs(folder, "malignancy")
    tested = np.flatnonzero(~np.isnan(score))
    truth = nodules.malignant
    tell_tested("malignancy", nodules, tested, done)
    print(f"{truth[tested].sum()} malignant, {(~truth[tested]).sum()} benign; extent visible")
    columns = np.stack([score, nodules.diameter, nodules.depth_mm()])
    whole = [auc(c[tested], truth[tested]) for c in columns]
    drawn = by_patient(nodules.patient[tested], lambda k: [auc(c[tested[k]], truth[tested[k]]) for c in columns])
    beside = by_patient(
        nodules.patient[tested],
        lambda k: auc(score[tested[k]], truth[tested[k]]) - auc(nodules.diameter[tested[k]], truth[tested[k]]),
    )
    tell("area, LunaModel", whole[0], drawn[0])
    tell("area, diameter alone", whole[1], drawn[1])
    tell("area, extent of the cut-out alone (depth, mm)", whole[2], drawn[2])
    tell("LunaModel less diameter, paired", whole[0] - whole[1], beside)
    if not np.isnan(painted[tested]).any():
        drawn = by_patient(nodules.patient[tested], lambda k: auc(painted[tested[k]], truth[tested[k]]))
        tell("area, LunaModel, nodules painted over", auc(painted[tested], truth[tested]), drawn)
    for k in sorted(set(nodules.subset[tested])):
        of = tested[nodules.subset[tested] == k]
        areas = " ".join(f"{auc(c[of], truth[of]):.4f}" for c in columns)
        print(f"  subset {k}: {len(of)} nodules, {truth[of].sum()} malignant; model, diameter, extent: {areas}")


def dice_of(heatmap, mask, threshold):
    """All voxels of the cut-out count."""
    found = heatmap > threshold
    assert found.shape == mask.shape, (found.shape, mask.shape)
    return 2 * (found & mask).sum() / (found.sum() + mask.sum())


def segmentation(folder, nodules, what):
    dice = np.full(len(nodules.names), np.nan)
    at = {name: i for i, name in enumerate(nodules.names)}
    done = runs(folder, what)
    for run in done.values():
        with h5py.File(run + "/run.h5", "r") as file:
            for name, heatmap in file["results/heatmap"].items():
                dice[at[name]] = dice_of(heatmap[:], nodules.mask(at[name]), THRESHOLD)
    tested = np.flatnonzero(~np.isnan(dice))
    tell_tested(what, nodules, tested, done)
    patients = nodules.patient[tested]
    tell("mean Dice", dice[tested].mean(), by_patient(patients, lambda k: dice[tested[k]].mean()))
    print(f"  median {np.median(dice[tested]):.4f}, none found at all: {(dice[tested] == 0).sum()}")
    for low, high in SIZES_MM:
        of = tested[(nodules.diameter[tested] >= low) & (nodules.diameter[tested] < high)]
        if len(of):
            print(f"  diameter {low} to {high} mm: {len(of)} nodules, mean Dice {dice[of].mean():.4f}")
    for k in sorted(set(nodules.subset[tested])):
        of = tested[nodules.subset[tested] == k]
        print(f"  subset {k}: {len(of)} nodules, mean Dice {dice[of].mean():.4f}")


def main():
    folder, data, what = sys.argv[1:]
    nodules = Nodules(data)
    if what == "paint":
        paint(folder, nodules)
    elif what == "malignancy":
        malignancy(folder, nodules)
    else:
        segmentation(folder, nodules, what)


main()
