#!/usr/bin/env bash
# The results are the same bytes for every number of ranks and threads, the rows are in their order, and
# the millimetres and centres of mass are those that numpy computes from the volumes.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

make_data tree "$work/tree" --scans 9
tree=(--set "dataset.root=$work/tree")
mkdir "$work/runs"
cd "$work/runs"

promise "1, 2, 3, 4 and 6 ranks, two threads, and more than a slab has slices: the same bytes (tree of 9 scans, subset3 is empty, with heatmaps)"
for ranks in 1 2 3 4 6; do
    run $ranks ranks$ranks "${tree[@]}" --set store.heatmaps=true
    expect_done 0 ranks$ranks
    same_results ranks1 ranks$ranks
    cmp <(grep -v '^output' ranks1/job.cfg) <(grep -v '^output' ranks$ranks/job.cfg) || fail "job.cfg differs"
done
for threads in 2 7; do
    run 3 threads$threads "${tree[@]}" --set store.heatmaps=true --set compute.threads=$threads
    expect_done 0 threads$threads
    same_results ranks1 threads$threads
done
[ "$(wc -l <ranks1/diagnosis.csv)" -eq 10 ] || fail "diagnosis.csv has no row a scan"
echo "  $(($(wc -l <ranks1/candidates.csv) - 1)) candidates in all"

promise "more ranks than scans: they share the slabs and batches of the scan"
# Subset 1 holds scans 1, 4 and 7.
for ranks in 1 6; do
    run $ranks few$ranks "${tree[@]}" --set 'dataset.subsets=[1]'
    expect_done 0 few$ranks
done
same_results few1 few6
[ "$(wc -l <few1/diagnosis.csv)" -eq 4 ] || fail "dataset.subsets=[1] did not give its 3 scans"
grep -F -f <(tail -n +2 few1/diagnosis.csv | cut -d, -f1) ranks1/candidates.csv | cmp - <(tail -n +2 few1/candidates.csv) ||
    fail "a scan's candidates depend on which other scans there are"

promise "one volume on 1 and 4 ranks"
mkdir "$work/one"
make_data volume "$work/one/alone.mhd" --size 33 60 70 --compress
for ranks in 1 4; do
    run $ranks one$ranks --set "dataset.scan=$work/one/alone.mhd"
    expect_done 0 one$ranks
done
same_results one1 one4

promise "a folder without subset folders is one subset"
mkdir "$work/flat"
cp "$work"/tree/subset[01]/* "$work/flat"
for ranks in 1 3; do
    run $ranks flat$ranks --set "dataset.root=$work/flat"
    expect_done 0 flat$ranks
done
same_results flat1 flat3
grep -F -f <(tail -n +2 flat1/diagnosis.csv | cut -d, -f1) ranks1/candidates.csv | cmp - <(tail -n +2 flat1/candidates.csv) ||
    fail "a scan's candidates depend on the folder that it lies in"

promise "listed candidates in place of found ones"
for ranks in 1 3; do
    run $ranks listed$ranks "${tree[@]}" --set segment.method=candidates
    expect_done 0 listed$ranks
done
same_results listed1 listed3
[ "$(wc -l <listed1/candidates.csv)" -eq "$(wc -l <"$work/tree/candidates.csv")" ] || fail "not every listed candidate has a row"

promise "rows sorted by seriesuid, then descending probability, then coordinates"
for folder in ranks1 one1 listed1; do
    "$python" "$PULMO_SOURCE/tests/lib/results.py" order $folder/candidates.csv
done

promise "millimetres and centres of mass as numpy has them (identity, -1 -1 1, oblique; each erosion)"
"$python" - >"$work/directions" <<'PYTHON'
import numpy as np


def turn(axis, angle):
    a, b = [k for k in range(3) if k != axis]
    m = np.eye(3)
    m[a, a] = m[b, b] = np.cos(angle)
    m[a, b], m[b, a] = -np.sin(angle), np.sin(angle)
    return m


for d in (turn(0, 0.3), turn(2, 1.1) @ turn(0, -0.4) @ turn(1, 0.2), turn(1, 2.5) @ turn(0, 0.7)):
    print(*(repr(float(v)) for v in d.T.flat))
PYTHON
mkdir "$work/oblique"
turned=0
while read -r nine; do
    make_data volume "$work/oblique/turned$((++turned)).mhd" --size 22 60 66 --seed 5 --direction $nine
done <"$work/directions"
# geometry OUTPUT ROOT EROSION MIN_VOXELS
geometry() { "$python" "$PULMO_SOURCE/tests/lib/results.py" geometry "$1/run.h5" "${@:2}"; }
geometry ranks1 "$work/tree" in-plane 1
for variant in "3d 1" "in-plane 4" "none 40"; do
    read -r erosion least <<<"$variant"
    output=oblique-$erosion
    run 2 $output --set "dataset.root=$work/oblique" --set group.erosion=$erosion --set group.min_voxels=$least
    expect_done 0 $output
    geometry $output "$work/oblique" $erosion $least
done
run 2 book "${tree[@]}" --set mode=book
expect_done 0 book
geometry book "$work/tree" 3d 1
