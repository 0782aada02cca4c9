#!/usr/bin/env bash
# Cross-validation: in one allocation of any size, fold by fold as a job array does it, and after being killed
# twice, the folds come to the same submission and the same score; a fold that is done is not run again.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 8 # in subset0 to subset2
awk -F, 'NR == 1 { print $0 ",mal_bool" } NR > 1 { print $0 "," (NR % 2 ? "False" : "True") }' \
    "$tree/annotations.csv" >"$tree/annotations_with_malignancy.csv"
cd "$work"
job=("$PULMO" run "$PULMO_SOURCE/jobs/crossval.cfg" --set 'stages=["prepare","train","detect","score"]' --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set 'crossval.folds=[0,1,2]' --set segment.method=threshold --set blob.max_candidates=6
    --set 'train.stages=["classify","malignancy"]' --set train.epochs=1 --set train.epoch_samples=8 --set train.batch=4
    --set train.validate_samples=4 --set checkpoint.seconds=0 --set limits.deadline_s=60)
files="submission.csv candidates.csv diagnosis.csv quarantine.csv metrics.csv froc/score.json models/classify-fold2.h5"
sums() { (cd "$1" && sha256sum $files); }
same() { # RUN: as the first
    sums "$1" | cmp - first.sums || fail "$1 has other bytes than the first"
    same_results "$1" first
}

promise "one allocation: two groups of two ranks and a master run three folds, merge and score them"
run 5 first --set crossval.groups=2
expect_code 0 first
expect_said first "3 folds to run in 2 groups of 2"
expect_said first "first: 3 folds merged, 3 of them run now"
sums first >first.sums
[ "$(cut -d, -f1 first/candidates.csv | sed 1d | uniq | wc -l)" = 8 ] || fail "not all scans have candidates"
[ ! -e first/journal ] && [ "$(cat first/DONE)" = 0 ] || fail "it is not done"
"$PULMO" status first | grep -q "fold 2  *done" || fail "$("$PULMO" status first)"

promise "every scan is tested once, by models that have not seen it, each begun with weights of its own"
"$python" - "$tree" first <<'PY'
import csv, json, pathlib, sys
import h5py, numpy as np
tree, run = map(pathlib.Path, sys.argv[1:])
subset = {p.stem: int(p.parent.name[-1]) for p in tree.glob("subset*/*.mhd")}
results = h5py.File(run / "run.h5")["results"]
uids = results["scans/seriesuid"].asstr()[:]
assert sorted(subset) == list(uids)
of = np.array([subset[u] for u in uids])
models = results["models"]
fold, roles, network = models["fold"][:], models["roles"][:], models["network"].asstr()[:]
assert sorted(zip(fold, network)) == [(k, n) for k in range(3) for n in ("classify", "malignancy")]
for k, r in zip(fold, roles):
    assert (r[of == k] == 4).all(), "tested"
    assert (r[of == (k + 1) % 3] == 2).all(), "selected"
    assert (r[(of != k) & (of != (k + 1) % 3)] == 1).all(), "trained"
assert (models["isolated"][:] == 1).all()
for column in "initial_weights", "content":
    assert len(set(models[column].asstr()[:])) == 6, column
rows = list(csv.DictReader(open(run / "candidates.csv")))
assert all(int(r["fold"]) == subset[r["seriesuid"]] and r["seen"] == "unseen" for r in rows)
score = json.load(open(run / "froc/score.json"))
assert [f["fold"] for f in score["folds"]] == [0, 1, 2]
assert {r["fold"] for r in csv.DictReader(open(run / "metrics.csv"))} == set("012")
PY

promise "its report has a learning curve and times of each fold, and works in a browser"
"$PULMO" report first 2>report.log || fail "$(cat report.log)"
grep -q "fold/rank" first/report.html || fail "no times of folds"
[ "$(grep -o "first/models/[a-z]*-fold[0-9].h5" first/report.html | sort -u | wc -l)" = 6 ] || fail "not all models are named"
if command -v gnuplot >/dev/null && command -v chromium >/dev/null; then
    timeout 300 "$python" "$PULMO_SOURCE/tests/lib/report_browser.py" first/report.html
else
    echo "skipped: the page in a browser (no gnuplot, or no chromium)"
fi

promise "a run that is done is not run again"
run 2 first
expect_code 0 first
expect_said first "is done already"

promise "as jobs of their own: prepare, a fold at a time, and a merge that says which are missing"
mkdir -p array/folds
run 2 array/prepare --set 'stages=["prepare"]'
expect_code 0 array/prepare
for fold in 2 0; do
    run 0 array/folds/$fold --set train.fold=$fold
    expect_code 0 array/folds/$fold
done
run 2 array --set 'stages=["score"]'
expect_code 1 array
expect_said array "1 of 3 folds are not there, nothing is merged: fold 1 was not begun"
run 0 array/folds/1 --set train.fold=1 --set dataset.root=/nowhere
expect_code 2 array/folds/1
rm -rf array/folds/1
run 2 array/folds/1 --set train.fold=1
expect_code 0 array/folds/1
run 3 array --set 'stages=["score"]'
expect_code 0 array
same array

promise "no patient stands in two subsets: refused by name, or moved to the lowest of them"
pair=$(for subset in 0 1; do basename -s .mhd "$(find "$tree/subset$subset" -name '*.mhd' | sort | sed -n 1p)"; done)
{ echo seriesuid,patient && sed 's/$/,Anna/' <<<"$pair"; } >patients.csv
run 2 split --set "dataset.patients=$work/patients.csv" --set crossval.patients=check
expect_code 2 split
expect_said split "patients.csv: 1 patient is in several subsets, .*Anna: .* in subset [01], .* in subset [01];"
[ ! -e split/job.cfg ] || fail "the work had begun"
code=0
"${job[0]}" check "${job[@]:2}" --set "dataset.patients=$work/patients.csv" --set crossval.patients=check >check.txt || code=$?
[ "$code" -eq 2 ] && grep -q "would be refused: .*Anna: " check.txt || fail "pulmo check: exit code $code, $(cat check.txt)"
run 2 moved --set "dataset.patients=$work/patients.csv" --set train.fold=0
expect_code 0 moved
for seriesuid in $pair; do
    grep -q "^$seriesuid,.*,unseen$" moved/candidates.csv || fail "$seriesuid is not tested by fold 0"
done

promise "a fold that was run without a scan of its subset is not merged"
mkdir other && cp -r array/folds other/
run 2 other --set 'stages=["score"]' --set "dataset.patients=$work/patients.csv"
expect_code 1 other
expect_said other "scan .* is in subset 0, but fold 0 was run without it: take its folder .*folds/0 away"
[ ! -e other/run.h5 ] || fail "it was merged"

promise "train.fold is refused by a job that does not train, and the message says what to write"
refused() { # SAID [--set K=V]...: by pulmo run and by pulmo check
    local said=$1
    shift
    run 0 nothing "$@"
    expect_code 2 nothing
    expect_said nothing "$said"
    [ ! -e nothing/job.cfg ] || fail "the work had begun"
    code=0
    "$PULMO" check "${job[@]:2}" "$@" >check.txt 2>&1 || code=$?
    [ "$code" -eq 2 ] && grep -q "would be refused: .*$said" check.txt || fail "pulmo check: exit code $code, $(cat check.txt)"
}
refused "train.fold = 1 belongs to the stage train.* dataset.subsets = \[1\] finds nodules" --set train.fold=1 --set 'stages=["detect"]'

promise "what a fold would be refused for, pulmo check says before it"
refused "patients.csv: 1 patient is in several subsets" --set train.fold=2 --set "dataset.patients=$work/patients.csv" --set crossval.patients=check
home=$(basename -s .mhd "$(find "$tree/subset1" -name '*.mhd' | sort | sed -n 1p)")
{ echo seriesuid,patient && echo "$home,Berta" && find "$tree/subset2" -name '*.mhd' -exec basename -s .mhd {} + | sed 's/$/,Berta/'; } >emptied.csv
refused "train.fold = 2: .* has no scan in subset 2" --set train.fold=2 --set "dataset.patients=$work/emptied.csv"
refused "crossval.folds = 2: .* has no scan in subset 2" --set "dataset.patients=$work/emptied.csv"
grep -q "^crossval  *3 folds: 0 (3 scans) 1 (5 scans) 2 (0 scans)" check.txt || fail "$(cat check.txt)"
refused "needs .train. and .detect. together" --set 'stages=["train"]'

promise "killed twice, it goes on with the folds that are not done, on any number of ranks"
start 3 killed
until [ -e killed/folds/0/DONE ] || [ -e killed/folds/1/DONE ] || ! kill -0 "$group"; do sleep 0.05; done
kill_group killed
[ ! -e killed/DONE ] || fail "nothing was killed"
start 4 killed
until ls killed/folds/2/checkpoints/*.h5 >/dev/null 2>&1 || ! kill -0 "$group"; do sleep 0.02; done
kill_group killed
[ ! -e killed/DONE ] || fail "nothing was killed"
for done in killed/folds/*/DONE; do touch -r "$done" stamp.$(basename "$(dirname "$done")"); done
run 0 killed
expect_code 0 killed
same killed
for stamp in stamp.?; do
    [ ! "killed/folds/${stamp#stamp.}/run.h5" -nt "$stamp" ] || fail "fold ${stamp#stamp.} was run again"
done

promise "asked to stop, all groups leave checkpoints: exit code 75, and the same command goes on"
start 3 stopped
until ls stopped/folds/*/checkpoints/*.h5 >/dev/null 2>&1 || ! kill -0 "$group"; do sleep 0.02; done
kill -USR1 "$group"
finish
expect_code 75 stopped
run 2 stopped
expect_code 0 stopped
same stopped

promise "a fold that prepares masks is heard of however long that takes, and hears that it is to stop"
make_data tree more --scans 14 --size 24 64 64
mkdir labels && cp -r more/subset* labels/ # of anything: nothing is trained on them
export LD_PRELOAD=$PULMO_SHIM SHIM_SLOW=$work/labels/
start 2 masks --set "dataset.root=$work/more" --set 'train.stages=["segment","classify"]' --set segment.network=unet2d --set train.labels=mask \
    --set "dataset.masks=$work/labels" --set "cache.dir=$work/more.cache" --set limits.deadline_s=2
unset LD_PRELOAD SHIM_SLOW
at_masks() { grep -q "preparing masks, .* of 14 scans" masks/folds/0/status.json 2>/dev/null; }
until at_masks || ! kill -0 "$group"; do sleep 0.05; done
sleep 9 # when rank 0 has not heard of a fold for 8 s, it ends the job
at_masks || fail "$(cat masks/folds/0/status.json masks.log)"
kill -USR1 "$group"
finish
expect_code 75 masks
! grep -q "segment-fold0" masks.log || fail "it went on to train: $(cat masks.log)"

promise "pulmo check says how it will be done, and what it would be refused for"
"$PULMO" check "${job[@]:2}" --set "output=$work/checked" >check.txt || fail "$(cat check.txt)"
grep -q "^crossval  *3 folds: 0 (. scans) 1 (. scans) 2 (. scans)" check.txt || fail "$(cat check.txt)"
grep -q "of 1 worker: 1, 2 workers: " check.txt || fail "$(cat check.txt)"
code=0
"$PULMO" check "${job[@]:2}" --set 'crossval.folds=[0,5]' >check.txt || code=$?
[ "$code" -eq 2 ] && grep -q "crossval.folds = 5: .* has no scan in subset 5" check.txt || fail "$code: $(cat check.txt)"

promise "what cannot be done is refused before any work, other settings are not mixed in"
run 2 refused --set 'crossval.folds=[0,5]'
expect_code 2 refused
expect_said refused "crossval.folds = 5: .* has no scan in subset 5"
run 2 refused --set 'stages=["train"]'
expect_code 2 refused
expect_said refused "needs \"train\" and \"detect\" together"
[ ! -e refused/job.cfg ] || fail "it began"
run 2 first --set seed=2
expect_code 2 first
expect_said first "seed .was 1, is 2."
mkdir -p mixed && cp -r array/folds mixed/
run 2 mixed --set 'stages=["score"]' --set seed=2
expect_code 2 mixed
expect_said mixed "folds/0 belongs to a job with other settings: seed .was 1, is 2."
