#!/usr/bin/env bash
# What a training is validated on: a segmenter of slices on the whole slices that hold a nodule.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 12
cd "$work"
job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set segment.network=unet2d --set train.epoch_samples=4 --set train.batch=4 --set train.epochs=1
    --set 'train.stages=["segment"]')

promise "a segmenter is validated on the whole slices that hold a nodule, whatever the ranks and threads"
run 0 alone
expect_code 0 alone
run 3 on3 --set compute.threads=3
expect_code 0 on3
cmp alone/metrics.csv on3/metrics.csv || fail "metrics differ"
cmp alone/models/segment.h5 on3/models/segment.h5 || fail "weights differ"
"$python" - "$tree" alone/metrics.csv <<'PY'
import csv, pathlib, sys
tree = pathlib.Path(sys.argv[1])
headers = {p.stem: p for p in tree.glob("subset*/*.mhd")}
nodules = list(csv.DictReader(open(tree / "annotations.csv")))
slices = 0
for uid in sorted(headers)[::10]:  # without a fold every tenth scan validates
    header = dict(line.split(" = ") for line in headers[uid].read_text().splitlines())
    size = [int(n) for n in header["DimSize"].split()]
    origin, spacing = float(header["Offset"].split()[2]), float(header["ElementSpacing"].split()[2])
    held = set()
    for n in nodules:
        if n["seriesuid"] == uid:
            centre = round((float(n["coordZ"]) - origin) / spacing)
            reach = int(float(n["diameter_mm"]) / 2 / spacing)
            held |= {z for z in range(centre - reach, centre + reach + 1) if 3 <= z < size[2] - 3}
    slices += len(held)
row, = (r for r in csv.DictReader(open(sys.argv[2])) if r["set"] == "validation")
assert slices > 2 and int(row["samples"]) == slices, (slices, row)
PY

promise "train.validate_samples bounds them"
run 2 few --set train.validate_samples=2
expect_code 0 few
grep -q "^segment,1,validation,2," few/metrics.csv || fail "$(cat few/metrics.csv)"
