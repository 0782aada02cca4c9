#!/usr/bin/env bash
# What `check --ranks` promises: a forecast by simulation from rates measured on this machine or taken from a run, and the line
# that submits the job. Figures are not held against a clock.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"
cd "$work"
mkdir temporary
export TMPDIR=$work/temporary

promise() { echo "- $*"; }

# is CODE COMMAND...: its output is in `out`, its messages in `err`.
is() {
    local wanted=$1 code=0
    shift
    "$PULMO" "$@" >out 2>err || code=$?
    [ $code -eq "$wanted" ] || { tail -n 20 out err; fail "exit code $code, not $wanted: $*"; }
}

says() { grep -q -- "$1" "${2:-out}" || { cat "${2:-out}"; fail "nothing of: $1"; }; }

cat >job.cfg <<'EOF'
stages = ["detect"];
dataset: { root = "tree"; };
segment: { method = "threshold"; };
EOF
is 0 phantom --scans=6 --size=64x64x48 tree

promise "a forecast has a row for each number of ranks, every scan done once, a knee and the line that submits"
is 0 check job.cfg --ranks 1..48 --lose 10 --seconds 0.2 --json
"$python" - <<'EOF'
import json
f = json.load(open("out"))["forecast"]
assert [r["ranks"] for r in f["rows"]] == [1, 2, 4, 8, 16, 32, 48], f
for r in f["rows"]:
    assert r["every_scan_once"] and r["seconds"] > 0 and r["lossy_s"] >= r["seconds"], r
    assert 0 < r["efficiency"] <= 1.01 and 0 <= r["master_load"] < 1, r
assert f["rows"][-1]["lost"] > 0 and f["rows"][-1]["launches"] > 1, f
assert f["rates"]["scans"] > 0 and f["rates"]["search_s_voxel"] > 0, f
assert f["submit"].startswith("sbatch --nodes="), f
EOF
is 0 check job.cfg --ranks 1,3 --seconds 0
says "^knee  *[13] ranks"
says "^submit  *sbatch .* slurm/pulmo.sbatch job.cfg --set output=RUN"

promise "nothing is left of the measuring, also under mpirun"
mpirun -n 2 "$PULMO" check job.cfg --ranks 2 --seconds 0 >out 2>err || { cat err; fail "two ranks"; }
says "^knee"
[ -z "$(find temporary -name 'pulmo-check*')" ] || fail "$(find temporary)"

promise "a site file that names nodes is enough, and its partition, scratch and launcher stand in the line"
cat >site.cfg <<'EOF'
cluster: { nodes = 3; tasks = 8; cores = 16; partition = "long"; scratch = "/local disk"; launcher = "srun"; memory_gb = 0.1; };
EOF
is 0 check job.cfg --site site.cfg --seconds 0 --set "output=$work/a run"
says "^submit  *PULMO_LAUNCHER=srun PULMO_SCRATCH='/local disk' sbatch --nodes=3 --ntasks=24 --ntasks-per-node=8 --cpus-per-task=2 "
says "--partition=long slurm/pulmo.sbatch job.cfg --site site.cfg --set 'output=$work/a run'$"
says "fewer tasks, or a smaller limits.memory_gb"

promise "a run says what its cores were used for, and rates are taken from it on demand"
mpirun -n 3 "$PULMO" run job.cfg --set output=run >out 2>err || { cat err; fail "the run"; }
says "core-hours: .*wait" err
[ "$(head -n 1 run/efficiency.csv)" = stage,core_hours,share ] || fail "$(head -n 1 run/efficiency.csv)"
awk -F, 'NR > 1 { sum += $3 } END { exit !(sum > 0.998 && sum < 1.002) }' run/efficiency.csv ||
    { cat run/efficiency.csv; fail "the shares of efficiency.csv do not add up to 1"; }
is 0 check job.cfg --ranks 1 --rates run --seconds 0
says "^rates  *of 6 scans of run"
is 1 check job.cfg --ranks 1 --rates nowhere --seconds 0

promise "a training is predicted from steps on a scan of the data set"
cat >train.cfg <<'EOF'
stages = ["train"];
dataset: { root = "tree"; };
cache: { dir = "cache"; };
train: { stages = ["classify"]; epochs = 3; epoch_samples = 64; batch = 8; validate_samples = 8; };
EOF
is 0 check train.cfg --ranks 1,2,5 --seconds 0
says "^  train  *classify: "
[ ! -e cache ] || fail "the job's cache was made"

promise "what is no list of ranks, or no share, is a wrong usage"
for bad in 0 2,1 1..0 x 1, 1...3 1..99999999; do
    is 2 check job.cfg --ranks "$bad"
done
is 2 check job.cfg --ranks 1 --lose 101
