#!/usr/bin/env python3
"""Faults at random moments of running jobs, and what must hold after each: tests/e2e/faults.sh.

    faults.py WORK COUNT SEED JOB...     WORK holds tree, weights and, where one is mounted, disk;
                                         a JOB that is named twice comes twice as often

Each fault has a seed of its own, SEED + its number, from which job, ranks, fault and moment follow; the kinds
of faults come round in turn. A run that was disturbed ends in time and leaves no process; whatever has its final
name is whole; the same command on another number of ranks then ends with 0 and the bytes of a run that nobody
disturbed."""
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

from fault_jobs import Job, check, finish, tail

DEADLINE, GRACE = 2.0, 10.0  # of a disturbed run, in seconds: the deadline of all its waits, and beyond it
TRIES = 8  # the last at less than a hundredth of the first one's moment
KINDS = ("kill a rank", "stop a rank", "stop for a while", "full disk", "file size limit", "hung read", "slow read",
         "kill mpirun")
SHIM = os.environ["PULMO_SHIM"]
DISK_BYTES = 256 << 20


# --- processes ---

def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def processes_of(place):
    """Of the run in a folder, mpirun not among them: {pid: rank, or -1 before it is known}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = read(f"/proc/{pid}/cmdline").split("\0")
        if f"output={place}/run" not in words or words[0].endswith("mpirun"):
            continue
        if read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] in ([], ["Z"]):
            continue
        rank = [w[21:] for w in read(f"/proc/{pid}/environ").split("\0") if w.startswith("OMPI_COMM_WORLD_RANK=")]
        found[int(pid)] = int(rank[0]) if rank else -1
    return found


def where(pids):
    """What processes that should be gone are doing, as far as a debugger can tell."""
    text = ""
    for pid in pids:
        text += f"process {pid}: {read(f'/proc/{pid}/stat').rpartition(')')[2].split()[:1]}\n"
        if shutil.which("gdb"):
            text += subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 12"], capture_output=True,
                                   text=True).stdout
    return text


# --- a fault ---

class Fault:
    """What happens to a run, from a seed."""

    def __init__(self, seed, jobs, has_disk):
        r = random.Random(seed)
        self.seed, self.kind = seed, KINDS[seed % len(KINDS)]
        if self.kind == "full disk" and not has_disk:
            self.kind = "file size limit"
        self.job = r.choice(jobs)
        self.ranks = r.randint(2, 4)
        self.resumed = r.choice([n for n in range(5) if n not in (1, self.ranks)])
        self.moment = r.random() * self.job.seconds
        self.victim = r.randrange(self.ranks)
        self.seconds = r.uniform(0.3, 2.5 * DEADLINE)
        if self.kind == "hung read" and r.random() < 0.5:
            self.seconds = None  # for good
        self.read = r.choice(["tree", "tree", "run", "cache/scans" if self.job.uses_cache else "weights"])
        self.room = r.randrange(64 << 10)

    def describe(self):
        text = f"{self.job.name} on {self.ranks} ranks, {self.kind}"
        if self.kind in ("kill a rank", "stop a rank", "stop for a while", "file size limit"):
            text += f" {self.victim}"
        if self.kind in ("hung read", "slow read"):
            text += f" of {self.read}"
        if self.lasts():
            text += f" for {self.seconds:.1f} s"
        return text + f" at {self.moment:.2f} s"

    def lasts(self):
        return self.kind in ("stop for a while", "slow read", "hung read") and self.seconds

    def environment(self, place):
        if self.kind not in ("hung read", "slow read"):
            return []
        folder = f"{self.job.work if self.read in ('tree', 'weights') else place}/{self.read}/"
        which = "SHIM_HANG" if self.kind == "hung read" else "SHIM_SLOW"
        return [f"LD_PRELOAD={SHIM}", f"{which}={folder}", f"SHIM_WHILE={place}/trigger"]

    def strike(self, mpirun, place):
        """False: the victim is not there yet, or no more."""
        if self.kind == "kill mpirun":
            mpirun.kill()
        elif self.kind == "full disk":
            disk = os.statvfs(place)
            used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
            return resize(os.path.dirname(place), used + self.room)
        elif self.kind in ("hung read", "slow read"):
            open(f"{place}/trigger", "w").close()
        else:
            pids = [pid for pid, rank in processes_of(place).items() if rank == self.victim]
            try:
                if self.kind == "file size limit":
                    resource.prlimit(pids[0], resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))
                else:
                    os.kill(pids[0], signal.SIGKILL if self.kind == "kill a rank" else signal.SIGSTOP)
            except (IndexError, ProcessLookupError):
                return False
        return True

    def release(self, place):
        if self.kind == "stop for a while":
            for pid in processes_of(place):
                os.kill(pid, signal.SIGCONT)
        elif os.path.exists(f"{place}/trigger"):
            os.remove(f"{place}/trigger")


class Disturbed:
    """A run with a fault in it. code: of mpirun; struck: whether the fault found it running; late: seconds from
    the fault to the end of its last process; allowed: what that may be."""

    def __init__(self, fault, place, log):
        self.fault, self.place, self.log = fault, place, log
        settings = [f"limits.deadline_s={DEADLINE}", "limits.start_s=0"]
        command = fault.job.command(place, fault.ranks, settings, fault.environment(place))
        self.struck = self.ended = False
        with open(log, "w") as out:
            self.mpirun = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        begun = time.monotonic()
        try:
            self.struck = self.wait_for_moment(begun + fault.moment)
            self.at = time.monotonic()
            self.ended = self.wait_for_end()
        finally:
            self.code = self.clean_up()
        self.late = time.monotonic() - self.at

    def wait_for_moment(self, moment):
        while self.mpirun.poll() is None:
            if time.monotonic() >= moment and self.fault.strike(self.mpirun, self.place):
                return True
            time.sleep(0.005)
        return False

    def wait_for_end(self):
        f = self.fault
        passes = f.lasts() and self.struck
        self.allowed = DEADLINE + GRACE + (f.seconds if passes else 0)
        if not f.kind.startswith("kill"):  # who is not hit at once has work to do, on a busy machine more slowly
            self.allowed += 3 * f.job.seconds
        while self.mpirun.poll() is None or processes_of(self.place):
            now = time.monotonic() - self.at
            if passes and now >= f.seconds:
                f.release(self.place)
                passes = False
            if now > self.allowed:
                return False
            time.sleep(0.02)
        return True

    def clean_up(self):
        """What outlived its time goes, after it was looked at."""
        self.outlived = processes_of(self.place)
        if not self.ended:
            with open(self.log, "a") as out:
                out.write(where(self.outlived))
        for pid in [*self.outlived, *([self.mpirun.pid] if self.mpirun.poll() is None else [])]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return self.mpirun.wait()

    def complaints(self):
        bad = []
        if not self.ended:
            left = f"{len(self.outlived)} ranks" if self.outlived else "mpirun alone is"
            bad.append(f"not ended {self.late:.1f} s after the fault, {left} left")
        if self.code == 0 and not os.path.exists(f"{self.place}/run/DONE"):
            bad.append("exit code 0 without DONE")
        return bad


def resume(fault, place, log):
    """The same command without a fault on another number of ranks: complaints."""
    code = finish(fault.job.command(place, fault.resumed), log)
    bad = []
    if code != 0:
        bad.append(f"resumed on {fault.resumed} ranks: exit code {code}: {tail(log, 3)}")
    said = [line for line in read(log).splitlines() if " is damaged" in line or "is made again" in line]
    return bad + said + [f"resumed: {what}" for what in check(fault.job, place, True)]


# --- all of them ---

def resize(disk, size):
    """Whether a tmpfs has that size now; one that holds more cannot."""
    return subprocess.run(["mount", "-o", f"remount,size={size}", disk], stderr=subprocess.DEVNULL).returncode == 0


def inject(fault, base):
    """A fault that strikes: one that came when all was over is tried again, earlier, but not for ever."""
    for _ in range(TRIES):
        bad, run = attempt(fault, base)
        if run.struck or bad:
            return bad, run
        fault.moment /= 2
    return [f"it never struck in {TRIES} runs"], run


def attempt(fault, base):
    """One fault, from the folder of its run to its removal. Returns what was found wrong, and the run."""
    place, logs = f"{base}/{fault.seed}", f"{fault.job.work}/logs/{fault.seed}"
    on_disk = fault.kind == "full disk"
    fault.job.begin(place)
    os.makedirs(logs)
    run = Disturbed(fault, place, f"{logs}/disturbed")
    if on_disk:
        assert resize(base, DISK_BYTES)
    bad = run.complaints() + [f"after the fault: {what}" for what in check(fault.job, place, run.code == 0)]
    bad += resume(fault, place, f"{logs}/resumed")
    if bad:
        kept = f"{os.environ.get('TMPDIR', '/tmp')}/pulmo-fault-{fault.seed}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(place, kept, symlinks=True)
        shutil.copytree(logs, f"{kept}/logs")
        bad.append(f"kept as {kept}")
    shutil.rmtree(place)
    shutil.rmtree(logs)
    return bad, run


def tell_counts(counts, longest):
    print(f"{'fault':18}  runs  ended  survived  longest end after it")
    for kind in KINDS:
        n = counts.get(kind, {})
        print(f"{kind:18}  {sum(n.values()):4}  {n.get('ended', 0):5}  {n.get('survived', 0):8}"
              f"  {longest.get(kind, 0):.1f} s")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what runs is ended first
    work, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    known = {name: Job(name, work) for name in sys.argv[4:]}
    for job in known.values():
        job.refer()
    jobs = [known[name] for name in sys.argv[4:]]
    has_disk = os.path.ismount(f"{work}/disk")
    counts, longest, failed = {}, {}, []
    for i in range(count):
        fault = Fault(seed + i, jobs, has_disk)
        bad, run = inject(fault, f"{work}/disk" if fault.kind == "full disk" else f"{work}/faults")
        what = "survived" if run.code == 0 else "ended"
        of_kind = counts.setdefault(fault.kind, {})
        of_kind[what] = of_kind.get(what, 0) + 1
        if what == "ended":
            longest[fault.kind] = max(longest.get(fault.kind, 0), run.late)
        print(f"  {fault.seed}: {fault.describe()}: {what}, {run.code} after {run.late:.1f} s; resumed on "
              f"{max(1, fault.resumed)}: {'other' if bad else 'the same'} bytes", flush=True)
        if bad:
            failed.append(fault.seed)
            print("\n".join(bad) + f"\nagain: FAULTS=1 SEED={fault.seed} JOBS='{' '.join(sys.argv[4:])}' bash "
                  "tests/e2e/faults.sh", flush=True)
    tell_counts(counts, longest)
    if failed:
        sys.exit(f"{len(failed)} of {count} faults found something: seeds {failed}")


main()
