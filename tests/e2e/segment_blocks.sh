#!/usr/bin/env bash
# A segmenter in 3D, whose tasks overlap: the same bytes for every number of ranks and threads, whoever
# does which task, killed or not, and however little of a volume fits in memory.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 3 --size 240 72 80
make_data tree "$work/tiny" --scans 2 --size 5 41 43
tree=(--set "dataset.root=$work/tree" --set "segment.weights=$work/weights/segment3d.h5" --set store.heatmaps=true)
mkdir "$work/runs"
cd "$work/runs"

promise "1, 2, 3 and 4 ranks and two threads: the same bytes (3 scans of 4 tasks each)"
for ranks in 1 2 3 4; do
    run $ranks ranks$ranks "${tree[@]}"
    expect_done 0 ranks$ranks
    same_results ranks1 ranks$ranks
done
run 2 threads2 "${tree[@]}" --set compute.threads=2
expect_done 0 threads2
same_results ranks1 threads2
[ "$(wc -l <ranks1/candidates.csv)" -gt 20 ] || fail "hardly any candidates: nothing was tested"

promise "killed with SIGKILL and resumed on another number of ranks: the same bytes"
start 3 killed "${tree[@]}"
wait_for_scans killed 1
kill_group killed
expect_not_done killed
run 4 killed "${tree[@]}"
expect_done 0 killed
same_results ranks1 killed

promise "scans of which a rank can hold no more than a task needs: the same bytes"
run 2 window "${tree[@]}" --set limits.memory_gb=0.0049
expect_done 0 window
same_results ranks1 window
run 1 none "${tree[@]}" --set limits.memory_gb=0.001 --set limits.quarantine=9
expect_done 3 none
grep -q 'limits.memory_gb is 0.001' none/quarantine.csv || fail "quarantine.csv does not name limits.memory_gb"

promise "the stored mask is the stored heatmap above the threshold, and why reads both"
"$python" - ranks1/run.h5 <<'PYTHON'
import struct, sys, zlib
import h5py, numpy as np

with h5py.File(sys.argv[1]) as f:
    results, scans = f["results"], f["results/scans"]
    for i, uid in enumerate(scans["seriesuid"].asstr()[:]):
        heatmap = results["heatmap"][uid][()]
        first, plane, slabs, position = scans["mask_first"][i], heatmap[0].size, [], 0
        data = results["mask/bytes"][first:first + scans["mask_bytes"][i]].tobytes()
        for z in range(0, len(heatmap), 4):
            (length,) = struct.unpack_from("<I", data, position)
            bits = np.frombuffer(zlib.decompress(data[position + 4:position + 4 + length]), np.uint8)
            slabs.append(np.unpackbits(bits, bitorder="little")[:min(4, len(heatmap) - z) * plane])
            position += 4 + length
        assert position == len(data), uid
        assert np.array_equal(np.concatenate(slabs), (heatmap > np.float32(0.5)).ravel()), uid
PYTHON
IFS=, read -r uid x y z _ < <(sed -n 2p ranks1/candidates.csv)
"$PULMO" why ranks1 "$uid" "$x,$y,$z" >why.log 2>&1 || fail "why failed: $(cat why.log)"
grep -q -i heatmap why.log || fail "why says nothing of the heatmap"

promise "volumes smaller than a block"
for ranks in 1 3; do
    run $ranks tiny$ranks "${tree[@]}" --set "dataset.root=$work/tiny"
    expect_done 0 tiny$ranks
done
same_results tiny1 tiny3

promise "a network that is no segmenter is refused before any work"
run 2 refused "${tree[@]}" --set "segment.weights=$work/weights/classify.h5"
expect_code 2 refused
expect_said refused 'segment.weights: .*classify.h5'
