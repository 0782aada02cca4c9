#!/usr/bin/env bash
# Nothing waits for ever: a file that never answers costs its scan and names it; a rank that stands still
# ends the job, which names it and goes on when started again.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"
[ -e "$PULMO_SHIM" ] || skip "no shim at $PULMO_SHIM"

make_data tree "$work/tree" --scans 8
tree=(--set "dataset.root=$work/tree")
mkdir "$work/runs"
cd "$work/runs"
run 2 whole "${tree[@]}"
expect_done 0 whole

hang() { # RANKS OUTPUT: the file of scan $uid hangs
    local started=$SECONDS
    job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG="$uid.$kind" "${plain[@]}")
    run "$1" "$2" "${tree[@]}" --set limits.deadline_s=3 --set limits.quarantine=1
    job=("${plain[@]}")
    expect_done 3 "$2"
    [ $((SECONDS - started)) -lt 40 ] || fail "$2 took $((SECONDS - started)) s"
    expect_said "$2" "$uid.*no answer from the file system for 3 s"
    [ "$(grep -c "^$uid,load,.*no answer from the file system for 3 s" "$2/quarantine.csv")" -eq 1 ] ||
        fail "$2: quarantine.csv holds $(cat "$2/quarantine.csv")"
    [ "$(wc -l <"$2/quarantine.csv")" -eq 2 ] || fail "$2: more than one scan is in quarantine.csv"
    grep -q "^$uid,,0,quarantined$" "$2/diagnosis.csv" || fail "$2: diagnosis.csv does not say quarantined"
    cmp <(grep -v "^$uid," whole/candidates.csv) "$2/candidates.csv" || fail "$2: other scans suffered"
    echo "  $1 ranks: $((SECONDS - started)) s"
}

plain=("${job[@]}")
for case in "1 raw" "3 zraw" "5 mhd"; do
    read -r scan kind <<<"$case"
    uid=$(sed -n "${scan}p" "$work/tree/seriesuids.csv")
    compgen -G "$work/tree/subset*/$uid.$kind" >/dev/null || fail "scan $scan has no .$kind"
    promise "a read() of $uid.$kind that never returns: the scan is named and set aside, the others are done"
    hang 1 alone-$kind
    hang 3 three-$kind
done
same_results alone-raw three-raw

promise "a journal that cannot be written to, without an error: a job of one process ends as well"
job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG=unwritten/journal SHIM_WHILE="$work/away" "${plain[@]}")
start 0 unwritten "${tree[@]}" --set limits.deadline_s=1
job=("${plain[@]}")
wait_for_scans unwritten 1
touch "$work/away"
finish
expect_code 1 unwritten
expect_said unwritten 'reading or writing the journal has taken more than 2 s'
run 2 unwritten "${tree[@]}"
same_results whole unwritten

promise "a report that cannot be written, without an error: the job ends and says that it was the report"
job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG=unshown/report.html "${plain[@]}")
run 0 unshown "${tree[@]}" --set limits.deadline_s=1 --set 'stages=["detect","report"]'
job=("${plain[@]}")
expect_code 1 unshown
expect_said unshown 'writing the report has taken more than 2 s'

promise "a rank that never comes to the start: the others end the job, naming the wait"
here=("${plain[@]}" "${tree[@]}" --set output=unstarted --set limits.deadline_s=0.1 --set limits.start_s=2)
code=0
timeout -k 5 $patience mpirun -n 2 "${here[@]}" : \
    -n 1 env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG=jobs/detect.cfg "${here[@]}" >unstarted.log 2>&1 || code=$?
expect_code 1 unstarted
expect_said unstarted 'starting MPI with all ranks has taken more than 2 s'
[ -z "$(ranks_of unstarted)" ] || fail "ranks are left: $(ranks_of unstarted)"

promise "a rank that stands still when all is done, on its way out: the job does not wait for it"
start 3 leaving "${tree[@]}" --set limits.deadline_s=1 --set limits.start_s=0
until [ -e leaving/DONE ] || ! kill -0 "$group" 2>/dev/null; do sleep 0.001; done
stopped_rank=$(ranks_of leaving | sed -n 2p)
[ -z "$stopped_rank" ] || kill -STOP "$stopped_rank" 2>/dev/null || true
for _ in $(seq 300); do
    kill -0 "$group" 2>/dev/null || break
    sleep 0.1
done
! kill -0 "$group" 2>/dev/null || fail "all is done, and 30 s later the job is still there"
finish
stopped_rank=
[ "$(cat leaving/DONE)" = 0 ] || fail "leaving: DONE holds $(cat leaving/DONE)"
same_results whole leaving
echo "  exit code $code"

# Whether the processes of a list end within 5 s; a zombie waits for nobody but its parent.
gone() { # FILE
    local pid
    for _ in $(seq 50); do
        while read -r pid; do
            case $(ps -o stat= -p "$pid") in "" | Z*) ;; *) sleep 0.1 && continue 2 ;; esac
        done <"$1"
        return 0
    done
    return 1
}

promise "a launcher that waits for itself for ever, since a rank died while it started MPI: it is ended"
cp "$(command -v bash)" "$work/mpirun"
mkfifo silence
touch starting
LD_PRELOAD=$PULMO_SHIM SHIM_HANG=/sys/devices/system SHIM_WHILE="$PWD/starting" timeout -k 5 60 "$work/mpirun" -c \
    '"$@" & echo $! >rank; exec 9<>silence; read -t 50 -u 9' launcher \
    "${plain[@]}" "${tree[@]}" --set output=unled >unled.log 2>&1 &
lone=$!
until [ -s rank ] && pgrep -P "$(cat rank)" -x pulmo-guard >guard; do
    kill -0 $lone 2>/dev/null || fail "no guard: $(cat unled.log)"
    sleep 0.05
done
kill -KILL "$(cat rank)"
code=0
wait $lone || code=$?
rm starting
expect_code 137 unled
expect_said unled 'a rank died while it started MPI, all ranks of this host are gone.* it is killed'
gone guard || fail "the guard is still there"

promise "a rank that is killed while it starts MPI, ten times at other moments: mpirun ends, and no process is left"
for i in $(seq 10); do
    start 3 early "${tree[@]}"
    until [ "$(pgrep -c -P "$group" -x pulmo)" -eq 3 ]; do kill -0 "$group" || fail "early: $(cat early.log)"; done
    sleep "0.0$((RANDOM % 40 + 10))"
    pgrep -P "$group" -x pulmo >ranks
    pgrep -P "$(paste -s -d, ranks)" -x pulmo-guard >guards || true
    kill -KILL "$(sed -n $((i % 3 + 1))p ranks)" || fail "early: no rank to kill: $(cat early.log)"
    began=$SECONDS
    while kill -0 "$group" 2>/dev/null; do
        [ $((SECONDS - began)) -le 12 ] || fail "mpirun is still there"
        sleep 0.05
    done
    finish
    [ "$code" -ne 0 ] || fail "early: exit code 0 with a killed rank"
    gone ranks || fail "ranks are left: $(cat ranks)"
    gone guards || fail "guards are left: $(cat guards)"
    rm -rf early
done

promise "more hanging scans than the job puts up with: it stops and says so"
uid=$(sed -n 1p "$work/tree/seriesuids.csv")
job=(env LD_PRELOAD="$PULMO_SHIM" SHIM_HANG="$uid.raw" "${plain[@]}")
run 2 none_allowed "${tree[@]}" --set limits.deadline_s=2 --set limits.quarantine=0
job=("${plain[@]}")
expect_code 1 none_allowed
expect_not_done none_allowed
expect_said none_allowed 'limits\.quarantine'
run 2 none_allowed "${tree[@]}"
expect_done 0 none_allowed
same_results whole none_allowed

# stand_still OUTPUT LINE: the process on that line of ranks_of stops; the job ends by itself.
stand_still() {
    make_data tree "$work/slow" --scans 12 --size 24 100 100
    start 3 "$1" --set "dataset.root=$work/slow" --set limits.deadline_s=2
    wait_for_scans "$1" 1
    local started=$SECONDS
    stopped_rank=$(ranks_of "$1" | sed -n "$2p")
    kill -STOP "$stopped_rank"
    for _ in $(seq 300); do
        kill -0 "$group" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$group" 2>/dev/null; then
        fail "$1: a stopped rank, and 30 s later the job is still there"
    fi
    finish
    kill -KILL "$stopped_rank" 2>/dev/null || true
    stopped_rank=
    [ "$code" -ne 0 ] || fail "$1: exit code 0 with a stopped rank"
    expect_not_done "$1"
    echo "  exit code $code after $((SECONDS - started)) s"
}

promise "a worker that stands still: the job ends naming it, and goes on when started again"
stand_still worker 2
expect_said worker 'rank 1 has not been heard of for [0-9]+ s, at work on scan|rank 0 .*(sending a task .* to|from) rank 1 has taken more'
run 2 worker --set "dataset.root=$work/slow"
expect_done 0 worker

promise "a master that stands still: its workers end the job, naming it"
stand_still master 1
expect_said master 'nothing heard from the master|sending a result to the master|from rank 0 has taken more'
run 3 master --set "dataset.root=$work/slow"
expect_done 0 master
same_results worker master
