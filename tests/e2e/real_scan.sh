#!/usr/bin/env bash
# Real scans with the book's weights: C3N-00247 in book mode gives what PyTorch gives, the same bytes on 1
# and on 3 ranks, within its memory; the part-solid lesion lies where a computation by hand puts it.
# Needs PULMO_TEST_DATA.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
[ -e "$PULMO_TEST_DATA/ct/C3N-00247.mhd" ] || skip "no $PULMO_TEST_DATA/ct/C3N-00247.mhd"
. "$PULMO_SOURCE/tests/lib/detect.sh"

job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg"
    --set "segment.weights=$PULMO_TEST_DATA/models/segment.h5"
    --set "classify.weights=$PULMO_TEST_DATA/models/classify.h5")
patience=280
expected=$PULMO_TEST_DATA/expected
mkdir "$work/runs"
cd "$work/runs"

promise "C3N-00247 in book mode: heatmap, mask, candidates and probabilities of PyTorch"
run 3 three --set "dataset.scan=$PULMO_TEST_DATA/ct/C3N-00247.mhd" --set mode=book --set store.heatmaps=true
expect_done 0 three
"$python" - three/run.h5 "$expected" "$PULMO_SOURCE/tests/lib" <<'PYTHON'
import json, sys

import h5py
import numpy as np

sys.path.insert(0, sys.argv[3])
from results import erode, mask_of

run, expected = h5py.File(sys.argv[1]), h5py.File(sys.argv[2] + "/C3N-00247.heatmap.h5")
counts = json.load(open(sys.argv[2] + "/C3N-00247.counts.json"))
results = run["results"]
heatmap = results["heatmap"][results["scans/seriesuid"].asstr()[0]]
worst, total = 0.0, []
for z, slice_of in zip(expected["slices"][:], expected["probability"][:]):
    error = np.abs(heatmap[z].astype(float) - slice_of)
    worst = max(worst, error.max())
    total.append(error.mean())
mask = mask_of(results, 0)
eroded = erode(mask, "3d")
bits = np.unpackbits(expected["mask_eroded_bits"][:])[: mask.size].reshape(mask.shape).astype(bool)
found = len(results["candidates/scan"])
print(f"  heatmap off by {worst:.1e} at most, {np.mean(total):.1e} on average (promised 5e-4, 1e-6)")
print(f"  {mask.sum()} voxels above the threshold, of {counts['raw_mask']} (within 20)")
print(f"  {(bits != eroded).sum()} voxels of the eroded mask differ (40)")
print(f"  {found} candidates of {counts['components']} (within 2)")
assert worst < 5e-4 and np.mean(total) < 1e-6
assert abs(int(mask.sum()) - counts["raw_mask"]) <= 20
assert (bits != eroded).sum() <= 40
assert abs(found - counts["components"]) <= 2
PYTHON
spacing=$(sed -n 's/^ElementSpacing *= *//p' "$PULMO_TEST_DATA/ct/C3N-00247.mhd" | tr -d '\r' | tr ' ' ,)
if [ -e "$PULMO_TEST_DATA/../checks/candidates_diff.py" ]; then
    echo -n "  "
    "$python" "$PULMO_TEST_DATA/../checks/candidates_diff.py" three/candidates.csv "$expected/C3N-00247.candidates.csv" "$spacing" ||
        fail "the candidates are not PyTorch's"
fi
"$python" "$PULMO_SOURCE/tests/lib/results.py" order three/candidates.csv

promise "the same bytes on one rank"
run 1 one --set "dataset.scan=$PULMO_TEST_DATA/ct/C3N-00247.mhd" --set mode=book --set store.heatmaps=true
expect_done 0 one
same_results one three

promise "no rank takes more than 1200 MB"
for output in one three; do
    line=$(grep -E 'peak memory: [0-9]+ MB' $output.log) || fail "$output: no line of peak memory"
    echo "  $line"
    [ "$(sed -E 's/.*peak memory: ([0-9]+) MB.*/\1/' <<<"$line")" -lt 1200 ] || fail "$output: too much memory"
done

promise "PartSolidLesionCropped.mha, direction -1 -1 1: millimetres and centres of mass as computed by hand"
mkdir "$work/lesion"
cp "$PULMO_TEST_DATA/ct/PartSolidLesionCropped.mha" "$work/lesion"
for variant in "book 3d" "fixed in-plane"; do
    read -r mode erosion <<<"$variant"
    run 2 lesion-$mode --set "dataset.scan=$work/lesion/PartSolidLesionCropped.mha" --set mode=$mode
    expect_done 0 lesion-$mode
    "$python" "$PULMO_SOURCE/tests/lib/results.py" geometry lesion-$mode/run.h5 "$work/lesion" $erosion 1
done
