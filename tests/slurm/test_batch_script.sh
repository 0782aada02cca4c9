#!/usr/bin/env bash
# slurm/pulmo.sbatch on three hosts: a training loses a host, a link, its time, its place to a more urgent job;
# each time it ends with the bits of one that nothing happened to.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/slurm/cluster.sh"
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python has no h5py (Debian: python3-h5py)"
[ -e "$PULMO_SHIM" ] || skip "no shim at $PULMO_SHIM"
cluster_up 3
cd "$work"

promise() { echo "* $*"; }

tree=$work/tree
"$python" "$PULMO_SOURCE/tests/lib/make_dataset.py" tree "$tree" --scans 10
arguments=("$PULMO_SOURCE/jobs/train.cfg" --set "dataset.root=$tree" --set "cache.dir=$work/cache"
    --set compute.threads=1 --set 'train.stages=["classify"]' --set train.epochs=2 --set train.batch=4
    --set train.validate_samples=6 --set checkpoint.seconds=1 --set limits.deadline_s=60)
sums() { (cd "$1" && sha256sum models/*.h5 metrics.csv); }

"$PULMO" run "${arguments[@]}" --set train.epoch_samples=8 --set output=warm >warm.log 2>&1 || fail "$(tail -n 5 warm.log)"
began=$SECONDS
"$PULMO" run "${arguments[@]}" --set train.epoch_samples=400 --set output=straight >straight.log 2>&1 ||
    fail "$(tail -n 5 straight.log)"
echo "  undisturbed: $((SECONDS - began)) s"
sums straight >straight.sums

# disturbed RUN SBATCH-OPTION...: submits the same job.
disturbed() {
    local run=$1
    shift
    submit --nodes=3 --ntasks-per-node=1 "$@" "$PULMO_SOURCE/slurm/pulmo.sbatch" "${arguments[@]}" \
        --set train.epoch_samples=400 --set "output=$work/$run"
}
checkpointed() { ls "$work/$1"/checkpoints/classify-*.h5; }
same_bits() { # RUN
    wait_for_job 150 "$job_id"
    [ "$state" = COMPLETED ] || { cat "$job_id.out"; fail "$1: the job is $state"; }
    [ "$(cat "$1/DONE")" = 0 ] || fail "$1 has no DONE"
    sums "$1" | cmp - straight.sums || { cat "$job_id.out"; fail "$1 has other bits"; }
    grep pulmo.sbatch "$job_id.out" | sed 's/^[^ ]* pulmo.sbatch,/ /'
}

promise "a host loses its power: the others go on within the allocation"
disturbed power
wait_for 60 "a checkpoint" checkpointed power
power_off c3
same_bits power
grep -q "host c3 does not answer" "$job_id.out" || fail "nothing said of c3"
power_on c3
wait_for 60 "c3 to return" idle_hosts 3

promise "the host of the batch script loses its power: the job is queued again"
disturbed first
wait_for 60 "a checkpoint" checkpointed first
power_off c1
sleep 2
power_on c1
same_bits first
wait_for 60 "c1 to return" idle_hosts 3

promise "a link is cut: the hosts that still reach each other go on"
disturbed link
wait_for 60 "a checkpoint" checkpointed link
unplug c2
same_bits link
plug c2
wait_for 60 "c2 to return" idle_hosts 3

promise "a time limit too short for the run: Slurm's signal before it, a checkpoint, queued again, done"
cat >"$work/slowly" <<EOF
#!/bin/sh
LD_PRELOAD=$PULMO_SHIM SHIM_SLOW=$work/cache SHIM_WHILE=$work/slow exec $PULMO "\$@"
EOF
chmod +x "$work/slowly"
touch "$work/slow" # reading takes so long that the minute is too short, until the limit has been met
disturbed limited --time=1 --signal=B:USR1@30 --export=ALL,PULMO="$work/slowly"
wait_for 90 "the signal" grep -q "asked to stop" "$job_id.out"
rm "$work/slow"
same_bits limited
grep -q "start 2.1" "$job_id.out" || { cat "$job_id.out"; fail "it was not queued again"; }

promise "an administrator's scontrol requeue: the next start goes on from the checkpoint"
disturbed requeued
wait_for 60 "a checkpoint" checkpointed requeued
on c0 scontrol requeue "$job_id"
same_bits requeued
grep -q "start 2.1" "$job_id.out" && grep -q "goes on from" "$job_id.out" || { cat "$job_id.out"; fail "it was not resumed"; }

promise "asked for a checkpoint by scancel, ranks started by srun: queued again"
disturbed time --export=ALL,PULMO_LAUNCHER=srun
wait_for 60 "a checkpoint" checkpointed time
on c0 scancel --batch --signal=USR1 "$job_id"
same_bits time
grep -q "the ranks ended with code 75" "$job_id.out" || fail "it was not asked to stop"

promise "a more urgent job takes the hosts: the training goes on after it"
disturbed preempted
first=$job_id
wait_for 60 "a checkpoint" checkpointed preempted
submit --partition=urgent --nodes=3 --ntasks-per-node=2 --wrap "sleep 3"
wait_for_job 90 "$job_id"
job_id=$first
same_bits preempted
grep -q "start 2.1\|start 1.2" "$job_id.out" || fail "it was not preempted"

promise "a job array: a fold a task, each with its own run"
submit --array=1-2 --nodes=1 --ntasks=2 "$PULMO_SOURCE/slurm/pulmo.sbatch" "${arguments[@]}" --set train.epoch_samples=8 \
    --set train.fold=%a --set "output=$work/fold-%a"
for task in 1 2; do
    wait_for_job 90 "${job_id}_$task"
    [ "$state" = COMPLETED ] && [ -s "fold-$task/models/classify-fold$task.h5" ] || fail "task $task is $state"
done

promise "a job that is cancelled stays so; stopped at a checkpoint without coming back"
disturbed cancelled
wait_for 60 "a checkpoint" checkpointed cancelled
on c0 scancel "$job_id"
wait_for_job 60 "$job_id"
[ "$state" = CANCELLED ] || fail "the job is $state"
disturbed cancelled
wait_for 60 "the ranks" grep -q "goes on from" "$job_id.out"
on c0 scontrol update "job=$job_id" requeue=0
on c0 scancel --batch --signal=USR1 "$job_id"
wait_for_job 60 "$job_id"
[ "$state" = FAILED ] && grep -q "ended with code 75" "$job_id.out" || { cat "$job_id.out"; fail "the job is $state"; }
sleep 15 # as long as a requeue takes
[ "$(job_state "$job_id")" = FAILED ] && [ ! -e cancelled/DONE ] || fail "it came back"

promise "what would fail again is not tried again"
submit --nodes=1 "$PULMO_SOURCE/slurm/pulmo.sbatch" "${arguments[@]}" --set train.batch=none --set "output=$work/refused"
wait_for_job 60 "$job_id"
[ "$state" = FAILED ] && grep -q "train.batch" "$job_id.out" || { cat "$job_id.out"; fail "it is $state"; }
submit --nodes=1 "$PULMO_SOURCE/slurm/pulmo.sbatch" "${arguments[@]}"
wait_for_job 60 "$job_id"
grep -q "give --set output=RUN" "$job_id.out" || { cat "$job_id.out"; fail "it is $state"; }
