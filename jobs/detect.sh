#!/usr/bin/env bash
# Detects nodules in one volume, or in a LUNA16 tree, on this machine: one master and two workers.
#   jobs/detect.sh SCAN.mhd|TREE SEGMENT.h5 CLASSIFY.h5 RUN_DIR [--set KEY=VALUE]...
# Installs what is missing and builds first. WORKERS=N changes the number of workers.
set -eu
if [ $# -lt 4 ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")/.." && pwd)
input=$1 segment=$2 classify=$3 output=$4
shift 4

if [ ! -x "$here/build/release/pulmo" ]; then
    bash "$here/tests/run.sh" build
fi
if [ -d "$input" ]; then source=dataset.root=$input; else source=dataset.scan=$input; fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec mpirun --oversubscribe --bind-to none -n $((1 + ${WORKERS:-2})) "$here/build/release/pulmo" run \
    "$here/jobs/detect.cfg" --set "$source" --set segment.weights="$segment" \
    --set classify.weights="$classify" --set output="$output" "$@"
