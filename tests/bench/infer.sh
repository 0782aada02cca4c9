#!/usr/bin/env bash
# Inferences of pulmo and of PyTorch, in turn, with 1 thread and with 2, on random data; what they
# compute is compared in the same run. One line a figure:
#   infer threads=... pulmo_ms=... pytorch_ms=... ratio=... network=... batch=... size=...
# and what the second thread brings, pulmo alone:
#   infer_scale one_thread_ms=... two_threads_ms=... ratio=... network=... batch=... size=...
#
#   tests/bench/infer.sh [BUILD_FOLDER]     default build/release
#
# REPEATS (9): medians of so many. CLOCK=core: processor time divided by the threads, for one thread on a machine
# that others use too. PYTHON (/usr/bin/python3): one with torch and h5py (Debian: python3-torch, python3-h5py).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(cd "${1:-build/release}" && pwd)
export PULMO_SOURCE=$PWD OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
for case in infer-luna infer-unet2d infer-unet3d; do
    [ -e "conf/models/${case#infer-}.cfg" ] || continue
    for threads in 1 2 scale; do
        "${PYTHON:-/usr/bin/python3}" tests/bench/pytorch_steps.py "$build/tests/bench_steps" \
            "$case" "$threads" "${REPEATS:-9}" "${CLOCK:-wall}"
    done
done
