#!/usr/bin/env bash
# What the networks give on phantoms, beside the detector without any: trains on one data set, tests on another.
#
#   tests/bench/phantom_study.sh FOLDER
#
# Makes FOLDER/train and FOLDER/test (TRAIN_SCANS and TEST_SCANS phantoms of SIZE), trains the 3D segmenter and, with what
# it wrongly finds, the classifier; then the book's segmenter of slices. Detects in the test scans with the 3D segmenter, with that of
# slices (both with the one classifier), and with the classical detector alone and before the classifier; scores and compares.
# FOLDER keeps all of it: the same command goes on where it stopped, so a new program wants a new FOLDER.
#
# Environment: PULMO (program), TRAIN_SCANS (160), TEST_SCANS (100), SIZE (384x384x192), SEED (71; the test's is one
# more), RANKS (3), and what tests/lib/launch.sh names. Two cores take two hours, 35 GB of disk. Nothing fails by a figure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"

bench=$PULMO_SOURCE/tests/bench
folder=${1:?usage: $0 FOLDER}
ranks=${RANKS:-3}
seed=${SEED:-71}
size=${SIZE:-384x384x192}
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python lacks python3-h5py or python3-numpy"
mkdir -p "$folder"
folder=$(realpath "$folder")

# pulmo LOG ARGUMENT...
pulmo() {
    local log=$folder/$1.log began=$EPOCHREALTIME code=0
    shift
    mpirun -n "$ranks" "$PULMO" "$@" >>"$log" 2>&1 || code=$?
    [ "$code" -eq 0 ] || { tail -n 30 "$log" >&2; fail "$*: exit code $code"; }
    awk -v a="$began" -v b="$EPOCHREALTIME" -v what="$(basename "$log" .log)" 'BEGIN { printf "made %s in %.0f s\n", what, b - a }'
}

# job RUN JOB_FILE ARGUMENT...: unless it is done.
job() {
    local run=$1 file=$2
    shift 2
    [ ! -e "$folder/$run/DONE" ] || return 0
    pulmo "$run" run "$PULMO_SOURCE/jobs/$file" --set "output=$folder/$run" --set compute.threads=1 "$@"
}

train() { # RUN STAGES [--set K=V]...
    local run=$1 stages=$2
    shift 2
    job "$run" train.cfg --set "dataset.root=$folder/train" --set "cache.dir=$folder/cache" --set train.fold=0 \
        --set "train.stages=$stages" "$@"
}

detect() { # RUN [--set K=V]...
    local run=$1
    shift
    job "$run" detect.cfg --set "dataset.root=$folder/test" --set 'stages=["detect","score"]' "$@"
}

echo "machine cores=$(env -u OMP_NUM_THREADS nproc) load=$(cut -d' ' -f1 /proc/loadavg) date=$(date -u +%F)"
pulmo phantoms phantom "$folder/train" --scans "${TRAIN_SCANS:-160}" --size "$size" --seed "$seed"
pulmo phantoms phantom "$folder/test" --scans "${TEST_SCANS:-100}" --size "$size" --seed $((seed + 1))

train networks '["segment","classify"]' --set segment.network=unet3d --set 'train.hard_negatives="own"' \
    --set train.segment.epochs=8 --set train.segment.epoch_samples=3000 \
    --set train.classify.epochs=14 --set train.classify.epoch_samples=10000 --set train.classify.optimizer=adamw \
    --set train.classify.learning_rate=4e-4 --set train.classify.weight_decay=0.05 \
    --set train.classify.schedule=cosine --set train.classify.warmup=1
train slices '["segment"]' --set segment.network=unet2d \
    --set train.segment.epochs=8 --set train.segment.epoch_samples=10000

classifier=$folder/networks/models/classify-fold0.h5
detect detect-3d --set segment.network=unet3d --set "segment.weights=$folder/networks/models/segment-fold0.h5" \
    --set "classify.weights=$classifier"
detect detect-2d --set segment.network=unet2d --set "segment.weights=$folder/slices/models/segment-fold0.h5" \
    --set "classify.weights=$classifier"
detect classical --set segment.method=threshold
detect classical-classified --set segment.method=threshold --set "classify.weights=$classifier"
detect listed --set segment.method=candidates --set "classify.weights=$classifier"

for run in classical classical-classified detect-2d; do
    echo "== $run against detect-3d"
    "$PULMO" compare "$folder/$run" "$folder/detect-3d"
done
"$python" "$bench/phantom_study.py" "$folder"
