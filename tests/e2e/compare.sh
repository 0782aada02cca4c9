#!/usr/bin/env bash
# `pulmo compare`: both runs' scores are those of `pulmo froc` on the scans they share, sizes and thicknesses too;
# what cannot be compared is refused with its reason.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

export LC_ALL=C
make_data tree "$work/tree" --scans 6
echo "seriesuid,coordX,coordY,coordZ,diameter_mm" >"$work/tree/annotations_excluded.csv"
mkdir "$work/runs"
cd "$work/runs"
# Findings where candidates are listed, so that some are found; every second nodule is malignant.
"$python" - "$work/tree" <<'END'
import csv, random, sys
tree, rng = sys.argv[1], random.Random(1)
rows = list(csv.DictReader(open(tree + "/candidates.csv")))
with open(tree + "/annotations.csv", "w") as a, open(tree + "/annotations_with_malignancy.csv", "w") as m:
    a.write("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
    m.write("seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\n")
    for i, r in enumerate(rows):
        line = ",".join([r["seriesuid"]] + [r["coord" + k] for k in "XYZ"] + ["%.3f" % rng.uniform(3, 14)])
        if i % 3:
            a.write(line + "\n")
            m.write(line + "," + str(i % 2 == 0) + "\n")
END
listed=(--set "dataset.root=$work/tree" --set segment.method=candidates --set "malignancy.weights=$work/weights/classify.h5")
run 2 a "${listed[@]}"
expect_done 0 a

# Run B: the same scans but those of subset 2, other places and probabilities.
run 2 b "${listed[@]}" --set 'dataset.subsets=[0,1]' --set mode=book --set classify.threshold=0.6
expect_done 0 b
"$python" - b <<'END'
import csv, random, sys
import h5py, numpy as np
rng = np.random.default_rng(3)
run = sys.argv[1]
with h5py.File(run + "/run.h5", "r+") as f:
    c = f["/results/candidates"]
    c["malignancy"][:] = rng.uniform(0, 1, len(c["malignancy"])).astype("f4")
rows = list(csv.DictReader(open(run + "/submission.csv")))
with open(run + "/submission.csv", "w") as out:
    out.write("seriesuid,coordX,coordY,coordZ,probability\n")
    for r in rows:
        out.write(",".join([r["seriesuid"]] + [r["coord" + k] for k in "XYZ"] + ["%.6f" % rng.uniform(0, 1)]) + "\n")
END

# compare CODE ARGUMENT...: exit code; what it says is in `out`.
compare() {
    local wanted=$1 code=0
    shift
    timeout 60 "$PULMO" compare "$@" >out 2>&1 || code=$?
    [ "$code" -eq "$wanted" ] || { cat out; fail "compare $*: exit code $code, not $wanted"; }
}

says() { # REGEX
    grep -Eq -- "$1" out || { cat out; fail "nothing said that matches '$1'"; }
}

promise "runs of different scan sets are compared on the scans they share, and say so"
compare 0 a b
says "^A  a: 6 scans, 2 of them not in B"
says "^4 scans that both have and that are listed are compared, with"
says "^  CPM +0\.[0-9]{4} +0\.[0-9]{4} +[+-]0\.[0-9]{4} +[+-]0\."
compare 0 --json a b
cp out first.json
compare 0 a --json b
cmp out first.json || fail "not the same bytes again"

promise "scores, of all and by size and thickness, are those of pulmo froc on these scans"
"$python" - "$work/tree" "$PULMO" <<'END'
import csv, json, os, subprocess, sys
tree, pulmo = sys.argv[1:]
j = json.load(open("first.json"))
shared = sorted({r["seriesuid"] for r in csv.DictReader(open("b/diagnosis.csv"))})
nodules = [r for r in csv.DictReader(open(tree + "/annotations.csv")) if r["seriesuid"] in shared]
import h5py
with h5py.File("a/run.h5") as f:
    thickness = dict(zip((u.decode() for u in f["/results/scans/seriesuid"][:]), f["/results/scans/spacing"][:, 2]))

def write(name, rows):
    with open(name, "w", newline="") as f:
        w = csv.DictWriter(f, "seriesuid coordX coordY coordZ diameter_mm".split(), lineterminator="\n")
        w.writeheader()
        w.writerows(rows)

def froc(run, included, excluded, scans):
    write("in.csv", included)
    write("ex.csv", excluded)
    open("list.csv", "w").writelines(u + "\n" for u in scans)
    subprocess.run([pulmo, "froc", "--annotations", "in.csv", "--excluded", "ex.csv", "--seriesuids", "list.csv",
                    "--out", "froc", "--bootstraps", "0", run + "/submission.csv"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    f = json.load(open("froc/froc.json"))
    return f["cpm"], [p["sensitivity"] for p in f["points"]]

def same(cpm, points, included, excluded, scans):
    for key in "ab":
        wanted = froc(key, included, excluded, scans)
        assert abs(cpm[key] - wanted[0]) < 1e-12, (key, cpm, wanted)
        assert all(abs(p[key] - w) < 1e-12 for p, w in zip(points, wanted[1])), (key, points, wanted)
    assert abs(cpm["difference"] - (cpm["b"] - cpm["a"])) < 1e-12
    assert cpm["lower"] <= cpm["upper"]

assert j["shared_scans"] == j["scans"] == len(shared) == 4 and j["nodules"] == len(nodules)
same(j["cpm"], j["points"], nodules, [], shared)
sizes = slices = 0
for s in j["by_diameter_mm"]:
    inside = lambda n: s["from"] <= float(n["diameter_mm"]) < (s["to"] or 1e9)
    included = [n for n in nodules if inside(n)]
    assert s["nodules"] == len(included)
    sizes += len(included)
    if included:
        same(s["cpm"], s["points"], included, [n for n in nodules if not inside(n)], shared)
for s in j["by_slice_thickness_mm"]:
    scans = [u for u in shared if s["from"] <= thickness[u] < (s["to"] or 1e9)]
    assert s["scans"] == len(scans)
    slices += s["nodules"]
    if s["nodules"]:
        same(s["cpm"], s["points"], [n for n in nodules if n["seriesuid"] in scans], [], scans)
assert sizes == slices == len(nodules)
m = j["malignancy"]
assert m["positives"] + m["negatives"] == len(nodules)
assert abs(m["difference"] - (m["b"]["auc"] - m["a"]["auc"])) < 1e-12 and m["lower"] <= m["difference"] <= m["upper"]
assert j["patients"]["positives"] + j["patients"]["negatives"] == 4
END

promise "a run does not differ from itself; exchanged runs differ the other way; the seed matters, none is none"
compare 0 --json a a
"$python" -c 'import json; j = json.load(open("out"))
assert j["cpm"]["difference"] == j["cpm"]["lower"] == j["cpm"]["upper"] == 0 and j["malignancy"]["p"] == 1'
compare 0 --json b a
"$python" -c 'import json; x, y = json.load(open("out")), json.load(open("first.json"))
assert x["cpm"]["difference"] == -y["cpm"]["difference"] and x["malignancy"]["difference"] == -y["malignancy"]["difference"]'
compare 0 --json --seed 2 a b
! cmp -s out first.json || fail "the seed changes nothing"
compare 0 --bootstraps 0 a b
! grep -q "95 %" out || fail "bounds without resamples"

promise "a scan that failed in one run is one without marks, and is counted; so is one that is not the same file"
cp -r "$work/tree" "$work/cut"
cut=$(cut -d, -f1 b/diagnosis.csv | sed -n 2p)
truncate -s -100 "$work"/cut/subset*/"$cut".raw
changed=$(basename "$(find "$work/cut" -name '*.raw' ! -name "$cut.raw" | sort | head -n 1)" .raw)
printf '\001' | dd of="$(ls "$work"/cut/subset*/"$changed".raw)" bs=1 seek=500 conv=notrunc status=none
run 1 failed --set "dataset.root=$work/cut" --set segment.method=candidates --set limits.quarantine=2
expect_done 3 failed
compare 0 a failed
says "^1 of them failed in B: scans without a mark there"
says "^1 of them are not the same files"
says "^6 scans that both have"

promise "what cannot be compared is refused, naming why"
compare 2 a
says "name two run directories"
compare 2 a b a
says "'a' is a third one"
compare 2 --bootstraps many a b
says "'many' is not a number"
compare 2 --frobnicate a b
compare 1 a nowhere
says "nowhere: no run directory"
mkdir other
make_data tree "$work/other" --scans 2 --seed 9
for list in "$work"/other/*.csv "$work"/other/subset*/*.mhd; do sed -i 's/1\.3\.6\.1\.4\.1\./9.9./' "$list"; done
for file in "$work"/other/subset*/1.3.*; do mv "$file" "${file/1.3.6.1.4.1./9.9.}"; done
run 1 other "--set" "dataset.root=$work/other" --set segment.method=candidates
expect_done 0 other
compare 1 a other
says "a and other have no scan in common"
sed '$d' "$work/tree/annotations.csv" >fewer.csv
run 1 fewer "${listed[@]}" --set dataset.annotations=fewer.csv
compare 2 a fewer
says "different lists, .*annotations.csv and .*fewer.csv: say which one counts with --annotations"
compare 0 --annotations fewer.csv a fewer
mv fewer.csv gone.csv
compare 2 a fewer
says "--annotations says which one counts.*fewer.csv: No such file"
compare 0 --annotations gone.csv a fewer
mv gone.csv fewer.csv
cp -r a unfinished
rm unfinished/DONE
compare 1 a unfinished
says "unfinished: the run is not done"
compare 2 --seriesuids "$work/other/seriesuids.csv" a b
says "names no scan of the run"
for file in run.h5 submission.csv candidates.csv job.cfg; do
    rm -rf broken
    cp -r a broken
    head -c 200 "a/$file" >"broken/$file"
    printf ',"' >>"broken/$file"
    code=0
    timeout 60 "$PULMO" compare a broken >out 2>&1 || code=$?
    [ "$code" -eq 1 ] || { cat out; fail "a broken $file: exit code $code"; }
    says "$file"
done
sed '3s/,[^,]*$/,nan/' a/submission.csv >broken/submission.csv
cp a/job.cfg a/candidates.csv broken
compare 1 a broken
says "broken/submission.csv:3: column probability: 'nan'"
