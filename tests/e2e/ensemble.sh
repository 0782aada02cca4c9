#!/usr/bin/env bash
# Several models of a stage: a candidate gets the mean of their probabilities and how far they disagree, the
# same for every number of ranks, threads and starts; with one model everything is as without all this.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 4
"$python" - "$PULMO_SOURCE/tests/lib" "$work/weights" <<'PY'
import shutil, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from make_dataset import make_classifier, make_segmenter
for k in range(3):
    make_classifier(f"{sys.argv[2]}/fold-{k}.h5", np.random.default_rng(40 + k))
for k in range(2):
    make_segmenter(f"{sys.argv[2]}/segment-{k}.h5", np.random.default_rng(60 + k), 7, (16, 32, 64), 0.1)
shutil.copy(f"{sys.argv[2]}/fold-0.h5", f"{sys.argv[2]}/twin.h5")
PY
models=$work/weights
job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set "segment.weights=$models/segment.h5"
    --set "dataset.root=$work/tree" --set compute.threads=1)
three=(--set "classify.weights=[\"$models/fold-0.h5\", \"$models/fold-1.h5\", \"$models/fold-2.h5\"]"
    --set "malignancy.weights=[\"$models/fold-1.h5\", \"$models/twin.h5\"]")
cd "$work"

promise "mean and disagreement are those of the models' own runs (three classifiers, two malignancy models)"
for k in 0 1 2; do
    run 0 alone$k --set "classify.weights=$models/fold-$k.h5" --set "malignancy.weights=$models/fold-$k.h5"
    expect_done 0 alone$k
done
run 1 three1 "${three[@]}"
expect_done 0 three1
"$python" - <<'PY'
import csv, h5py, numpy as np

def rows(run):
    with open(f"{run}/candidates.csv") as f:
        return list(csv.DictReader(f))

key = lambda r: tuple(r[k] for k in ("seriesuid", "coordX", "coordY", "coordZ", "voxels"))
alone = [{key(r): r for r in rows(f"alone{k}")} for k in range(3)]
three = rows("three1")
assert len(three) == len(alone[0]) > 100, len(three)
assert list(three[0])[:10] == list(next(iter(alone[0].values()))) and list(three[0])[10:] == \
    ["disagreement", "malignancy_disagreement"], list(three[0])

def compare(column, spread, models):
    for r in three:
        p = np.array([np.float32(alone[k][key(r)][column]) for k in models], np.float64)
        assert np.float32(r[column]) == np.float32(p.mean()), r
        assert abs(float(r[spread]) - p.std()) <= 1e-7, (r, p)
    return max(float(r[spread]) for r in three)

widest = compare("probability", "disagreement", (0, 1, 2)), compare("malignancy", "malignancy_disagreement", (1, 0))
assert min(widest) > 0.01, widest
print("  %d candidates, disagreement up to %.3f, on malignancy up to %.3f" % (len(three), *widest))
with h5py.File("three1/run.h5") as f:
    c = f["results/candidates"]
    assert c["disagreement"].dtype == c["malignancy_disagreement"].dtype == np.float32
    for name in ("disagreement", "malignancy_disagreement"):
        assert np.array_equal(c[name][:], np.array([r[name] for r in three], np.float32)), name
with h5py.File("alone0/run.h5") as f:
    assert "disagreement" not in f["results/candidates"]
PY

promise "2 and 3 ranks, two threads, a killed start: the same bytes"
for ranks in 2 3; do
    run $ranks three$ranks "${three[@]}"
    expect_done 0 three$ranks
    same_results three1 three$ranks
done
start 2 threads "${three[@]}" --set compute.threads=2
wait_for_scans threads 1
kill_group threads
cp "$models/fold-2.h5" kept.h5
cp "$models/fold-1.h5" "$models/fold-2.h5"
run 1 threads "${three[@]}"
expect_code 2 threads
expect_said threads "classify.weights \(was ([0-9a-f]{32},){2}[0-9a-f]{32}, is ([0-9a-f]{32},){2}[0-9a-f]{32}\)"
mv kept.h5 "$models/fold-2.h5"
run 1 threads "${three[@]}" --set compute.threads=2
expect_done 0 threads
same_results three1 threads
run 1 threads "${three[@]}" --set "classify.weights=$models/fold-0.h5"
expect_code 2 threads
expect_said threads 'classify.weights \(was \["/.*fold-0.h5", .*fold-2.h5"\], is "/.*fold-0.h5"\)'

promise "equal models: what one of them gives, and no disagreement; a pattern names files"
cp "$models/fold-0.h5" "$models/same-1.h5"
cp "$models/fold-0.h5" "$models/same-2.h5"
run 2 equal --set "classify.weights=$models/same-*.h5" --set "malignancy.weights=$models/fold-0.h5"
expect_done 0 equal
cmp equal/submission.csv alone0/submission.csv || fail "two equal models give another mean"
cmp equal/diagnosis.csv alone0/diagnosis.csv || fail "two equal models give another diagnosis"
cut -d, -f 1-10 equal/candidates.csv | cmp - alone0/candidates.csv || fail "two equal models change candidates.csv"
[ "$(tail -n +2 equal/candidates.csv | cut -d, -f 11,12 | sort -u)" = 0, ] ||
    fail "equal models disagree: $(tail -n +2 equal/candidates.csv | cut -d, -f 11,12 | sort -u | head -n 3)"
grep -Fq "weights = [\"$models/same-1.h5\", \"$models/same-2.h5\"];" equal/job.cfg || fail "job.cfg does not name the files"

promise "several segmenters: their mean heatmap, the same for any number of ranks; equal ones give what one gives"
job+=(--set "classify.weights=$models/fold-0.h5")
for k in 0 1; do
    run 0 map$k --set "segment.weights=$models/segment-$k.h5" --set store.heatmaps=true
    expect_done 0 map$k
done
for ranks in 1 3; do
    run $ranks maps$ranks --set "segment.weights=$models/segment-[01].h5" --set store.heatmaps=true
    expect_done 0 maps$ranks
done
same_results maps1 maps3
"$python" - <<'PY'
import h5py, numpy as np
a, b, both = (h5py.File(f"{run}/run.h5")["results/heatmap"] for run in ("map0", "map1", "maps1"))
differ = 0
for scan in both:
    mean = ((a[scan][:].astype(np.float64) + b[scan][:]) / 2).astype(np.float32)
    assert np.array_equal(both[scan][:], mean), scan
    differ += (a[scan][:] != b[scan][:]).sum()
assert len(both) == 4 and differ > 1000, differ
PY
blocks=(--set "segment.weights=[\"$models/segment3d.h5\", \"$models/segment3d.h5\", \"$models/segment3d.h5\"]")
run 0 block --set "segment.weights=$models/segment3d.h5" --set 'dataset.subsets=[0]'
run 2 blocks "${blocks[@]}" --set 'dataset.subsets=[0]'
expect_done 0 blocks
same_results block blocks
run 2 mixed --set "segment.weights=[\"$models/segment.h5\", \"$models/segment3d.h5\"]"
expect_code 2 mixed
expect_said mixed "segment.weights: .*/segment3d.h5: network .* cannot be averaged with \"unet2d\""

promise "a scan that any of the models has seen is seen"
first=$(sed -n 2p alone0/candidates.csv | cut -d, -f 1)
"$python" - "$models" "$first" <<'PY'
import sys, h5py
for name, seen in (("segment", []), ("fold-0", []), ("fold-1", [sys.argv[2]]), ("fold-2", [])):
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "a") as f:
        f["seen_seriesuids"] = [s.encode() for s in seen or ["another"]]
PY
run 2 seen --set "classify.weights=$models/fold-?.h5"
expect_done 0 seen
[ "$(tail -n +2 seen/candidates.csv | cut -d, -f 1,10 | sort -u | grep -c ',unseen$')" -eq 3 ] || fail "a scan is not unseen"
[ "$(grep "^$first," seen/candidates.csv | cut -d, -f 10 | sort -u)" = seen ] || fail "$first is not seen"

promise "what lists findings tells the disagreement; pulmo check counts all models"
"$PULMO" report three1 >/dev/null
grep -q "models disagree by<dd>" three1/report.html || fail "the report does not tell it"
[ "$(grep -c "fold-[012].h5" three1/report.html)" -ge 4 ] || fail "the report does not name the models"
"$PULMO" export --markups three1 >/dev/null
grep -q "models disagree by 0.*models disagree on malignancy by 0" three1/export/*.mrk.json || fail "the markups do not"
IFS=, read -r seriesuid x y z _ < <(tail -n +2 three1/candidates.csv)
"$PULMO" why three1 "$seriesuid" "$x,$y,$z" >why.txt
grep -q "probability 0.* (models disagree by 0.*), malignancy 0.* (models disagree by 0" why.txt || fail "$(cat why.txt)"
"$PULMO" check "${job[@]:2}" "${three[@]}" >check.txt
grep -q "^classify  *mean of 3 models, luna, 666660 parameters in all:$" check.txt || fail "$(cat check.txt)"
"$PULMO" check "${job[@]:2}" "${three[@]}" --json | "$python" -c '
import json, sys
j = json.load(sys.stdin)
assert len(j["weights"]["classify"]["path"]) == 3 and isinstance(j["weights"]["segment"]["path"], str), j["weights"]
assert j["room"]["weights_bytes_rank"] == 20 * (118271 + 5 * 222220), j["room"]'

promise "a wrong entry of the list is named before any work; a job that trains takes one model"
run 2 missing --set "classify.weights=[\"$models/fold-0.h5\", \"$models/fold-9.h5\"]"
expect_code 2 missing
expect_said missing "classify.weights: .*/fold-9.h5"
run 2 wrong --set "classify.weights=[\"$models/fold-0.h5\", \"$models/segment.h5\"]"
expect_code 2 wrong
expect_said wrong "classify.weights: .*/segment.h5: network \"unet2d\" has 2 dimensions"
[ ! -e wrong/job.cfg ] || fail "the work had begun"
run 0 trains "${three[@]}" --set 'stages=["train","detect"]' --set "cache.dir=$work/cache"
expect_code 2 trains
expect_said trains "classify.weights names 3 models: a job that trains takes one"
