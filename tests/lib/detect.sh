# Sourced after launch.sh by the scripts that run whole jobs: data, runs, and what is held of them.
"$python" -c 'import h5py, numpy' 2>/dev/null || skip "$python has no h5py (Debian: python3-h5py)"

make_data() { # weights | tree FOLDER ... | volume FILE ...
    "$python" "$PULMO_SOURCE/tests/lib/make_dataset.py" "$@"
}

# Seconds that a job may take: many times what it takes on a busy machine.
patience=150

# A test that fails may leave a job behind, or a rank that it stopped.
group=
stopped_rank=
clean_up() {
    [ -z "$group" ] || kill -KILL -- "-$group" 2>/dev/null || true
    [ -z "$stopped_rank" ] || kill -KILL "$stopped_rank" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

make_data weights "$work/weights"
job=("$PULMO" run "$PULMO_SOURCE/jobs/detect.cfg" --set "segment.weights=$work/weights/segment.h5"
    --set "classify.weights=$work/weights/classify.h5" --set compute.threads=1)

# The start of every check: what is promised.
promise() {
    echo "* $*"
}

# Prefixes a command for a number of ranks; 0: without mpirun.
on_ranks() {
    launcher=()
    [ "$1" -eq 0 ] || launcher=(mpirun -n "$1")
}

# run RANKS OUTPUT [--set K=V]...: leaves the exit code in $code and what was said in OUTPUT.log.
run() {
    local output=$2
    on_ranks "$1"
    shift 2
    code=0
    timeout -k 10 $patience ${launcher[@]+"${launcher[@]}"} "${job[@]}" --set "output=$output" "$@" >"$output.log" 2>&1 ||
        code=$?
}

# start RANKS OUTPUT [--set K=V]...: the same in a process group of its own, in the background: $group.
start() {
    local output=$2
    on_ranks "$1"
    shift 2
    setsid ${launcher[@]+"${launcher[@]}"} "${job[@]}" --set "output=$output" "$@" >"$output.log" 2>&1 &
    group=$!
}

# Waits for the job that `start` started: $code.
finish() {
    code=0
    wait "$group" || code=$?
    group=
}

kill_group() {
    # The ranks have groups of their own, and would go on for a moment without their mpirun.
    local ranks
    ranks=$(ranks_of "$1")
    # shellcheck disable=SC2086
    kill -KILL -- "-$group" $ranks 2>/dev/null || true
    finish 2>/dev/null
    for _ in $(seq 200); do
        [ -n "$(ranks_of "$1")" ] || return 0
        sleep 0.05
    done
    fail "ranks of $1 outlive their mpirun: $(ranks_of "$1")"
}

# The processes of ours that work on an output: pids, rank 0 first.
ranks_of() {
    pgrep -f -- "^$PULMO run .*=$work/.*output=$1( |\$)" || true
}

expect_code() { # CODE OUTPUT
    [ "$code" -eq "$1" ] && return
    tail -n 30 "$2.log"
    fail "$2: exit code $code, not $1"
}

expect_said() { # OUTPUT REGEX
    grep -Eq -- "$2" "$1.log" && return
    tail -n 30 "$1.log"
    fail "$1: nothing said that matches '$2'"
}

expect_done() { # CODE OUTPUT
    expect_code "$1" "$2"
    [ "$(cat "$2/DONE" 2>/dev/null)" = "$1" ] || fail "$2: DONE does not hold $1"
    [ ! -e "$2/journal" ] || fail "$2: the journal is still there"
    [ -z "$(find "$2" -name '*.part')" ] || fail "$2: parts of files are left: $(find "$2" -name '*.part')"
}

expect_not_done() { # OUTPUT
    [ ! -e "$1/DONE" ] || fail "$1: DONE is there"
}

# same_results A B: the CSV files and /results are the same bytes.
same_results() {
    local list
    for list in candidates submission diagnosis quarantine; do
        cmp "$1/$list.csv" "$2/$list.csv" || fail "$list.csv of $1 and $2 differ"
    done
    "$python" "$PULMO_SOURCE/tests/lib/results.py" same "$1/run.h5" "$2/run.h5" || fail "/results of $1 and $2 differ"
    if command -v h5diff >/dev/null; then
        # It says of empty datasets that they cannot be compared, and ends with 0.
        h5diff "$1/run.h5" "$2/run.h5" /results >"$work/h5diff.out" ||
            { cat "$work/h5diff.out"; fail "h5diff finds /results of $1 and $2 different"; }
    fi
}

# Waits until that many scans are finished in the journal of a running job.
wait_for_scans() { # OUTPUT COUNT
    "$python" "$PULMO_SOURCE/tests/lib/results.py" wait "$1/journal" "$2" || { tail "$1.log"; fail "$1: no $2 finished scans came"; }
}

scans_in_journal() { # OUTPUT
    "$python" "$PULMO_SOURCE/tests/lib/results.py" finished "$1/journal"
}
