#!/usr/bin/env bash
# A cross-validation of ten folds over 40 phantoms, all three networks trained, in the three ways that a cluster
# offers: one allocation of 5 ranks; a job array of Slurm; one Slurm job on three hosts, of which one loses its
# power while the folds run, and later the one that runs the batch script. All come to the same bytes.
#
#   tests/bench/crossval_cluster.sh [FOLDER]     FOLDER keeps data and runs; default: a temporary one
#
# Takes half an hour on two cores; the hosts are namespaces of this machine (tests/slurm/cluster.sh). Environment: SIZE
# (128x128x96), SEGMENT and CLASSIFY (samples an epoch: 600, 1200), EPOCHS (2), and what tests/lib/launch.sh names.
. "$(dirname "${BASH_SOURCE[0]}")/../slurm/cluster.sh"
cluster_up 3
folder=$(realpath -m "${1:-$work/study}")
mkdir -p "$folder"
cd "$folder" || exit

[ -e tree/phantom.json ] || mpirun -n 2 "$PULMO" phantom tree --scans 40 --size "${SIZE:-128x128x96}" --seed 11 2>phantom.log ||
    fail "$(cat phantom.log)"
arguments=("$PULMO_SOURCE/jobs/crossval.cfg" --set "dataset.root=$folder/tree" --set "cache.dir=$folder/cache"
    --set compute.threads=1 --set "train.epochs=${EPOCHS:-2}" --set "train.segment.epoch_samples=${SEGMENT:-600}"
    --set "train.classify.epoch_samples=${CLASSIFY:-1200}" --set train.malignancy.epoch_samples=400
    --set train.validate_samples=300 --set checkpoint.seconds=10)
sums() { (cd "$1" && sha256sum submission.csv candidates.csv diagnosis.csv metrics.csv froc/score.json models/*.h5); }
folds_done() { [ "$(ls "$folder/$1"/folds/*/DONE 2>/dev/null | wc -l)" -ge "$2" ]; }
cpm() { "$python" -c 'import json, sys; print("%.6f" % json.load(open(sys.argv[1] + "/froc/score.json"))["froc"]["cpm"])' "$1"; }
finished() { # RUN SECONDS
    [ "$(cat "$1/DONE")" = 0 ] || fail "$1 is not done"
    sums "$1" >"$1.sums" # of "one", the first, what the others are held against
    cmp "$1.sums" one.sums || fail "$1 has other bytes than one allocation"
    echo "crossval way=$1 seconds=$2 cpm=$(cpm "$1") submission=$(sha256sum <"$1/submission.csv" | cut -c1-16)"
}

began=$SECONDS
mpirun -n 5 "$PULMO" run "${arguments[@]}" --set "output=$folder/one" >one.log 2>&1 || fail "$(tail -n 20 one.log)"
finished one $((SECONDS - began))
if command -v gnuplot >/dev/null && command -v chromium >/dev/null; then
    "$python" "$PULMO_SOURCE/tests/lib/report_browser.py" one/report.html
fi

began=$SECONDS
said=$(on c0 bash "$PULMO_SOURCE/slurm/crossval.sh" --output="$work/%j.out" --nodes=1 --ntasks=2 "${arguments[@]}" \
    --set "output=$folder/array")
[[ $said =~ merge\ ([0-9]+)\; ]] || fail "it said: $said"
merge=${BASH_REMATCH[1]}
wait_for_job 3600 "$merge"
[ "$state" = COMPLETED ] || fail "the merge is $state: $(tail -n 20 "$work/$merge.out")"
finished array $((SECONDS - began))

began=$SECONDS
job_id=$(on c0 sbatch --parsable --output="$work/%j.out" --nodes=3 --ntasks-per-node=2 "$PULMO_SOURCE/slurm/pulmo.sbatch" \
    "${arguments[@]}" --set "output=$folder/power")
wait_for 1200 "two folds" folds_done power 2
power_off c3
sleep 30
power_on c3
wait_for 1200 "six folds" folds_done power 6
before=$(ls power/folds/*/DONE | wc -l)
power_off c1
sleep 5
power_on c1
wait_for_job 3600 "$job_id"
[ "$state" = COMPLETED ] || fail "the job is $state: $(tail -n 20 "$work/$job_id.out")"
grep "pulmo.sbatch" "$work/$job_id.out" | sed 's/^[^ ]* pulmo.sbatch,/ /'
echo "folds done when the second host went: $before of 10"
finished power $((SECONDS - began))
