#!/usr/bin/env python3
"""Makes what the end-to-end tests run on: weights and a small LUNA16 tree, the same bytes for a seed.

    make_dataset.py weights FOLDER            segment.h5, classify.h5 (the book's networks, random weights),
                                              segment3d.h5 (our segmenter in 3D)
    make_dataset.py tree FOLDER [--scans N] [--size Z Y X] [--seed S]
                                              subset0..3 of volumes with blobs, their lists
    make_dataset.py volume FILE.mhd [--size Z Y X] [--seed S] [--direction NINE] [--compress]

The segmenter's weights are random but for the last bias, which is set so that a few percent of the
voxels pass the threshold: enough for candidates, few enough to be quick. The results mean nothing; that
they are the same everywhere does.
"""
import argparse, csv, os, zlib
import h5py
import numpy as np


def layer(file, rng, name, *shape):
    """A convolution or linear layer: PyTorch's names, weights of unit gain."""
    fan_in = int(np.prod(shape[1:]))
    file[name + ".weight"] = rng.normal(0, (2 / fan_in) ** 0.5, shape).astype("f4")
    file[name + ".bias"] = rng.normal(0, 0.1, shape[0]).astype("f4")


def batch_norm(file, rng, name, channels, mean=0.0, var=1.0):
    file[name + ".weight"] = rng.uniform(0.8, 1.2, channels).astype("f4")
    file[name + ".bias"] = rng.normal(0, 0.1, channels).astype("f4")
    file[name + ".running_mean"] = np.full(channels, mean, "f4")
    file[name + ".running_var"] = np.full(channels, var, "f4")
    file[name + ".num_batches_tracked"] = np.int64(1)


def block(file, rng, name, inputs, outputs, dimensions):
    kernel = (3,) * dimensions
    layer(file, rng, name + ".block.0", outputs, inputs, *kernel)
    batch_norm(file, rng, name + ".block.2", outputs, 0.5)
    layer(file, rng, name + ".block.3", outputs, outputs, *kernel)
    batch_norm(file, rng, name + ".block.5", outputs, 0.5)


def make_segmenter(path, rng, inputs, widths, bias):
    """In 2D with several input slices; in 3D with one channel."""
    dimensions = 3 if inputs == 1 else 2
    with h5py.File(path, "w") as f:
        batch_norm(f, rng, "input_batchnorm", inputs, -700.0, 300.0 ** 2)
        for i, width in enumerate(widths):
            block(f, rng, f"unet.down_path.{i}", inputs if i == 0 else widths[i - 1], width, dimensions)
        for i, width in enumerate(widths[-2::-1]):
            kernel = (2,) * dimensions
            f[f"unet.up_path.{i}.up.weight"] = rng.normal(0, 0.2, (2 * width, width, *kernel)).astype("f4")
            f[f"unet.up_path.{i}.up.bias"] = np.zeros(width, "f4")
            block(f, rng, f"unet.up_path.{i}.conv_block", 2 * width, width, dimensions)
        layer(f, rng, "unet.last", 1, widths[0], *(1,) * dimensions)
        f["unet.last.weight"][...] = 0
        f["unet.last.weight"][0, :4] = 0.25
        f["unet.last.bias"][...] = bias


def make_classifier(path, rng):
    with h5py.File(path, "w") as f:
        batch_norm(f, rng, "tail_batchnorm", 1, -600.0, 400.0 ** 2)
        inputs = 1
        for i, width in enumerate([8, 16, 32, 64]):
            layer(f, rng, f"block{i + 1}.conv1", width, inputs, 3, 3, 3)
            layer(f, rng, f"block{i + 1}.conv2", width, width, 3, 3, 3)
            inputs = width
        layer(f, rng, "head_linear", 2, 1152)


def blobs(rng, size):
    """HU: noise of -850, some balls of soft tissue, a field of view padded with -3024."""
    z, y, x = np.indices(size)
    hu = rng.normal(-850, 40, size)
    centres = []
    for _ in range(6):
        c = [rng.integers(2, n - 2) for n in size]
        radius = rng.uniform(2, 5)
        hu[((z - c[0]) * 2) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2 < radius ** 2] = rng.uniform(-100, 80)
        centres.append((c, 2 * radius))
    hu[(y - size[1] / 2) ** 2 + (x - size[2] / 2) ** 2 > (0.55 * size[2]) ** 2] = -3024
    return np.round(hu).astype("<i2"), centres


def write_volume(path, hu, spacing, origin, direction, compress):
    """direction: nine numbers as MetaImage lists them, column after column of D."""
    stem = path[:-4]
    data = hu.tobytes()
    if compress:
        data = zlib.compress(data, 6)
    name = os.path.basename(stem) + (".zraw" if compress else ".raw")
    with open(os.path.join(os.path.dirname(path), name), "wb") as f:
        f.write(data)
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False",
             f"CompressedData = {compress}"]
    if compress:
        lines.append(f"CompressedDataSize = {len(data)}")
    numbers = lambda values: " ".join(f"{v:.17g}" for v in values)
    lines += [f"TransformMatrix = {numbers(direction)}", f"Offset = {numbers(origin)}",
              f"ElementSpacing = {numbers(spacing)}", f"DimSize = {hu.shape[2]} {hu.shape[1]} {hu.shape[0]}",
              "ElementType = MET_SHORT", f"ElementDataFile = {name}"]
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def make_tree(folder, scans, size, seed):
    for subset in range(4):
        os.makedirs(f"{folder}/subset{subset}", exist_ok=True)
    annotations, candidates, uids = [], [], []
    for i in range(scans):
        rng = np.random.default_rng([seed, i])
        uid = f"1.3.6.1.4.1.{1000 + i * 7919 % 997}.{i}"
        shape = tuple(int(n) for n in (size[0] + i % 5, size[1] + i % 3, size[2] - i % 4))
        spacing = (0.6 + 0.01 * (i % 9), 0.6 + 0.01 * (i % 9), (1.25, 2.5, 2.0)[i % 3])
        origin = (-100.0 + i, -50.5, 12.25 * i)
        direction = (-1, 0, 0, 0, -1, 0, 0, 0, 1) if i % 4 == 1 else IDENTITY
        hu, centres = blobs(rng, shape)
        write_volume(f"{folder}/subset{i % 3}/{uid}.mhd", hu, spacing, origin, direction, i % 3 == 2)
        uids.append(uid)
        for k, (c, diameter) in enumerate(centres):
            xyz = [direction[4 * a] * c[2 - a] * spacing[a] + origin[a] for a in range(3)]
            row = [uid] + [f"{v:.6f}" for v in xyz]
            candidates.append(row + [int(k < 2)])
            if k < 2:
                annotations.append(row + [f"{diameter * spacing[0]:.4f}"])
    for name, header, rows in (("annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm", annotations),
                               ("candidates.csv", "seriesuid,coordX,coordY,coordZ,class", candidates),
                               ("seriesuids.csv", None, [[u] for u in uids])):
        with open(f"{folder}/{name}", "w", newline="") as f:
            if header:
                f.write(header + "\n")
            csv.writer(f, lineterminator="\n").writerows(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("weights", "tree", "volume"))
    parser.add_argument("path")
    parser.add_argument("--scans", type=int, default=8)
    parser.add_argument("--size", type=int, nargs=3, default=(20, 72, 80))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--direction", type=float, nargs=9, default=IDENTITY)
    parser.add_argument("--compress", action="store_true")
    a = parser.parse_args()
    if a.what == "weights":
        os.makedirs(a.path, exist_ok=True)
        make_segmenter(f"{a.path}/segment.h5", np.random.default_rng(11), 7, (16, 32, 64), 0.1)
        make_segmenter(f"{a.path}/segment3d.h5", np.random.default_rng(13), 1, (8, 16, 32), 0.1)
        make_classifier(f"{a.path}/classify.h5", np.random.default_rng(12))
    elif a.what == "tree":
        make_tree(a.path, a.scans, a.size, a.seed)
    else:
        hu, _ = blobs(np.random.default_rng(a.seed), tuple(a.size))
        write_volume(a.path, hu, (0.7, 0.7, 1.25), (10.0, -20.0, 30.5), a.direction, a.compress)


if __name__ == "__main__":
    main()
