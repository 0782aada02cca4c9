#!/usr/bin/env bash
# `why` names the stage in which a finding was lost, for a loss in each of them, and says the same from a
# stored heatmap as from one that it computes again.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

export LC_ALL=C
make_data tree "$work/tree" --scans 4
# Scan 3 is cut: it will be quarantined.
cut=$(sed -n 4p "$work/tree/seriesuids.csv")
truncate -s -100 "$work"/tree/subset0/"$cut".raw
seriesuid=$(sed -n 1p "$work/tree/seriesuids.csv")
tree=(--set "dataset.root=$work/tree" --set limits.quarantine=2)
mkdir "$work/runs"
cd "$work/runs"

# is CODE ARGUMENT...: the exit code of `pulmo why ARGUMENT...`; what it says is in `out`.
is() {
    local wanted=$1 code=0
    shift
    timeout 60 "$PULMO" why "$@" >out 2>&1 || code=$?
    [ "$code" -eq "$wanted" ] || { cat out; fail "why $*: exit code $code, not $wanted"; }
}

says() { # REGEX
    grep -Eq -- "$1" out || { cat out; fail "nothing said that matches '$1'"; }
}

verdict() { # REGEX
    tail -n 1 out | grep -Eq -- "$1" || { cat out; fail "the verdict does not match '$1'"; }
}

run 2 kept "${tree[@]}" --set store.heatmaps=true
expect_done 3 kept
run 1 plain "${tree[@]}"
expect_done 3 plain

promise "a candidate is found or lost in classification, as its probability and the threshold say"
IFS=, read -r _ x y z probability _ < <(grep -F "$seriesuid," plain/candidates.csv)
count=$(grep -c -F "$seriesuid," plain/candidates.csv)
is 0 plain "$seriesuid" "$x,$y,$z"
says "^candidate +1 of $count of the scan, 0.0 mm away"
verdict "^(found: probability|lost in: classification \(probability) $(printf '%.4f' "$probability")"
for threshold in 0 1; do
    run 1 threshold$threshold "${tree[@]}" --set classify.threshold=$threshold
    is 0 threshold$threshold "$seriesuid" "$x,$y,$z"
    [ $threshold -eq 0 ] && verdict "^found: .*number 1 of $count" || verdict "^lost in: classification"
done

promise "the heatmap is the same from the store and computed again; a scan that changed is not taken for it"
is 0 kept "$seriesuid" "$x,$y,$z"
grep '^heatmap' out >stored
says "^heatmap +[01]\.[0-9]{4} here; highest within 5 mm"
is 0 plain "$seriesuid" "$x,$y,$z"
says "\(computed again\)$"
grep '^heatmap' out | sed 's/ (computed again)$//' | cmp - stored || fail "they differ"
cp -r "$work/tree" "$work/kept-tree"
printf '\001' | dd of="$work/tree/subset0/$seriesuid.raw" bs=1 seek=500 conv=notrunc status=none
is 0 plain "$seriesuid" "$x,$y,$z"
says "^heatmap +not stored .* has changed since the run"
verdict "^(found|lost in: classification)"
cp "$work/kept-tree/subset0/$seriesuid.raw" "$work/tree/subset0/$seriesuid.raw"

promise "a component that is too small is lost in grouping"
run 1 small "${tree[@]}" --set group.min_voxels=1000000
is 0 small "$seriesuid" "$x,$y,$z"
says "fewer than group.min_voxels = 1000000"
verdict "^lost in: grouping"

# A threshold that one voxel passes, and that voxel in mm; a point far from it.
"$python" - kept/run.h5 "$seriesuid" >points <<'END'
import sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as f:
    uids = [u.decode() for u in f["/results/scans/seriesuid"][:]]
    i = uids.index(sys.argv[2])
    scan = {k: f["/results/scans/" + k][i] for k in ("spacing", "origin", "direction")}
    heat = f["/results/heatmap/" + sys.argv[2]][:]
ordered = np.sort(heat, None)[::-1]
assert ordered[0] > ordered[1]
print(repr((float(ordered[0]) + float(ordered[1])) / 2))
peak = np.array(np.unravel_index(heat.argmax(), heat.shape))
far = np.where(peak < np.array(heat.shape) // 2, np.array(heat.shape) - 1, 0)
for index in (peak, far):
    xyz = scan["direction"].reshape(3, 3) @ (index[::-1] * scan["spacing"]) + scan["origin"]
    print(",".join(repr(float(v)) for v in xyz))
END
{ read -r threshold; read -r peak; read -r far; } <points

promise "one voxel above the threshold is lost in erosion, and nothing above it in segmentation"
run 1 sharp "${tree[@]}" --set "segment.threshold=$threshold"
is 0 sharp "$seriesuid" "$peak"
says "^threshold .*: yes here, 1 voxels within 5 mm"
says "^erosion .*: no here, 0 voxels"
verdict '^lost in: erosion \(group.erosion "in-plane"'
is 0 sharp "$seriesuid" "$far"
verdict "^lost in: segmentation"
run 1 uneroded "${tree[@]}" --set "segment.threshold=$threshold" --set group.erosion=none
is 0 uneroded "$seriesuid" "$peak"
says "^component +1 voxels, centre 0.0 mm away"
says "^candidate +1 of 1 "

promise "a point outside, a quarantined scan, a list without a candidate near"
is 0 plain "$seriesuid" "-5000,1e300,0"
verdict "outside the volume"
is 0 plain "$cut" "0,0,0"
verdict "^lost in: quarantine \(load: .*$cut.raw"
run 1 listed "${tree[@]}" --set segment.method=candidates
is 0 listed "$seriesuid" "$(grep -F "$seriesuid," "$work/tree/candidates.csv" | head -1 | cut -d, -f2-4)"
verdict "^(found|lost in: classification)"
grep -v -F "$seriesuid," "$work/tree/candidates.csv" >"$work/others.csv"
run 1 unlisted "${tree[@]}" --set segment.method=candidates --set "dataset.candidates=$work/others.csv"
is 0 unlisted "$seriesuid" "$x,$y,$z"
verdict "^lost in: the list of candidates"

promise "an annotated nodule at the point is named"
is 0 plain "$seriesuid" "$(grep -F "$seriesuid," "$work/tree/annotations.csv" | head -1 | cut -d, -f2-4)"
says "^annotated +nodule of .* mm, centre 0.0 mm away"

promise "a scan of another name, a folder that is no run, a run without results: errors that say so"
is 1 plain "${seriesuid%?}" "0,0,0"
says "no scan '.*' among the 4 of this run; similar: $seriesuid"
is 1 plain "x" "0,0,0"
says "no scan 'x' among the 4"
is 1 "$work" "$seriesuid" "0,0,0"
says "no job.cfg"
mkdir begun
cp plain/job.cfg begun
is 1 begun "$seriesuid" "0,0,0"
says "no run.h5 yet"
is 2 plain "$seriesuid" "1,2"
is 2 plain "$seriesuid" "1,2,x"
