#!/usr/bin/env bash
# The code of docs/python.md reads a run, a cached scan and a model, and finds what the files hold.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

export LC_ALL=C
"$python" -c 'import zstandard' 2>/dev/null || skip "$python has no zstandard (Debian: python3-zstandard)"
cd "$work"
make_data tree tree --scans 2
run 2 run --set dataset.root=tree --set 'stages=["prepare","detect"]' --set cache.dir=cache
expect_done 0 run
# The function of formats.md that this page takes over, then the page.
code_of() { # FILE SECTION, "" for all
    awk -v wanted="$2" '/^## / { section = $0 } /^```/ { code = /^```python$/; next }
        code && (wanted == "" || section ~ wanted)' "$PULMO_SOURCE/docs/$1"
}
code_of formats.md "The volume cache" >page.py
code_of python.md "" >>page.py
cat >>page.py <<'END'

assert len(uids) == 2 and len(scan_of) == sum(scans["candidate_count"][:]) and total > 0
assert found + (~right).sum() <= total + len(scan_of) and block.shape == tuple(min(a, b) for a, b in zip((32, 48, 48), voxels.shape))
assert sum(v.size for name, v in state.items()) >= 222220
END
export RUN=run TREE=tree MODEL=$work/weights/classify.h5
CACHED_SCAN=$(ls cache/scans/*.h5 | sed -n 1p)
export CACHED_SCAN
"$python" page.py
