#!/usr/bin/env bash
# The malignancy model trained alone: from random weights, on nodules only, without a list of candidates; the
# next subset that there is validates.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 10
rm "$tree/candidates.csv" # subset3 is empty
awk -F, 'NR == 1 { print $0 ",mal_bool" } NR > 1 { print $0 "," (NR % 2 ? "False" : "True") }' \
    "$tree/annotations.csv" >"$tree/annotations_with_malignancy.csv"
job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set 'train.stages=["malignancy"]' --set train.epochs=1
    --set train.epoch_samples=8 --set train.batch=4)
cd "$work"

promise "what is missing for it is said before any work"
run 0 refused
expect_code 2 refused
expect_said refused "dataset.candidates"
job+=(--set train.malignancy.non_nodules=false)
run 0 refused
expect_code 2 refused
expect_said refused "train.malignancy.start = \"random\""
job+=(--set train.malignancy.start=random)
run 0 refused --set train.malignancy.depth=2
expect_code 2 refused
expect_said refused "depth"

promise "a fold is validated by the next subset that there is, around the end of the list"
run 3 alone --set train.fold=2
expect_done 0 alone
"$python" - alone/models/malignancy-fold2.h5 "$tree" <<'PY'
import glob, os, sys, h5py
def of(*subsets):
    return {os.path.basename(p)[:-4] for k in subsets for p in glob.glob("%s/subset%d/*.mhd" % (sys.argv[2], k))}
def names(key):
    return {s.decode() if isinstance(s, bytes) else s for s in h5py.File(sys.argv[1])[key][:]}
assert names("selected_seriesuids") == of(0), names("selected_seriesuids")
assert names("seen_seriesuids") == of(0, 1), names("seen_seriesuids")
PY
run 0 again --set train.fold=2
cmp alone/models/malignancy-fold2.h5 again/models/malignancy-fold2.h5 || fail "one rank gives other weights than three"
