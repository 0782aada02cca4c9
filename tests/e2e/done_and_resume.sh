#!/usr/bin/env bash
# A job that was killed goes on from what is done, on any number of ranks, to the same bytes; one that is
# done is left alone; one that was started with something else is refused.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 20 --size 24 88 88
tree=(--set "dataset.root=$work/tree" --set store.heatmaps=true)
mkdir "$work/runs"
cd "$work/runs"
run 2 whole "${tree[@]}"
expect_done 0 whole

# expect_kept OUTPUT COUNT: the last start did not do these again.
expect_kept() {
    expect_said "$1" "20 scans, 0 quarantined, $2 done by an earlier start"
}

promise "killed twice with SIGKILL and resumed on other numbers of ranks: the same bytes, nothing finished is done again"
start 3 killed "${tree[@]}"
wait_for_scans killed 5
kill_group killed
first=$(scans_in_journal killed)
expect_not_done killed
start 2 killed "${tree[@]}"
wait_for_scans killed $((first + 4))
kill_group killed
second=$(scans_in_journal killed)
expect_not_done killed
run 4 killed "${tree[@]}"
expect_done 0 killed
expect_kept killed "$second"
same_results whole killed
echo "  finished at the first kill: $first, at the second: $second"

promise "a second start while the first runs is refused and does no harm"
start 3 busy "${tree[@]}"
wait_for_scans busy 1
first_group=$group
stopped_rank=$(ranks_of busy | head -n 1) # stands still meanwhile, however quick the job is
kill -STOP "$stopped_rank"
ln -s busy second # the same directory; what is said goes to a log of its own
run 1 second "${tree[@]}"
expect_code 1 second
expect_said second "$work/runs/second: another process is at work in this run directory"
kill -0 "$first_group" 2>/dev/null || fail "the first job was over before the second began: nothing was tested"
kill -CONT "$stopped_rank"
stopped_rank=
group=$first_group
finish
expect_done 0 busy
same_results whole busy

promise "a run that is done: its exit code at once, no file touched"
find whole -printf '%p %T@ %s %i\n' | sort >before
run 3 whole "${tree[@]}"
expect_code 0 whole
expect_said whole "whole is done already"
find whole -printf '%p %T@ %s %i\n' | sort | cmp before - || fail "a file of a run that is done was written"

# All scans done and nothing stored: a folder stands where run.h5 is to be written.
mkdir -p made/run.h5.part/in_the_way
run 2 made "${tree[@]}"
expect_code 1 made
expect_said made 'run\.h5'
expect_not_done made
[ "$(scans_in_journal made)" -eq 20 ] || fail "the journal lacks scans"
rm -r made/run.h5.part

promise "results that could not be stored are stored by the next start without doing a scan again"
cp -r made stored
run 3 stored "${tree[@]}" --set limits.deadline_s=77 --set compute.threads=2 --set limits.memory_gb=0.3
expect_done 0 stored
expect_kept stored 20
same_results whole stored

promise "other settings are refused: exit 2, the key named, done or not"
refused() { # KEY VALUE
    for output in made whole; do
        run 2 $output "${tree[@]}" --set "$1=$2"
        expect_code 2 $output
        expect_said $output "belongs to a job with other settings: $1"
    done
}
refused mode book
refused segment.threshold 0.4
refused group.erosion none
refused classify.threshold 0.25
refused dataset.subsets '[0,1]'
refused seed 7
[ "$(scans_in_journal made)" -eq 20 ] || fail "the journal was touched"

promise "other weights in the same file are refused: exit 2, the key named"
for stage in segment classify; do
    cp "$work/weights/$stage.h5" "$work/kept.h5"
    "$python" - "$work/weights/$stage.h5" <<'PYTHON'
import sys, h5py
with h5py.File(sys.argv[1], "a") as f:
    name = "unet.last.bias" if "unet.last.bias" in f else "head_linear.bias"
    f[name][0] += 0.001
PYTHON
    run 3 made "${tree[@]}"
    cp "$work/kept.h5" "$work/weights/$stage.h5"
    expect_code 2 made
    expect_said made "started with something else.*$stage\\.weights"
done

promise "a journal torn in its last record, or with garbage behind it: what is whole is kept"
cp -r made torn
truncate -s -7 torn/journal
run 2 torn "${tree[@]}"
expect_done 0 torn
expect_kept torn 19
same_results whole torn
cp -r made garbage
head -c 3000 /dev/urandom >>garbage/journal
run 2 garbage "${tree[@]}"
expect_done 0 garbage
expect_kept garbage 20
same_results whole garbage

promise "a scan that changed between starts is done again, and only that one; one that was touched is not"
uid=$(sed -n 4p "$work/tree/seriesuids.csv") # scan 3, uncompressed, in subset0
raw=$work/tree/subset0/$uid.raw
[ -s "$raw" ] || fail "no $raw"
cp -p "$raw" "$work/kept.raw"
cp -r made touched
touch "$raw"
run 2 touched "${tree[@]}"
expect_done 0 touched
expect_kept touched 20 # hashed: it holds what it held
same_results whole touched
cp -r made changed
"$python" - "$raw" <<'PYTHON'
import sys, numpy as np
hu = np.fromfile(sys.argv[1], "<i2")
hu[hu.size // 2 :] -= 60
hu.tofile(sys.argv[1])
PYTHON
run 3 changed "${tree[@]}"
expect_done 0 changed
expect_kept changed 19
run 1 anew "${tree[@]}"
expect_done 0 anew
same_results anew changed
! cmp -s whole/candidates.csv changed/candidates.csv || fail "the change did not reach the results: nothing was tested"
others() { grep -v "^$uid," "$1"; }
cmp <(others whole/candidates.csv) <(others changed/candidates.csv) || fail "the results of other scans changed"

promise "a scan that came and one that went between starts"
cp -p "$work/kept.raw" "$raw"
cp -r made fewer
mkdir "$work/away"
mv "$work/tree/subset0/$uid".* "$work/away"
run 2 fewer "${tree[@]}"
expect_done 0 fewer
expect_said fewer "19 scans, 0 quarantined, 19 done by an earlier start"
cmp <(others whole/candidates.csv) fewer/candidates.csv || fail "a scan that is gone changed the others"
