#!/usr/bin/env bash
# `pulmo froc` gives what LUNA16's script gives: held against a slow reference on lists full of ties, and
# against the script's own output on a real submission (the last part needs PULMO_TEST_DATA).
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
reference="$PULMO_SOURCE/tests/lib/froc_reference.py"
export LC_ALL=C

promise() { echo "  $*"; }

# froc CODE FOLDER ARGUMENT...: scores FOLDER/submission.csv into FOLDER/out; what it says is in `said`.
froc() {
    local wanted=$1 folder=$2 code=0
    shift 2
    "$PULMO" froc --annotations "$folder/annotations.csv" --excluded "$folder/annotations_excluded.csv" \
        --seriesuids "$folder/seriesuids.csv" --out "$folder/out" "$@" "$folder/submission.csv" \
        >"$work/said" 2>&1 || code=$?
    [ "$code" -eq "$wanted" ] || { cat "$work/said"; fail "froc $folder $*: exit code $code, not $wanted"; }
}

says() { grep -Eq -- "$1" "$work/said" || { cat "$work/said"; fail "nothing said that matches '$1'"; }; }

# same_score FOLDER: CPM, seven points and counts of FOLDER/out/froc.json are the reference's.
same_score() {
    "$python" - "$1/out/froc.json" <(lists "$1" "$reference" score) <<'PYTHON' || fail "$1: not the same score"
import json, sys
got, wanted = (json.load(open(p)) for p in sys.argv[1:])
sensitivities = [p["sensitivity"] for p in got["points"]]
assert abs(got["cpm"] - wanted["cpm"]) < 1e-9, (got["cpm"], wanted["cpm"])
assert all(abs(a - b) < 1e-9 for a, b in zip(sensitivities, wanted["points"])), (sensitivities, wanted["points"])
for name in wanted.keys() - {"cpm", "points"}:
    assert got["counts"][name] == wanted[name], (name, got["counts"][name], wanted[name])
PYTHON
}

lists() { # FOLDER PROGRAM COMMAND FURTHER...
    local folder=$1 program=$2 command=$3
    shift 3
    "$python" "$program" "$command" "$folder"/{annotations,annotations_excluded,seriesuids,submission}.csv "$@"
}

promise "points, CPM and counts are those of the slow reference, to 1e-9, whatever ties there are"
for seed in 1 2 3 4 5 6; do
    mkdir "$work/made$seed"
    "$python" "$reference" make "$work/made$seed" $seed $((seed * 8))
    froc 0 "$work/made$seed" --bootstraps 20
    same_score "$work/made$seed"
done
"$python" "$reference" make "$work/made1" 7 888 # seven points at whole counts
froc 0 "$work/made1"
same_score "$work/made1"

promise "bounds are within .01 of the reference's, whose resamples are others"
read -r mean lower upper < <(lists "$work/made1" "$reference" band 1000 1 "$work/made1/out/froc_submission_bootstrapping.csv")
echo "    largest difference of mean $mean, lower bound $lower, upper bound $upper"
awk "BEGIN { exit !($mean < .01 && $lower < .01 && $upper < .01) }" || fail "the bounds are others"

promise "the same bytes again; other bounds with another seed; no band without resamples"
cp -r "$work/made1/out" "$work/first"
froc 0 "$work/made1"
diff -r "$work/first" "$work/made1/out" || fail "not the same bytes"
froc 0 "$work/made1" --seed 2
! cmp -s {"$work/first","$work/made1/out"}/froc_submission_bootstrapping.csv || fail "the seed changes nothing"
cmp {"$work/first","$work/made1/out"}/froc_submission.txt || fail "the seed changes the curve"
froc 0 "$work/made2" --bootstraps 0
"$python" -c 'import json, sys; assert json.load(open(sys.argv[1]))["bootstrap"] is None' "$work/made2/out/froc.json"
[ ! -e "$work/made2/out/froc_submission_bootstrapping.csv" ] || fail "the band of an earlier score was left"

promise "marks on scans that are not listed are counted, or an error when asked"
says "warning.* 1\.2\.1[678] *"
froc 2 "$work/made2" --strict
says "that .* does not list, the first 1\.2\.1[678]"
cp -r "$work/made2" "$work/twice"
head -n 1 "$work/made2/seriesuids.csv" >>"$work/twice/seriesuids.csv"
froc 0 "$work/twice" --bootstraps 0
says "1 lines name a scan again"
same_score "$work/twice"
cmp {"$work/made2","$work/twice"}/out/froc_submission.txt || fail "a scan listed twice counts twice"

promise "what cannot be scored is refused with file and line, and leaves no file"
cp -r "$work/made3" "$work/bad"
rm -rf "$work/bad/out"
sed -i '5s/,[^,]*$/,nan/' "$work/bad/submission.csv"
froc 2 "$work/bad"
says "submission.csv:5: column probability: 'nan'"
[ ! -e "$work/bad/out" ] || fail "files of a score that failed"
"$PULMO" froc "$work/bad/submission.csv" >"$work/said" 2>&1 && fail "lists are missing" || [ $? -eq 2 ]
says "annotations is missing"

data=$PULMO_TEST_DATA/evaluator/subset0
[ -e "$data/submission.csv" ] || skip "the rest: no $data/submission.csv"
promise "subset 0 of a real submission: the script's own files"
"$PULMO" froc --annotations "$PULMO_TEST_DATA/luna16/annotations.csv" \
    --excluded "$PULMO_TEST_DATA/luna16/annotations_excluded.csv" --seriesuids "$data/seriesuids.csv" \
    --out "$work/real" "$data/submission.csv" >"$work/said"
cmp "$work/real/froc_submission.txt" "$data"/froc_*.txt || fail "not the script's curve"
sed 's/^CAD Analysis: .*/CAD Analysis: submission/' "$data/CADAnalysis.txt" |
    cmp - "$work/real/CADAnalysis.txt" || fail "not the script's counts"
says "^CPM 0\.875000000 "
for point in "0\.125 +0\.785714286" "0\.250 +0\.848214286" "0\.500 +0\.866071429" "1\.000 +0\.866071429" \
    "2\.000 +0\.901785714" "4\.000 +0\.919642857" "8\.000 +0\.937500000"; do
    says "^ +$point "
done
