#!/bin/bash
# A cross-validation as a job array of Slurm, a fold a task:
#
#   slurm/crossval.sh --ntasks=17 --mem-per-cpu=2G --time=4:00:00 \
#       jobs/crossval.cfg --set dataset.root=TREE --set cache.dir=CACHE --set output=RUN ...
#
# Options before the job file are sbatch's, for the jobs that prepare the scans and run the folds; --array=0-9%4 lets
# four folds run at a time, --array=0-2 goes with --set 'crossval.folds=[0,1,2]'. What follows it is the command line
# of `pulmo run`. Three jobs are submitted, each through pulmo.sbatch, with its environment:
#
#   RUN/prepare    the scans into the cache
#   RUN/folds/K    the array, when that is done: fold K
#   RUN            when all of the array have ended, well or not: the merge and the score. It fails, and says which,
#                  when folds are not there; the same command then submits what is left.
#
# `pulmo run` of the same job file on the same output in one allocation comes to the same results.
set -eu

refuse() {
    echo "crossval.sh: $*" >&2
    exit 2
}

options=()
while [ $# -gt 0 ] && [[ $1 != *.cfg ]]; do
    options+=("$1")
    shift
done
[ $# -gt 0 ] || refuse "no job file: crossval.sh [SBATCH-OPTION...] jobs/crossval.cfg --set output=RUN"
output=
previous=
for argument; do
    case $argument in
    --set=output=*) output=${argument#--set=output=} ;;
    output=*) [ "$previous" != --set ] || output=${argument#output=} ;;
    esac
    previous=$argument
done
[ -n "$output" ] || refuse "give --set output=RUN: the folds come to stand in RUN/folds"

script=${PULMO_SBATCH:-$(dirname "$0")/pulmo.sbatch}
[ -r "$script" ] || refuse "no $script: give pulmo.sbatch by PULMO_SBATCH"
array=--array=0-9
rest=()
for option in ${options[@]+"${options[@]}"}; do
    case $option in
    --array=*) array=$option ;;
    -a | --array) refuse "write --array=FOLDS" ;;
    *) rest+=("$option") ;;
    esac
done

submit() { # NAME OPTION... -- ARGUMENT...
    local name=$1 own=()
    shift
    while [ "$1" != -- ]; do
        own+=("$1")
        shift
    done
    shift
    sbatch --parsable ${rest[@]+"${rest[@]}"} --job-name="$name" ${own[@]+"${own[@]}"} "$script" "${job[@]}" "$@"
}

job=("$@")
prepare=$(submit pulmo-prepare -- --set 'stages=["prepare"]' --set "output=$output/prepare")
prepare=${prepare%%;*} # a cluster's name may follow
folds=$(submit pulmo-fold "$array" --dependency="afterok:$prepare" --kill-on-invalid-dep=yes -- \
    --set train.fold=%a --set "output=$output/folds/%a")
folds=${folds%%;*}
merge=$(submit pulmo-merge --dependency="afterany:$folds" --nodes=1 --ntasks=1 -- --set 'stages=["score","report"]')
echo "prepare $prepare, folds $folds (${array#--array=}), merge ${merge%%;*}; pulmo status $output"
