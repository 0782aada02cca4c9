#!/usr/bin/env bash
# A hostile user: whatever is wrong with scans, lists, weights, job files and folders is said, naming the
# file, the key and the value, with exit code 1 or 2, or the scan is quarantined with its reason. Never a
# crash, a hang or a silent skip; and good scans give the same bytes beside bad ones as without them.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

bad_tree() { "$python" "$PULMO_SOURCE/tests/lib/make_bad_tree.py" "$@"; }

# refused CODE REGEX COMMAND...: ends in time with that exit code and says that.
refused() {
    local wanted=$1 said=$2
    shift 2
    code=0
    timeout -k 5 60 "$@" >"$work/said" 2>&1 </dev/null || code=$?
    if [ "$code" -ne "$wanted" ] || ! grep -Eqa -- "$said" "$work/said"; then
        cat -v "$work/said" >&2
        fail "exit code $code (wanted $wanted), and '$said' was to be said by: $*"
    fi
    sane "$work/said"
    checks=$((checks + 1))
}

# A sanitizer's exit code is 1 as well: what it says counts.
sane() {
    ! grep -Eqa 'Sanitizer|runtime error:|broken invariant' "$1" || { cat -v "$1" >&2; fail "$1: the program is wrong"; }
}

# The same of a job on a good scan; alone, or with two workers by the name job_refused_by_all.
job_refused() { # CODE REGEX [--set K=V]...
    local wanted=$1 said=$2
    shift 2
    rm -rf "$work/refused"
    refused "$wanted" "$said" ${launcher[@]+"${launcher[@]}"} "${job[@]}" --set "dataset.root=$work/few" --set "output=$work/refused" "$@"
    [ ! -e "$work/refused/DONE" ] || fail "a job that failed left DONE: $*"
}

job_refused_by_all() {
    on_ranks 3
    job_refused "$@"
    on_ranks 0
}

# A job file with that text is refused.
text_refused() { # REGEX TEXT
    printf '%b' "$2" >"$work/bad.cfg"
    refused 2 "$1" "$PULMO" run "$work/bad.cfg" --set "output=$work/refused"
}

checks=0
on_ranks 0
mkdir "$work/runs"
cd "$work/runs"

promise "each bad scan of a tree is quarantined with its reason, the good and odd ones give the same bytes as without"
bad_tree make "$work/tree" "$work/good" "$work/expected" --fifo
run 3 good --set "dataset.root=$work/good"
expect_done 0 good
for ranks in 1 3; do
    run $ranks bad$ranks --set "dataset.root=$work/tree" --set limits.quarantine=1000
    expect_done 3 bad$ranks
    same_results bad1 bad$ranks
    bad_tree hold "$work/expected" bad$ranks good
    for list in candidates submission; do
        cmp good/$list.csv bad$ranks/$list.csv || fail "$list.csv depends on the bad scans"
    done
done

promise "the reason does not depend on which rank met which slab"
for ranks in 1 4; do
    run $ranks nan$ranks --set "dataset.scan=$work/tree/subset0/nan-voxels.mhd" --set limits.quarantine=1
    expect_done 3 nan$ranks
    cmp nan1/quarantine.csv nan$ranks/quarantine.csv || fail "the reasons of 1 and $ranks ranks differ"
done

promise "dataset.allow_outside permits what is refused without it"
mkdir "$work/outside" "$work/outside/root"
make_data volume "$work/outside/scan.mhd" --size 6 20 20
sed 's/= scan.raw/= ..\/scan.raw/' "$work/outside/scan.mhd" >"$work/outside/root/leaves.mhd"
sed "s|= scan.raw|= $work/outside/scan.raw|" "$work/outside/scan.mhd" >"$work/outside/root/absolute.mhd"
run 1 outside --set "dataset.root=$work/outside/root" --set dataset.allow_outside=true
expect_done 0 outside

promise "limits.quarantine: none, a share, a count, all bad"
mkdir "$work/few" "$work/thirty" "$work/two"
make_data volume "$work/few/scan.mhd" --size 9 30 34
make_data volume "$work/thirty/scan1.mhd" --size 5 8 8
for i in $(seq 2 29); do cp "$work/thirty/scan1.mhd" "$work/thirty/scan$i.mhd"; done
echo nothing >"$work/thirty/wrong.mhd"
echo nothing >"$work/two/a.mhd"
echo nothing >"$work/two/b.mhd"
limits() { # CODE REGEX RANKS ROOT [--set K=V]...
    local code=$1 said=$2 root=$4
    on_ranks "$3"
    shift 4
    rm -rf "$work/limits"
    refused "$code" "$said" ${launcher[@]+"${launcher[@]}"} "${job[@]}" --set "dataset.root=$root" --set "output=$work/limits" "$@"
}
for ranks in 0 3; do
    limits 3 "1 quarantined" $ranks "$work/thirty"
    grep -q '^wrong,load,.*no ""Key = value""' "$work/limits/quarantine.csv" || fail "the reason is not in quarantine.csv"
    limits 1 "limits.quarantine allows 0; the last: wrong, load: .*wrong.mhd: .*Key = value" $ranks "$work/thirty" --set limits.quarantine=0
    grep -q '^wrong,load,' "$work/limits/quarantine.csv" || fail "a job that failed names no reason in quarantine.csv"
    limits 1 "limits.quarantine allows 0; the last: [ab], load: .*[ab].mhd: .*Key = value" $ranks "$work/two"
    limits 3 "2 quarantined" $ranks "$work/two" --set limits.quarantine=2
done
mkdir -p "$work"/twins/subset{0,1}
for subset in 0 1; do cp "$work"/few/scan.* "$work/twins/subset$subset"; done
limits 1 "limits.quarantine allows 0; the last: scan, load: .*subset1/scan.mhd: the seriesuid of .* again" 3 "$work/twins"
limits 3 "subset1/scan.mhd: the seriesuid of .* again" 1 "$work/twins" --set limits.quarantine=1

promise "datasets that are none"
mkdir -p "$work/empty" "$work/subsets/subset3" "$work/subsets/subset4"
job_refused 2 "empty: no volume .*no folders subset0" --set "dataset.root=$work/empty"
job_refused 2 "no volume .*subsets asked for.*subsets 3 4" --set "dataset.root=$work/subsets"
job_refused_by_all 2 "nowhere: No such file" --set "dataset.root=$work/nowhere"
job_refused 2 "scan.raw: Not a directory" --set "dataset.root=$work/few/scan.raw"
job_refused 2 "nowhere.mhd: No such file" --set dataset.root= --set "dataset.scan=$work/nowhere.mhd"
job_refused 2 "scan.raw: not a volume" --set dataset.root= --set "dataset.scan=$work/few/scan.raw"
job_refused 2 "not a volume" --set dataset.root= --set "dataset.scan=$work/few"
job_refused 2 "dataset.root=TREE or dataset.scan=FILE" --set dataset.root=
job_refused 2 "not both" --set "dataset.scan=$work/few/scan.mhd"

promise "outputs that cannot be used"
job_refused 2 "output is not given" --set output=
: >"$work/file"
job_refused_by_all 1 "$work/file: (Not a directory|File exists|not a folder)" --set "output=$work/file"
job_refused 1 "/proc/none: No such file" --set output=/proc/none
mkdir "$work/foreign"
: >"$work/foreign/run.h5"
job_refused 2 "foreign holds run.h5 but no job.cfg" --set "output=$work/foreign"
echo 'stages = [' >"$work/foreign/job.cfg"
job_refused 2 "foreign/job.cfg:" --set "output=$work/foreign"
run 1 other --set "dataset.root=$work/few"
expect_done 0 other
job_refused_by_all 2 "other belongs to a job with other settings: .*segment.threshold" --set "output=$work/runs/other" --set segment.threshold=0.25
for root in nowhere few; do run 3 mistaken --set "dataset.root=$work/$root"; done
expect_done 0 mistaken # a mistake that was put right is not held against the output
make_data weights "$work/weights2"
"$python" - "$work/weights2/segment.h5" "$work/weights2/classify.h5" "$work/weights2/wrong-shape.h5" "$work/weights2/nan.h5" "$work/weights2/more.h5" \
    "$work/weights2/vast.h5" <<'PYTHON'
import shutil, sys
import h5py, numpy as np

segment, classify, wrong_shape, nan, more, vast = sys.argv[1:]
for path in (wrong_shape, nan, more, vast):
    shutil.copy(classify, path)
with h5py.File(wrong_shape, "r+") as f:
    values = f["block2.conv1.weight"][:]
    del f["block2.conv1.weight"]
    f["block2.conv1.weight"] = values[:, :, :2]
with h5py.File(nan, "r+") as f:
    f["block2.conv1.weight"][0, 0, 0, 0, 0] = np.nan
with h5py.File(more, "r+") as f:
    f["block9.conv1.weight"] = np.zeros((3, 3), "f4")
with h5py.File(vast, "r+") as f:
    del f["head_linear.weight"]
    f.create_dataset("head_linear.weight", (1 << 19, 1 << 19), "f4")
PYTHON

promise "weights that do not fit"
weights=$work/weights2
job_refused 2 "segment.weights.*classify.h5.*luna" --set "segment.weights=$weights/classify.h5"
job_refused 2 "classify.weights.*segment.h5.*unet2d" --set "classify.weights=$weights/segment.h5"
job_refused 2 "segment.weights.*classify.h5" --set "segment.weights=$weights/classify.h5" --set segment.network=unet2d
job_refused 2 "classify.weights.*segment.h5" --set "classify.weights=$weights/segment.h5" --set classify.network=luna
job_refused_by_all 2 "wrong-shape.h5: .*block2.conv1.weight must be \[16, 8, 3, 3, 3\], found \[16, 8, 2, 3, 3\]" --set "classify.weights=$weights/wrong-shape.h5"
job_refused 2 "nan.h5.*block2.conv1.weight.*nan" --set "classify.weights=$weights/nan.h5"
job_refused 2 "more.h5.*block9.conv1.weight" --set "classify.weights=$weights/more.h5"
job_refused 2 "none.h5.*No such file" --set "classify.weights=$weights/none.h5"
job_refused 2 "classify.weights is not given" --set classify.weights=
job_refused_by_all 2 "segment.weights is not given" --set segment.weights=
job_refused 2 "weights2: not a regular file" --set "malignancy.weights=$weights"
mkfifo "$work/pipe"
job_refused_by_all 2 "pipe: not a regular file" --set "classify.weights=$work/pipe"
job_refused 2 "pipe: not a regular file" --set segment.method=candidates --set "dataset.candidates=$work/pipe"
job_refused 2 "vast.h5: tensor head_linear.weight has 274877906944 values .* 0 bytes" --set "classify.weights=$weights/vast.h5"
head -c 20000 "$weights/classify.h5" >"$weights/truncated.h5"
: >"$weights/empty.h5"
head -c 5000 /dev/urandom >"$weights/garbage.h5"
for damage in truncated empty garbage; do
    job_refused 2 "$damage.h5" --set "classify.weights=$weights/$damage.h5"
    job_refused 2 "$damage.h5" --set "segment.weights=$weights/$damage.h5"
done

promise "lists that cannot be read"
lists() { # REGEX TEXT
    printf '%b' "$2" >"$work/list.csv"
    job_refused 2 "$1" --set segment.method=candidates --set "dataset.candidates=$work/list.csv"
}
header='seriesuid,coordX,coordY,coordZ,class\n'
job_refused 2 "dataset.candidates" --set segment.method=candidates
job_refused 2 "none.csv: No such file" --set segment.method=candidates --set "dataset.candidates=$work/none.csv"
job_refused 2 "few: not a regular file" --set segment.method=candidates --set "dataset.candidates=$work/few"
lists "list.csv" ""
lists "list.csv:1.*" '\0001\0002\0377garbage\n\0000\n'
lists "list.csv:1.*coordZ" 'seriesuid,coordX,coordY,class\n'
lists "list.csv:3.*coordY.*wide" "${header}scan,1,2,3,0\nscan,1,wide,3,0\n"
lists "list.csv:2.*coordX.*nan" "${header}scan,nan,2,3,0\n"
lists "list.csv:2.*class.*7" "${header}scan,1,2,3,7\n"
lists "list.csv:2" "${header}scan,1\n"
lists "list.csv:2.*seriesuid" "${header},1,2,3,0\n"
lists "list.csv" "${header}\"scan,1,2,3,0\n"
printf '%b' "${header}scan,10,-20,30.5,1\nscan,1e30,0,0,0\nscan,-1e5,0,0,1\nnobody,0,0,0,0\n" >"$work/list.csv"
for ranks in 1 3; do
    run $ranks listed$ranks --set "dataset.root=$work/few" --set segment.method=candidates --set "dataset.candidates=$work/list.csv"
    expect_done 0 listed$ranks
    expect_said listed$ranks "scan: listed candidate .*outside the volume"
    [ "$(grep -c ^scan listed$ranks/candidates.csv)" -eq 1 ] || fail "one of three listed candidates lies inside"
done

promise "job files with mistakes: file, line, key and value are named"
text_refused 'bad.cfg:2: .*treshold.*segment.threshold' 'mode = "fixed";\nsegment: { treshold = 0.5; };\n'
text_refused 'bad.cfg:1: .*nosuchgroup' 'nosuchgroup: { a = 1; };\n'
text_refused 'bad.cfg:3: .*segment.threshold.*1.5' '\n\nsegment: { threshold = 1.5; };\n'
text_refused 'bad.cfg:1: .*segment.threshold.*"high"' 'segment: { threshold = "high"; };\n'
text_refused 'bad.cfg:1: .*mode.*"paper"' 'mode = "paper";\n'
text_refused 'bad.cfg:1: .*seed' 'seed = -1;\n'
text_refused 'bad.cfg:1: 99999999999999999999 does not fit' 'seed = 99999999999999999999;\n'
text_refused 'bad.cfg:1: .*dataset.subsets' 'dataset: { subsets = [0, 10]; };\n'
text_refused 'bad.cfg:1: .*dataset.subsets' 'dataset: { subsets = [1, 1]; };\n'
text_refused 'bad.cfg:1: .*stages.*"detekt"' 'stages = ["detekt"];\n'
text_refused 'bad.cfg:1: .*dataset' 'dataset = 7;\n'
text_refused 'bad.cfg:1: ' 'mode = \n'
text_refused 'bad.cfg:2: ' 'mode = "book";\nsegment: {'
text_refused 'bad.cfg:' '@include "nowhere.cfg"\n'
text_refused 'bad.cfg' '@include "bad.cfg"\n'
text_refused 'bad.cfg' '\0000\0001\0377'
refused 2 'nowhere.cfg: No such file' "$PULMO" run "$work/nowhere.cfg"
refused 2 'few: Is a directory' "$PULMO" run "$work/few"
refused 2 'zero' "$PULMO" run /dev/zero
for ranks in 1 3; do
    refused 2 'nowhere.cfg: No such file' mpirun -n $ranks "$PULMO" run "$work/nowhere.cfg"
done

promise "command lines with mistakes"
detect=$PULMO_SOURCE/jobs/detect.cfg
refused 2 "Usage: pulmo COMMAND" "$PULMO"
refused 2 "no command 'detect'" "$PULMO" detect
refused 2 "which job" "$PULMO" run
refused 2 "one job file is enough: 'b'" "$PULMO" run a b
refused 2 "invalid option|unrecognized option" "$PULMO" run -z
refused 2 "nosuch" "$PULMO" run "$detect" --set nosuch=1
refused 2 "segment.threshold.*7" "$PULMO" run "$detect" --set segment.threshold=7
refused 2 "--set" "$PULMO" run "$detect" --set nonsense
refused 2 "--set" "$PULMO" run "$detect" --set =1
refused 2 "dataset.subsets" "$PULMO" run "$detect" --set 'dataset.subsets=[0'
refused 2 "segment.threshold" "$PULMO" run "$detect" --set 'segment.threshold=0.5; mode = "book"'
refused 2 "nosite" "$PULMO" run "$detect" --site "$work/nosite.cfg"
refused 0 "Usage: pulmo COMMAND" "$PULMO" --help
for command in run check info status why; do
    refused 0 "Usage: pulmo $command" "$PULMO" $command --help
    refused 2 "." "$PULMO" $command
done
for command in info status; do
    refused 1 "nowhere" "$PULMO" $command "$work/nowhere"
done
refused 1 "nowhere" "$PULMO" why "$work/nowhere" scan 1,2,3
refused 2 "1,2" "$PULMO" why "$work/runs/other" scan 1,2
refused 1 "nobody" "$PULMO" why "$work/runs/other" nobody 1,2,3

promise "what an ordinary user may not read or write"
if [ "$(id -u)" -ne 0 ]; then
    as_user=()
elif setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$PULMO" -a -r "$detect" -a -r "$work/weights/segment.h5" 2>/dev/null ||
    { chmod -R go+rX "$work" && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$PULMO" -a -r "$detect" -a -r "$work/weights/segment.h5" 2>/dev/null; }; then
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp)
else
    as_user=
    echo "  skipped: run as root, and the program is out of reach for an ordinary user"
fi
if [ "${as_user-x}" != "" ] || [ "$(id -u)" -ne 0 ]; then
    mkdir -p "$work/closed/subset0" "$work/readonly" "$work/unreadable" "$work/users"
    cp "$work"/few/scan.* "$work/unreadable"
    cp "$work/few/scan.raw" "$work/unreadable/scan2.raw"
    sed s/scan.raw/scan2.raw/ "$work/few/scan.mhd" >"$work/unreadable/scan2.mhd"
    cp "$work/few/scan.mhd" "$work/unreadable/scan3.mhd"
    chmod go+rx "$work" "$work/unreadable"
    chmod a+r "$work"/unreadable/*
    chmod 777 "$work/users"
    chmod 000 "$work/closed/subset0" "$work/unreadable/scan2.raw" "$work/unreadable/scan3.mhd"
    chmod 555 "$work/readonly"
    user_job() { "${as_user[@]+"${as_user[@]}"}"; }
    for launch in "" "mpirun -n 3"; do
        user=(${as_user[@]+"${as_user[@]}"} $launch "${job[@]}")
        refused 2 "closed/subset0: Permission denied" "${user[@]}" --set "dataset.root=$work/closed" --set "output=$work/users/closed"
        refused 1 "readonly/run: Permission denied" "${user[@]}" --set "dataset.root=$work/few" --set "output=$work/readonly/run"
        refused 3 "2 quarantined" "${user[@]}" --set "dataset.root=$work/unreadable" --set "output=$work/users/unreadable" --set limits.quarantine=2
        grep -q "^scan2,load,.*scan2.raw: Permission denied" "$work/users/unreadable/quarantine.csv" || fail "scan2.raw is not named"
        grep -q "^scan3,load,.*scan3.mhd: Permission denied" "$work/users/unreadable/quarantine.csv" || fail "scan3.mhd is not named"
        rm -rf "$work/users/unreadable" "$work/users/closed"
    done
    chmod 755 "$work/closed/subset0" "$work/readonly"
fi
for log in "$work"/runs/*.log; do sane "$log"; done
echo "  $checks commands held to what they say"
