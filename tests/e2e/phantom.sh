#!/usr/bin/env bash
# A data set of phantoms is a function of its seed: the same bytes on any number of ranks and after any
# kill, laid out and listed as LUNA16 is, true to half a voxel; implants change what they say and nothing
# else. What a folder holds already is respected.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
"$python" -c 'import numpy' 2>/dev/null || skip "$python has no numpy"

# A sanitizer that follows thread-local storage trips over that of the libraries that MPI loads.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}intercept_tls_get_addr=0

promise() { echo "* $*"; }

# phantom RANKS DIR OPTION...: exit code in $code, what was said in $work/said.
phantom() {
    local ranks=$1 launcher=()
    shift
    [ "$ranks" -eq 0 ] || launcher=(mpirun -n "$ranks")
    code=0
    timeout -k 5 120 ${launcher[@]+"${launcher[@]}"} "$PULMO" phantom "$@" >"$work/said" 2>&1 </dev/null || code=$?
}

# expect CODE REGEX: of the last call.
expect() {
    [ "$code" -eq "$1" ] && grep -aEq -- "$2" "$work/said" && return
    cat "$work/said" >&2
    fail "exit code $code (wanted $1), and '$2' was to be said"
}

sums() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum); }
truth() { "$python" "$PULMO_SOURCE/tests/lib/phantom_truth.py" "$@"; }

cd "$work"
options=(--scans 4 --size 96x96x60 --seed 2 --negatives 40 --masks)

promise "a dry run makes nothing"
phantom 0 dry "${options[@]}" --dry-run
expect 0 'dry: 4 scans, 2 Mvoxel'
[ ! -e dry ] || fail "a dry run left something"

promise "1 and 4 ranks make the same bytes"
phantom 0 one "${options[@]}"
expect 0 'one: 4 scans made in .* Mvoxel/s'
phantom 4 four "${options[@]}"
expect 0 'four: 4 scans made'
diff -r one four || fail "1 and 4 ranks differ"
sums one >one.sums
! find one -name '*.part' | grep . || fail "parts were left"

promise "a second run does nothing"
touch before
phantom 2 one "${options[@]}"
expect 0 'all 4 scans are there, nothing to do'
! find one -newer before -type f | grep . || fail "files were written again"

promise "killed in the middle and run again, the bytes are the same"
"$PULMO" phantom killed "${options[@]}" >killed.log 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -z "$(find killed -name '*.mhd' -path '*/subset1/*' 2>/dev/null)" ] || break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
done
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
[ ! -e killed/annotations.csv ] || fail "it was done before it could be killed"
phantom 0 killed "${options[@]}"
expect 0 'killed: [123] scans made'
rm -f $(find killed -name '*.part')
sums killed >killed.sums
cmp one.sums killed.sums || fail "a kill changed the result"

promise "a scan that was cut short, and a list that is gone, are made again"
truncate -s -1 "$(ls killed/subset2/*raw)"
rm killed/candidates.csv
phantom 0 killed "${options[@]}"
expect 0 'killed: 1 scans made'
sums killed | cmp - one.sums || fail "repair changed the result"

promise "asked to stop, it stops between scans with 75"
"$PULMO" phantom stopped "${options[@]}" >stopped.log 2>&1 &
pid=$!
for _ in $(seq 200); do [ ! -e stopped/.truth ] || break; sleep 0.02; done
kill -USR1 $pid
code=0
wait $pid || code=$?
cp stopped.log said
expect 75 'the same command goes on'

promise "other options and other people's folders are refused"
phantom 0 one "${options[@]}" --seed 3
expect 2 'other options: seed is 2 there, not 3'
phantom 0 one --scans 5 --size 96x96x60 --seed 2 --negatives 40
expect 2 'masks is true there, not false'
mkdir other
echo mine >other/notes.txt
phantom 0 other "${options[@]}"
expect 2 "holds other things .'notes.txt'"
[ "$(ls -A other)" = notes.txt ] || fail "a folder that was refused was changed"
phantom 2 /dev/null/x "${options[@]}"
expect 2 'null/x: Not a directory'

promise "options that cannot be are named"
phantom 0 bad --size huge
expect 2 "size 'huge'"
phantom 0 bad --scans 0
expect 2 'scans 0'
phantom 0 bad --scans 3 --scans-per-subset 1
expect 2 'say the same'
phantom 0 bad --seed -1
expect 2 'seed -1'
phantom 0 bad --nodules 3
expect 2 'go with --implant'
phantom 0
expect 2 'which folder'
phantom 0 ""
expect 2 'which folder'
phantom 0 bad also
expect 2 "not also 'also'"
phantom 0 bad --implant "$work/nowhere"
expect 2 'nowhere'
[ ! -e bad ] || fail "a refused command made a folder"

promise "a disk that is too small is seen before it is full"
phantom 0 huge --size 4096x4096x4096 --scans 100000
expect 1 'need about .* GB'

promise "the lists are LUNA16's, and true of the masks"
truth lists one 4
truth masks one

promise "pulmo check has nothing to say against it"
printf 'stages = ["detect"];\nsegment = { method = "threshold"; };\n' >job.cfg
"$PULMO" check job.cfg --deep --set "dataset.root=$work/one" --set "output=$work/run" >check.log 2>&1 ||
    { cat check.log >&2; fail "pulmo check found something wrong"; }

promise "implants: the same grid, padding left alone, changed where they say, a bad scan left out"
mkdir source source/subset1
cp one/subset[01]/*.mhd one/subset[01]/*raw source/subset1
echo "ObjectType = Image" >source/subset1/bad.mhd
phantom 0 implanted --implant source --nodules 3 --diameter 12,20 --seed 5 --masks
expect 3 'bad: left out'
phantom 2 implanted2 --implant source --nodules 3 --diameter 12,20 --seed 5 --masks
expect 3 'bad: left out'
sed -i 's/implanted2/implanted/' implanted2/phantom.json
diff -r implanted implanted2 || fail "implants depend on the ranks"
truth lists implanted 2
truth implants source implanted
phantom 0 implanted --implant source --nodules 3 --diameter 12,20 --seed 5 --masks
expect 3 'nothing to do'

promise "a grid on which nothing can be drawn is left out, the scans beside it are made"
mkdir odd
cp source/subset1/2.*.mhd source/subset1/2.*raw odd
for spacing in 1e200 1e-25; do
    sed "s/^ElementSpacing.*/ElementSpacing = $spacing $spacing $spacing/" \
        "$(ls odd/2.*.mhd | head -n 1)" >"odd/by-$spacing.mhd"
done
phantom 3 of-odd --implant odd --nodules 1 --diameter 5.12345678901234567,6 --negatives 1
expect 3 'by-1e-25: left out: .* no scan of a patient'
expect 3 'by-1e200: left out: .* no scan of a patient'
expect 3 'of-odd: 2 scans made'

promise "options of any number of digits are known again; a tree whose name no JSON holds is refused"
phantom 0 of-odd --implant odd --nodules 1 --diameter 5.12345678901234567,6 --negatives 1
expect 3 'nothing to do'
latin=$'caf\xe9'
mv odd "$latin"
phantom 0 of-latin --implant "$latin"
expect 2 'not UTF-8'
[ ! -e of-latin ] || fail "a refused command made a folder"
