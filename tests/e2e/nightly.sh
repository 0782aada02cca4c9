#!/usr/bin/env bash
# A chain of nights: what changed is run again and nothing else, to the bytes of running everything; what is published
# is whole, whatever happens to a night; a tree that is not there, a second night and a scan being copied are told.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

[ -e "$PULMO_SHIM" ] || skip "no shim at $PULMO_SHIM"
tree=$work/tree
make_data tree "$tree" --scans 7 --size 16 48 56
mkdir "$work/kept" "$work/nights"
cd "$work/nights"
detection=("${job[@]}") # as detect.sh has it, for runs over everything
job=("$PULMO" run "$PULMO_SOURCE/jobs/nightly.cfg" "${detection[@]:3}" --set nightly.settle_s=0 --set nightly.canaries=0)
data=(--set "dataset.root=$tree")

# A scan by its place in the list of scans, from 1.
uid() { sed -n "$1p" "$tree/seriesuids.csv"; }
header() { find "$tree" -name "$(uid "$1").mhd"; }
voxels() { find "$tree" -name "$(uid "$1").*raw"; }

# full NAME: a run over everything there is, to hold the chain's last one against.
full() {
    local night=("${job[@]}")
    job=("${detection[@]}")
    run 0 "$1" "${data[@]}"
    job=("${night[@]}")
}
# same_as_full NIGHTS NAME: the last run of a chain and one over everything.
same_as_full() {
    full "$2"
    expect_done "$code" "$2"
    same_results "$1/latest" "$2"
    cmp "$1/latest/DONE" "$2/DONE" || fail "DONE of $1/latest and $2 differ"
}
runs_of() { find "$1/runs" -mindepth 1 -maxdepth 1 | wc -l; }
expect_night() { # CODE NIGHTS RUN CARRIED QUARANTINED
    expect_code "$1" "$2"
    expect_said "$2" ": $(($3 + $4 + $5)) scans: $3 run, $4 carried over, $5 quarantined"
    [ "$(cat "$2/DONE")" = "$1" ] || fail "$2: DONE does not hold $1"
    [ ! -e "$2/next" ] || fail "$2: there is still a run being made"
}
expect_changes() { # NIGHTS: the rows on the standard input, without places
    cut -d, -f1-3,7 "$1/latest/changes.csv" | tail -n +2 | grep -v ',finding,' | grep -v ',diagnosis,' >changes.got || true
    sort >changes.wanted
    sort changes.got | cmp - changes.wanted || { cat "$1/latest/changes.csv"; fail "$1: these are not the changes"; }
}
last_of() { readlink "$1/latest"; }

promise "three nights; between them one scan changed, one came, one went, one was damaged: these are run, no other"
cp -p "$(header 7)" "$(voxels 7)" "$work/kept"
place7=$(dirname "$(header 7)")
rm "$(header 7)" "$(voxels 7)"
run 2 chain "${data[@]}"
expect_night 0 chain 6 0 0
expect_changes chain <<<"$(for i in 1 2 3 4 5 6; do echo "$(uid $i),scan,new,nodules"; done)"
first=$(last_of chain)
sleep 1 # the name of a run is its second

cp -p "$work/kept/$(uid 7)".* "$place7"
"$python" - "$(voxels 1)" <<'PYTHON'
import sys, numpy as np
hu = np.fromfile(sys.argv[1], "<i2")
hu[hu.size // 2 :] -= 70
hu.tofile(sys.argv[1])
PYTHON
raw3=$(voxels 3)
place3=$(dirname "$(header 3)")
mv "$(header 3)" "$raw3" "$work/kept"
raw6=$(voxels 6) # compressed
cp -p "$raw6" "$work/kept"
printf 'not a stream of zlib' | dd of="$raw6" conv=notrunc status=none
touch "$(voxels 2)" # the same content: hashed, not run
run 3 chain "${data[@]}" --set limits.quarantine=1
expect_night 3 chain 2 3 1
expect_changes chain <<EOF
$(uid 1),scan,changed,content
$(uid 3),scan,vanished,nodules
$(uid 6),scan,quarantined,nodules
$(uid 7),scan,new,nodules
EOF
grep -q "^$(uid 6),scan,quarantined.*is not carried over" chain/latest/changes.csv || fail "nothing said of the old result"
! grep -q "^$(uid 6)" chain/latest/candidates.csv || fail "the result of a damaged scan was carried over"
[ "$(last_of chain)" != "$first" ] && [ "$(runs_of chain)" -eq 2 ] || fail "the second night is not beside the first"
job+=(--set limits.quarantine=1) detection+=(--set limits.quarantine=1)
same_as_full chain full2

cp -p "$work/kept/${raw6##*/}" "$raw6"
cp -p "$work/kept/$(uid 3)".* "$place3"
run 0 chain "${data[@]}"
expect_night 0 chain 2 5 0
expect_changes chain <<EOF
$(uid 3),scan,new,nodules
$(uid 6),scan,recovered,nodules
EOF
same_as_full chain full3
run 0 chain "${data[@]}" --set nightly.verify=true --set 'stages=["detect","report"]'
expect_night 0 chain 0 7 0
expect_changes chain </dev/null
same_results chain/latest full3

promise "store.h5 holds all runs; the last of them is what latest leads to"
"$python" - chain <<'PYTHON'
import os, sys, h5py
chain = sys.argv[1]
names = sorted(os.listdir(chain + "/runs"))
with h5py.File(chain + "/store.h5") as f:
    assert list(f["runs"]) == names, list(f["runs"])
    for name in names:
        with h5py.File(f"{chain}/runs/{name}/run.h5") as g:
            assert (f[f"runs/{name}/results/scans/seriesuid"][()] == g["results/scans/seriesuid"][()]).all()
    last = os.path.basename(os.path.realpath(chain + "/latest"))
    assert last == names[-1] and f["latest"] == f["runs/" + last]
PYTHON

"$PULMO" info chain/store.h5 | grep -q "${first#runs/}" || fail "pulmo info says nothing of the runs"
grep -q "$(basename "$(last_of chain)")" chain/latest/report.html || fail "the page of a run does not name it"

promise "runs beyond nightly.keep go, the oldest first; a job.cfg of a run asks for that run"
run 0 chain "${data[@]}" --set nightly.keep=2
expect_night 0 chain 0 7 0
[ "$(runs_of chain)" -eq 2 ] && [ ! -e "chain/$first" ] || fail "$(ls chain/runs)"
[ "$(find chain/runs -name journal | wc -l)" -eq 1 ] || fail "more than the last run has a journal"
"$PULMO" run chain/latest/job.cfg >again.log 2>&1 || fail "$(cat again.log)"
expect_said again "is done already"

promise "other models, other settings: all scans are run, and it is said why"
run 0 chain "${data[@]}" --set classify.threshold=0.3
expect_night 0 chain 7 0 0
grep -q '^,run,changed,.*classify.threshold (was 0.5, is 0.3)' chain/latest/changes.csv || fail "$(head chain/latest/changes.csv)"
cp "$work/weights/classify.h5" "$work/kept"
"$python" -c "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); f['head_linear.bias'][0] += 2" "$work/weights/classify.h5"
run 0 chain "${data[@]}" --set classify.threshold=0.3
expect_night 0 chain 7 0 0
grep -q '^,run,changed,.*classify.weights (was' chain/latest/changes.csv || fail "$(head chain/latest/changes.csv)"
grep -q ',finding,' chain/latest/changes.csv || fail "other models, and no finding changed"
cp "$work/kept/classify.h5" "$work/weights"
run 0 chain "${data[@]}"
expect_night 0 chain 7 0 0
same_results chain/latest full3

promise "a tree that is not mounted is no tree whose scans vanished: refused, nothing is touched"
find chain/runs chain/latest -printf '%p %T@\n' | sort >before
refused() { # WHAT-IS-SAID ARGUMENT...
    local said=$1
    shift
    run 0 chain "$@"
    expect_code 1 chain
    expect_said chain "$said"
    expect_said chain "the last published run is $(last_of chain)"
    find chain/runs chain/latest -printf '%p %T@\n' | sort | cmp before - || fail "a run was touched"
}
mv "$tree" "$tree.away"
refused "is not there, and the last run has 7 scans of it: is it mounted" "${data[@]}"
mkdir "$tree"
refused "is empty, and the last run has 7 scans" "${data[@]}"
cp -r "$tree.away"/* "$tree"
rm -r "$tree/subset0" "$tree/subset1"
refused "[0-9] of the 7 scans of the last run are not in dataset.root" "${data[@]}"
rm -r "$tree"
mv "$tree.away" "$tree"

promise "a scan that is being copied waits for the next night; one that is known does not"
cp -r chain young
cp -p "$(header 1)" "$work/kept" && touch -d '1 hour ago' "$tree"/subset?/*
run 0 young "${data[@]}" --set nightly.settle_s=600
expect_night 0 young 0 7 0
touch "$(voxels 2)" "$(header 2)"
run 0 young "${data[@]}" --set nightly.settle_s=600
expect_night 0 young 0 6 0
expect_said young "1 wait for the next night"
expect_changes young <<<"$(uid 2),scan,waiting,nodules"
touch -d '1 hour ago' "$(voxels 2)" "$(header 2)"
run 0 young "${data[@]}" --set nightly.settle_s=600
expect_night 0 young 1 6 0
same_results young/latest full3

# hanging RANKS OUTPUT ARGUMENT...: a night in the background that stays at scan 6.
hanging() {
    local night=("${job[@]}")
    job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG="$(uid 6).zraw" "${night[@]}")
    start "$@"
    job=("${night[@]}")
}

promise "two nights at once: one runs, the other says why not and ends with 1"
published=$(last_of chain)
hanging 3 chain "${data[@]}" --set classify.threshold=0.4
wait_for_scans chain/next 3
ln -sfn chain second
run 0 second "${data[@]}"
expect_code 1 second
expect_said second "another process is at work there: host $(hostname), pid $(ranks_of chain | head -n 1), started"

promise "a night that is killed publishes nothing; the next one goes on with it, or begins afresh when it would not fit"
kill_group chain
[ "$(last_of chain)" = "$published" ] || fail "a night that was killed is published"
[ ! -e chain/DONE ] || fail "DONE is there"
run 0 chain "${data[@]}" --set classify.threshold=0.4
expect_code 0 chain
expect_said chain "taken over from one that ended without giving it back: host"
expect_said chain "goes on with a night that was broken off"
[ "$(sed -n 's/.* \([0-9]*\) carried over.*/\1/p' chain.log)" -ge 3 ] || fail "what the killed night did was lost"
hanging 2 chain "${data[@]}" --set segment.threshold=0.55
wait_for_scans chain/next 2
kill_group chain
run 0 chain "${data[@]}"
expect_said chain "is not gone on with, settings differ: segment.threshold"
expect_night 0 chain 7 0 0
same_results chain/latest full3

promise "a night that was finished, not published: the next one looks at the tree again"
cp -r chain late
mv "late/$(last_of late)" late/next # as before the rename
mv late/next/job.cfg job.old && sed "s|$(last_of late)\"|next\"|; s|/chain/|/late/|" job.old >late/next/job.cfg
touch -d '2 hours ago' "$(voxels 5)"
run 0 late "${data[@]}" --set nightly.keep=0
expect_code 0 late
expect_said late "7 scans: 0 run, 7 carried over"
same_results late/latest full3

promise "killed while it publishes: before the rename nothing is there, after it the next night mends the rest"
published=$(last_of chain)
code=0
env LD_PRELOAD="$PULMO_SHIM" SHIM_KILL=next/changes.csv "${job[@]}" "${data[@]}" --set output=chain >chain.log 2>&1 || code=$?
expect_code 137 chain
[ "$(last_of chain)" = "$published" ] && [ -e chain/next/DONE ] || fail "it was not killed between the run and its name"
cp chain/store.h5 "$work/kept"
run 0 chain "${data[@]}"
expect_night 0 chain 0 7 0
newest=$(last_of chain)
[ "$newest" != "$published" ] || fail "nothing was published after the kill"
cp "$work/kept/store.h5" chain && ln -sfn "$published" chain/latest && rm chain/DONE # as right after the rename
mv "$tree" "$tree.away"
run 0 chain "${data[@]}"
mv "$tree.away" "$tree"
expect_code 1 chain
[ "$(last_of chain)" = "$newest" ] && "$PULMO" info chain/store.h5 | grep -q "${newest#runs/}, the latest" || fail "not mended"

promise "an owner elsewhere: in the way while it lives, taken over when it was not heard of for long"
number=$(find chain -name 'owner.*' | sed 's/.*\.//')
printf 'host elsewhere\npid 7\njob 42\nstarted 2026-01-01T02:00:00Z\nboot x\n' >"chain/owner.$((number + 1))"
run 0 chain "${data[@]}"
expect_code 1 chain
expect_said chain "at work there: host elsewhere, pid 7, job 42, started 2026-01-01T02:00:00Z, last heard of"
touch -d '20 minutes ago' "chain/owner.$((number + 1))"
run 0 chain "${data[@]}"
expect_night 0 chain 0 7 0
expect_said chain "taken over from one that ended without giving it back: host elsewhere"

promise "a clock that goes back: the new run is still the last"
cp -r chain clock
mv "clock/$(last_of clock)" clock/runs/2099-01-01T000000
run 0 clock "${data[@]}"
expect_night 0 clock 0 7 0
expect_said clock "the clock went back"
[ "$(last_of clock)" = runs/2099-01-01T000001 ] || fail "$(last_of clock)"

promise "a disk that is full: exit 1, nothing is published, the next night goes on"
published=$(last_of chain)
(
    export PMIX_MCA_gds=hash OMPI_MCA_btl=self
    ulimit -f 8
    run 0 chain "${data[@]}" --set classify.threshold=0.45
    exit "$code"
) && code=0 || code=$?
expect_code 1 chain
[ "$(last_of chain)" = "$published" ] && [ ! -e chain/DONE ] || fail "something was published"
run 0 chain "${data[@]}" --set classify.threshold=0.45
expect_code 0 chain

promise "settings that make no night are refused with 2"
for wrong in 'stages=["prepare"]' "dataset.scan=$(header 1)" store.heatmaps=true output=; do
    run 0 wrong "${data[@]}" --set "$wrong"
    expect_code 2 wrong
done
run 0 full3 "${data[@]}"
expect_code 2 full3
expect_said full3 "is the directory of one run"

promise "canaries ride along, apart from all results; too few found, or none to be looked for: an alarm and exit 3"
"$PULMO" phantom "$work/lungs" --scans 2 --size 64x64x40 --seed 3 >phantom.log 2>&1 || fail "$(cat phantom.log)"
canaries=(--set "dataset.root=$work/lungs" --set nightly.canaries=1 --set segment.method=threshold --set limits.quarantine=2)
run 2 watched "${canaries[@]}" --set nightly.canary_bound=0
expect_night 0 watched 2 0 0
expect_said watched "1 canaries made, 5 nodules each"
expect_said watched "canaries: [0-5] of 5 implanted nodules found"
! grep -rq "canary\." watched/latest/*.csv || fail "a canary stands among the results"
[ "$(tail -n +2 watched/canaries.csv | cut -d, -f1-4,8)" = "$(basename "$(last_of watched)"),1,0,5,ok" ] || fail "$(cat watched/canaries.csv)"
copy=$(find watched/canaries/tree -name 'canary.*.mhd')
truncate -s 100 "$copy"
run 0 watched "${canaries[@]}" --set nightly.canary_bound=0.1
expect_night 3 watched 0 2 0
expect_said watched "error: ALARM: of the canaries' implanted nodules 0 of 5 are found .*some canaries could not be read"
grep -q ',1,1,5,0,0.000000,0.1,alarm,' watched/canaries.csv || fail "$(cat watched/canaries.csv)"
[ "$(cat watched/latest/DONE)" = 0 ] || fail "the alarm is the night's, not the run's"
[ "$(wc -l <watched/canaries.csv)" -eq 3 ] || fail "$(cat watched/canaries.csv)"

promise "a night that is asked to stop ends with 75; the same command goes on"
hanging 2 watched "${data[@]}" --set nightly.max_vanished=2
wait_for_scans watched/next 1
kill -USR1 "$(ranks_of watched | head -n 1)"
finish
expect_code 75 watched
run 0 watched "${data[@]}" --set nightly.max_vanished=2
expect_code 0 watched
same_results watched/latest full3

promise "a scan whose files change while it is worked on does not count tonight; it is run the next night"
hanging 2 moving "${data[@]}" --set limits.deadline_s=4
wait_for_scans moving/next 6
touch "$tree"/subset?/*
finish
expect_code 3 moving
[ "$(grep -c "is quarantined: its files changed while they were read" moving.log)" -eq 6 ] || fail "$(cat moving.log)"
bad=$(tail -n +2 moving/latest/quarantine.csv | wc -l)
[ "$bad" -eq 7 ] || fail "$bad scans are quarantined, not the six and the one that hung"
run 0 moving "${data[@]}"
expect_night 0 moving "$bad" $((7 - bad)) 0
[ "$(grep -c ',scan,recovered,' moving/latest/changes.csv)" -eq "$bad" ] || fail "$(cat moving/latest/changes.csv)"
same_results moving/latest full3
