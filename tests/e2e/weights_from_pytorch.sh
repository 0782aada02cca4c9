#!/bin/bash
# Weights of PyTorch work here: random U-Net and LunaModel weights, saved as the book saves them, go
# through conf/models/weights_from_pytorch.py, and our networks give PyTorch's output for them.
set -eu

python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch, h5py' 2>/dev/null || {
    echo "skipped: needs torch and h5py for $python (Debian: python3-torch, python3-h5py)"
    exit 77
}
program=$(dirname "$PULMO")/tests/test_nn_pytorch
convert=$PULMO_SOURCE/conf/models/weights_from_pytorch.py
folder=$(mktemp -d "${TMPDIR:-/tmp}/pulmo-weights-XXXXXX")
trap 'rm -rf "$folder"' EXIT

cat >"$folder/make.py" <<'PYTHON'
import datetime, sys, h5py, torch
from torch import nn

folder = sys.argv[1]
torch.manual_seed(1)
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(o),
            nn.Conv2d(o, o, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(o))

    def forward(self, x):
        return self.block(x)


class Up(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.up = nn.ConvTranspose2d(i, o, 2, stride=2)
        self.conv_block = Block(i, o)

    def forward(self, x, skip):
        return self.conv_block(torch.cat([self.up(x), skip], 1))


class Levels(nn.Module):
    def __init__(self):
        super().__init__()
        self.down_path = nn.ModuleList([Block(7, 16), Block(16, 32), Block(32, 64)])
        self.up_path = nn.ModuleList([Up(64, 32), Up(32, 16)])
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        skips = []
        for i, level in enumerate(self.down_path):
            x = level(x if i == 0 else nn.functional.avg_pool2d(x, 2))
            skips.append(x)
        for i, level in enumerate(self.up_path):
            x = level(x, skips[1 - i])
        return self.last(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_batchnorm = nn.BatchNorm2d(7)
        self.unet = Levels()

    def forward(self, x):
        return torch.sigmoid(self.unet(self.input_batchnorm(x)))


class LunaBlock(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv1 = nn.Conv3d(i, o, 3, padding=1)
        self.conv2 = nn.Conv3d(o, o, 3, padding=1)

    def forward(self, x):
        return nn.functional.max_pool3d(torch.relu(self.conv2(torch.relu(self.conv1(x)))), 2)


class Luna(nn.Module):
    def __init__(self):
        super().__init__()
        self.tail_batchnorm = nn.BatchNorm3d(1)
        self.block1, self.block2 = LunaBlock(1, 8), LunaBlock(8, 16)
        self.block3, self.block4 = LunaBlock(16, 32), LunaBlock(32, 64)
        self.head_linear = nn.Linear(1152, 2)

    def forward(self, x):
        x = self.tail_batchnorm(x)
        for block in (self.block1, self.block2, self.block3, self.block4):
            x = block(x)
        return torch.softmax(self.head_linear(x.flatten(1)), 1)


def make(name, network, size, wrap):
    for tensor_name, tensor in network.state_dict().items():
        if tensor_name.endswith("running_mean"):
            tensor.normal_(0, 0.2)
        if tensor_name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    network.train(False)
    image = torch.randn(1, *size)
    with torch.no_grad():
        output = network.double()(image.double())[0]
    torch.save(wrap(network.float().state_dict()), f"{folder}/{name}.state",
               _use_new_zipfile_serialization=name == "luna")
    with h5py.File(f"{folder}/{name}-case.h5", "w") as file:
        file["input"] = image[0].numpy()
        file["output"] = output.numpy()


def checkpoint(state):
    """As the book's training saves it, from a network inside DataParallel."""
    return {"sys_argv": ["--epochs", "20"], "time": datetime.datetime.now(), "epoch": 20, "totalTrainingSamples_count": 1,
            "model_name": "X", "model_state": {"module." + k: v for k, v in state.items()},
            "optimizer_name": "SGD", "optimizer_state": {"lr": 0.001}}


make("unet", UNet(), (7, 48, 68), checkpoint)
make("luna", Luna(), (1, 32, 48, 48), dict)
torch.save({"epoch": 3, "a": {}, "b": {}}, f"{folder}/none.state")


class Harm:
    def __reduce__(self):
        return open, (f"{folder}/harm", "w")


torch.save({"harm": Harm()}, f"{folder}/harm.state")
PYTHON

"$python" "$folder/make.py" "$folder"
printf '1.2.3\n1.2.4\n' >"$folder/seen.txt"
"$python" "$convert" "$folder/unet.state" "$folder/unet.h5" --network unet2d --seen "$folder/seen.txt"
"$python" "$convert" "$folder/luna.state" "$folder/luna.h5"
for name in unet luna; do
    env -u PULMO_TEST_DATA PULMO_NN_WEIGHTS="$folder/$name.h5" \
        PULMO_NN_CASE="$folder/$name-case.h5" "$program"
done

if "$python" "$convert" "$folder/none.state" "$folder/none.h5" 2>"$folder/errors"; then
    echo "a checkpoint without a state_dict was taken"
    exit 1
fi
if "$python" "$convert" "$folder/harm.state" "$folder/harm.h5" 2>/dev/null || [ -e "$folder/harm" ]; then
    echo "a pickle ran code"
    exit 1
fi
grep -q 'is no state_dict; it holds' "$folder/errors"
test ! -e "$folder/none.h5"
