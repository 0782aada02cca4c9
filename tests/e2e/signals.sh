#!/usr/bin/env bash
# Asked to stop, a job keeps what is done, ends with 75, and the same command completes it to the same
# bytes: USR1 to mpirun, USR1 to one worker alone, TERM and INT to a job of a single process; a training, too,
# that is still preparing masks.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 14 --size 24 88 88
tree=(--set "dataset.root=$work/tree")
mkdir "$work/runs"
cd "$work/runs"
run 2 whole "${tree[@]}"
expect_done 0 whole

# stopped OUTPUT RANKS: it ended as one that was asked to stop, and goes on to the end.
stopped() {
    finish
    expect_code 75 "$1"
    expect_not_done "$1"
    [ ! -e "$1/candidates.csv" ] && [ ! -e "$1/run.h5" ] || fail "$1: results of a job that is not done"
    grep -Eq '"state": *"checkpointed"' "$1/status.json" || fail "$1: status.json says $(cat "$1/status.json")"
    grep -Eq '"exit_code": *75' "$1/status.json" || fail "$1: status.json says $(cat "$1/status.json")"
    [ -z "$(ranks_of "$1")" ] || fail "$1: ranks are left: $(ranks_of "$1")"
    local kept
    kept=$(scans_in_journal "$1")
    run "$2" "$1" "${tree[@]}"
    expect_done 0 "$1"
    expect_said "$1" "14 scans, 0 quarantined, $kept done by an earlier start"
    same_results whole "$1"
    echo "  $kept scans were kept"
}

promise "USR1 to mpirun"
start 3 to_mpirun "${tree[@]}"
wait_for_scans to_mpirun 2
kill -USR1 "$group"
stopped to_mpirun 4

promise "USR1 to one worker alone"
start 4 to_worker "${tree[@]}"
wait_for_scans to_worker 1
kill -USR1 "$(ranks_of to_worker | sed -n 3p)"
stopped to_worker 1

promise "USR1, TERM and INT to a job of one process"
for name in USR1 TERM INT; do
    start 0 alone$name "${tree[@]}"
    wait_for_scans alone$name 1
    kill -$name "$group"
    stopped alone$name 2
done

promise "USR1 to one worker alone, while masks to train on are prepared"
cp -r "$work/tree" "$work/labels" # of anything
job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "cache.dir=$work/cache" --set compute.threads=1 --set segment.network=unet2d
    --set train.epoch_samples=4 --set train.batch=4 --set train.epochs=1 --set 'train.stages=["segment"]' --set train.labels=mask
    --set "dataset.masks=$work/labels" --set limits.deadline_s=8)
export LD_PRELOAD=$PULMO_SHIM SHIM_SLOW=$work/labels/ SHIM_WHILE=$work/slow
touch "$work/slow"
start 3 masks "${tree[@]}"
until grep -q '"preparing masks, .* of 14 scans"' masks/status.json 2>/dev/null || ! kill -0 "$group"; do sleep 0.05; done
kill -USR1 "$(ranks_of masks | sed -n 3p)"
finish
expect_code 75 masks
expect_not_done masks
! grep -q "nodules (" masks.log || fail "it went on to train: $(cat masks.log)"
rm "$work/slow"
run 2 masks "${tree[@]}"
expect_done 0 masks
[ -e masks/models/segment.h5 ] || fail "nothing was trained: $(ls masks)"
