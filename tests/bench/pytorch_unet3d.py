#!/usr/bin/env python3
"""The segmenter in 3D in PyTorch, for comparison: random weights to a file that pulmo reads, and how long
one thread takes for a volume.

    pytorch_unet3d.py WEIGHTS.h5 [Z Y X]      then: bench_segment_blocks WEIGHTS.h5 [Z Y X]

Time is that of the process on a core, so others on the machine do not count; minimum of three.
"""
import sys, time
import h5py, torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm3d(outputs),
            nn.Conv3d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm3d(outputs))

    def forward(self, x):
        return self.block(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.up = nn.ConvTranspose3d(inputs, outputs, 2, stride=2)
        self.conv_block = Block(2 * outputs, outputs)

    def forward(self, x, skip):
        return self.conv_block(torch.cat([self.up(x), skip], 1))


class UNet(nn.Module):
    def __init__(self, widths=(8, 16, 32)):
        super().__init__()
        self.down_path = nn.ModuleList(Block(i, o) for i, o in zip((1,) + widths, widths))
        self.up_path = nn.ModuleList(Up(i, o) for i, o in zip(widths[::-1], widths[-2::-1]))
        self.last = nn.Conv3d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for i, down in enumerate(self.down_path):
            x = down(x if i == 0 else nn.functional.avg_pool3d(x, 2))
            skips.append(x)
        for up, skip in zip(self.up_path, skips[-2::-1]):
            x = up(x, skip)
        return self.last(x)


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_batchnorm = nn.BatchNorm3d(1)
        self.unet = UNet()

    def forward(self, x):
        return torch.sigmoid(self.unet(self.input_batchnorm(x)))


def main():
    size = [int(n) for n in sys.argv[2:5]] or [128, 128, 128]
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Segmenter().eval()
    with h5py.File(sys.argv[1], "w") as f:
        for name, tensor in net.state_dict().items():
            f[name] = tensor.numpy()
    volume = torch.rand(1, 1, *size) * 1200 - 1000
    least = float("inf")
    with torch.no_grad():
        for _ in range(3):
            begun = time.process_time()
            net(volume)
            least = min(least, time.process_time() - begun)
    voxels = size[0] * size[1] * size[2]
    print(f"PyTorch {torch.__version__}, one thread: {' x '.join(map(str, size))} in {least:.3f} s, "
          f"{voxels * 1e-6 / least:.3f} Mvoxel/s")


main()
