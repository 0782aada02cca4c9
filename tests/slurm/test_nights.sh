#!/usr/bin/env bash
# slurm/nightly.sbatch on a Slurm cluster: a night submits the next one, also when it fails, and once only.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/slurm/cluster.sh"
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python has no h5py (Debian: python3-h5py)"
cluster_up 1
cd "$work"

promise() { echo "* $*"; }

tree=$work/tree
"$python" "$PULMO_SOURCE/tests/lib/make_dataset.py" tree "$tree" --scans 3 --size 12 40 40
arguments=("$PULMO_SOURCE/jobs/nightly.cfg" --set "dataset.root=$tree" --set "output=$work/nights" --set compute.threads=1
    --set segment.method=threshold --set nightly.settle_s=0 --set nightly.canaries=0)

# begin_chain SLURM-OPTION... -- ARGUMENT...: leaves the first night's number in $job_id.
begin_chain() {
    local said
    said=$(on c0 env "PULMO_NIGHT=now+5seconds" bash "$PULMO_SOURCE/slurm/nightly.sbatch" --ntasks=2 \
        "--output=$work/%j.out" "$@")
    echo "  $said"
    job_id=$(sed 's/.*: job \([0-9]*\) .*/\1/' <<<"$said")
}
next_of() { sed -n 's/.*the next night is job \([0-9]*\),.*/\1/p' "$1.out"; }
cancel_chain() { on c0 scancel --name="$1"; }

promise "two nights of a chain, the second submitted by the first"
begin_chain -- "${arguments[@]}"
wait_for_job 90 "$job_id"
[ "$state" = COMPLETED ] || { cat "$job_id.out"; fail "the first night is $state"; }
grep -q "3 scans: 3 run, 0 carried over" "$job_id.out" || { cat "$job_id.out"; fail "the first night has not run"; }
next=$(next_of "$job_id")
[ -n "$next" ] || { cat "$job_id.out"; fail "no next night"; }
wait_for_job 90 "$next"
[ "$state" = COMPLETED ] || { cat "$next.out"; fail "the second night is $state"; }
grep -q "3 scans: 0 run, 3 carried over" "$next.out" || { cat "$next.out"; fail "the second night has not carried over"; }
third=$(next_of "$next")
[ -n "$third" ] && [ "$third" != "$next" ] || { cat "$next.out"; fail "no third night"; }
cancel_chain pulmo-night
grep nightly.sbatch "$next.out" | sed 's/^/  /'

promise "a night that fails has submitted the next one; the job ends with its code"
mv "$tree" "$tree.away"
begin_chain --job-name=failing -- "${arguments[@]}"
wait_for_job 90 "$job_id"
[ "$state" = FAILED ] && grep -q "is it mounted" "$job_id.out" || { cat "$job_id.out"; fail "the night is $state"; }
mv "$tree.away" "$tree"
next=$(next_of "$job_id")
wait_for_job 90 "$next"
[ "$state" = COMPLETED ] || { cat "$next.out"; fail "the night after it is $state"; }
cancel_chain failing
