#!/usr/bin/env bash
# Training: the same bits for every number of ranks and threads and after every kill; nothing of the test
# subset shows in the models; what a training cannot go on from is named, and the last good state is kept.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

tree=$work/tree
make_data tree "$tree" --scans 10
awk -F, 'NR == 1 { print $0 ",mal_bool" } NR > 1 { print $0 "," (NR % 3 ? "False" : "True") }' \
    "$tree/annotations.csv" >"$tree/annotations_with_malignancy.csv"

job=("$PULMO" run "$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set segment.network=unet2d --set train.epochs=2 --set train.epoch_samples=10 --set train.batch=4
    --set train.validate_samples=6 --set checkpoint.seconds=0)
cd "$work"
sums() { (cd "$1" && sha256sum models/*.h5 metrics.csv); }
same_as() { sums "$2" | cmp - "$1.sums" || fail "$2 has other bits than $1"; }

promise "models and metrics have the same bits for 1, 2, 3, 4 and 7 ranks and for 1 and 2 threads"
run 0 alone
expect_code 0 alone
sums alone >alone.sums
[ "$(wc -l <alone.sums)" -eq 4 ] || fail "$(cat alone.sums)"
for ranks in 2 3 4 7; do
    run $ranks on$ranks --set compute.threads=$((ranks == 2 ? 2 : 1))
    expect_code 0 on$ranks
    same_as alone on$ranks
done
run 3 on3
expect_said on3 "is done already"

promise "killed while it writes a checkpoint it goes on from the one before"
for stage in segment classify; do
    plain=("${job[@]}")
    job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_KILL="checkpoints/$stage-000000000002" "${job[@]}")
    run 3 torn
    job=("${plain[@]}")
    [ "$code" -ne 0 ] || fail "nothing was killed"
    ls torn/checkpoints/$stage-000000000002-*.part >/dev/null || fail "no checkpoint was being written"
done
run 2 torn
expect_code 0 torn
expect_said torn "classify: the training goes on from .*checkpoints/classify-000000000001-"
same_as alone torn

promise "killed at ten random moments it goes on to the same bits, each time on another number of ranks"
# Sixty times more steps than kills, so that no machine is through before: of segmenter, classifier and malignancy model, each leaves a checkpoint.
few=("${job[@]}")
job+=(--set train.epoch_samples=200 --set train.batch=2)
run 2 whole
expect_code 0 whole
sums whole >whole.sums
RANDOM=${SEED:-$(date +%N | sed 's/^0*//')}
echo "  SEED=$RANDOM"
newest_of_all() { (cd killed/checkpoints 2>/dev/null && ls -t -- *.h5 2>/dev/null | head -n 1) || true; }
# Waits until the job leaves another checkpoint, and then for some part of what follows.
let_it_learn() {
    local before
    before=$(newest_of_all)
    while [ "$(newest_of_all)" = "$before" ] && kill -0 "$group" 2>/dev/null; do
        sleep 0.01
    done
    sleep "0.$(printf %03d $((RANDOM % 60)))"
}
kills=0
seen_killed=
for ranks in 3 1 7 2 5 4 6 2 3 1 4 7; do
    start $ranks killed
    let_it_learn
    seen_killed+=" $(newest_of_all | cut -d- -f1)"
    ps -o pid= --ppid "$group" >pids || true
    [ -s pids ] || break
    kill -KILL "$(shuf -n 1 pids)" 2>/dev/null || true
    finish
    [ "$code" -ne 0 ] || break
    kills=$((kills + 1))
    [ "$kills" -lt 10 ] || break
done
[ -z "$group" ] || finish
echo "  $kills kills, in$seen_killed"
[ "$kills" -ge 10 ] || fail "the training was over before it was killed ten times"
run 2 killed
expect_code 0 killed
sums killed | cmp - whole.sums || fail "killed has other bits than whole"
job=("${few[@]}")

promise "asked to stop it leaves a checkpoint and exit code 75"
start 3 stopped --set train.epochs=4
until ls stopped/checkpoints/classify-* >/dev/null 2>&1; do sleep 0.05; done
kill -USR1 "$group"
finish
expect_code 75 stopped
[ ! -e stopped/DONE ]
newest() { ls stopped/checkpoints/classify-*.h5 | tail -n 1; }

promise "settings that bind are refused by name, a scan that is gone too, more epochs are taken"
run 3 stopped --set train.epochs=4 --set train.batch=5
expect_code 2 stopped
expect_said stopped "train.batch \(was 4, is 5\)"
run 3 stopped --set train.epochs=4 --set compute.isa=portable
expect_code 2 stopped
expect_said stopped "compute.isa"
gone=$(ls "$tree"/subset*/*.mhd | sed -n 2p)
mv "$gone" gone.mhd
run 2 stopped --set train.epochs=4
expect_code 2 stopped
expect_said stopped "scan:$(basename "$gone" .mhd) \(was trains.*is not there"
mv gone.mhd "$gone"

promise "a full disk ends it, the last checkpoint is kept"
before=$(ls stopped/checkpoints)
(
    # MPI's own shared segments are files too.
    export PMIX_MCA_gds=hash OMPI_MCA_btl=self
    ulimit -f 600
    run 0 stopped --set train.epochs=4
    echo "$code" >full.code
)
[ "$(cat full.code)" -eq 1 ] || fail "full disk: exit code $(cat full.code)"
expect_said stopped "checkpoints/classify-.*(File too large|No space)"
[ "$(ls stopped/checkpoints | grep -v part)" = "$before" ] || fail "checkpoints were lost"

promise "a torn checkpoint is named and passed over"
damaged=$(newest)
truncate -s -1000 "$damaged"
touch "stopped/checkpoints/classify-000000000099-0123456789abcdef.h5.part"
run 4 stopped --set train.epochs=4
expect_code 0 stopped
expect_said stopped "$(basename "$damaged").*damaged"
[ -z "$(find stopped -name '*.part')" ] || fail "what a killed writer left is still there"
run 0 straight --set train.epochs=4
expect_code 0 straight
sums straight >straight.sums
same_as straight stopped

damage() { # FOLDER
    local file
    for file in "$1"/scans/*.h5; do
        printf '\x55%.0s' {1..64} | dd of="$file" bs=1 conv=notrunc status=none \
            seek=$(($(stat -c %s "$file") / 2))
    done
}

promise "a damaged file of the cache, or of its copies on a node, is made again in mid-epoch"
damage "$work/cache"
run 2 mended --set "cache.local=$work/local"
expect_code 0 mended
expect_said mended "is made again"
same_as alone mended
damage "$work/local"
run 3 copies --set "cache.local=$work/local"
expect_code 0 copies
expect_said copies "$work/local/scans/.* is damaged"
same_as alone copies
run 2 nowhere --set cache.local=/proc/local
expect_code 2 nowhere
expect_said nowhere "cache.local: /proc/local: "

promise "of the test subset nothing shows in the models"
job+=(--set train.fold=1)
run 3 fold
expect_code 0 fold
sums fold >fold.sums
uids=$(basename -a -s .mhd "$tree"/subset1/*.mhd | paste -sd'|')
sed -Ei "/^($uids),/s/,([^,]*)\$/,1/" "$tree/candidates.csv"
sed -Ei "/^($uids),/{s/False\$/X/;s/True\$/False/;s/X\$/True/;s/,-?[0-9.]+,/,1.5,/}" \
    "$tree/annotations_with_malignancy.csv"
run 2 relabelled
expect_code 0 relabelled
same_as fold relabelled
"$python" - "$work/fold/models/classify-fold1.h5" "$uids" <<'PY'
import sys, h5py
seen = [s.decode() if isinstance(s, bytes) else s for s in h5py.File(sys.argv[1])["seen_seriesuids"][:]]
assert seen and not set(seen) & set(sys.argv[2].split("|")), seen
PY

promise "a loss that is not finite names stage, epoch, step and scans"
run 3 nan --set train.classify.optimizer=sgd --set 'train.stages=["classify"]' \
    --set train.classify.learning_rate=1e2 --set train.clip=0
expect_code 1 nan
expect_said nan "classify-fold1, epoch 1, step [0-9]+: .*scans of the batch: "
