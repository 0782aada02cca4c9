#!/usr/bin/env bash
# The memory of a training is bounded by limits.memory_gb, known before any work, and the same after any epoch.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 6
cd "$work"
job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set segment.network=unet2d --set 'train.stages=["segment","classify"]' --set train.epoch_samples=4
    --set train.batch=4 --set train.validate_samples=4)

promise "what does not fit limits.memory_gb is refused before any work, naming what to change"
run 2 large --set limits.memory_gb=0.3 --set train.batch=64
expect_code 2 large
expect_said large "train.segment: a batch of 64 on 1 worker takes [0-9.]+ GB a rank.* lower train.segment.batch, take [0-9]+ workers, or raise limits.memory_gb"
[ ! -e cache ] || fail "the cache was filled"
needed=$(sed -En 's/.*take ([0-9]+) workers.*/\1/p' large.log)
run 2 never --set limits.memory_gb=0.003
expect_code 2 never
expect_said never "lower train.segment.batch, or raise limits.memory_gb"

promise "pulmo check says the same"
"$PULMO" check "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache" \
    --set compute.threads=1 --set segment.network=unet2d --set train.batch=64 --set limits.memory_gb=0.3 >check.txt || true
grep -Eq "^train +segment: batches of 64 take .* needs $needed workers or a smaller batch" check.txt || fail "$(cat check.txt)"

promise "no rank's memory grows with epochs"
# Of each rank: the most that it held, KiB, looked at until it ends.
watch_ranks() { # OUTPUT
    local pid most
    : >"$1.peaks"
    while kill -0 "$group" 2>/dev/null; do
        for pid in $(ranks_of "$1"); do
            most=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
            [ -z "$most" ] || echo "$pid $most" >>"$1.peaks"
        done
        sleep 0.05
    done
    finish
    expect_code 0 "$1"
}
most_of() { sort -k1,1 -k2,2n "$1.peaks" | awk '{ m[$1] = $2 } END { for (p in m) print m[p] }' | sort -n; }
# First a run that fills the cache: what that takes would count for the short ones alone. Of these there are two, since the
# most that is held at one moment differs by up to 4 MB from run to run.
run 3 first --set train.epochs=1
expect_code 0 first
for name in short again; do
    start 3 "$name" --set train.epochs=6
    watch_ranks "$name"
    most_of "$name" >"$name.most"
done
start 3 long --set train.epochs=44
watch_ranks long
most_of long >long.most
[ "$(wc -l <long.most)" -eq 3 ] || fail "saw $(wc -l <long.most) ranks"
paste short.most again.most long.most | while read -r few too many; do
    echo "  $few and $too KiB after 6 epochs, $many KiB after 44"
    [ "$few" -ge "$too" ] || few=$too
    [ $((many - few)) -lt 4096 ] || fail "memory grows with epochs"
done
expect_said long "peak memory: [0-9]+ MB on rank [0-9]"
