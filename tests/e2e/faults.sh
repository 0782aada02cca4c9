#!/usr/bin/env bash
# Whatever happens to a run at whatever moment: it ends within its deadline and ten seconds, nothing under its final
# name is damaged, and the same command on another number of ranks leaves the bytes of a run that nobody disturbed.
#
#   FAULTS=300 SEED=1000 bash tests/e2e/faults.sh     so many faults; the seed and the next ones say which
#   JOBS="detect train study nightly crossval"        the jobs that are disturbed
#
# Without these it is the short form: each kind of fault once, other moments each time.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"
[ -e "$PULMO_SHIM" ] || skip "no shim at $PULMO_SHIM"

SEED=${SEED:-$((10#$(date +%N) % 1000000))}
FAULTS=${FAULTS:-8}
JOBS=${JOBS:-detect train}
make_data tree "$work/tree" --scans 6 --size 16 48 56
awk -F, 'NR == 1 { print $0 ",mal_bool" } NR > 1 { print $0 "," (NR % 2 ? "False" : "True") }' \
    "$work/tree/annotations.csv" >"$work/tree/annotations_with_malignancy.csv"
mkdir "$work/faults" "$work/disk"
if mount -t tmpfs -o size=256m pulmo-test "$work/disk" 2>/dev/null; then
    trap 'umount -l "$work/disk"; clean_up' EXIT
else
    echo "not tried: a full file system (this user cannot mount a tmpfs); a limit on the size of files instead"
fi

promise "$FAULTS faults, SEED=$SEED, JOBS='$JOBS': each run ends in time, what it left is whole, the next start completes it"
# shellcheck disable=SC2086
PYTHONDONTWRITEBYTECODE=1 "$python" "$PULMO_SOURCE/tests/lib/faults.py" "$work" "$FAULTS" "$SEED" $JOBS
