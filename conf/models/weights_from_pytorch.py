#!/usr/bin/env python3
"""Turns a PyTorch state_dict (.state, .pt, .pth) into a weights file of pulmo (HDF5).

    weights_from_pytorch.py IN.state OUT.h5 [--network NAME] [--key KEY] [--seen FILE]

IN may be a state_dict itself or a checkpoint: a dict that holds one, as the book's published files
do under "model_state" (others say "state_dict", "model" or "model_state_dict"; --key names any
other). The prefix "module." that DataParallel puts before names is taken off. Every tensor becomes
a dataset at the root under its name, shape and number type unchanged; pulmo reads them as float32.

--network NAME  writes the root attribute "network": which file of conf/models this belongs to.
                Without it pulmo finds the one network that names and shapes fit.
--seen FILE     a text file with one seriesuid a line: the scans that the weights were trained or
                selected on, so that results on them can be told from results on unseen ones.

Needs torch and h5py; pulmo itself needs neither. A .state file is a pickle, which could run any
code: only tensors and plain containers are made from it here, all else becomes inert.
"""
import argparse
import os
import pickle
import sys
import types
import unittest.mock

import h5py
import numpy
import torch

CHECKPOINT_KEYS = ("model_state", "model_state_dict", "state_dict", "model")
PREFIX = "module."


def is_state_dict(thing):
    return isinstance(thing, dict) and thing and all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in thing.items())


def find_state_dict(thing, key, path):
    if key is not None:
        if not isinstance(thing, dict) or key not in thing:
            sys.exit(f"{path}: holds no \"{key}\"")
        thing = thing[key]
    elif not is_state_dict(thing) and isinstance(thing, dict):
        found = [k for k in CHECKPOINT_KEYS if is_state_dict(thing.get(k))]
        if len(found) != 1:
            sys.exit(f"{path}: is no state_dict; it holds {sorted(map(str, thing))}: "
                     "name the one to take with --key")
        thing = thing[found[0]]
    if not is_state_dict(thing):
        sys.exit(f"{path}: is no state_dict (a dict of tensors)")
    return thing


def without_prefix(state):
    if all(name.startswith(PREFIX) for name in state):
        return {name[len(PREFIX):]: tensor for name, tensor in state.items()}
    return dict(state)


class Inert:
    """Stands for an object of a class that weights do not need (a date, an optimizer)."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class Unpickler(pickle.Unpickler):
    ALLOWED = {("collections", "OrderedDict"), ("torch", "Size"),
               ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"),
               ("torch._utils", "_rebuild_parameter")}

    def find_class(self, module, name):
        storage = module in ("torch", "torch.storage") and name.isidentifier() \
            and name.endswith("Storage")
        if storage or (module, name) in self.ALLOWED:
            return super().find_class(module, name)
        return Inert


def load(path):
    pickles = types.ModuleType("pickles")
    vars(pickles).update(vars(pickle), Unpickler=Unpickler,
                         load=lambda file, **how: Unpickler(file, **how).load())
    try:
        # torch 1.13 forgets the pickle_module that it is given: put it in place there, too.
        with unittest.mock.patch.object(torch.serialization, "pickle", pickles):
            return torch.load(path, map_location="cpu", pickle_module=pickles,
                              weights_only=False)
    except Exception as error:
        sys.exit(f"{path}: {error or type(error).__name__}")


def as_array(name, tensor):
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    array = tensor.detach().cpu().contiguous().numpy()
    if array.dtype.kind not in "fiu":
        sys.exit(f"tensor {name} holds {array.dtype}, not numbers")
    if not numpy.isfinite(array).all():
        sys.exit(f"tensor {name} holds values that are not finite")
    return array


def write(path, state, network, seen):
    part = path + ".part"
    with h5py.File(part, "w", track_order=False) as file:
        for name in sorted(state):
            file.create_dataset(name, data=as_array(name, state[name]), track_times=False)
        if network is not None:
            file.attrs["network"] = network
        if seen is not None:
            file.create_dataset("seen_seriesuids", data=[s.encode() for s in seen] or None,
                                shape=(len(seen),), dtype=h5py.string_dtype(), track_times=False)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(
        description="Turn a PyTorch state_dict into a weights file of pulmo.")
    parser.add_argument("input", metavar="IN")
    parser.add_argument("output", metavar="OUT.h5")
    parser.add_argument("--network", help="root attribute: the network's name in conf/models")
    parser.add_argument("--key", help="where in a checkpoint the state_dict is")
    parser.add_argument("--seen", metavar="FILE", help="seriesuids that the weights have seen")
    args = parser.parse_args()

    state = without_prefix(find_state_dict(load(args.input), args.key, args.input))
    seen = None
    if args.seen:
        with open(args.seen, encoding="utf-8") as lines:
            seen = sorted({line.strip() for line in lines} - {""})
    write(args.output, state, args.network, seen)
    trainable = sum(t.numel() for n, t in state.items()
                    if n.rsplit(".", 1)[-1] in ("weight", "bias"))
    print(f"{args.output}: {len(state)} tensors, {trainable} parameters")


if __name__ == "__main__":
    main()
