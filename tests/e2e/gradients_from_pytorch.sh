#!/bin/bash
# The gradients of any network are PyTorch's: a 3D network with what the book's have not (strides,
# overlapping pools, a value that many layers read, norms before and after ReLU), a small
# classifier, and one of convolutions that are pooled at once, each loss, against float64.
set -eu

python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch, h5py' 2>/dev/null || {
    echo "skipped: needs torch and h5py for $python (Debian: python3-torch, python3-h5py)"
    exit 77
}
program=$(dirname "$PULMO")/tests/test_nn_training
folder=$(mktemp -d "${TMPDIR:-/tmp}/pulmo-gradients-XXXXXX")
trap 'rm -rf "$folder"' EXIT

cat >"$folder/odd.cfg" <<'CFG'
name = "odd"; dimensions = 3; input_channels = 2; divisor = 2;
layers = (
    { type = "conv"; name = "a"; channels = 5; kernel = 3; pad = 1; },
    { type = "relu"; },
    { type = "batch_norm"; name = "an"; },
    { type = "conv"; name = "b"; channels = 6; kernel = 3; stride = 2; pad = 1; },
    { type = "batch_norm"; name = "bn"; },
    { type = "relu"; name = "br"; },
    { type = "max_pool"; name = "m"; kernel = 3; stride = 1; pad = 1; },
    { type = "conv_transpose"; name = "u"; channels = 3; kernel = 3; stride = 2; pad = 1;
      output_pad = 1; input = "m"; },
    { type = "relu"; name = "ur"; },
    { type = "conv_transpose"; name = "v"; channels = 2; kernel = 2; stride = 2; bias = 0;
      input = "br"; },
    { type = "sigmoid"; name = "vs"; },
    { type = "concat"; inputs = ["ur", "an", "vs", "ur"]; },
    { type = "avg_pool"; kernel = 3; stride = 1; pad = 1; },
    { type = "softmax"; },
    { type = "conv"; name = "c"; channels = 4; kernel = [1, 3, 2]; pad = [0, 1, 0]; },
    { type = "batch_norm"; name = "cn"; },
    { type = "conv"; name = "last"; channels = 2; kernel = 1; },
    { type = "sigmoid"; }
);
CFG
cat >"$folder/small.cfg" <<'CFG'
name = "small"; dimensions = 2; input_channels = 2; crop = [8, 6]; divisor = 2;
layers = (
    { type = "batch_norm"; name = "n"; },
    { type = "conv"; name = "a"; channels = 6; kernel = 3; pad = 1; },
    { type = "batch_norm"; name = "an"; },
    { type = "relu"; },
    { type = "max_pool"; kernel = 2; },
    { type = "flatten"; },
    { type = "linear"; name = "l"; channels = 7; },
    { type = "relu"; },
    { type = "linear"; name = "m"; channels = 3; bias = 0; },
    { type = "softmax"; }
);
CFG
cat >"$folder/pooled.cfg" <<'CFG'
name = "pooled"; dimensions = 3; input_channels = 2; crop = [8, 12, 18]; divisor = 2;
layers = (
    { type = "batch_norm"; name = "n"; },
    { type = "conv"; name = "a"; channels = 8; kernel = 3; pad = 1; },
    { type = "relu"; },
    { type = "max_pool"; kernel = 2; },
    { type = "conv"; name = "b"; channels = 16; kernel = 3; pad = 1; },
    { type = "max_pool"; kernel = [1, 2, 3]; },
    { type = "conv"; name = "c"; channels = 5; kernel = [1, 2, 3]; stride = [2, 1, 1]; pad = [0, 1, 1]; },
    { type = "relu"; },
    { type = "max_pool"; kernel = [2, 2, 1]; },
    { type = "flatten"; },
    { type = "linear"; name = "l"; channels = 3; },
    { type = "softmax"; }
);
CFG
cat >"$folder/make.py" <<'PYTHON'
import sys, h5py, torch
from torch import nn
from torch.nn import functional as F

folder = sys.argv[1]
torch.manual_seed(1)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.an = nn.Conv3d(2, 5, 3, padding=1), nn.BatchNorm3d(5)
        self.b, self.bn = nn.Conv3d(5, 6, 3, stride=2, padding=1), nn.BatchNorm3d(6)
        self.u = nn.ConvTranspose3d(6, 3, 3, stride=2, padding=1, output_padding=1)
        self.v = nn.ConvTranspose3d(6, 2, 2, stride=2, bias=False)
        self.c, self.cn = nn.Conv3d(13, 4, (1, 3, 2), padding=(0, 1, 0)), nn.BatchNorm3d(4)
        self.last = nn.Conv3d(4, 2, 1)

    def forward(self, x):
        an = self.an(torch.relu(self.a(x)))
        br = torch.relu(self.bn(self.b(an)))
        ur = torch.relu(self.u(F.max_pool3d(br, 3, 1, 1)))
        vs = torch.sigmoid(self.v(br))
        x = F.avg_pool3d(torch.cat([ur, an, vs, ur], 1), 3, 1, 1)
        return self.last(self.cn(self.c(torch.softmax(x, 1))))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.n, self.a, self.an = nn.BatchNorm2d(2), nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.l, self.m = nn.Linear(72, 7), nn.Linear(7, 3, bias=False)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.an(self.a(self.n(x)))), 2)
        return self.m(torch.relu(self.l(x.flatten(1))))


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.n, self.a, self.b = nn.BatchNorm3d(2), nn.Conv3d(2, 8, 3, padding=1), nn.Conv3d(8, 16, 3, padding=1)
        self.c = nn.Conv3d(16, 5, (1, 2, 3), stride=(2, 1, 1), padding=(0, 1, 1))
        self.l = nn.Linear(30, 3)
        self.n.weight.data, self.n.bias.data = torch.tensor([0.8, -1.3]), torch.tensor([0.2, -0.4])

    def forward(self, x):
        x = F.max_pool3d(torch.relu(self.a(self.n(x))), 2)
        x = F.max_pool3d(self.b(x), (1, 2, 3))
        return self.l(F.max_pool3d(torch.relu(self.c(x)), (2, 2, 1)).flatten(1))


def dice(p, t):
    d = lambda a, b: 1 - (2 * (a * b).sum((1, 2, 3, 4)) + 1) / (a.sum((1, 2, 3, 4)) + b.sum((1, 2, 3, 4)) + 1)
    return d(p, t).mean() + 8 * d(p * t, t).mean()


def focal_map(x, t):
    p = torch.sigmoid(x)
    return (-0.25 * t * (1 - p) ** 2 * F.logsigmoid(x) - 0.75 * (1 - t) * p ** 2 * F.logsigmoid(-x)).mean()


def focal_class(x, labels):
    log_p = F.log_softmax(x, 1).gather(1, labels[:, None])[:, 0]
    a = torch.where(labels == 1, 0.25, 0.75)
    return (-a * (1 - log_p.exp()) ** 2 * log_p).mean()


maps = {"dice": lambda x, t: dice(torch.sigmoid(x), t),
        "bce": F.binary_cross_entropy_with_logits, "focal": focal_map}
classes = {"cross-entropy": F.cross_entropy, "focal": focal_class}


def write(network, name, module, x, target, loss):
    for p in module.parameters():
        p.data = p.data.float().double()
    with h5py.File(f"{folder}/{network}.{name}.h5", "w") as f:
        for key, value in module.state_dict().items():
            f["weights/" + key] = value.numpy()
        f["input"], f["target"] = x.numpy(), target.numpy()
        value = loss(module(x), target)
        value.backward()
        f["loss"] = value.item()
        for key, p in module.named_parameters():
            f["gradient/" + key] = p.grad.numpy()
        for key, value in module.state_dict().items():
            f["after/" + key] = value.numpy()


for name, loss in maps.items():
    x = torch.randn(3, 2, 4, 6, 8).float().double()
    write("odd", name, Odd(), x, (torch.rand(3, 2, 4, 6, 7) > 0.7).double(), loss)
for name, loss in classes.items():
    x = torch.randn(3, 2, 8, 12, 18).float().double()
    write("pooled", name, Pooled(), x, torch.tensor([2, 0, 1]), loss)
    write("small", name, Small(), torch.randn(3, 2, 8, 6).float().double(), torch.tensor([2, 0, 1]), loss)
PYTHON

"$python" "$folder/make.py" "$folder"
PULMO_NN_GRADIENTS=$folder "$program"
