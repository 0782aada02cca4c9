#!/usr/bin/env bash
# The pictures of docs/phantoms.md, made again from a data set of phantoms:
#
#   pulmo phantom TREE --scans 12 --seed 1
#   tests/bench/phantom_pictures.sh TREE docs/pictures
#
# The scans of the first three subsets through their middle, the first also for soft tissue; the largest
# nodule of each of three sorts, 60 mm around it. Environment: PULMO.
. "$(dirname "${BASH_SOURCE[0]}")/../lib/launch.sh"

tree=${1:?TREE of phantoms} pictures=${2:?folder of pictures}
mkdir -p "$pictures"

draw() { # NAME VOLUME OPTION...
    "$PULMO" info "$2" --png "$pictures/$1.png" "${@:3}" | sed -n 's/^picture *//p'
}

for subset in 0 1 2; do
    volumes=("$tree/subset$subset"/*.mhd)
    draw "scan-$((subset + 1))-lung" "${volumes[0]}" --width 900
    [ "$subset" -ne 0 ] || draw "scan-1-soft" "${volumes[0]}" --width 900 --window soft
done

# nodule NAME TEXTURE MARGIN PLACE: patterns for columns of findings.csv.
nodule() {
    local uid x y z diameter
    IFS=, read -r diameter uid x y z < <(awk -F, -v texture="$2" -v margin="$3" -v place="$4" \
        '$2 == "nodule" && $3 ~ texture && $4 ~ margin && $5 ~ place { print $9 "," $1 "," $6 "," $7 "," $8 }' \
        "$tree/findings.csv" | sort -t, -gr) || return 0
    echo -n "nodule of $diameter mm: "
    draw "nodule-$1" "$(echo "$tree"/subset*/"$uid".mhd)" --at "$x,$y,$z" --field 60 --width 720
}

nodule spiculated solid spiculated .
nodule subsolid 'part-solid|ground' . .
nodule vessel solid 'smooth|lobulated' vessel
