#!/usr/bin/env bash
# A checkout without any model finds nodules: segment.method "threshold" on any number of ranks, killed and
# resumed, with a classifier and without; a volume that does not fit is set aside, and check and why say so.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

weights=(--set "classify.weights=$work/weights/classify.h5")
job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set segment.method=threshold --set compute.threads=1
    --set "dataset.root=$work/tree")
make_data tree "$work/tree" --scans 16 --size 40 160 170
seriesuid=$(sed -n 1p "$work/tree/seriesuids.csv")
mkdir "$work/runs"
cd "$work/runs"

promise "without weights: nearly every blob has a candidate inside of it, 1 to 4 ranks and 2 threads the same bytes"
for ranks in 1 2 3 4; do
    run $ranks ranks$ranks
    expect_done 0 ranks$ranks
    same_results ranks1 ranks$ranks
done
run 2 threads2 --set compute.threads=2
expect_done 0 threads2
same_results ranks1 threads2
expect_said ranks1 'without classify.weights, probabilities are the score of the blobs'
[ "$(grep -c 'without classify.weights' ranks4.log)" -eq 1 ] || fail "said more than once"
"$python" "$PULMO_SOURCE/tests/lib/results.py" order ranks1/candidates.csv
"$python" - "$work/tree/annotations.csv" ranks1/candidates.csv <<'PYTHON'
import csv, math, sys

nodules, found = [list(csv.DictReader(open(name))) for name in sys.argv[1:]]
place = lambda row: [float(row["coord" + axis]) for axis in "XYZ"]
def is_found(n):
    return any(c["seriesuid"] == n["seriesuid"] and math.dist(place(c), place(n)) < max(2, float(n["diameter_mm"]) / 2)
               for c in found)


count = sum(map(is_found, nodules))
print(f"  {count} of {len(nodules)} blobs found, {len(found)} candidates")
assert count >= 0.85 * len(nodules)  # some lie at the border, or are cut by the field of view
assert all(0 <= float(c["probability"]) <= 1 and float(c["diameter_mm"]) > 0 and c["malignancy"] == "" for c in found)
PYTHON

promise "killed with SIGKILL and resumed on another number of ranks: the same bytes"
start 3 killed
wait_for_scans killed 2
kill_group killed
expect_not_done killed
kept=$(scans_in_journal killed)
run 4 killed
expect_done 0 killed
expect_said killed "16 scans, 0 quarantined, $kept done by an earlier start"
same_results ranks1 killed

promise "with a classifier the blobs are its candidates: the places stay, the probabilities are the classifier's"
for ranks in 1 3; do
    run $ranks classified$ranks "${weights[@]}"
    expect_done 0 classified$ranks
done
same_results classified1 classified3
places() { cut -d, -f1-4,7-8 "$1/candidates.csv" | sort; }
cmp <(places ranks1) <(places classified1) || fail "the places differ"
cmp -s ranks1/candidates.csv classified1/candidates.csv && fail "nothing was classified"
run 2 malignant --set "malignancy.weights=$work/weights/classify.h5"
expect_done 0 malignant
cmp <(cut -d, -f1-5 ranks1/candidates.csv) <(cut -d, -f1-5 malignant/candidates.csv) ||
    fail "a malignancy model changed the probabilities"
[ "$(cut -d, -f6 malignant/candidates.csv | sort -u | wc -l)" -gt 10 ] || fail "no malignancies"

promise "a run is not continued with other blobs, and blobs that cannot be are refused"
run 1 ranks1 --set blob.min_mm=4
expect_code 2 ranks1
expect_said ranks1 'blob.min_mm \(was 3.0, is 4.0\)'
run 1 upside --set blob.min_mm=10 --set blob.max_mm=5
expect_code 2 upside
expect_said upside 'blob.max_mm = 5 is less than blob.min_mm = 10'

promise "a volume that does not fit limits.memory_gb is set aside with that reason; check says so before"
make_data volume "$work/tree/subset0/large.mhd" --size 150 150 200
limit=(--set limits.memory_gb=0.008 --set limits.quarantine=1)
run 2 limited "${limit[@]}"
expect_done 3 limited
grep -q '^large,group,.*limits.memory_gb is 0.008' limited/quarantine.csv || fail "$(cat limited/quarantine.csv)"
[ "$(wc -l <limited/quarantine.csv)" -eq 2 ] || fail "more than one scan was set aside"
cmp ranks1/candidates.csv limited/candidates.csv || fail "the others differ"
code=0
"$PULMO" check "$PULMO_SOURCE/jobs/detect.cfg" --set segment.method=threshold \
    --set "dataset.root=$work/tree" "${limit[@]}" >check.out || code=$?
[ "$code" -eq 3 ] || fail "check: exit code $code, not 3"
grep -q '1 scans exceed limits.memory_gb' check.out || fail "check does not say so"
rm "$work/tree/subset0/large.mhd" "$work/tree/subset0/large.raw"

promise "why follows a point through the search"
verdict() { # OUTPUT POINT REGEX
    "$PULMO" why "$1" "$seriesuid" "$2" >why.out || fail "why: exit code $?"
    tail -n 1 why.out | grep -Eq -- "$3" || { cat why.out; fail "$1, $2: the verdict does not match '$3'"; }
}
IFS=, read -r _ x y z probability _ < <(grep -F "$seriesuid," ranks1/candidates.csv)
verdict ranks1 "$x,$y,$z" "^(found: probability|lost in: classification \(probability) $(printf '%.4f' "$probability")"
grep -Eq "^blob +0\.0 mm away, .* score $(printf '%.4f' "$probability")$" why.out || { cat why.out; fail "not the blob itself"; }
run 1 strict --set blob.min_score=1
expect_done 0 strict
verdict strict "$x,$y,$z" '^lost in: scoring \(.* is below blob.min_score 1\)'
run 1 few --set blob.max_candidates=1
expect_done 0 few
IFS=, read -r _ x2 y2 z2 _ < <(grep -F "$seriesuid," ranks1/candidates.csv | sed -n 2p)
verdict few "$x2,$y2,$z2" '^lost in: scoring \(not among the best blob.max_candidates = 1\)'
