#!/usr/bin/env bash
# What `check`, `info` and `status` promise, and that `--help` stands everywhere. The volumes are written
# by hand here: a header of text and a file of zeros.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"

# What is said in English is compared: no other language for argp and strerror.
export LC_ALL=C
cd "$work"
echo 'stages = ["detect"];' >job.cfg

promise() {
    echo "* $*"
}

# is CODE COMMAND...: the exit code of a command of pulmo; what it says is in `out` and `err`.
is() {
    local wanted=$1 code=0
    shift
    timeout 60 "$PULMO" "$@" >out 2>err || code=$?
    [ "$code" -eq "$wanted" ] || { cat out err; fail "pulmo $*: exit code $code, not $wanted"; }
}

says() { # FILE REGEX
    grep -Eq -- "$2" "$1" || { cat "$1"; fail "$1 holds nothing that matches '$2'"; }
}

silent_on() { # FILE REGEX
    ! grep -Eq -- "$2" "$1" || { cat "$1"; fail "$1 holds something that matches '$2'"; }
}

# volume STEM SLICES ROWS COLUMNS [HEADER LINE]...: a .mhd of zeros (MET_SHORT); lines of the same key
# replace the usual ones.
volume() {
    local stem=$1 z=$2 y=$3 x=$4 line key
    shift 4
    {
        echo "ObjectType = Image"
        echo "NDims = 3"
        for line in "TransformMatrix = 1 0 0 0 1 0 0 0 1" "Offset = 0 0 0" "ElementSpacing = 0.5 0.5 1.25" \
            "DimSize = $x $y $z" "ElementType = MET_SHORT"; do
            key=${line%% *}
            for other in "$@"; do
                [ "${other%% *}" != "$key" ] || line=$other
            done
            echo "$line"
        done
        echo "ElementDataFile = $(basename "$stem").raw"
    } >"$stem.mhd"
    head -c $((z * y * x * 2)) /dev/zero >"$stem.raw"
}

promise "--help of every command ends with 0 and names its exit codes; a command that is none ends with 2"
is 0 --help
for command in run check info status why froc compare; do
    is 0 $command --help
    says out "^Usage: .*$command"
    says out "Exit codes"
done
is 2 no-such-command
is 2 check
is 2 info
is 2 status
is 2 why "$work" 1.2.3

# --- check ---

mkdir -p tree/subset0 tree/subset1
volume tree/subset0/1.1 4 8 6
volume tree/subset0/1.2 3 8 6 "ElementSpacing = 0.7 0.7 2.5" "TransformMatrix = -1 0 0 0 -1 0 0 0 1"
volume tree/subset1/1.3 5 6 6 "TransformMatrix = 0.8 0.6 0 -0.6 0.8 0 0 0 1"
printf '1.1\n1.2\n1.3\n' >tree/seriesuids.csv
cat >tree/annotations.csv <<END
seriesuid,coordX,coordY,coordZ,diameter_mm
1.1,1.0,2.0,2.5,4.5
1.2,-0.7,-1.4,2.5,12
1.2,-0.7,-1.4,200,31
END
cat >tree/annotations_with_malignancy.csv <<END
seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool
1.1,1.0000001,2.0,2.5,4.5,False
1.2,-0.7,-1.4,2.5,12,True
END
cat >tree/candidates.csv <<END
seriesuid,coordX,coordY,coordZ,class
1.1,1.0,2.0,2.5,1
1.1,0.5,0.5,0,0
1.3,0.5,0.5,0,0
END

promise "check counts scans, spacings, directions, nodules and candidates of a whole tree, and ends with 0"
is 0 check job.cfg --set dataset.root=tree
says out "^scans +3, .* 0 broken, 0 missing, 0 in no list"
says out "^  0 +2 +0 +0 "
says out "^  9 +no folder"
says out "slice thickness, mm +1.250 +1.250 +1.250 +1.875 +2.500"
says out "^  to 1.25 +mm +2 +####"
says out "identity: 1, -1 -1 1: 1, other axes: 0, oblique: 1"
says out "MET_SHORT: 3"
says out "^annotations +3 rows of 2 scans; here 3 of 2; 1 centres outside"
says out "^  3-5 mm +1 +1 +0 +0"
says out "^  10-20 mm +1 +0 +1 +0"
says out "^  >= 30 mm +1 +0 +0 +1"
says out "^candidates +class 0: 2, class 1: 1"
says out "^segment +no weights: missing"
says out "^malignancy +no weights$"
says out "^output +not given"

promise "check --deep reads the voxels; without it none is read"
is 0 check job.cfg --set dataset.root=tree --deep --set "output=$work/not/there/yet"
says out "HU +0 to 0, mean 0.0"
says out "padding +0.000 %"
says out "^output +.*not/there/yet: .* free"
is 0 check job.cfg --set dataset.root=tree
silent_on out "HU"

promise "check says the same, as text and as JSON, for every number of ranks"
for form in "" --json; do
    is 0 check job.cfg --set dataset.root=tree --deep $form
    mv out alone
    for ranks in 1 2 3 4; do
        mpirun -n $ranks "$PULMO" check job.cfg --set dataset.root=tree --deep $form >out 2>err ||
            { cat err; fail "check on $ranks ranks"; }
        cmp alone out || fail "check on $ranks ranks says something else"
    done
done

promise "a subset that was not asked for hides nothing and is not missing"
is 0 check job.cfg --set dataset.root=tree --set 'dataset.subsets=[0]'
says out "^scans +2, .* 0 missing"
says out "^candidates +3 rows of 2 scans; here 2 of 1$"
mv tree/subset1 elsewhere
is 0 check job.cfg --set dataset.root=tree --set 'dataset.subsets=[0]'
says out "0 missing"
says out "not on this disk"

promise "a listed scan that is not on disk is named as missing, and check ends with 3"
is 0 check job.cfg --set dataset.root=tree --set 'dataset.subsets=[0]'
mkdir tree/subset1
for k in 2 3 4 5 6 7 8 9; do mkdir tree/subset$k; done
is 3 check job.cfg --set dataset.root=tree
says out "1 missing"
says out "^  1\.3$"
says out "^candidates .*; 1 of 1 scans that are not there"
is 3 check job.cfg --set dataset.root=tree --json
says out '"missing": \['
rmdir tree/subset[1-9]
mv elsewhere tree/subset1

promise "broken headers and scans in no list are named with their reason, and check ends with 3"
cp -r tree broken
volume broken/subset0/1.4 4 4 4
head -c 10 /dev/zero >broken/subset0/1.4.raw
volume broken/subset1/1.5 4 4 4 "DimSize = 4 4 0"
volume broken/subset1/1.6 4 4 4 "ElementSpacing = nan 1 1"
rm broken/subset1/1.3.raw
is 3 check job.cfg --set dataset.root=broken
says out "^scans +6, .* 4 broken, 0 missing, 3 in no list"
says out "^  .*1\.4\.(mhd|raw).*"
says out "^  .*1\.5\.mhd.*DimSize"
says out "^  .*1\.6\.mhd.*ElementSpacing"
says out "^  .*1\.3\.raw.*No such file"
mv out alone
mpirun -n 3 "$PULMO" check job.cfg --set dataset.root=broken >out 2>err && fail "3 ranks: exit code 0"
cmp alone out || fail "3 ranks name other broken scans"

promise "a volume that stands in two subsets is a problem that check names, with 3"
cp -r tree twice
cp tree/subset0/1.1.* twice/subset1
is 3 check job.cfg --set dataset.root=twice
says out "^problems of the tree"
says out "1\.1\.mhd: the seriesuid of .* again"

promise "NaN voxels are found by --deep alone"
mkdir nan
volume nan/1 1 1 2 "ElementType = MET_FLOAT"
printf '\0\0\300\177\0\0\0\0' >nan/1.raw
volume nan/2 1 1 2
is 0 check job.cfg --set dataset.root=nan
is 3 check job.cfg --set dataset.root=nan --deep
says out "nan/1\.mhd.*(NaN|nan)"

promise "field-of-view padding is told apart from HU"
mkdir padded
volume padded/1 1 2 2
# -3024, -2000, -1000, 40: little endian.
printf '\060\364\060\370\030\374\050\000' >padded/1.raw
is 0 check job.cfg --set dataset.root=padded --deep
says out "HU +-1000 to 40, mean -480.0"
says out "padding +50.000 % of the voxels, in 1 scans, down to -3024 HU"

promise "a list, weights or a job that cannot be used end check with 2 and are named"
cp -r tree badlist
echo "1.1,1,two,3,4" >>badlist/annotations.csv
is 2 check job.cfg --set dataset.root=badlist
says out "^annotations +cannot be used: .*annotations.csv:5"
is 2 check job.cfg --set dataset.root=tree --set segment.weights=job.cfg
says out "^segment +cannot be used: .*job.cfg"
is 2 check job.cfg --set dataset.root=nowhere
says err "nowhere"
is 2 check job.cfg
says err "dataset.root"
is 2 check job.cfg --set no.such=1
says err "no.such"

promise "check of one volume"
is 0 check job.cfg --set dataset.scan=tree/subset0/1.2.mhd
says out "^scans +1, "

# --- info ---

promise "info tells a volume's size, spacing, origin, direction and HU"
is 0 info padded/1.mhd --deep
says out "^size +1 x 2 x 2 voxels"
says out "^spacing +0.5, 0.5, 1.25 mm"
says out "^HU +-1000 to 40, mean -480"
is 0 info tree/subset1/1.3.mhd
says out "^direction +oblique: \[0.8 -0.6 0\] \[0.6 0.8 0\] \[0 0 1\]"
silent_on out "^HU"

promise "info tells the layers of a network, the resolved settings of a job, and this machine"
is 0 info "$PULMO_SOURCE/conf/models/luna.cfg"
says out "^network +luna"
says out "conv +block4.conv2 +64 x 4x6x6"
is 0 info "$PULMO_SOURCE/conf/models/unet2d.cfg" --size 1,64,32
says out "sigmoid .* 1 x 64x32"
is 0 info job.cfg
says out "threshold = 0.5"
is 0 info --cpu
says out "^chosen +(portable|avx2|avx512)"
says out "BLIS"

promise "info of anything else is a clear error"
is 1 info nowhere
says err "nowhere: no such file"
is 1 info tree/seriesuids.csv
says err "neither a volume"
is 1 info tree
says err "no run directory"
is 1 info broken/subset0/1.4.mhd
says err "1\.4\."
is 2 info "$PULMO_SOURCE/conf/models/luna.cfg" --plan
says err "--weights"
is 2 info --size 1,2 job.cfg

# --- status ---

promise "status tells of a job that works, has gone silent, has failed, is done; and of no run"
mkdir run
is 1 status run
says err "no job.cfg"
cp job.cfg run
is 0 status run
says out "^state +started, has told nothing yet"
is 1 status --json run
status_json() { # STATE SECONDS_AGO [MORE]
    printf '{"state": "%s", "scans": 20, "finished": 5, "quarantined": 1, "share": 0.25, "elapsed_s": 60,\n' "$1"
    printf '"scans_per_hour": 300.0, "host": "node7", "pid": 42, "ranks": 3, "remaining_s": 180.5%s,\n' "${3:-}"
    printf '"updated_unix": %d}\n' $(($(date +%s) - $2))
}
status_json detect 4 >run/status.json
is 0 status run
says out "^state +detect$"
says out "^scans +5 of 20 finished, 1 quarantined, 25.0 % of the work"
says out "300.0 scans/h, .*so far, about .* left"
says out "^updated +[0-9]+ s ago by process 42 on node7, 3 ranks"
silent_on out "dead"
is 0 status --json run
grep -v '^$' out | cmp - run/status.json || fail "--json is not status.json as it stands"
status_json detect 400 >run/status.json
is 0 status run
says out "no news for .* the job may be dead"
status_json failed 400 ', "exit_code": 1, "message": "the disk is full"' >run/status.json
is 0 status run
says out "^state +failed, exit code 1"
says out "^message +the disk is full"
silent_on out "dead"
echo 3 >run/DONE
printf 'seriesuid,stage,reason\n1.4,load,"too short"\n' >run/quarantine.csv
is 0 status run
says out "^state +done, exit code 3"
says out "^quarantine +1 row in"
is 0 info run
says out "^state +done"
echo '{"state": ' >run/status.json
is 1 status run
says err "status.json:"
