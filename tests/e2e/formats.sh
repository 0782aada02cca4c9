#!/bin/bash
# The Python code of docs/formats.md reads a scan of the volume cache, and a run.h5. RUN_H5 names one; without it the example run of
# test_mpi_run_store is written by two ranks (STORE_TEST is that program) and its values are held
# against what was written.
set -euo pipefail

python=${PYTHON:-/usr/bin/python3}
source=${PULMO_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
if ! "$python" -c 'import h5py, numpy' 2>/dev/null; then
    echo "skipped: $python has no h5py"
    exit 77
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/pulmo-formats-XXXXXX")
trap 'rm -rf "$folder"' EXIT
# python_of cache|run: the code of the section on the volume cache, or that of all others.
python_of() {
    awk -v wanted="$1" '/^## / { section = /^## The volume cache/ ? "cache" : "run" }
        /^```/ { code = /^```python$/; next }
        code && section == wanted' "$source/docs/formats.md"
}
python_of run >"$folder/reader.py"
python_of cache >"$folder/cache_reader.py"
test -s "$folder/reader.py"
test -s "$folder/cache_reader.py"

if [ -z "${RUN_H5:-}" ]; then
    build=$(cd "$(dirname "${PULMO:-$source/build/release/pulmo}")" && pwd)
    writer=${STORE_TEST:-$build/tests/test_mpi_run_store}
    if [ ! -x "$writer" ]; then
        echo "skipped: no RUN_H5 and no $writer to make one"
        exit 77
    fi
    for ranks in 1 4; do
        PULMO_KEEP_RUN_H5=$folder/run$ranks.h5 mpirun -n $ranks "$writer" >"$folder/log" 2>&1 ||
            { cat "$folder/log"; exit 1; }
    done
    if command -v h5diff >/dev/null; then
        h5diff "$folder/run1.h5" "$folder/run4.h5" /results
    fi
    export RUN_H5=$folder/run4.h5
    cat >>"$folder/reader.py" <<'END'

assert len(seriesuids) == 7 and status[2] == "quarantined" and reason[2]
voxels = np.arange(11 * 6 * 5).reshape(11, 6, 5)
for i in range(7):
    assert (mask_of(i) == ((voxels * 7 + i) % 5 == 0)).all()
assert (results["heatmap"][seriesuids[5]][:] == 5 + voxels / 1024).all()
assert np.isnan(results["candidates/malignancy"][1]) and results["candidates/seen"][2] == 1
assert list(provenance["ranks/peak_bytes"]) == [1000, 1001, 1002, 1003]
END
fi

for locking in TRUE FALSE BEST_EFFORT; do
    HDF5_USE_FILE_LOCKING=$locking "$python" "$folder/reader.py" >"$folder/out" ||
        { cat "$folder/out"; exit 1; }
done
cat "$folder/out"

# A scan of the cache: what was read from the source, clipped, and checksums as they are said to be.
pulmo=${PULMO:-$source/build/release/pulmo}
if [ ! -x "$pulmo" ] || ! "$python" -c 'import zstandard, xxhash' 2>/dev/null; then
    echo "skipped: the volume cache ($pulmo, python3-zstandard and python3-xxhash are needed)"
    exit 77
fi
"$python" "$source/tests/lib/make_dataset.py" tree "$folder/tree" --scans 2 --size 37 70 101
"$pulmo" run "$source/jobs/prepare.cfg" --set "dataset.root=$folder/tree" --set "cache.dir=$folder/cache" \
    --set "output=$folder/prepared" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
cat >>"$folder/cache_reader.py" <<'END'

import sys
import xxhash

with h5py.File(os.environ["CACHED_SCAN"], "r") as f:
    for place in np.ndindex(f["checksums"].shape):
        _, data = f["voxels"].id.read_direct_chunk(tuple(place * np.array(f["voxels"].chunks)))
        assert f["checksums"][place] == xxhash.xxh3_64_intdigest(data)
    try:
        f["voxels"][0, 0, 0]
    except OSError:
        pass
    else:
        raise AssertionError("HDF5 hands out encoded bytes as voxels")
sources = [np.clip(np.fromfile(p, "<i2"), -1000, 1000) for p in sys.argv[1:]]
assert any(np.array_equal(hu.ravel(), source) for source in sources), "no source holds these voxels"
END
for scan in "$folder"/cache/scans/*.h5; do
    CACHED_SCAN=$scan "$python" "$folder/cache_reader.py" "$folder"/tree/subset*/*.raw
done
