#!/usr/bin/env bash
# The whole job on a real scan, against the same pipeline in PyTorch on the same cores, in turn.
#   tests/bench/detect.sh            RUNS (3) pairs: two workers against two threads; both lists agree
#   tests/bench/detect.sh --scale    and four copies of the scan on one worker and on two
# Our figure is the wall time of the whole command, launcher and all; PyTorch's leaves out its import.
. "$(dirname "$0")/../lib/launch.sh"
"$python" -c 'import h5py, numpy, scipy, torch' 2>/dev/null ||
    skip "$python lacks one of h5py, numpy, scipy, torch (Debian: python3-h5py python3-scipy python3-torch)"
scan=$PULMO_TEST_DATA/ct/C3N-00247.mhd
[ -f "$scan" ] || skip "no reference data at $PULMO_TEST_DATA"
models=$PULMO_TEST_DATA/models
peer=$(dirname "$0")/pytorch_detect.py
job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set mode=book --set "segment.weights=$models/segment.h5"
    --set "classify.weights=$models/classify.h5")

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

# timed NAME COMMAND...: appends the wall seconds to $work/NAME, what is said goes to $work/NAME.log
timed() {
    local name=$1 begin end
    shift
    begin=$(date +%s.%N)
    "$@" >"$work/$name.log" 2>&1 || { cat "$work/$name.log"; fail "$name"; }
    end=$(date +%s.%N)
    awk "BEGIN {printf \"%.2f\n\", $end - $begin}" >>"$work/$name"
}

for _ in $(seq "${RUNS:-3}"); do
    rm -rf "$work/run"
    timed pulmo mpirun -n 3 "${job[@]}" --set "dataset.scan=$scan" --set "output=$work/run"
    "$python" "$peer" "$scan" "$models/segment.h5" "$models/classify.h5" "$work/peer.csv" --threads 2 >"$work/peer.log"
    sed 's/.*total_s=\([0-9.]*\).*/\1/' "$work/peer.log" >>"$work/pytorch"
done
ours=$(median <"$work/pulmo") theirs=$(median <"$work/pytorch")
echo "detect scan=C3N-00247 pulmo_workers=2 pulmo_s=$ours pytorch_threads=2 pytorch_s=$theirs" \
    "ratio=$(awk "BEGIN {printf \"%.2f\", $theirs / $ours}") runs=${RUNS:-3} (medians)"
echo "pytorch $(cat "$work/peer.log")"
sed -n 's/^pulmo: \(peak memory.*\)/\1/p' "$work/pulmo.log"
awk -F, 'NR > 1 {printf "rank %s %s %.2f s\n", $1, $3, $4}' "$work/run/timings.csv"

"$python" - "$work/run/candidates.csv" "$work/peer.csv" "$scan" <<'END' || fail "the two lists differ"
import csv, sys
import numpy as np
def read(path):
    rows = list(csv.DictReader(open(path)))
    return np.array([[float(r["coord" + a]) for a in "XYZ"] for r in rows]), np.array([float(r["probability"]) for r in rows])
(a, p), (b, q) = read(sys.argv[1]), read(sys.argv[2])
spacing = np.array([float(v) for line in open(sys.argv[3]) if line.startswith("ElementSpacing") for v in line.split("=")[1].split()])
distance = np.linalg.norm((a[:, None] - b[None]) / spacing, axis=2)
near, far = distance.argmin(0), distance.min(0)
error = abs(p[near] - q)[far < 0.5].max()
print(f"agree candidates={len(a)}/{len(b)} within_half_a_voxel={np.mean(far < 0.5):.4f} probability_difference={error:.1e}")
sys.exit(not (abs(len(a) - len(b)) <= 2 and np.mean(far < 0.5) >= 0.995 and error <= 1e-3))
END

[ "${1:-}" = --scale ] || exit 0
for i in 0 1 2 3; do
    mkdir -p "$work/tree/subset$i"
    ln -s "$(dirname "$scan")/C3N-00247.zraw" "$work/tree/subset$i/copy$i.zraw"
    sed "s/^ElementDataFile.*/ElementDataFile = copy$i.zraw/" "$scan" >"$work/tree/subset$i/copy$i.mhd"
done
for workers in 1 2; do
    timed "workers$workers" mpirun -n $((workers + 1)) "${job[@]}" --set "dataset.root=$work/tree" \
        --set compute.threads=1 --set "output=$work/scale$workers"
done
one=$(cat "$work/workers1") two=$(cat "$work/workers2")
cmp "$work/scale1/candidates.csv" "$work/scale2/candidates.csv" || fail "one worker and two differ"
echo "scale scans=4 one_worker_s=$one two_workers_s=$two speed_up=$(awk "BEGIN {printf \"%.2f\", $one / $two}")" \
    "efficiency=$(awk "BEGIN {printf \"%.2f\", $one / $two / 2}")"
