# Sourced by the tests of tests/slurm: a Slurm cluster on one machine. Each host has its own network, host
# name, processes, mounts and shared memory; c0 runs the controller, c1 .. cN compute with 2 CPUs each. All of
# them see the machine's files, as on a cluster with a shared file system.
#
#   cluster_up N          also sets the trap that takes everything down
#   on HOST COMMAND...    runs it there, in the current folder
#   power_off HOST        power loss: all its processes die at once; power_on HOST
#   unplug HOST, plug HOST   its network
#
# Needs root, network namespaces and Debian's munge, slurmctld, slurmd, slurm-client, iproute2; skips without.
. "${PULMO_SOURCE:-$(dirname "${BASH_SOURCE[0]}")/../..}/tests/lib/launch.sh"

cluster=$work/cluster
net=pulmo$$ # of the names of network namespaces

cluster_down() {
    local host
    for host in ${cluster_hosts:-}; do
        [ ! -s "$cluster/$host.pid" ] || kill -KILL "$(cat "$cluster/$host.pid")" 2>/dev/null || true
    done
    for host in ${cluster_hosts:-} switch; do
        ip netns delete "$net-$host" 2>/dev/null || true
    done
    sleep 0.2
    rm -rf "$work"
}

need() {
    local tool
    [ "$(id -u)" -eq 0 ] || skip "a cluster of namespaces needs root"
    for tool in munged slurmctld slurmd sbatch ip unshare nsenter; do
        command -v $tool >/dev/null || skip "there is no $tool"
    done
    ip netns add "$net-switch" 2>/dev/null || skip "network namespaces are not allowed here"
    ip -n "$net-switch" link add bridge type bridge 2>/dev/null && ip -n "$net-switch" link set bridge up ||
        { ip netns delete "$net-switch" && skip "network bridges are not allowed here"; }
}

address() { echo "192.0.2.$((10 + ${1#c}))"; }

configure() { # N
    local host
    mkdir -p "$cluster"/log "$cluster"/state
    (umask 077 && head -c 1024 /dev/urandom >"$cluster/munge.key")
    {
        echo "127.0.0.1 localhost"
        for host in $cluster_hosts; do echo "$(address "$host") $host"; done
    } >"$cluster/hosts"
    cat >"$cluster/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=c0($(address c0))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
MailProg=/bin/true
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool.%n
TmpFS=$cluster/tmp.%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd.%n.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdLogFile=$cluster/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$cluster/log/jobs
ReturnToService=2
KillWait=5
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=5
TCPTimeout=2
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=c[1-$1] CPUs=2 CoresPerSocket=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=2
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
}

plug_in() { # HOST: its end of a cable to the bridge
    ip netns add "$net-$1"
    ip link add "$1" netns "$net-switch" type veth peer name eth0 netns "$net-$1"
    ip -n "$net-switch" link set "$1" master bridge up
    ip -n "$net-$1" address add "$(address "$1")/24" dev eth0
    ip -n "$net-$1" link set eth0 up
    ip -n "$net-$1" link set lo up
}

switch_on() { # HOST
    local shell pid= _
    setsid nsenter --net="/run/netns/$net-$1" unshare --uts --mount --ipc --pid --fork --kill-child=KILL \
        bash "$PULMO_SOURCE/tests/slurm/host.sh" "$1" "$cluster" >"$cluster/log/$1" 2>&1 </dev/null &
    shell=$!
    for _ in $(seq 500); do
        pid=$(pgrep -P $shell) && break
        sleep 0.02
    done
    [ -n "$pid" ] || fail "host $1 does not start: $(cat "$cluster/log/$1")"
    echo "$pid" >"$cluster/$1.pid"
}

on() { # HOST COMMAND...
    local host=$1
    shift
    nsenter -t "$(cat "$cluster/$host.pid")" -n -u -m -i -p --wd="$PWD" \
        env "SLURM_CONF=$cluster/slurm.conf" "TMPDIR=$cluster/tmp.$host" "$@"
}

power_off() { kill -KILL "$(cat "$cluster/$1.pid")"; }
power_on() { switch_on "$1"; }
unplug() { ip -n "$net-switch" link set "$1" down; }
plug() { ip -n "$net-switch" link set "$1" up; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited in vain for $what"
        sleep 0.2
    done
}

idle_hosts() { [ "$(on c0 sinfo -h -N -p main -t idle -o %N | wc -l)" -ge "$1" ]; }

cluster_up() { # N
    local host
    need
    cluster_hosts="c0 $(seq -f c%g -s ' ' 1 "$1")"
    trap cluster_down EXIT
    trap 'exit 1' INT TERM
    configure "$1"
    for host in $cluster_hosts; do plug_in "$host"; done
    for host in $cluster_hosts; do switch_on "$host"; done
    wait_for 60 "$1 idle hosts (log: $(cat "$cluster"/log/c* 2>/dev/null | tail -n 3))" idle_hosts "$1"
}

# submit SBATCH-ARGUMENTS...: leaves the job's number in $job_id, its output in $work/JOB.out.
submit() {
    job_id=$(on c0 sbatch --parsable --output="$work/%j.out" "$@")
}

job_state() { on c0 scontrol show job "$1" | sed -n 's/ *JobState=\([A-Z_]*\).*/\1/p'; }

job_ended() { [[ $(job_state "$1") =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|PREEMPTED)$ ]]; }

# wait_for_job SECONDS JOB: until it ended; its state in $state.
wait_for_job() {
    local end=$((SECONDS + $1))
    until job_ended "$2"; do
        [ $SECONDS -lt $end ] || { cat "$work/$2.out"; fail "job $2 has not ended, it is $(job_state "$2")"; }
        sleep 0.5
    done
    state=$(job_state "$2")
}
