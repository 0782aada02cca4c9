"""The peer of detect.sh: chapters 13 and 14 of "Deep Learning with PyTorch" on one scan, by PyTorch.

    pytorch_detect.py [--tuned] [--threads N] [--batch N] [--crops N]
                      SCAN.mhd SEGMENT.h5 CLASSIFY.h5 CANDIDATES.csv

Same networks, weights and order of steps as `mode = "book"`, so both candidate lists have to agree.
There are two ways to be the peer, and detect.sh measures both:

  default   as the book runs it: modules called as they are, batches, the threads inside each operator,
            SciPy's centre of mass.
  --tuned   what can be had from PyTorch 1.13 on CPUs without other kernels: networks traced, frozen and
            optimised for inference (oneDNN's blocked layouts throughout, ReLU fused into convolutions),
            one operator thread in each of N Python threads, centres of mass over the mask's voxels only.
            It wants glibc to keep freed memory (detect.sh sets that up), or it spends half its time in
            page faults.

Prints the seconds of each stage; the time to import PyTorch stands apart and is no part of the total.
"""
import argparse
import csv
import os
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

clock = time.perf_counter
began = clock()
import h5py
import numpy as np
import torch
from scipy import ndimage
from torch import nn
imported = clock() - began

HU_LOW, HU_HIGH = -1000, 1000
NEIGHBOURS = 3                # slices either side of the one that is segmented
CROP = np.array([32, 48, 48])
TYPES = {"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2",
         "MET_INT": "i4", "MET_FLOAT": "f4"}


class Scan:
    """Voxels in HU, clipped, indexed (slice, row, column), and their place in millimetres."""

    def __init__(self, path):
        with open(path) as header:
            field = dict((part.strip() for part in line.split("=", 1)) for line in header if "=" in line)
        with open(os.path.join(os.path.dirname(path), field["ElementDataFile"]), "rb") as data:
            voxels = data.read()
        if field.get("CompressedData", "False") == "True":
            voxels = zlib.decompress(voxels)
        order = ">" if field.get("BinaryDataByteOrderMSB", "False") == "True" else "<"
        shape = [int(n) for n in field["DimSize"].split()][::-1]
        hu = np.frombuffer(voxels, order + TYPES[field["ElementType"]]).reshape(shape)
        self.hu = hu.clip(HU_LOW, HU_HIGH).astype(np.float32)
        self.seriesuid = os.path.splitext(os.path.basename(path))[0]
        self.spacing = np.array(field["ElementSpacing"].split(), float)
        self.origin = np.array(field["Offset"].split(), float)
        self.direction = np.array(field["TransformMatrix"].split(), float).reshape(3, 3).T

    def to_millimetres(self, centres):
        return (centres[:, ::-1] * self.spacing) @ self.direction.T + self.origin


def double_convolution(inputs, outputs):
    block = nn.Module()
    block.block = nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs))
    return block


class UNet(nn.Module):
    def __init__(self, inputs=2 * NEIGHBOURS + 1, widths=(16, 32, 64)):
        super().__init__()
        self.input_batchnorm = nn.BatchNorm2d(inputs)
        self.unet = nn.Module()
        self.unet.down_path = nn.ModuleList(
            double_convolution(*pair) for pair in zip((inputs,) + widths, widths))
        self.unet.up_path = nn.ModuleList()
        for deep, flat in zip(widths[:0:-1], widths[-2::-1]):
            stage = nn.Module()
            stage.up = nn.ConvTranspose2d(deep, flat, 2, stride=2)
            stage.conv_block = double_convolution(deep, flat)
            self.unet.up_path.append(stage)
        self.unet.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x = self.input_batchnorm(x)
        skips = []
        for stage in self.unet.down_path:
            if skips:
                x = nn.functional.avg_pool2d(x, 2)
            x = stage.block(x)
            skips.append(x)
        skips.pop()
        for stage in self.unet.up_path:
            x = stage.conv_block.block(torch.cat([stage.up(x), skips.pop()], 1))
        return torch.sigmoid(self.unet.last(x))


class LunaModel(nn.Module):
    def __init__(self, widths=(8, 16, 32, 64)):
        super().__init__()
        self.tail_batchnorm = nn.BatchNorm3d(1)
        for n, (inputs, outputs) in enumerate(zip((1,) + widths, widths), 1):
            block = nn.Module()
            block.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1)
            block.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1)
            setattr(self, f"block{n}", block)
        self.head_linear = nn.Linear(widths[-1] * int(np.prod(CROP // 16)), 2)

    def forward(self, x):
        x = self.tail_batchnorm(x)
        for block in self.block1, self.block2, self.block3, self.block4:
            x = torch.relu(block.conv2(torch.relu(block.conv1(x))))
            x = nn.functional.max_pool3d(x, 2)
        return torch.softmax(self.head_linear(x.flatten(1)), 1)[:, 1]


def prepare(network, path, example, tuned):
    with h5py.File(path, "r") as file:
        network.load_state_dict(
            {name: torch.from_numpy(np.asarray(file[name])) for name in network.state_dict()})
    network.eval()
    if not tuned:
        return network
    return torch.jit.optimize_for_inference(torch.jit.trace(network, example, check_trace=False))


class Batches:
    """Runs a function over ranges of items, on threads of its own (tuned) or of PyTorch's operators."""

    def __init__(self, threads, tuned):
        inside = 1 if tuned else threads
        torch.set_num_threads(inside)
        # PyTorch's number of threads is one of each thread that calls it.
        self.pool = ThreadPoolExecutor(
            threads // inside, initializer=torch.set_num_threads, initargs=(inside,))

    def run(self, items, batch, work):
        def without_gradients(first):
            with torch.inference_mode():
                work(first, min(first + batch, items))
        list(self.pool.map(without_gradients, range(0, items, batch)))


def segment(batches, network, hu, batch):
    slices = torch.from_numpy(hu)
    mask = np.empty(hu.shape, bool)
    around = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1)

    def work(first, end):
        channels = (torch.arange(first, end)[:, None] + around).clamp(0, len(hu) - 1)
        mask[first:end] = (network(slices[channels]) > 0.5).squeeze(1).numpy()

    batches.run(len(hu), batch, work)
    return mask


def group(mask, hu, tuned):
    """Centres of mass (index, row, column) of the components of the eroded mask."""
    labels, count = ndimage.label(ndimage.binary_erosion(mask, iterations=1))
    if not tuned:
        masses = hu.astype(float) - HU_LOW + 1
        return np.array(ndimage.center_of_mass(masses, labels, np.arange(1, count + 1))).reshape(-1, 3)
    voxels = np.nonzero(labels)
    label, masses = labels[voxels] - 1, hu[voxels].astype(float) - HU_LOW + 1
    moments = np.stack([np.bincount(label, masses * axis, count) for axis in voxels], 1)
    return moments / np.bincount(label, masses, count)[:, None]


def classify(batches, network, hu, centres, batch):
    starts = np.clip(np.rint(np.rint(centres) - CROP / 2).astype(int), 0, hu.shape - CROP)
    slices = torch.from_numpy(hu)
    probability = np.empty(len(centres), np.float32)

    def work(first, end):
        crops = torch.stack([slices[z:z + CROP[0], y:y + CROP[1], x:x + CROP[2]]
                             for z, y, x in starts[first:end]])
        probability[first:end] = network(crops.unsqueeze(1)).numpy()

    batches.run(len(centres), batch, work)
    return probability


def main():
    parser = argparse.ArgumentParser()
    for name in "scan", "segment", "classify", "output":
        parser.add_argument(name)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    # Of 1, 2, 4 and 8 on two Zen 4 cores the fastest, both ways (tuned, 1 to 4 are equal). Larger
    # batches are slower: what they produce is beyond what malloc keeps, and beyond the caches.
    parser.add_argument("--batch", type=int, default=1, help="slices at once")
    parser.add_argument("--crops", type=int, default=2, help="candidates at once")
    arguments = parser.parse_args()
    tuned = arguments.tuned
    batches = Batches(arguments.threads, tuned)

    marks = [("begin", clock())]
    scan = Scan(arguments.scan)
    marks.append(("read", clock()))
    unet = prepare(UNet(), arguments.segment, torch.zeros(1, 2 * NEIGHBOURS + 1, 64, 64), tuned)
    luna = prepare(LunaModel(), arguments.classify, torch.zeros(1, 1, *CROP), tuned)
    marks.append(("prepare", clock()))
    mask = segment(batches, unet, scan.hu, arguments.batch)
    marks.append(("segment", clock()))
    centres = group(mask, scan.hu, tuned)
    marks.append(("group", clock()))
    probability = classify(batches, luna, scan.hu, centres, arguments.crops)
    marks.append(("classify", clock()))

    order = np.argsort(-probability, kind="stable")
    with open(arguments.output, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seriesuid", "coordX", "coordY", "coordZ", "probability"])
        for (x, y, z), p in zip(scan.to_millimetres(centres)[order], probability[order]):
            rows.writerow([scan.seriesuid, f"{x:.6f}", f"{y:.6f}", f"{z:.6f}", f"{p:.7g}"])
    marks.append(("write", clock()))

    stages = [f"{name}_s={now - before:.2f}" for (_, before), (name, now) in zip(marks, marks[1:])]
    total = marks[-1][1] - marks[0][1]
    print(f"candidates={len(centres)}", *stages, f"total_s={total:.2f}", f"import_s={imported:.2f}")


if __name__ == "__main__":
    main()
