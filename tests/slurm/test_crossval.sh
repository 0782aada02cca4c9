#!/usr/bin/env bash
# slurm/crossval.sh on three hosts: the folds of an array are merged to the bytes of one allocation; when one fails,
# the merge says which, and the same command submits what is left.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/slurm/cluster.sh"
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python has no h5py (Debian: python3-h5py)"
cluster_up 3
cd "$work"

promise() { echo "* $*"; }

tree=$work/tree
"$python" "$PULMO_SOURCE/tests/lib/make_dataset.py" tree "$tree" --scans 8 # in subset0 to subset2
arguments=("$PULMO_SOURCE/jobs/crossval.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set 'crossval.folds=[0,1,2]' --set segment.method=threshold --set blob.max_candidates=6
    --set 'train.stages=["classify"]' --set train.epochs=1 --set train.epoch_samples=8 --set train.batch=4
    --set train.validate_samples=4 --set limits.deadline_s=60)
sums() { (cd "$1" && sha256sum submission.csv candidates.csv diagnosis.csv metrics.csv froc/score.json models/*.h5); }
submit_all() { # leaves the number of the last job in $merge
    local said
    said=$(on c0 bash "$PULMO_SOURCE/slurm/crossval.sh" --output="$work/%j.out" --nodes=1 --ntasks=2 --array=0-2 \
        "${arguments[@]}" --set "output=$work/array")
    echo "  $said"
    [[ $said =~ ^prepare\ ([0-9]+),\ folds\ ([0-9]+)\ .*merge\ ([0-9]+)\; ]] || fail "it said: $said"
    merge=${BASH_REMATCH[3]}
}

mpirun -n 3 "$PULMO" run "${arguments[@]}" --set "output=$work/one" >one.log 2>&1 || fail "$(tail -n 5 one.log)"
sums one >one.sums

promise "a fold that fails: the others are done, the merge fails and names it"
mkdir -p array/folds && touch array/folds/1 # no folder: the fold cannot begin
submit_all
wait_for_job 200 "$merge"
[ "$state" = FAILED ] || { cat "$merge.out"; fail "the merge is $state"; }
grep -q "1 of 3 folds are not there, nothing is merged: fold 1" "$merge.out" || { cat "$merge.out"; fail "it names no fold"; }
[ -e array/folds/0/DONE ] && [ -e array/folds/2/DONE ] && [ ! -e array/DONE ] || fail "$(ls array array/folds/*)"

promise "the same command again runs that fold alone, and comes to the bytes of one allocation"
rm array/folds/1
touch stamp
submit_all
wait_for_job 200 "$merge"
[ "$state" = COMPLETED ] && [ "$(cat array/DONE)" = 0 ] || { cat "$merge.out"; fail "the merge is $state"; }
sums array | cmp - one.sums || fail "the array has other bytes than one allocation"
[ "$(find array/folds -name run.h5 -newer stamp)" = array/folds/1/run.h5 ] || fail "other folds were run again"
"$PULMO" status array | grep -q "fold 1  *done, exit code 0" || fail "$("$PULMO" status array)"

promise "what cannot be submitted is refused"
code=0
on c0 bash "$PULMO_SOURCE/slurm/crossval.sh" "${arguments[@]}" >refused.out 2>&1 || code=$?
[ $code -eq 2 ] && grep -q "give --set output=RUN" refused.out || fail "$code: $(cat refused.out)"
