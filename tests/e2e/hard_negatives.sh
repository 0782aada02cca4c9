#!/usr/bin/env bash
# Hard negatives: the classifier learns from what a segmenter wrongly finds in the scans it is trained on,
# the same for every number of ranks and after a kill, and nothing of a scan that is tested on.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 10
job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set train.epochs=2 --set train.epoch_samples=8 --set train.batch=4
    --set train.validate_samples=12 --set checkpoint.seconds=0 --set 'train.stages=["classify"]'
    --set train.fold=1)
cd "$work"
given=(--set train.hard_negatives=own --set "segment.weights=$work/weights/segment.h5")
list=candidates-training.csv
files() { (cd "$1" && sha256sum models/*.h5 metrics.csv $list); }
content() { "$PULMO" info "$1/models/classify-fold1.h5" | awk '$1 == "content" { print $2 }'; }

promise "models, metrics and what was found have the same bits for 1, 2 and 4 ranks"
run 0 alone "${given[@]}"
expect_code 0 alone
files alone >alone.sums
for ranks in 2 4; do
    run $ranks on$ranks "${given[@]}"
    expect_code 0 on$ranks
    files on$ranks | cmp - alone.sums || fail "on$ranks has other bits than alone"
done

promise "a search that was killed goes on from its journal to the same bits"
start 3 killed "${given[@]}"
until [ -s killed/journal-hard ] || ! kill -0 "$group"; do sleep 0.01; done
kill_group killed
[ "$code" -ne 0 ] || fail "nothing was killed"
run 2 killed "${given[@]}"
expect_code 0 killed
files killed | cmp - alone.sums || fail "killed has other bits than alone"
[ ! -e killed/journal-hard ] || fail "the journal of the search is still there"

promise "of the scans that are tested on none is searched; the others are, and change the model"
for file in "$tree"/subset1/*.mhd; do
    grep -q "^$(basename "$file" .mhd)," alone/$list && fail "$file was searched"
done
for file in "$tree"/subset[02]/*.mhd; do
    grep -q "^$(basename "$file" .mhd)," alone/$list || fail "nothing was found in $file"
done
run 2 without
expect_code 0 without
[ "$(content without)" != "$(content alone)" ] || fail "hard negatives change nothing"

promise "a list of an earlier run gives the same weights; where it comes from is unknown to the fold"
run 3 listed --set "train.hard_negatives=$work/alone/$list"
expect_code 0 listed
expect_said listed "does not say which scans its segmenter has seen: fold 1 is not isolated"
[ "$(content listed)" = "$(content alone)" ] || fail "the list gives other weights"
"$PULMO" info listed/models/classify-fold1.h5 >info.txt
grep -q "^fold  *1, not isolated$" info.txt || fail "$(cat info.txt)"
grep -Eq "^hard  *[1-9][0-9]* places, 0.5 of the non-nodules$" info.txt || fail "$(cat info.txt)"

promise "a scan that fails in the search stands in quarantine.csv, and in the exit code"
damaged=$(ls "$tree"/subset2/*.zraw | head -n 1)
cp -p "$damaged" whole.zraw
"$python" - "$damaged" <<'PY'
import os, sys
was = os.stat(sys.argv[1])
with open(sys.argv[1], "r+b") as f:
    f.seek(was.st_size // 2)
    f.write(bytes(64))
os.utime(sys.argv[1], ns=(was.st_atime_ns, was.st_mtime_ns))
PY
run 2 damaged "${given[@]}" --set limits.quarantine=1
expect_code 3 damaged
[ "$(cat damaged/DONE)" = 3 ] || fail "DONE does not say that a scan failed"
grep -q "^$(basename "$damaged" .zraw),[a-z]*,.*$(basename "$damaged")" damaged/quarantine.csv ||
    fail "quarantine.csv does not name it: $(cat damaged/quarantine.csv)"
cat whole.zraw >"$damaged"

promise "a segmenter that has seen a tested scan is refused, so are book, and what is no list"
cp weights/segment.h5 leak.h5
"$python" - leak.h5 "$(basename -s .mhd "$(ls "$tree"/subset1/*.mhd | head -n 1)")" <<'PY'
import sys, h5py
h5py.File(sys.argv[1], "a")["seen_seriesuids"] = [sys.argv[2].encode()]
PY
run 2 refused --set train.hard_negatives=own --set "segment.weights=$work/leak.h5"
expect_code 2 refused
expect_said refused "leak.h5 has seen scan .*, which fold 1 tests on"
run 0 book "${given[@]}" --set mode=book
expect_code 2 book
expect_said book "trains the classifier on listed candidates only"
run 0 bare --set train.hard_negatives=list.csv
expect_code 2 bare
expect_said bare "neither \"own\" nor a path"
tail -n +2 alone/$list >headless.csv
run 2 headless --set train.hard_negatives=./headless.csv
expect_code 2 headless
expect_said headless "train.hard_negatives: .*headless.csv:1: no column seriesuid"
[ ! -e headless/job.cfg ] || fail "the list was read after the work had begun"
code=0
"${job[0]}" check "${job[@]:2}" --set train.hard_negatives=./headless.csv >check.txt || code=$?
[ "$code" -eq 2 ] || fail "pulmo check: exit code $code"
grep -q "^train  *would be refused: train.hard_negatives: .*headless.csv:1:" check.txt || fail "$(cat check.txt)"
run 0 missing --set train.hard_negatives=own
expect_code 2 missing
expect_said missing "needs a segmenter"

promise "candidates of a fold's models say so, in its own job and in another one; the classical detector leaves it isolated"
"${job[0]}" check "${job[@]:2}" --set segment.method=threshold --set 'stages=["train","detect"]' >check.txt ||
    fail "$(cat check.txt)"
grep -q "^classify  *no weights$" check.txt || fail "weights that the job makes are called missing"
run 3 fold --set train.hard_negatives=own --set segment.method=threshold --set 'stages=["train","detect"]'
expect_code 0 fold
"$PULMO" info fold/models/classify-fold1.h5 | grep -q "^fold  *1$" || fail "the fold is not isolated"
job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set "dataset.root=$tree" --set segment.method=threshold
    --set "classify.weights=$work/fold/models/classify-fold1.h5" --set compute.threads=1)
run 2 again
expect_code 0 again
"$python" - "$tree/subset1" <<'PY'
import csv, pathlib, sys
tested = {p.stem for p in pathlib.Path(sys.argv[1]).glob("*.mhd")}
fold, again = (list(csv.DictReader(open(run + "/candidates.csv"))) for run in ("fold", "again"))
assert fold and {r["fold"] for r in fold + again} == {"1"}, fold[:3]
assert [r for r in again if r["seriesuid"] in tested] == fold, "the test subset has other candidates"
wrong = [r for r in again if r["seen"] != ("unseen" if r["seriesuid"] in tested else "seen")]
assert not wrong, wrong[:3]
PY
