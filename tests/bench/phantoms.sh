#!/usr/bin/env bash
# How real phantoms are to networks that were trained on real scans, and how easy to simple detectors:
# makes phantoms, runs the pipeline on them, and holds the figures against what was promised.
#
#   tests/bench/phantoms.sh quick|full FOLDER [SCANS]
#
# quick: 6 scans and one copy of a real scan with implants; full: 50 and three. SCANS overrides. FOLDER keeps
# all that is made (120 MB a scan); the same command goes on where it stopped, so a new program wants a
# new FOLDER.
#
# Environment: PULMO (program), PULMO_TEST_DATA (ct/, models/), SCAN (a real .mhd to put nodules into and to
# measure beside the phantoms; default: that of ct/), SEED (1), RANKS (3), STEPS (which of "listed threshold
# book implants"), and what tests/lib/launch.sh names.
# One line a figure: name, value, target, whether it holds. Nothing fails.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"

bench=$PULMO_SOURCE/tests/bench
models=$PULMO_TEST_DATA/models
scan=${SCAN:-$PULMO_TEST_DATA/ct/C3N-00247.mhd}
seed=${SEED:-1}
ranks=${RANKS:-3}
steps=" ${STEPS:-listed threshold book implants} "
case ${1:-} in
quick) scans=6 implants=1 ;;
full) scans=50 implants=3 ;;
*) fail "usage: $0 quick|full FOLDER [SCANS]" ;;
esac
folder=${2:?FOLDER}
scans=${3:-$scans}
for file in "$models/segment.h5" "$models/classify.h5"; do
    [ -r "$file" ] || skip "no $file (PULMO_TEST_DATA)"
done
"$python" -c 'import h5py, scipy' 2>/dev/null || skip "$python lacks python3-h5py or python3-scipy"

# pulmo LOG ARGUMENT...: on all ranks; what it says goes to LOG.
pulmo() {
    local log=$1 began=$EPOCHREALTIME code=0
    shift
    mpirun -n "$ranks" "$PULMO" "$@" >"$log" 2>&1 || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || { tail -n 30 "$log" >&2; fail "pulmo $*: exit code $code"; }
    awk -v a="$began" -v b="$EPOCHREALTIME" -v what="$(basename "$log" .log)" \
        'BEGIN { printf "made %s in %.0f s\n", what, b - a }'
}

# detect NAME TREE [--set K=V]...: a run of $folder/NAME, unless it is done.
detect() {
    local name=$1 tree=$2
    shift 2
    [ -e "$folder/$name/DONE" ] || pulmo "$folder/$name.log" run "$PULMO_SOURCE/jobs/detect.cfg" \
        --set "dataset.root=$tree" --set "output=$folder/$name" --set "classify.weights=$models/classify.h5" \
        --set compute.threads=1 "$@"
}

froc() { # RUN TREE
    "$PULMO" froc --annotations "$2/annotations.csv" --excluded "$2/annotations_excluded.csv" \
        --seriesuids "$2/seriesuids.csv" --bootstraps 0 --out "$folder/froc-$1" "$folder/$1/submission.csv" >/dev/null
}

mkdir -p "$folder"
tree=$folder/tree
[ -e "$tree/seriesuids.csv" ] || pulmo "$folder/tree.log" phantom "$tree" --scans "$scans" --size luna --seed "$seed"
if [[ $steps == *" listed "* ]]; then
    detect listed "$tree" --set segment.method=candidates
fi
if [[ $steps == *" threshold "* ]]; then
    detect threshold "$tree" --set segment.method=threshold --set classify.weights=
    froc threshold "$tree"
fi
if [[ $steps == *" book "* ]]; then
    detect book "$tree" --set mode=book --set "segment.weights=$models/segment.h5"
    froc book "$tree"
fi

# implants COPY: nodules in the real scan, by a seed of their own.
implants() {
    local name=implants-$1
    [ -e "$folder/$name/seriesuids.csv" ] || pulmo "$folder/$name.log" phantom "$folder/$name" \
        --implant "$folder/real" --nodules 30 --negatives 300 --seed "$((seed + $1 - 1))"
    detect "$name-listed" "$folder/$name" --set segment.method=candidates
    detect "$name-book" "$folder/$name" --set mode=book --set "segment.weights=$models/segment.h5"
}

real=()
if [ -r "$scan" ]; then
    real=("$scan")
    if [[ $steps == *" implants "* ]]; then
        mkdir -p "$folder/real"
        data=$(sed -n 's/^ElementDataFile *= *//p' "$scan" | tr -d '\r')
        ln -sf "$(realpath "$scan")" "$(realpath "$(dirname "$scan")/$data")" "$folder/real"
        for copy in $(seq "$implants"); do
            implants "$copy"
        done
    fi
fi
"$python" "$bench/phantom_figures.py" "$folder" ${real[@]+"${real[@]}"}
