"""Training steps and inferences: pulmo's bench_steps against PyTorch, in turn, on the same random data.

pytorch_steps.py BENCH_STEPS CASE THREADS REPEATS CLOCK

CASE: one of `cases` below. THREADS: a number, or scale: pulmo alone, with one thread and with two in turn,
waiting as jobs do. CLOCK: wall, or core (processor time divided by the threads: for a machine that others use
too). Prints one line, medians over the repeats and the ratio. The network is built from its description in
conf/models. Fails when losses or outputs of the two differ.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy
import torch
from torch import nn
from torch.nn import functional as F

# case: what, network, batch, size, loss
cases = {
    "luna": ("train", "luna", 32, (32, 48, 48), "cross-entropy"),
    "unet2d": ("train", "unet2d", 16, (1, 64, 64), "dice"),
    "unet3d": ("train", "unet3d", 2, (64, 64, 64), "dice"),
    "infer-luna": ("infer", "luna", 16, (32, 48, 48), "-"),
    "infer-unet2d": ("infer", "unet2d", 4, (1, 512, 512), "-"),
    "infer-unet3d": ("infer", "unet3d", 2, (128, 128, 128), "-"),
}


class Net(nn.Module):
    """A network of conf/models: layers by type, each with the value it reads."""

    def __init__(self, path):
        super().__init__()
        text = re.sub(r"#.*", "", open(path).read())
        top = lambda key: int(re.search(key + r"\s*=\s*(\d+)", text).group(1))
        self.flat, channels = top("dimensions") == 2, top("input_channels")
        crop = re.search(r"crop\s*=\s*\[([\d, ]+)\]", text)
        self.channels_in = channels
        widths, self.steps, self.parts = {0: channels}, [], nn.ModuleDict()
        names = {}
        for index, body in enumerate(re.findall(r"\{([^{}]*)\}", text.split("layers", 1)[1]), 1):
            get = lambda key, default=None: (re.search(r"\b" + key + r"\s*=\s*([^;]+);", body) or [0, default])[1]
            kind, name = get("type").strip('" '), (get("name", "") or "").strip('" ')
            source = [index - 1]
            if get("input"):
                source = [names[get("input").strip('" ')]]
            if get("inputs"):
                source = [names[n] for n in re.findall(r'"([^"]+)"', get("inputs"))]
            width = sum(widths[s] for s in source)
            number = lambda key, default: int(get(key, default))
            kernel, stride, pad = number("kernel", 1), number("stride", 1), number("pad", 0)
            make = lambda a, b: a if self.flat else b
            if kind == "conv":
                layer = make(nn.Conv2d, nn.Conv3d)(width, number("channels", 0), kernel, stride, pad)
            elif kind == "conv_transpose":
                layer = make(nn.ConvTranspose2d, nn.ConvTranspose3d)(width, number("channels", 0), kernel, stride, pad)
            elif kind == "batch_norm":
                layer = make(nn.BatchNorm2d, nn.BatchNorm3d)(width)
            elif kind == "max_pool":
                layer = make(nn.MaxPool2d, nn.MaxPool3d)(kernel)
            elif kind == "avg_pool":
                layer = make(nn.AvgPool2d, nn.AvgPool3d)(kernel)
            elif kind == "linear":
                layer = nn.Linear(width, number("channels", 0))
            else:
                layer = {"relu": nn.ReLU(inplace=True), "softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), "flatten": nn.Flatten(),
                         "concat": None}[kind]
            if kind == "flatten":
                voxels = numpy.prod([int(n) for n in crop.group(1).split(",")]) // top("divisor") ** 3
                width *= int(voxels)
            widths[index] = number("channels", width) if get("channels") else width
            if layer is not None:
                self.parts[str(index)] = layer
            self.steps.append((index, kind, source))
            names[name] = index
            # A name stands for what its layer gives after all; the layer's own reads are by number.
            self.named = getattr(self, "named", {})
            if name:
                self.named[str(index)] = name

    def forward(self, x, logits=False):
        values = {0: x}
        for index, kind, source in self.steps:
            if logits and index == self.steps[-1][0] and kind in ("softmax", "sigmoid"):
                return values[index - 1]
            given = [values[s] for s in source]
            values[index] = torch.cat(given, 1) if kind == "concat" else self.parts[str(index)](given[0])
        return values[self.steps[-1][0]]

    def weights(self):
        for index, name in self.named.items():
            for key, value in self.parts[index].state_dict().items() if index in self.parts else ():
                yield f"{name}.{key}", value


def dice(p, t):
    axes = tuple(range(1, p.dim()))
    part = lambda a, b: 1 - (2 * (a * b).sum(axes) + 1) / (a.sum(axes) + b.sum(axes) + 1)
    return part(p, t).mean() + 8 * part(p * t, t).mean()


def seconds(clock, threads):
    return time.perf_counter() if clock == "wall" else time.process_time() / threads


class Pulmo:
    """bench_steps at work on weights and data in a folder: calling it makes a step."""

    def __init__(self, bench, case, folder, threads, environment=os.environ):
        what, name, batch, size, loss = cases[case]
        path = f"{os.environ['PULMO_SOURCE']}/conf/models/{name}.cfg"
        self.process = subprocess.Popen(
            [bench, what, path, f"{folder}/weights.h5", f"{folder}/data", str(threads), str(batch), *map(str, size), loss],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def __call__(self):
        """Milliseconds by the wall and on a core, and the loss or the mean output."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return map(float, self.process.stdout.readline().split())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def scale(bench, case, folder, repeats):
    """Steps with one thread and with two, a few at a time: threads that wait for the next one busily have gone to
    sleep when the others begin."""
    what, name, batch, size, _ = cases[case]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    programs = [Pulmo(bench, case, folder, threads, environment) for threads in (1, 2)]
    found = [[], []]
    for _ in range(repeats + 1):
        for program, times in zip(programs, found):
            time.sleep(0.1)
            times.append(statistics.median(next(program()) for _ in range(3)))
    for program in programs:
        program.close()
    one, two = (statistics.median(times[1:]) for times in found)
    print(f"{'train_scale' if what == 'train' else 'infer_scale'} one_thread_ms={one:.2f} two_threads_ms={two:.2f} "
          f"ratio={one / two:.2f} network={name} batch={batch} size={'x'.join(map(str, size))}", flush=True)


def main():
    bench, case, repeats, clock = sys.argv[1], sys.argv[2], int(sys.argv[4]), sys.argv[5]
    threads = 1 if sys.argv[3] == "scale" else int(sys.argv[3])
    what, name, batch, size, loss = cases[case]
    source = os.environ["PULMO_SOURCE"]
    path = f"{source}/conf/models/{name}.cfg"
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    net = Net(path)
    shape = (batch, net.channels_in) + (size[1:] if net.flat else size)
    x = torch.randn(shape)
    known = torch.arange(batch) % 2 if loss == "cross-entropy" else (torch.rand((batch, 1) + shape[2:]) > 0.9).float()
    with tempfile.TemporaryDirectory() as folder:
        with h5py.File(f"{folder}/weights.h5", "w") as f:
            for key, value in net.weights():
                f[key] = value.numpy()
        with open(f"{folder}/data", "wb") as f:
            f.write(x.numpy().tobytes())
            f.write(known.float().numpy().tobytes())
        if sys.argv[3] == "scale":
            scale(bench, case, folder, repeats)
            return
        ours = Pulmo(bench, case, folder, threads)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
        net.train(what == "train")

        def pulmo():
            wall, core, number = ours()
            return wall if clock == "wall" else core, number

        def pytorch():
            begun = seconds(clock, threads)
            if what == "train":
                optimizer.zero_grad()
                value = F.cross_entropy(net(x, True), known) if loss == "cross-entropy" else dice(net(x), known)
                value.backward()
                optimizer.step()
            else:
                with torch.inference_mode():
                    value = net(x).double().mean()
            return 1e3 * (seconds(clock, threads) - begun), value.item()

        found = [(pulmo(), pytorch()) for _ in range(repeats + 1)]
        ours.close()
    # The first of each is for caches and plans; its numbers are those of the same weights.
    for (_, a), (_, b) in found[:2]:
        if abs(a - b) > 1e-4 * abs(b):
            sys.exit(f"{case}: pulmo's {a} is not PyTorch's {b}")
    mine, theirs = (statistics.median(f[i][0] for f in found[1:]) for i in (0, 1))
    label = "train_step" if what == "train" else "infer"
    extra = "" if clock == "wall" else f" clock={clock}"
    print(f"{label} threads={threads} pulmo_ms={mine:.2f} pytorch_ms={theirs:.2f} ratio={theirs / mine:.2f} "
          f"network={name} batch={batch} size={'x'.join(map(str, size))}{extra}", flush=True)


main()
