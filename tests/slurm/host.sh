#!/usr/bin/env bash
# The first process of one host of the test cluster: host.sh NAME FOLDER, in namespaces of its own.
set -u
name=$1 cluster=$2
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=1777 shm /dev/shm
mkdir -p /run/munge
mount -t tmpfs -o mode=755 munge /run/munge
mount --bind "$cluster/hosts" /etc/hosts
hostname "$name"
mkdir -p "$cluster/tmp.$name" "$cluster/spool.$name"
# What a launch left behind when the power went would make the next one fail.
rm -rf "$cluster/spool.$name"/pmix.* "$cluster/spool.$name"/stepd.slurm.pmix.* "$cluster/tmp.$name"/*
munged --key-file="$cluster/munge.key" --log-file="$cluster/log/munge.$name" --pid-file=/run/munge/pid \
    --seed-file=/run/munge/seed --socket=/run/munge/munge.socket.2
export SLURM_CONF=$cluster/slurm.conf
if [ "$name" = c0 ]; then slurmctld -i; else slurmd -N "$name"; fi
trap 'exit 0' TERM INT
while :; do # reaps what is left to it, as a first process has to
    sleep 1000 &
    wait -n
done
