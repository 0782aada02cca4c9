#!/usr/bin/env python3
"""The jobs that faults.py disturbs, and what must hold of the files that they leave."""
import csv
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py

import results

PATIENCE = 150  # seconds for a run that nobody disturbs: many times what it takes on a busy machine
PULMO, SOURCE = os.environ["PULMO"], os.environ["PULMO_SOURCE"]


# --- commands ---

def tail(path, lines=25):
    with open(path, errors="replace") as f:
        return "".join(f.readlines()[-lines:])


def finish(command, log):
    """Runs a command that nobody disturbs to its end. Returns the exit code."""
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return "none"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


# --- jobs ---

class Job:
    """A job of pulmo run: its name, job file and settings; what nobody disturbed is its reference."""

    def __init__(self, name, work):
        weights = [f"segment.weights={work}/weights/segment.h5", f"classify.weights={work}/weights/classify.h5"]
        small = ["train.epochs=2", "train.epoch_samples=12", "train.batch=4", "train.validate_samples=6",
                 "checkpoint.seconds=0"]
        file, settings = {
            "detect": ("detect", weights + ['stages=["detect","score","report"]']),
            "train": ("train", small + ['train.stages=["segment","classify"]']),
            "study": ("train", small + ['stages=["train","detect","score"]', 'train.stages=["classify"]', "train.fold=1",
                                        "segment.method=threshold", "blob.max_candidates=6"]),
            "nightly": ("nightly", weights + ["nightly.settle_s=0", "nightly.canaries=0", "nightly.max_vanished=4"]),
            "crossval": ("crossval", small + ["crossval.folds=[0,1]", "train.epochs=1", 'train.stages=["classify"]',
                                              "segment.method=threshold", "blob.max_candidates=6"])}[name]
        self.name, self.work, self.file = name, work, f"{SOURCE}/jobs/{file}.cfg"
        self.settings = settings + [f"dataset.root={work}/tree", "compute.threads=1"]
        self.uses_cache = file in ("train", "crossval")
        self.place = f"{work}/reference/{name}"

    def command(self, place, ranks, settings=(), environment=()):
        settings = self.settings + list(settings) + [f"output={place}/run"]
        if self.uses_cache:
            settings.append(f"cache.dir={place}/cache")
        launcher = ["mpirun", "-n", str(ranks)] if ranks > 0 else []
        return (launcher + (["env", *environment] if environment else []) + [PULMO, "run", self.file]
                + [word for setting in settings for word in ("--set", setting)])

    def begin(self, place):
        """A folder for a run; a night goes on from the one before it."""
        os.makedirs(place)
        if self.name == "nightly":
            shutil.copytree(f"{self.work}/reference/first night/run", f"{place}/run", symlinks=True)

    def refer(self):
        """Runs it undisturbed: how long it takes and what it leaves."""
        if self.name == "nightly":
            self.first_night()
        self.begin(self.place)
        begun = time.monotonic()
        code = finish(self.command(self.place, 3), f"{self.place}/log")
        self.seconds = time.monotonic() - begun
        if code:
            sys.exit(f"{self.name}, undisturbed: exit code {code}\n" + tail(f"{self.place}/log"))
        self.left = {name: fingerprint(path) for name, path in files(f"{self.place}/run")}
        print(f"  {self.name}: {self.seconds:.2f} s on 3 ranks, {sum(map(is_result, self.left))} files of results", flush=True)

    def first_night(self):
        """Over a tree that lacks a scan and has another one's voxels where the second night finds new ones."""
        place, tree = f"{self.work}/reference/first night", f"{self.work}/tree"
        away = f"{self.work}/away"
        os.makedirs(place)
        os.makedirs(away)
        raws = sorted(glob.glob(f"{tree}/subset*/*.raw"))
        gone = [raws[0], raws[0][:-3] + "mhd"]
        for path in gone + raws[1:2]:
            os.rename(path, f"{away}/{os.path.basename(path)}")
        with open(f"{away}/{os.path.basename(raws[1])}", "rb") as f, open(raws[1], "wb") as g:
            data = f.read()
            g.write(data[len(data) // 2:] + data[:len(data) // 2])
        code = finish(self.command(place, 3), f"{place}/log")
        for path in gone + raws[1:2]:
            os.replace(f"{away}/{os.path.basename(path)}", path)
        if code:
            sys.exit(f"the first night: exit code {code}\n" + tail(f"{place}/log"))
        time.sleep(1)  # the name of a night's run is its second


# --- what a run leaves ---

def files(run):
    """(name, path) of all files; of a chain of nights the runs are called 0 (the first) and 1 (later ones)."""
    nights = sorted(os.listdir(f"{run}/runs")) if os.path.isdir(f"{run}/runs") else []
    for folder, _, names in os.walk(run):
        for name in names:
            path = os.path.join(folder, name)
            parts = os.path.relpath(path, run).split(os.sep)
            if nights and parts[0] == "next":
                parts[:1] = ["runs", "1"]
            elif nights and parts[0] == "runs":
                parts[1] = str(min(1, nights.index(parts[1])))
            yield "/".join(parts), path


RESULTS = ("run.h5", "candidates.csv", "submission.csv", "diagnosis.csv")


def is_result(name):
    """Whether its bytes may depend on nothing but the job."""
    return os.path.basename(name) in RESULTS or "models/" in name or "froc/" in name


def fingerprint(path):
    if os.path.basename(path) == "run.h5":  # it also says how long it took
        with h5py.File(path) as f:
            return hashlib.sha256(repr(sorted(results.content(f).items())).encode()).hexdigest()
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def read_all(path):
    with h5py.File(path) as f:
        f.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)
        for run in f.get("runs", {}):  # of a chain of nights: links to other files
            assert len(f[f"runs/{run}/results"])


def check_rows(path):
    with open(path) as f:
        text = f.read()
    assert text.endswith("\n") and len({len(row) for row in csv.reader(text.splitlines())}) == 1


def check_text(path, end):
    with open(path) as f:
        assert f.read().rstrip().endswith(end)


def check_prefix(path, whole):
    with open(path) as f, open(whole) as g:
        text = f.read()
        assert text.endswith("\n") and g.read().startswith(text)


def check_json(path):
    with open(path) as f:
        json.load(f)


def check_settings(path, whole):
    with open(path) as f, open(whole) as g:
        assert f.read().count("\n") == g.read().count("\n")


def check_file(job, name, path):
    """Raises what is wrong with a file under its final name."""
    reference = f"{job.place}/run/{name}"
    base = os.path.basename(name)
    if name.endswith(".part"):
        return
    if is_result(name):
        assert fingerprint(path) == job.left.get(name), "other bytes than of an undisturbed run"
    elif base == "metrics.csv":
        check_prefix(path, reference)
    elif name.endswith(".csv"):
        check_rows(path)
    elif name.endswith(".json"):
        check_json(path)
    elif name.endswith(".h5"):
        read_all(path)
    elif name.endswith(".html"):
        check_text(path, "</html>")
    elif base == "DONE":
        check_text(path, "0")
    elif base == "job.cfg" and os.path.exists(reference):
        check_settings(path, reference)
    else:
        assert base.startswith(("journal", ".lock", "owner.", ".clock-", "job.cfg")), "what is this?"


def complete(job, run, names):
    """Whoever says DONE has all results."""
    for name in names:
        folder = os.path.dirname(name)
        if os.path.basename(name) != "DONE" or (job.name == "nightly" and folder == ""):
            continue  # a night's own DONE may be that of the night before
        for wanted in job.left:
            if is_result(wanted) and wanted.startswith(folder and folder + "/"):
                assert wanted in names, f"{name} without {wanted}"
    if os.path.islink(f"{run}/latest"):
        assert os.path.exists(f"{run}/latest/DONE"), "latest leads to no whole run"


def check(job, place, finished):
    """Complaints about what lies in the folder of a run."""
    run, bad = f"{place}/run", []
    found = list(files(run))
    names = {name for name, _ in found}
    for name, path in found:
        try:
            check_file(job, name, path)
            assert not (finished and name.endswith((".part", ".damaged"))), "is still there"
        except (AssertionError, OSError, ValueError) as e:
            bad.append(f"{name}: {e or 'not whole'}")
    try:
        complete(job, run, names)
        if finished:
            missing = [n for n in job.left if is_result(n) and n not in names]
            assert not missing, f"without {missing}"
            assert os.path.exists(f"{run}/DONE"), "no DONE"
    except AssertionError as e:
        bad.append(str(e))
    if os.path.isdir(f"{place}/cache/scans"):
        verified = subprocess.run([PULMO, "cache", "verify", f"{place}/cache"], capture_output=True, text=True)
        if verified.returncode:
            bad.append("the cache: " + verified.stdout + verified.stderr)
    return bad
