#!/usr/bin/env bash
# A whole study on a machine that has no CT scan and no weights: makes a small data set of phantoms, trains
# segmenter, classifier and malignancy model on nine subsets of it, finds nodules in the tenth, scores them as
# LUNA16 does, and reports; with one master and two workers.
#   jobs/demo.sh [FOLDER]      FOLDER (default: demo) receives phantoms/, cache/ and run/
# Installs what is missing and builds first. SCANS=N and SEED=N change the data set, WORKERS=N the workers.
# Started again, it goes on where it was.
set -euo pipefail
if [ $# -gt 1 ] || [[ "${1:-}" == -* ]]; then
    sed -n '2,7s/^# //p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-demo}
pulmo=$here/build/release/pulmo
[ -x "$pulmo" ] || bash "$here/tests/run.sh" build

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
workers=${WORKERS:-2}
ranks() { mpirun --oversubscribe --bind-to none -n "$@"; }
mkdir -p "$folder"
tree=$folder/phantoms run=$folder/run

echo "== phantoms: $tree"
ranks "$workers" "$pulmo" phantom "$tree" --scans "${SCANS:-60}" --size 256x256x128 --seed "${SEED:-1}"
echo "== training, detection, score: $run"
ranks $((workers + 1)) "$pulmo" run "$here/jobs/demo.cfg" --set dataset.root="$tree" --set cache.dir="$folder/cache" \
    --set output="$run"

# The most probable finding, as a picture.
IFS=, read -r series x y z probability _ < <(sed 1d "$run/submission.csv" | sort -t, -k5,5gr -k1,1 | sed -n 1p)
scan=$(ls "$tree"/subset*/"$series".mhd)
"$pulmo" info "$scan" --png "$run/finding.png" --at "$x,$y,$z" --crosshair --width 1200 >/dev/null
echo "== $run: candidates.csv, submission.csv, run.h5, froc/; finding.png shows the finding of highest score ($probability)"
echo "   report.html shows it all, in any browser"
