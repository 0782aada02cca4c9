#!/bin/bash
# Promise: a file includes its own folder and what src/CMakeLists.txt lets that folder use, and the
# headers of the large libraries stay where they belong.
set -eu
cd "${PULMO_SOURCE:-$(dirname "$0")/../..}"
failed=0
complain() { echo "$1"; failed=1; }

declare -A uses
while read -r folder line; do
    uses[$folder]="$folder $(sed -n 's/.*USES \([a-z ]*\).*/\1/p' <<<"$line")"
done < <(sed -n 's/^pulmo_folder(\([a-z]*\) *\(.*\))/\1 \2/p' src/CMakeLists.txt)
[ "${#uses[@]}" -ge 9 ] || complain "src/CMakeLists.txt was not understood"
uses[cli]="cli ${!uses[*]}"

for file in src/*/*.c src/*/*.h; do
    folder=$(cut -d/ -f2 <<<"$file")
    while read -r included; do
        [[ " ${uses[$folder]:-} " == *" $included "* ]] ||
            complain "$file includes \"$included/...\", which src/$folder may not use"
    done < <(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u)
done

# header, then the files that may include it
only() {
    local header=$1 file; shift
    while read -r file; do
        local allowed=no pattern
        for pattern in "$@"; do
            case $file in $pattern) allowed=yes ;; esac
        done
        [ $allowed = yes ] || complain "$file includes <$header>, which belongs to: $*"
    done < <(grep -l "^#include <$header>" src/*/*.c src/*/*.h)
}
only mpi.h 'src/comm/*' 'src/io/run_store*' 'src/run/*'
only hdf5.h 'src/io/*'
only blis.h 'src/tensor/*'
only libconfig.h 'src/config/*'
only png.h 'src/picture/*'
only nifti1_io.h 'src/ct/nifti*'
only csv.h 'src/io/csv*'
only isa-l/igzip_lib.h 'src/ct/inflater*'
only zip.h 'src/ct/archive*'
only zstd.h 'src/cache/chunk*'

# nn and ct know nothing of each other, of files beyond their own, or of ranks
! grep -l 'MPI_Abort' src/*/*.c | grep -v '^src/comm/comm.c$' || complain "MPI_Abort stands in src/comm/comm.c only"
exit $failed
