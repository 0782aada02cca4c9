"""Holds two candidate lists of one scan against each other: GOT.csv REFERENCE.csv SCAN.mhd.

Prints one line; exit code 1 when they differ by more than rounding can explain: the counts by more
than 0.2 % (a voxel at the threshold may make or break a small component), more than 0.5 % of the
reference without a partner within half a voxel, a probability by more than 1e-3.
"""
import csv
import sys

import numpy as np


def candidates(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    centres = np.array([[float(row["coord" + axis]) for axis in "XYZ"] for row in rows])
    return centres.reshape(-1, 3), np.array([float(row["probability"]) for row in rows])


def spacing(path):
    with open(path) as header:
        for line in header:
            if line.split("=")[0].strip() == "ElementSpacing":
                return np.array(line.split("=")[1].split(), float)
    sys.exit(f"{path}: no ElementSpacing")


def main():
    got, got_probability = candidates(sys.argv[1])
    reference, probability = candidates(sys.argv[2])
    if not len(got) or not len(reference):
        sys.exit(f"nothing to compare: {len(got)} and {len(reference)} candidates")
    voxel = spacing(sys.argv[3])
    apart = np.array([((got - centre) / voxel) ** 2 for centre in reference]).sum(-1) ** 0.5
    nearest = apart.argmin(1)
    matched = apart.min(1) <= 0.5
    difference = abs(got_probability[nearest] - probability)[matched].max(initial=0)
    print(f"candidates={len(got)} reference={len(reference)} matched={matched.sum()}"
          f" max_probability_difference={difference:.1e}")
    same = (abs(len(got) - len(reference)) <= max(2, 0.002 * len(reference))
            and matched.mean() >= 0.995 and difference <= 1e-3)
    sys.exit(not same)


main()
