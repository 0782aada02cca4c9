#!/usr/bin/env bash
# How long detection of one scan takes, beside the same pipeline in PyTorch on the same cores, and
# whether both find the same.
#
#   tests/bench/detect.sh            two workers of one thread against PyTorch on two threads
#   tests/bench/detect.sh --scale    and four copies of the scan on one and on two workers
#
# Environment: PULMO (program), PULMO_TEST_DATA (ct/, models/), RUNS (3; medians are printed), SCAN
# (an .mhd), and what tests/lib/launch.sh names. One line a figure, words of KEY=VALUE.
#
# Ours is the wall time of the whole command, from the start of mpirun to its end; PyTorch's counts from
# the loaded interpreter and library to the written list. The runs take turns, so that a machine that
# gets slower is slower for all. Time never fails this script; different findings do.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"

runs=${RUNS:-3}
scan=${SCAN:-$PULMO_TEST_DATA/ct/C3N-00247.mhd}
segment=$PULMO_TEST_DATA/models/segment.h5
classify=$PULMO_TEST_DATA/models/classify.h5
name=$(basename "$scan" .mhd)
bench=$PULMO_SOURCE/tests/bench

case ${1:-} in "" | --scale) ;; *) fail "usage: $0 [--scale]" ;; esac
[[ $runs =~ ^[1-9][0-9]*$ ]] || fail "RUNS=$runs is no number of runs"
for file in "$scan" "$segment" "$classify"; do
    [ -r "$file" ] || skip "no $file (PULMO_TEST_DATA, SCAN)"
done
missing=
for module in torch numpy scipy h5py; do
    "$python" -c "import $module" 2>/dev/null || missing+=" python3-$module"
done
[ -z "$missing" ] || skip "the peer needs these packages of Debian:$missing"

# pulmo WORKERS OUTPUT [--set K=V]...: prints seconds.
pulmo() {
    local workers=$1 output=$2 began=$EPOCHREALTIME
    shift 2
    mpirun -n $((workers + 1)) "$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set mode=book \
        --set "segment.weights=$segment" --set "classify.weights=$classify" \
        --set compute.threads=1 --set "output=$output" "$@" >"$output.log" 2>&1 ||
        { tail -n 30 "$output.log" >&2; fail "the job on $workers workers"; }
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}

# pytorch eager|tuned: prints seconds; the stages go to $work/WAY.log.
pytorch() {
    local environment=(-u OMP_NUM_THREADS) options=()
    if [ "$1" = tuned ]; then
        # Activations of 16 MB and more would be given back to the system and cleared again by it
        # at each operator.
        environment=(OMP_NUM_THREADS=1 MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=4294967296
            MALLOC_TRIM_THRESHOLD_=4294967296)
        options=(--tuned)
    fi
    env "${environment[@]}" "$python" "$bench/pytorch_detect.py" ${options[@]+"${options[@]}"} --threads 2 \
        "$scan" "$segment" "$classify" "$work/$1.csv" >"$work/$1.log" || fail "PyTorch, $1"
    sed -n 's/.* total_s=\([0-9.]*\).*/\1/p' "$work/$1.log"
}

median() { # NUMBER ...
    printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { printf "%.2f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

quotient() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

peak_memory() { # OUTPUT
    sed -n 's/.*peak memory: \([0-9]*\) MB.* \([0-9]*\) MB on rank 0.*/peak_mb=\1 peak_mb_of_rank_0=\2/p' "$1.log"
}

stages_of_ranks() { # timings.csv: rank, host, stage, seconds
    awk -F, 'NR > 1 { line[$1] = line[$1] sprintf(" %s_s=%.2f", $3, $4); if ($1 > last) last = $1 }
        END { for (r = 0; r <= last; r++) print "stages pulmo rank=" r line[r] " (last run)" }' "$1"
}

beside_pytorch() {
    local ours=() eager=() tuned=() run seconds way
    for run in $(seq "$runs"); do
        # `fail` inside $(...) ends only the subshell.
        seconds=$(pulmo 2 "$work/ours$run" --set "dataset.scan=$scan") && ours+=("$seconds") || exit
        seconds=$(pytorch eager) && eager+=("$seconds") || exit
        seconds=$(pytorch tuned) && tuned+=("$seconds") || exit
    done
    local here
    here=$(median "${ours[@]}")
    for way in eager tuned; do
        local -n all=$way
        seconds=$(median "${all[@]}")
        echo "detect scan=$name pulmo_workers=2 pulmo_s=$here" \
            "pytorch=$way pytorch_threads=2 pytorch_s=$seconds" \
            "ratio=$(quotient "$seconds" "$here") (medians of $runs: ${ours[*]}; ${all[*]})"
    done
    for way in eager tuned; do
        echo "stages pytorch=$way $(cat "$work/$way.log") (last run)"
    done
    echo "memory scan=$name pulmo_workers=2 $(peak_memory "$work/ours$runs")"
    stages_of_ranks "$work/ours$runs/timings.csv"
    for way in eager tuned; do
        local line verdict=0
        line=$("$python" "$bench/compare_candidates.py" "$work/ours$runs/candidates.csv" "$work/$way.csv" "$scan") ||
            verdict=$?
        echo "same scan=$name pytorch=$way $line"
        [ "$verdict" -eq 0 ] || fail "pulmo and PyTorch ($way) find different candidates"
    done
}

# Four subsets of one scan each, all the same voxels.
make_tree() {
    local copy data
    data=$(sed -n 's/^ElementDataFile *= *//p' "$scan" | tr -d '\r')
    for copy in 0 1 2 3; do
        mkdir -p "$work/tree/subset$copy"
        cp "$(dirname "$scan")/$data" "$work/tree/subset$copy/copy$copy.${data##*.}"
        sed "s/^ElementDataFile.*/ElementDataFile = copy$copy.${data##*.}/" "$scan" >"$work/tree/subset$copy/copy$copy.mhd"
    done
}

scale() {
    local one=() two=() run seconds
    make_tree
    for run in $(seq "$runs"); do
        seconds=$(pulmo 1 "$work/one$run" --set "dataset.root=$work/tree") && one+=("$seconds") || exit
        seconds=$(pulmo 2 "$work/two$run" --set "dataset.root=$work/tree") && two+=("$seconds") || exit
        cmp "$work/one$run/candidates.csv" "$work/two$run/candidates.csv" || fail "one and two workers differ"
    done
    local speed_up
    speed_up=$(quotient "$(median "${one[@]}")" "$(median "${two[@]}")")
    echo "scale scans=4 workers_1_s=$(median "${one[@]}") workers_2_s=$(median "${two[@]}") speed_up=$speed_up" \
        "efficiency=$(quotient "$speed_up" 2) $(peak_memory "$work/two$runs") (medians of $runs: ${one[*]}; ${two[*]})"
}

# Figures of a machine that is busy with something else are no figures.
echo "machine cores=$(env -u OMP_NUM_THREADS nproc) load=$(cut -d' ' -f1 /proc/loadavg)"
beside_pytorch
[ "${1:-}" != --scale ] || scale
