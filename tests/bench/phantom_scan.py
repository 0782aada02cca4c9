"""Measures of a CT scan that need nothing but its voxels: for phantoms and real scans alike.

Scan reads MetaImage; lungs() and noise() describe the imaging, region() measures what stands at a place
the way a simple detector would.
"""
import os
import zlib

import numpy as np
from scipy import ndimage

TYPES = {"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2",
         "MET_INT": "i4", "MET_FLOAT": "f4"}
PADDING_HU = -2000


class Scan:
    """Voxels in HU indexed (z, y, x), and their place in millimetres (x, y, z)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            field = {}
            while "ElementDataFile" not in field:
                key, value = file.readline().decode().split("=", 1)
                field[key.strip()] = value.strip()
            if field["ElementDataFile"] != "LOCAL":
                file = open(os.path.join(os.path.dirname(path), field["ElementDataFile"]), "rb")
            with file:
                voxels = file.read()
        if field.get("CompressedData", "False") == "True":
            voxels = zlib.decompress(voxels)
        shape = [int(n) for n in field["DimSize"].split()][::-1]
        order = ">" if field.get("BinaryDataByteOrderMSB", "False") == "True" else "<"
        self.hu = np.frombuffer(voxels, order + TYPES[field["ElementType"]]).reshape(shape)
        self.seriesuid = os.path.splitext(os.path.basename(path))[0]
        self.spacing = np.array(field["ElementSpacing"].split(), float)  # x, y, z
        self.origin = np.array(field["Offset"].split(), float)
        self.direction = np.array(field["TransformMatrix"].split(), float).reshape(3, 3).T

    def to_index(self, xyz):
        """Index (z, y, x), not rounded."""
        return (np.linalg.solve(self.direction, np.asarray(xyz) - self.origin) / self.spacing)[::-1]

    def box(self, xyz, radius_mm):
        """Slices of the box of this half side around a place, cut at the border; and for each voxel of it
        the distance from the place, mm. None when the place lies outside."""
        centre, spacing = self.to_index(xyz), self.spacing[::-1]
        low = np.maximum(np.ceil(centre - radius_mm / spacing), 0).astype(int)
        high = np.minimum(np.floor(centre + radius_mm / spacing) + 1, self.hu.shape).astype(int)
        if (high <= low).any() or (np.rint(centre) < 0).any() or (np.rint(centre) >= self.hu.shape).any():
            return None
        axes = [((np.arange(a, b) - c) * s) ** 2 for a, b, c, s in zip(low, high, centre, spacing)]
        distance = np.sqrt(axes[0][:, None, None] + axes[1][:, None] + axes[2])
        return tuple(map(slice, low, high)), distance


# --- lungs ---

def lungs(scan):
    """HU of lung, 3 mm and more from its surface: mean, standard deviation, 5th and 95th percentile; litres.
    Lung: air (below -500 HU) in pieces of at least 0.3 l that do not touch the sides of the grid. Of the
    voxels one about each 2 mm is looked at."""
    every = np.maximum(np.rint(2 / scan.spacing[::-1]), 1).astype(int)
    coarse = scan.hu[::every[0], ::every[1], ::every[2]].astype(np.float32)
    spacing = scan.spacing[::-1] * every
    air = (coarse < -500)
    air[:, 0] = air[:, -1] = air[:, :, 0] = air[:, :, -1] = True  # joins what lies around the body
    label, _ = ndimage.label(air)
    litres = np.bincount(label.ravel()) * spacing.prod() / 1e6
    keep = litres >= 0.3
    keep[0] = keep[label[0, 0, 0]] = False
    lung = keep[label]
    inside = ndimage.distance_transform_edt(lung, sampling=spacing) > 3
    hu = coarse[inside]
    if not len(hu):
        return None
    return {"mean": hu.mean(), "sd": hu.std(), "p5": np.percentile(hu, 5), "p95": np.percentile(hu, 95),
            "litres": litres[keep].sum()}


# --- noise ---

ROI = 32


def even_squares(scan, every_mm=10, wanted=400):
    """Squares of ROI x ROI pixels of even soft tissue: smoothed by 1.5 mm all of it lies from -20 to 200 HU
    and within 70 HU."""
    squares = []
    for z in range(0, len(scan.hu), max(1, round(every_mm / scan.spacing[2]))):
        plane = scan.hu[z].astype(np.float32)
        smooth = ndimage.gaussian_filter(plane, 1.5 / scan.spacing[0])
        low = ndimage.minimum_filter(smooth, ROI)[ROI // 2::ROI // 2, ROI // 2::ROI // 2]
        high = ndimage.maximum_filter(smooth, ROI)[ROI // 2::ROI // 2, ROI // 2::ROI // 2]
        for row, column in np.argwhere((low > -20) & (high < 200) & (high - low < 70)):
            square = plane[row * ROI // 2:, column * ROI // 2:][:ROI, :ROI]
            if square.shape == (ROI, ROI):
                squares.append(square)
    step = max(1, len(squares) // wanted)
    return squares[::step]


def noise(scan):
    """Of even soft tissue: standard deviation; radial power spectrum (frequency in 1/mm, power as a share
    of the whole); where its peak is; the slope of log power over log frequency below the peak; the mean
    frequency. Each square is freed of a plane of second order first."""
    squares = even_squares(scan)
    if len(squares) < 8:
        return None
    y, x = np.mgrid[-1:1:ROI * 1j, -1:1:ROI * 1j]
    base = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).reshape(6, -1).T
    base, _ = np.linalg.qr(base)
    flat = np.stack(squares).reshape(len(squares), -1).astype(float)
    flat -= (flat @ base) @ base.T
    power = (abs(np.fft.fft2(flat.reshape(-1, ROI, ROI))) ** 2).mean(0)
    f = np.fft.fftfreq(ROI, scan.spacing[0])
    radius = np.hypot(f[:, None], f)
    step = 1 / (ROI * scan.spacing[0])
    bins = np.rint(radius / step).astype(int)
    count = np.bincount(bins.ravel())[:ROI // 2]
    radial = np.bincount(bins.ravel(), power.ravel())[:ROI // 2] / count
    frequency = np.arange(ROI // 2) * step
    smooth = ndimage.uniform_filter1d(radial, 3)
    peak = 1 + int(smooth[1:].argmax())
    rising = slice(2, max(peak, 4))  # the lowest two bins are what was taken off
    slope = np.polyfit(np.log(frequency[rising]), np.log(radial[rising]), 1)[0]
    return {"sd": np.sqrt(flat.var(1).mean()), "squares": len(squares), "peak": frequency[peak],
            "slope": slope, "mean_frequency": (frequency * radial * count).sum() / (radial * count).sum(),
            "frequency": frequency, "power": radial / radial.sum()}


# --- what stands at a place ---

REACH_MM, SMOOTH_MM = 15, 0.7


def region(scan, xyz):
    """The region that grows from a place: smoothed by 0.7 mm, above the middle between the brightest voxel
    within 2 mm and the lung around (20th percentile within 15 mm), connected, within 15 mm. Its diameter
    (of the ball with its volume), mean HU, and sphericity (shortest by longest axis of inertia). None
    where the place is no brighter than what surrounds it."""
    found = scan.box(xyz, REACH_MM)
    if found is None:
        return None
    place, distance = found
    raw = scan.hu[place].astype(np.float32)
    hu = ndimage.gaussian_filter(raw, SMOOTH_MM / scan.spacing[::-1])
    near = np.where(distance <= np.maximum(2, distance.min()), hu, -np.inf)
    start = np.unravel_index(near.argmax(), hu.shape)
    dark = np.percentile(hu[distance <= REACH_MM], 20)
    above = (hu > (hu[start] + dark) / 2) & (distance <= REACH_MM)
    if hu[start] - dark < 50 or not above[start]:
        return None
    label, _ = ndimage.label(above)
    grown = label == label[start]
    points = np.argwhere(grown) * scan.spacing[::-1]
    volume = len(points) * scan.spacing.prod()
    # A voxel has an extent of its own, which keeps small regions from being flat.
    inertia = np.cov(points.T) if len(points) > 1 else np.zeros((3, 3))
    axes = np.linalg.eigvalsh(inertia + np.diag(scan.spacing[::-1] ** 2 / 12))
    return {"diameter": (6 * volume / np.pi) ** (1 / 3), "mean_hu": raw[grown].mean(),
            "sphericity": np.sqrt(axes[0] / axes[2])}
