#!/usr/bin/env bash
# A full disk ends the job with a message that names the file, spoils nothing, and the same command goes on
# once there is room. On a small tmpfs where this user may mount one; a limit on the size of files always.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 6
tree=(--set "dataset.root=$work/tree" --set store.heatmaps=true)
mkdir "$work/runs" "$work/disk"
cd "$work/runs"
run 2 whole "${tree[@]}"
expect_done 0 whole

# ended OUTPUT: with a message, without damage.
ended() {
    expect_code 1 "$1"
    expect_said "$1" "error: .*$1/[^ :]*: .*(No space left on device|File too large)"
    expect_not_done "$1"
    local list
    for list in candidates submission diagnosis; do
        [ ! -e "$1/$list.csv" ] || cmp "whole/$list.csv" "$1/$list.csv" || fail "$1: $list.csv is damaged"
    done
    [ ! -e "$1/run.h5" ] || "$python" "$PULMO_SOURCE/tests/lib/results.py" same whole/run.h5 "$1/run.h5"
    echo "  $(grep -m1 'error: .*' "$1.log")"
}

promise "files may not grow beyond a limit: exit 1 with the file's name, and the next start goes on"
for blocks in 16 300; do
    (
        # MPI's own shared segments are files too.
        export PMIX_MCA_gds=hash OMPI_MCA_btl=self
        ulimit -f $blocks
        run 0 limited$blocks "${tree[@]}"
        exit "$code"
    ) && code=0 || code=$?
    ended limited$blocks
    run 2 limited$blocks "${tree[@]}"
    expect_done 0 limited$blocks
    same_results whole limited$blocks
done

if ! mount -t tmpfs -o size=64m pulmo-test "$work/disk" 2>/dev/null; then
    echo "not tried: a full file system (this user cannot mount a tmpfs)"
    exit 0
fi
trap 'umount -l "$work/disk"; clean_up' EXIT

used() { df -k --output=used "$work/disk" | tail -n 1; }
used_after() { # [--set K=V]...: KB on the disk when all scans are done and run.h5 is not there
    mkdir -p disk_used/run.h5.part/in_the_way
    run 2 disk_used "${tree[@]}"
    expect_code 1 disk_used
    used
    rm -rf "$work"/disk/*
}
ln -s "$work/disk" disk_used
scans=$(used_after)
store=$(($(stat -c %s whole/run.h5) / 1024 + 1))
echo "the scans of this job take $scans KB, run.h5 $store KB"

for room in 8 40 $((scans / 2)) $((scans + 16)) $((scans + store / 2)) $((scans + store + 12)); do
    promise "a disk of $room KB"
    mount -o "remount,size=${room}k" "$work/disk"
    ln -s "$work/disk" room$room
    run 3 room$room "${tree[@]}"
    ended room$room
    mount -o remount,size=64m "$work/disk"
    run 2 room$room "${tree[@]}"
    expect_done 0 room$room
    same_results whole room$room
    rm -rf "$work"/disk/*
done
