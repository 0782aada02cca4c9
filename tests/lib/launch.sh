# Sourced by the scripts that run commands as a user does: what ctest gives in the environment, so that
# a script also runs by hand, and a folder for what it makes.
#
#   PULMO          the program; default: that of build/release
#   PULMO_SOURCE   the project          PULMO_TEST_DATA   reference data; may be missing
#   $work          a new folder, removed at the end     $python   with h5py and numpy
set -euo pipefail

PULMO_SOURCE=${PULMO_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
PULMO=${PULMO:-$PULMO_SOURCE/build/release/pulmo}
export PULMO PULMO_SOURCE
export PULMO_CONF=${PULMO_CONF:-$PULMO_SOURCE/conf}
export PULMO_TEST_DATA=${PULMO_TEST_DATA:-$PULMO_SOURCE/../shared/data}
export PULMO_SHIM=${PULMO_SHIM:-$(dirname "$PULMO")/tests/pulmo_shim.so}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp
export OMPI_MCA_mtl=^psm,psm2,ofi OMPI_MCA_osc=^ucx
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python=${PYTHON:-/usr/bin/python3}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

work=$(mktemp -d "${TMPDIR:-/tmp}/pulmo-$(basename "$0" .sh)-XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -x "$PULMO" ] || fail "no program at $PULMO"
