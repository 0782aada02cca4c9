#!/usr/bin/env bash
# slurm/nightly.sbatch on a Slurm cluster: a night submits the next one, also when it fails, and once only; between
# nights scans change, come, go and are damaged.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/slurm/cluster.sh"
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python has no h5py (Debian: python3-h5py)"
cluster_up 1
cd "$work"

promise() { echo "* $*"; }

tree=$work/tree
"$python" "$PULMO_SOURCE/tests/lib/make_dataset.py" tree "$tree" --scans 5 --size 12 40 40
arguments=("$PULMO_SOURCE/jobs/nightly.cfg" --set "dataset.root=$tree" --set "output=$work/nights" --set compute.threads=1
    --set segment.method=threshold --set nightly.settle_s=0 --set nightly.canaries=0 --set limits.quarantine=1)

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

# A scan by its place in the list of scans, from 1.
uid() { sed -n "$1p" "$tree/seriesuids.csv"; }
files() { find "$tree" -name "$(uid "$1").*"; }
header() { find "$tree" -name "$(uid "$1").mhd"; }
voxels() { find "$tree" -name "$(uid "$1").*raw"; }

# night STATE SAID: waits for night $job_id, which ends so and says that; the one that it submitted waits to be released.
night() {
    wait_for 60 "the next night" next_is_held
    wait_for_job 90 "$job_id"
    [ "$state" = "$1" ] && grep -q "$2" "$job_id.out" || { cat "$job_id.out"; fail "the night is $state, not $1: $2"; }
    grep nightly.sbatch "$job_id.out" | sed 's/^/  /'
    nights+=("$job_id")
    job_id=$(next_of "$job_id")
}
next_is_held() { on c0 scontrol hold "$(next_of "$job_id")"; }
release() { on c0 scontrol release "$job_id"; }
changes() { awk -F, '$2 == "scan" { print $1 "," $2 "," $3 }' nights/latest/changes.csv | sort; }

promise "three nights, each submitted by the one before; what changed between them is run again, nothing else"
mkdir kept
place5=$(dirname "$(header 5)")
mv $(files 5) kept
nights=()
begin_chain -- "${arguments[@]}"
night COMPLETED "4 scans: 4 run, 0 carried over, 0 quarantined"
mv "kept/$(uid 5)".* "$place5"                                                            # added
"$python" -c 'import sys, numpy as np; v = np.fromfile(sys.argv[1], "<i2"); v[:900] -= 70; v.tofile(sys.argv[1])' "$(voxels 1)" # changed
mv $(files 2) kept                                                                        # removed
cp -p "$(voxels 3)" kept
truncate -s -50 "$(voxels 3)"                                                             # corrupted
release
night FAILED "4 scans: 2 run, 1 carried over, 1 quarantined"
grep -q "exit code 3" "${nights[1]}.out" || { cat "${nights[1]}.out"; fail "it has not ended with 3"; }
changes | diff - <(sort <<EOF
$(uid 1),scan,changed
$(uid 2),scan,vanished
$(uid 3),scan,quarantined
$(uid 5),scan,new
EOF
) || fail "these are not the changes of the second night"
cp -p "kept/$(basename "$(voxels 3)")" "$(voxels 3)"
release
night COMPLETED "4 scans: 1 run, 3 carried over, 0 quarantined"
changes | diff - <(echo "$(uid 3),scan,recovered") || fail "these are not the changes of the third night"
[ "$(ls nights/runs | wc -l)" -eq 3 ] || fail "$(ls nights/runs)"
cancel_chain pulmo-night

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
