#!/usr/bin/env bash
# `pulmo report` and the stage `report`: the picture of a nodule shows the nodule, whatever the axes of the scan;
# names and paths from outside are text; nothing of a patient is left when that is asked for; and the page works in a
# browser. Phantoms with exact masks, found by the classical detector: no weights are needed.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"

export LC_ALL=C
cd "$work"
"$python" -c 'import numpy' 2>/dev/null || skip "$python has no numpy (Debian: python3-numpy)"
check=("$python" "$PULMO_SOURCE/tests/lib/report_check.py")
promise() { echo "* $*"; }

"$PULMO" phantom tree --scans 6 --size 96x96x64 --seed 7 --masks 2>/dev/null
# Scans with other axes, and one with a name that wants to be markup: their lists and masks with them.
"$python" - <<'END'
import csv, glob, os
import numpy as np

hostile = "<b>&\"'onload=alert(1)><script>alert(2)<!--"
turned = {0: np.diag([-1.0, -1, 1]), 1: np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])}
rows = {name: list(csv.reader(open("tree/" + name))) for name in
        ("annotations.csv", "annotations_excluded.csv", "annotations_with_malignancy.csv")}
uids = [line.strip() for line in open("tree/seriesuids.csv")]
with_nodules = [u for u in uids if any(r[0] == u for r in rows["annotations.csv"][1:])]

def values(text, key):
    return [float(v) for line in text.splitlines() if line.startswith(key + " ") for v in line.split("=")[1].split()]

for k, uid in enumerate(with_nodules[:2]):
    for path in glob.glob("tree/subset*/%s.mhd" % uid) + glob.glob("tree/masks/subset*/%s.mhd" % uid):
        text = open(path).read()
        old = np.array(values(text, "TransformMatrix")).reshape(3, 3).T  # its columns are listed
        offset = np.array(values(text, "Offset"))
        new = "TransformMatrix = " + " ".join("%.17g" % v for v in turned[k].T.ravel())
        open(path, "w").write("\n".join(new if line.startswith("TransformMatrix") else line
                                        for line in text.splitlines()) + "\n")
    for table in rows.values():
        for row in table[1:]:
            if row[0] == uid:
                xyz = np.array([float(v) for v in row[1:4]])
                row[1:4] = ["%.9f" % v for v in turned[k] @ np.linalg.inv(old) @ (xyz - offset) + offset]
name = with_nodules[2]
for path in glob.glob("tree/subset*/%s.mhd" % name) + glob.glob("tree/masks/subset*/%s.mhd" % name):
    os.rename(path, os.path.join(os.path.dirname(path), hostile + ".mhd"))
for file, table in rows.items():
    for row in table:
        row[0] = hostile if row[0] == name else row[0]
    csv.writer(open("tree/" + file, "w"), lineterminator="\n").writerows(table)
csv.writer(open("tree/seriesuids.csv", "w"), lineterminator="\n").writerows([[hostile if u == name else u] for u in uids])
left = next(u for u in uids if u not in with_nodules[:3])
for path in glob.glob("tree/subset*/%s.*raw" % left):
    os.truncate(path, 1000)
open("hostile", "w").write(hostile)
open("ordinary", "w").write(with_nodules[0])
open("damaged", "w").write(left)
END

promise "the stage report writes the page before DONE, also of a run that is done"
out='run"><b>&x'
code=0
"$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set 'stages=["detect","score","report"]' --set dataset.root=tree \
    --set dataset.masks=tree/masks --set segment.method=threshold --set classify.threshold=0.9999 --set "output=$out" \
    --set limits.quarantine=2 >log 2>&1 || code=$?
[ "$code" -eq 3 ] || { cat log; fail "exit code $code, not 3"; }
[ -s "$out/report.html" ] || fail "no report.html"
rm "$out/report.html"
"$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set 'stages=["report"]' --set "output=$out" 2>>log || true
[ -s "$out/report.html" ] || { cat log; fail "no report.html of a run that is done"; }

promise "the exact mask covers the crosshair in all planes: of -1 -1 1, oblique and ordinary scans"
"${check[@]}" pixels "$out/report.html"

promise "names and paths that want to be markup are text; the reason of a damaged scan stands there"
"${check[@]}" text "$out/report.html" "$(cat hostile)"
"${check[@]}" text "$out/report.html" 'run"><b>&x'
"${check[@]}" text "$out/report.html" "$(cat damaged)"

promise "pseudonyms: no name of a scan, no path, no host"
"$PULMO" report "$out" --pseudonymise --out hidden.html 2>/dev/null
"${check[@]}" without hidden.html "$(cat ordinary)" "$(cat damaged)" "alert(2)" "$work" ">$(hostname)<" .raw tree/
"${check[@]}" text hidden.html "scan 001"

promise "pictures stop at what was allowed, and the page says so; slices are from the scan that was asked for"
"$PULMO" report "$out" --megabytes 0.05 --out small.html 2>/dev/null
[ "$(stat -c %s small.html)" -lt 400000 ] || fail "$(stat -c %s small.html) bytes"
"${check[@]}" text small.html "findings are shown without pictures"
code=0
"$PULMO" report "$out" --scan nobody --out no.html 2>log || code=$?
[ "$code" -eq 1 ] && grep -q "no scan 'nobody'" log || { cat log; fail "a scan that is not there: $code"; }
[ ! -e no.html ] || fail "a page was written after all"

promise "two runs side by side"
"$PULMO" report "$out" --compare "$out" --out two.html 2>/dev/null
"${check[@]}" text two.html "on the 6 scans"

promise "without gnuplot the numbers stand alone, and the run is no worse for it"
mkdir bin
PATH=$work/bin "$PULMO" report "$out" --out plain.html 2>log
grep -q "gnuplot was not found" log || { cat log; fail "nothing is said of gnuplot"; }
"${check[@]}" text plain.html "No drawing: gnuplot was not found"

if ! command -v gnuplot >/dev/null; then
    echo "skipped: charts (no gnuplot; Debian: gnuplot-nox)"
elif ! command -v chromium >/dev/null; then
    echo "skipped: the page in a browser (no chromium)"
else
    promise "in a browser: charts have title, axes and units, tables sort, the scroller moves, no errors"
    timeout 300 "$python" "$PULMO_SOURCE/tests/lib/report_browser.py" "$out/report.html"
fi
