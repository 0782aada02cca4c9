#!/usr/bin/env bash
# The stage `score`: what `pulmo froc` says of the same marks, the same bytes for every number of ranks, also of
# a run that was made before; nodules are lost where `pulmo why` says; what cannot be known is said.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

export LC_ALL=C
make_data tree "$work/tree" --scans 4
cut=$(sed -n 4p "$work/tree/seriesuids.csv")
mkdir "$work/runs"
cd "$work/runs"

# Annotations all over the scans, so that nodules are lost in every stage; every third is malignant.
"$python" - "$work/tree" <<'END'
import csv, random, sys
tree = sys.argv[1]
rng = random.Random(1)
uids = [line.strip() for line in open(tree + "/seriesuids.csv")]
rows = list(csv.DictReader(open(tree + "/annotations.csv")))
listed = list(csv.DictReader(open(tree + "/candidates.csv")))
with open(tree + "/annotations.csv", "w") as a, open(tree + "/annotations_with_malignancy.csv", "w") as m:
    a.write("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
    m.write("seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\n")
    n = 0
    for uid in uids:
        centres = [[float(r["coord" + k]) for k in "XYZ"] for r in rows + listed if r["seriesuid"] == uid]
        for _ in range(14):
            xyz = [v + rng.uniform(-9, 9) for v in rng.choice(centres)]
            line = uid + ",%.6f,%.6f,%.6f," % tuple(xyz) + "%.3f" % rng.uniform(3, 12)
            a.write(line + "\n")
            m.write(line + "," + str(n % 3 == 0) + "\n")
            n += 1
END
truncate -s -100 "$work"/tree/subset*/"$cut".raw
tree=(--set "dataset.root=$work/tree" --set limits.quarantine=2)
both=(--set 'stages=["detect","score"]')
alone=(--set 'stages=["score"]')

promise "detection and score in one job, DONE last, the exit code that of the detection"
run 3 three "${tree[@]}" "${both[@]}" --set store.heatmaps=true
expect_done 3 three
expect_said three "score: CPM 0\.[0-9]{4} \(95 %: "
expect_said three "score: .* of 3 scans is not known|models have seen 3 of 3"
expect_said three "score: 1 of the 4 scored scans have no result"
[ three/DONE -nt three/froc/score.json ] || [ ! three/froc/score.json -nt three/DONE ] || fail "DONE before the score"

promise "the same bytes for one rank, and of a run that is scored later, by any number of ranks"
run 1 one "${tree[@]}" "${both[@]}" --set store.heatmaps=true
diff -r one/froc three/froc || fail "one rank scores differently"
run 2 later "${tree[@]}" --set store.heatmaps=true
expect_done 3 later
[ ! -e later/froc ] || fail "a score that nobody asked for"
cp later/job.cfg job.cfg
run 4 later "${alone[@]}"
expect_code 3 later
diff -r later/froc three/froc || fail "a run that was scored later has another score"
cmp job.cfg later/job.cfg || fail "the score changed the job of the run"

promise "a score that is there is not made again; one of other lists, or a damaged one, is"
touch -d '2001-01-01' later/froc/score.json
run 1 later "${tree[@]}" "${both[@]}" --set store.heatmaps=true
expect_code 3 later
expect_said later "holds the score of these results and lists already"
[ later/froc/score.json -ot job.cfg ] || fail "it was made again"
run 1 later "${alone[@]}" --set seed=7
expect_code 3 later
expect_said later "score: seed is the run's, [0-9]+; 7 is not taken"
head -c 100 three/froc/score.json >later/froc/score.json
run 1 later "${alone[@]}"
diff -r later/froc three/froc || fail "a damaged score was left"
head -n 20 "$work/tree/annotations.csv" >fewer.csv
run 2 later "${alone[@]}" --set dataset.annotations=fewer.csv
expect_code 3 later
! cmp -s later/froc/score.json three/froc/score.json || fail "other annotations, the same score"
"$python" -c 'import json; j = json.load(open("later/froc/score.json")); assert j["froc"]["counts"]["nodules"] == 19'

promise "a score that cannot be written leaves no DONE; the same command goes on and detects nothing again"
mkdir stuck
: >stuck/froc
run 2 stuck "${tree[@]}" "${both[@]}"
expect_code 1 stuck
expect_not_done stuck
rm stuck/froc
run 2 stuck "${tree[@]}" "${both[@]}"
expect_done 3 stuck
expect_said stuck "4 scans, 1 quarantined, 3 done by an earlier start"

promise "the files of pulmo froc are pulmo froc's"
echo "seriesuid,coordX,coordY,coordZ,diameter_mm" >none.csv
"$PULMO" froc --annotations "$work/tree/annotations.csv" --excluded none.csv --seriesuids "$work/tree/seriesuids.csv" \
    --out froc three/submission.csv >/dev/null
for file in froc/*; do
    cmp "$file" "three/$file" || fail "$file is another one"
done

promise "every nodule was lost where why says"
# A threshold that one voxel in 500 passes.
threshold=$("$python" -c 'import h5py, numpy as np
with h5py.File("three/run.h5") as f:
    print(repr(float(np.quantile(np.concatenate([h[:].ravel() for h in f["/results/heatmap"].values()]), .998))))')
run 2 sharp "${tree[@]}" "${both[@]}" --set store.heatmaps=true --set "segment.threshold=$threshold" --set group.erosion=none
run 2 small "${tree[@]}" "${both[@]}" --set store.heatmaps=true --set group.erosion=none --set group.min_voxels=1000000
for output in three sharp small; do
    "$python" - $output <<'END'
import csv, sys
for r in csv.DictReader(open(sys.argv[1] + "/froc/nodules.csv")):
    print(sys.argv[1], r["seriesuid"], ",".join(r["coord" + k] for k in "XYZ"), r["lost_in"])
END
done | awk '++seen[$1, $4] <= 6' >verdicts
while read -r output seriesuid xyz loss; do
    said=$("$PULMO" why $output "$seriesuid" "$xyz" | tail -n 1)
    case "$loss:$said" in
    found:found:* | classifier:*"classification"* | heatmap:*"segmentation"* | erosion:*"erosion"* | \
        grouping:*"grouping"* | quarantine:*"quarantine"* | outside:*"outside"*) ;;
    *) fail "$output: $seriesuid $xyz: lost in $loss, but why says: $said" ;;
    esac
done <verdicts
for loss in found heatmap erosion grouping quarantine outside; do
    grep -q " $loss\$" verdicts || fail "no nodule was lost in $loss: the test shows nothing"
done

promise "score.json holds the tables, and they agree with the lists"
"$python" - three <<'END'
import csv, json, sys
run = sys.argv[1]
j = json.load(open(run + "/froc/score.json"))
nodules = list(csv.DictReader(open(run + "/froc/nodules.csv")))
candidates = list(csv.DictReader(open(run + "/candidates.csv")))
assert j["froc"] == json.load(open(run + "/froc/froc.json"))
assert sum(j["nodules"].values()) == len(nodules) == 56
assert j["nodules"]["quarantine"] == 14 == sum(n["lost_in"] == "quarantine" for n in nodules)
c = j["candidates"]
assert sum(c[k] for k in ("true_positives", "false_positives", "false_negatives", "true_negatives")) == len(candidates)
assert c["true_positives"] + c["false_positives"] == sum(float(r["probability"]) >= .5 for r in candidates)
assert sum(b["observed"]["of"] for b in j["calibration"]["bins"]) == len(candidates)
table = j["book"]["table"]
assert sum(table["malignant"].values()) == 19 and sum(table["benign"].values()) == 37
for bins in (j["by_diameter_mm"], j["by_slice_thickness_mm"]):
    assert len(bins) >= 5
assert sum(b["found"][0]["of"] for b in j["by_diameter_mm"]) == 56
assert sum(b["found"][6]["of"] for b in j["by_slice_thickness_mm"]) == 42, "no slices of a scan that failed"
assert j["scope"]["scans"] == 4 and j["scope"]["scans_without_result"] == 1
assert j["scan_seen_by_the_model"] == {"seen": 0, "unseen": 0, "unknown": 3}
assert j["malignancy"]["model"]["auc"] is None and len(j["missing"]) == 2
END

promise "malignancy against the diameter alone, and patients, where there is a model"
run 2 malignant "${tree[@]}" "${both[@]}" --set "malignancy.weights=$work/weights/classify.h5"
expect_done 3 malignant
expect_said malignant "score: malignancy AUC [01]\.[0-9]{4} .*, of the diameter alone [01]\."
"$python" - malignant <<'END'
import csv, json, math, sys
run = sys.argv[1]
j = json.load(open(run + "/froc/score.json"))
truth = list(csv.DictReader(open(run + "/../../tree/annotations_with_malignancy.csv")))
by_scan = {}
for c in csv.DictReader(open(run + "/candidates.csv")):
    by_scan.setdefault(c["seriesuid"], []).append(c)
cases, alone = [], 0
for n in truth:
    near = [c for c in by_scan.get(n["seriesuid"], ())
            if math.dist([float(c["coord" + k]) for k in "XYZ"], [float(n["coord" + k]) for k in "XYZ"])
            < .7 * float(n["diameter_mm"])]
    if near:
        best = max(near, key=lambda c: float(c["probability"]))
        cases.append((n["mal_bool"] == "True", float(best["malignancy"]), float(n["diameter_mm"])))
    else:
        alone += 1
def auc(k):
    pairs = [(a[k] > b[k]) + .5 * (a[k] == b[k]) for a in cases if a[0] for b in cases if not b[0]]
    return sum(pairs) / len(pairs)
m = j["malignancy"]
assert m["nodules_without_judged_candidate"] == alone, (m, alone)
assert abs(m["model"]["auc"] - auc(1)) < 1e-9 and abs(m["diameter"]["auc"] - auc(2)) < 1e-9, (m, auc(1), auc(2))
assert j["patients"]["scans_without_score"] == 1
END

promise "a run of some subsets is scored on its scans alone, and says so"
run 2 some "${tree[@]}" "${both[@]}" --set 'dataset.subsets=[1,2]'
expect_done 0 some
expect_said some "run was of some subsets: 2 scans of the list are scored, 2 that the run has not are left out"
"$python" -c 'import json; j = json.load(open("some/froc/score.json"))
assert j["froc"]["counts"]["scans"] == 2 and j["froc"]["counts"]["nodules"] == 28'

promise "column fold makes a score a fold"
cp -r some folds
rm -r folds/froc
awk -F, -v OFS=, 'NR > 1 { $9 = substr($1, length($1)) % 2 } 1' some/candidates.csv >folds/candidates.csv
run 2 folds "${alone[@]}"
expect_code 0 folds
expect_said folds "score: fold [01]: CPM .*, 1 scans, 14 nodules"
"$python" -c 'import json; assert len(json.load(open("folds/froc/score.json"))["folds"]) == 2'

promise "without lists, what can be known is said and nothing is made up"
cp -r "$work/tree" "$work/bare"
rm "$work"/bare/*.csv
run 2 bare --set "dataset.root=$work/bare" --set limits.quarantine=2 "${both[@]}"
expect_done 3 bare
expect_said bare "warning: score: dataset.annotations is not given .* nothing will be scored"
mv "$work/tree/annotations_with_malignancy.csv" "$work"
run 1 plain "${tree[@]}" "${both[@]}"
mv "$work/annotations_with_malignancy.csv" "$work/tree"
expect_done 3 plain
expect_said plain "score: CPM"
! grep -q "AUC" plain.log || fail "an area of nothing: $(grep AUC plain.log)"
"$python" -c 'import json; j = json.load(open("bare/froc/score.json")); assert j["froc"] is None and len(j["missing"]) == 4'

promise "a list that cannot be read ends the job before any work; a score without results is refused"
sed '5s/,[0-9.-]*$/,wide/' "$work/tree/annotations.csv" >bad.csv
run 2 bad "${tree[@]}" "${both[@]}" --set dataset.annotations=bad.csv
expect_code 2 bad
expect_said bad "bad.csv:5: column diameter_mm: 'wide'"
[ ! -e bad/journal ] || fail "it began all the same"
run 1 nothing "${alone[@]}"
expect_code 2 nothing
expect_said nothing "needs a finished run"
run 1 prepared "${tree[@]}" --set 'stages=["prepare","score"]' --set cache.dir=cache
expect_code 2 prepared
expect_said prepared '"score" needs "detect"'
run 1 three "${alone[@]}" --set "dataset.root=$work/bare"
expect_code 2 three
expect_said three "is a run of dataset.root"
for file in submission.csv candidates.csv run.h5; do
    rm -rf broken
    cp -r some broken
    rm -r broken/froc
    head -c 300 "some/$file" >"broken/$file"
    printf ',"' >>"broken/$file"
    run 2 broken "${alone[@]}"
    [ "$code" -eq 1 ] || [ "$code" -eq 2 ] || fail "broken $file: exit code $code"
    expect_said broken "$file"
    [ ! -e broken/froc/score.json ] || fail "a score of a broken $file"
done
