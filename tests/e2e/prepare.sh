#!/usr/bin/env bash
# The stage prepare: a data set comes into the volume cache whole, whatever it stands in and however many
# ranks do it; what is there is not done again; what is bad is quarantined; two jobs at once do no harm; what
# is damaged is found and mended; room is made without touching what is in use.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

job=("$PULMO" run "$PULMO_SOURCE/jobs/prepare.cfg")
cache=$work/cache

# prepare RANKS NAME TREE [--set K=V]...: a run NAME of its own on the cache $cache.
prepare() {
    local ranks=$1 name=$2 tree=$3
    shift 3
    run "$ranks" "$work/$name" --set "dataset.root=$tree" --set "cache.dir=$cache" "$@"
}
wanted_code() { [ "$code" -eq "$1" ] || { cat "$work/$2.log"; fail "$2: exit code $code, wanted $1"; }; }
said() { grep -Eq -- "$2" "$work/$1.log" || { cat "$work/$1.log"; fail "$1 does not say: $2"; }; }
voxels() { (cd "$1/scans" && sha256sum -- *.h5); }

make_data tree "$work/tree" --scans 5
count=$(ls "$work"/tree/subset*/*.mhd | wc -l)

promise "every scan is written once, by any number of ranks to the same bytes"
prepare 0 alone "$work/tree"
wanted_code 0 alone
said alone "$count scans prepared, $count of them written"
voxels "$cache" >"$work/alone.sums"
[ "$(wc -l <"$work/alone.sums")" -eq "$count" ] || fail "$count scans, but $(ls "$cache/scans")"
mv "$cache" "$work/cache-alone"
prepare 3 three "$work/tree"
wanted_code 0 three
said three "$count scans prepared, $count of them written"
voxels "$cache" | cmp - "$work/alone.sums"
[ -z "$(ls "$cache/jobs")" ] || fail "a job that has ended still holds the cache: $(ls "$cache/jobs")"

promise "what is prepared is not prepared again, also not out of zip archives"
prepare 2 again "$work/tree"
said again "$count scans prepared, 0 of them written"
mkdir "$work/zipped"
for subset in "$work"/tree/subset*; do
    (cd "$work/tree" && "$python" -m zipfile -c "$work/zipped/$(basename "$subset").zip" "$(basename "$subset")/")
done
prepare 2 zipped "$work/zipped"
wanted_code 0 zipped
said zipped "$count scans prepared, 0 of them written"

promise "detection finds the same in archives as in folders"
detect=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set "segment.weights=$work/weights/segment.h5"
    --set "classify.weights=$work/weights/classify.h5" --set compute.threads=1)
job=("${detect[@]}")
run 2 "$work/found" --set "dataset.root=$work/tree"
wanted_code 0 found
run 2 "$work/found-zipped" --set "dataset.root=$work/zipped" --set 'stages=["prepare","detect"]' --set "cache.dir=$cache"
wanted_code 0 found-zipped
cmp "$work/found/candidates.csv" "$work/found-zipped/candidates.csv"
job=("$PULMO" run "$PULMO_SOURCE/jobs/prepare.cfg")

promise "a bad scan is quarantined and the others are prepared"
cp -r "$work/tree" "$work/bad"
bad=$(ls "$work"/bad/subset*/*.raw | head -1)
truncate -s -2 "$bad"
mv "$cache" "$work/cache-three"
prepare 3 left-out "$work/bad" --set limits.quarantine=1
wanted_code 3 left-out
grep -q "^$(basename "$bad" .raw),load," "$work/left-out/quarantine.csv" || fail "$bad is not in quarantine.csv"
[ "$(ls "$cache/scans" | wc -l)" -eq $((count - 1)) ] || fail "the good scans are not all there"
rm -rf "$cache"

promise "two jobs that prepare the same tree at once leave whole files"
prepare 2 first "$work/tree" &
prepare 2 second "$work/tree" &
wait
voxels "$cache" | cmp - "$work/alone.sums"
"$PULMO" cache verify "$cache" >"$work/verify.log" || fail "$(cat "$work/verify.log")"

promise "damage is found, removed and mended"
victim=$(ls "$cache"/scans/*.h5 | head -1)
"$python" - "$victim" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2)
    at = f.tell() // 2
    f.seek(at)
    byte = f.read(1)
    f.seek(at)
    f.write(bytes([byte[0] ^ 1]))
END
! "$PULMO" cache verify "$cache" --remove >"$work/verify.log" 2>&1 || fail "damage was not found"
grep -q "damaged: $victim: chunk" "$work/verify.log" || fail "$(cat "$work/verify.log")"
[ ! -e "$victim" ] || fail "$victim is still there"
prepare 2 mended "$work/tree"
said mended "$count scans prepared, 1 of them written"
voxels "$cache" | cmp - "$work/alone.sums"
truncate -s 1000 "$victim"
prepare 2 torn "$work/tree"
said torn "1 of them written, 1 again since they were damaged"
voxels "$cache" | cmp - "$work/alone.sums"

promise "room is made, least recently used first"
touch -d '2 days ago' "$victim"
quota=$(du -bc "$cache"/scans/*.h5 | awk -v one="$(stat -c %s "$victim")" 'END { printf "%.9f", ($1 - one) / 1e9 }')
"$PULMO" cache prune "$cache" --quota-gb "$quota" >"$work/prune.log"
grep -q '^1 scans removed' "$work/prune.log" && [ ! -e "$victim" ] || fail "$(cat "$work/prune.log")"
[ "$("$PULMO" cache list "$cache" | wc -l)" -eq "$count" ] || fail "the list is not one of $((count - 1)) scans and a sum"

promise "a quota smaller than the job's own scans removes none of them, and that is said"
prepare 0 tight "$work/tree" --set cache.quota_gb=0.000001
wanted_code 0 tight
said tight "more than cache.quota_gb"
[ "$(ls "$cache"/scans/*.h5 | wc -l)" -eq "$count" ] || fail "a scan in use was removed"

promise "a job without a cache folder, or with one that cannot be made, is refused"
run 0 "$work/none" --set "dataset.root=$work/tree"
[ "$code" -eq 2 ] && grep -q 'cache.dir is not given' "$work/none.log" || fail "$(cat "$work/none.log")"
echo >"$work/file"
run 2 "$work/refused" --set "dataset.root=$work/tree" --set "cache.dir=$work/file/cache"
[ "$code" -eq 2 ] && grep -q 'cache.dir: ' "$work/refused.log" || fail "$(cat "$work/refused.log")"

promise "killed at any moment, the next start does the rest"
rm -rf "$cache"
for i in 1 2 3; do
    start 3 "$work/killed$i" --set "dataset.root=$work/tree" --set "cache.dir=$cache"
    sleep "0.$((i * 3))"
    kill_group "$work/killed$i"
done
prepare 3 after "$work/tree"
wanted_code 0 after
voxels "$cache" | cmp - "$work/alone.sums"

promise "files may not grow beyond a limit: exit 1 with the file's name, nothing half written under a scan's name"
rm -rf "$cache"
(
    export PMIX_MCA_gds=hash OMPI_MCA_btl=self
    ulimit -f 16
    prepare 0 limited "$work/tree"
    exit "$code"
) && code=0 || code=$?
wanted_code 1 limited
said limited "error: .*$cache/scans/[^ :]*: .*(No space left on device|File too large)"
[ -z "$(ls "$cache/scans")" ] || fail "left behind: $(ls "$cache/scans")"
prepare 2 limited "$work/tree"
wanted_code 0 limited
voxels "$cache" | cmp - "$work/alone.sums"

if [ -e "$PULMO_SHIM" ]; then
    promise "a scan whose file system hangs is quarantined, the others are prepared"
    rm -rf "$cache"
    hangs=$(basename "$(ls "$work"/tree/subset*/*.raw | tail -1)" .raw)
    on_ranks 3
    code=0
    timeout -k 10 $patience "${launcher[@]}" -x LD_PRELOAD="$PULMO_SHIM" -x SHIM_HANG="$hangs.raw" "${job[@]}" \
        --set "dataset.root=$work/tree" --set "cache.dir=$cache" --set "output=$work/hung" --set limits.deadline_s=2 \
        --set limits.quarantine=1 >"$work/hung.log" 2>&1 || code=$?
    wanted_code 3 hung
    grep -q "^$hangs,load," "$work/hung/quarantine.csv" || fail "$hangs is not in quarantine.csv"
    [ "$(ls "$cache/scans" | wc -l)" -eq $((count - 1)) ] || fail "the other scans are not all there"
fi
