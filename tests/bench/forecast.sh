#!/usr/bin/env bash
# What `pulmo check --ranks 1,2,3` predicts beside what runs of 1, 2 and 3 ranks on this machine take.
#
#   tests/bench/forecast.sh [DATASET]      default: 30 small phantoms, made first
#
# Environment: PULMO, PULMO_TEST_DATA (models/), RUNS (3 turns; medians are printed), SECONDS_MEASURED (4), JOB (jobs/detect.cfg),
# SETS (further --set K=V, in one string), and what tests/lib/launch.sh names. One line a figure, words of KEY=VALUE.
# `run_s` is the time from the start of the job to its end as status.json has it: launching is left out, writing run.h5 is in.
# Time never fails this script.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"
unset OMP_NUM_THREADS

runs=${RUNS:-3}
job=${JOB:-$PULMO_SOURCE/jobs/detect.cfg}
data=${1:-$work/phantoms}
models=$PULMO_TEST_DATA/models
[ -r "$models/segment.h5" ] || skip "no $models (PULMO_TEST_DATA)"
[ -d "$data" ] || "$PULMO" phantom --scans=30 --size=small "$data" >"$work/log" 2>&1 || fail "no phantoms"
options=(--set "dataset.root=$data" --set "segment.weights=$models/segment.h5"
    --set "classify.weights=$models/classify.h5" --set cluster.tasks=3 ${SETS:-})

# Machines have faster and slower minutes: each turn measures its rates anew and runs all sizes.
echo "machine load=$(cut -d' ' -f1 /proc/loadavg) cores=$(nproc)"
for ((i = 0; i < runs; i++)); do
    "$PULMO" check "$job" "${options[@]}" --ranks 1,2,3 --seconds "${SECONDS_MEASURED:-4}" --json >"$work/forecast-$i.json" ||
        [ $? -eq 3 ] || fail "no forecast"
    for ranks in 1 2 3; do
        mpirun -n $ranks "$PULMO" run "$job" "${options[@]}" --set "output=$work/run-$ranks-$i" >"$work/log" 2>&1 ||
            { tail -n 20 "$work/log" >&2; fail "the job on $ranks ranks"; }
    done
done
"$python" - "$work" "$runs" <<'EOF'
import json, statistics, sys
work, runs = sys.argv[1], int(sys.argv[2])
load = lambda path: json.load(open(f"{work}/{path}"))
forecasts = [{r["ranks"]: r["seconds"] for r in load(f"forecast-{i}.json")["forecast"]["rows"]} for i in range(runs)]
for ranks in 1, 2, 3:
    pairs = [(forecasts[i][ranks], load(f"run-{ranks}-{i}/status.json")["elapsed_s"]) for i in range(runs)]
    predicted, found = map(statistics.median, zip(*pairs))
    print(f"forecast ranks={ranks} predicted_s={predicted:.2f} run_s={found:.2f}"
          f" ratio={statistics.median(p / s for p, s in pairs):.3f} ratios={','.join(f'{p / s:.3f}' for p, s in pairs)}")
EOF
