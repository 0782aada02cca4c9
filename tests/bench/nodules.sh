#!/usr/bin/env bash
# What training gives on real nodules: each subset of cut-outs tested by a model of the others.
#
#   tests/bench/nodules.sh FOLDER malignancy|unet3d|unet2d ...
#
# malignancy: malignant against benign nodules, LunaModel from random weights; the area under the ROC curve
# with an interval by patient, beside diameter alone and the extent of the cut-out alone, and that of the same
# models where the nodules were painted over.
# unet3d, unet2d: segmenters that learn the masks; mean Dice over the nodules with an interval by patient.
#
# FOLDER keeps the runs: the same command goes on where it stopped, so a new program wants a new FOLDER.
# Figures are printed of what is there.
#
# Environment: PULMO (program), NODULES (the data set: subset0 to subset7, masks/, annotations.csv,
# annotations_with_malignancy.csv, source.csv with the patient of each cut-out; default: nodules/ of
# PULMO_TEST_DATA), FOLDS ("0 1 2 3 4 5 6 7"), RANKS (3), SET (more settings, K=V words, for trials in a FOLDER
# of their own), VALIDATE (1: a trial is judged by its validation subsets, and those tested on stay unseen),
# and what tests/lib/launch.sh names. Nothing fails by a figure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"

bench=$PULMO_SOURCE/tests/bench
nodules=${NODULES:-$PULMO_TEST_DATA/nodules}
folds=${FOLDS:-0 1 2 3 4 5 6 7}
folder=${1:?usage: $0 FOLDER malignancy|unet3d|unet2d ...}
shift
[ $# -gt 0 ] || fail "usage: $0 FOLDER malignancy|unet3d|unet2d ..."
[ -r "$nodules/source.csv" ] || skip "no $nodules/source.csv (NODULES, PULMO_TEST_DATA)"
[ -r "$PULMO_TEST_DATA/models/classify.h5" ] || skip "no models/classify.h5 (PULMO_TEST_DATA)"
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python lacks python3-h5py or python3-numpy"
mkdir -p "$folder"
folder=$(realpath "$folder")
nodules=$(realpath "$nodules")

# job RUN ARGUMENT...: unless it is done.
job() {
    local run=$1 tree=$nodules code=0 began=$EPOCHREALTIME
    shift
    [[ $run != */painted-* ]] || tree=$folder/painted
    [ ! -e "$run/DONE" ] || return 0
    mpirun -n "${RANKS:-3}" "$PULMO" run "$@" --set "output=$run" --set "dataset.root=$tree" \
        --set compute.threads=1 >>"$run.log" 2>&1 || code=$?
    [ "$code" -eq 0 ] || { tail -n 30 "$run.log" >&2; fail "$run: exit code $code"; }
    awk -v a="$began" -v b="$EPOCHREALTIME" -v what="$(basename "$run")" \
        'BEGIN { printf "made %s in %.0f s\n", what, b - a }'
}

# A validation subset is the next one that there is.
tested() { # FOLD
    echo "$((${VALIDATE:-0} ? ($1 + 1) % 8 : $1))"
}

train() { # WHAT FOLD STAGE [--set K=V]...
    local what=$1 fold=$2 stage=$3 word
    shift 3
    for word in ${SET:-}; do
        set -- "$@" --set "$word"
    done
    job "$folder/$what-$fold-train" "$bench/nodules.cfg" --set "cache.dir=$folder/cache" --set "train.fold=$fold" \
        --set "train.stages=[\"$stage\"]" --set "dataset.masks=$nodules/masks" "$@"
}

detect() { # WHAT FOLD [--set K=V]...
    local what=$1 fold=$2
    shift 2
    job "$folder/$what-$fold-test" "$PULMO_SOURCE/jobs/detect.cfg" \
        --set "dataset.subsets=[$(tested "$fold")]" "$@"
}

# Candidates at the centres of the nodules: the classifier that judges them is the malignancy model.
malignancy() { # FOLD
    local what model=$folder/malignancy-$1-train/models/malignancy-fold$1.h5
    train malignancy "$1" malignancy
    [ -e "$folder/painted/subset7" ] || "$python" "$bench/nodules.py" "$folder" "$nodules" paint
    for what in malignancy painted; do
        detect $what "$1" --set segment.method=candidates --set "dataset.candidates=$folder/centres.csv" \
            --set "classify.weights=$model" --set "malignancy.weights=$model"
    done
}

# Slices are cheap and need more of them. Heatmaps are what counts; candidates are not asked for.
unet() { # DIMENSIONS FOLD
    local slices=()
    [ "$1" -eq 3 ] || slices=(--set train.segment.epochs=12 --set train.segment.epoch_samples=1200 --set train.segment.batch=8
        --set train.segment.learning_rate=2e-3)
    train "unet$1d" "$2" segment --set "segment.network=unet$1d" ${slices[@]+"${slices[@]}"}
    detect "unet$1d" "$2" --set store.heatmaps=true --set group.min_voxels=1000000000 \
        --set "segment.weights=$folder/unet$1d-$2-train/models/segment-fold$2.h5" \
        --set "classify.weights=$PULMO_TEST_DATA/models/classify.h5"
}

sed 's/,[^,]*$/,1/; 1s/,1$/,class/' "$nodules/annotations.csv" >"$folder/centres.csv"
echo "machine cores=$(env -u OMP_NUM_THREADS nproc) load=$(cut -d' ' -f1 /proc/loadavg) date=$(date -u +%F)"
for what; do
    for fold in $folds; do
        case $what in
        malignancy) malignancy "$fold" ;;
        unet3d) unet 3 "$fold" ;;
        unet2d) unet 2 "$fold" ;;
        *) fail "usage: $0 FOLDER malignancy|unet3d|unet2d ..." ;;
        esac
    done
    "$python" "$bench/nodules.py" "$folder" "$nodules" "$what"
done
