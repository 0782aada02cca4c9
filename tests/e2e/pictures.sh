#!/usr/bin/env bash
# What `pulmo info --png` promises: a PNG that any reader decodes, with the point where it belongs, and
# clear refusals. Volumes are written by hand: zeros with one bright voxel.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"

export LC_ALL=C
cd "$work"

promise() {
    echo "* $*"
}

is() { # CODE COMMAND...
    local wanted=$1 code=0
    shift
    timeout 60 "$PULMO" "$@" >out 2>err || code=$?
    [ "$code" -eq "$wanted" ] || { cat out err; fail "pulmo $*: exit code $code, not $wanted"; }
}

says() { # FILE REGEX
    grep -Eq -- "$2" "$1" || { cat "$1"; fail "$1 holds nothing that matches '$2'"; }
}

# volume STEM DIRECTION BRIGHT_Z,Y,X: 8 x 20 x 30 voxels of 1 x 1 x 2.5 mm, air with one voxel of 1000 HU.
volume() {
    "$python" - "$@" <<'END'
import struct, sys
stem, direction, bright = sys.argv[1:]
z, y, x = map(int, bright.split(","))
voxels = [-1000] * (8 * 20 * 30)
voxels[(z * 20 + y) * 30 + x] = 1000
open(stem + ".raw", "wb").write(struct.pack("<%dh" % len(voxels), *voxels))
open(stem + ".mhd", "w").write(
    "ObjectType = Image\nNDims = 3\nTransformMatrix = %s\nOffset = 10 20 30\nElementSpacing = 1 1 2.5\n"
    "DimSize = 30 20 8\nElementType = MET_SHORT\nElementDataFile = %s.raw\n" % (direction, stem))
END
}

# png FILE: width, height, channels, then row and column of the brightest pixel. Knows PNG by its own
# standard: signature, chunks with their checksums, the five filters.
png() {
    "$python" - "$1" <<'END'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n", "signature"
at, chunks = 8, []
while at < len(data):
    (n,) = struct.unpack_from(">I", data, at)
    kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + n]
    assert struct.unpack_from(">I", data, at + 8 + n)[0] == zlib.crc32(kind + body), "checksum"
    chunks.append((kind, body))
    at += 12 + n
assert chunks[0][0] == b"IHDR" and chunks[-1][0] == b"IEND"
assert b"tIME" not in [kind for kind, _ in chunks], "a date"
width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
assert depth == 8 and colour in (0, 2) and interlace == 0
channels = 3 if colour == 2 else 1
raw, stride = zlib.decompress(b"".join(b for k, b in chunks if k == b"IDAT")), width * channels
assert len(raw) == height * (stride + 1)
above, best = bytearray(stride), (-1, 0, 0)
for row in range(height):
    start = row * (stride + 1)
    how, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
    for i in range(stride):
        a = line[i - channels] if i >= channels else 0
        b, c = above[i], above[i - channels] if i >= channels else 0
        paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[how]) & 255
    for column in range(width):
        best = max(best, (sum(line[column * channels : (column + 1) * channels]), -row, -column))
    above = line
print(width, height, channels, -best[1], -best[2])
END
}

promise "the default picture is three planes through the middle, and the same bytes each time"
volume scan "1 0 0 0 1 0 0 0 1" 2,5,7
is 0 info scan.mhd --png a.png
says out "^size +8 x 20 x 30"
says out "^picture +a.png, 92 x 20 pixels of 1 mm: axial, coronal, sagittal through 24.5, 29.5, 38.8 mm"
png a.png >read
says read "^92 20 1 "
is 0 info scan.mhd --png b.png
cmp a.png b.png || fail "the second picture differs"

promise "a voxel stands where its millimetres are, for every direction of the axes"
# 17, 25, 35 mm is voxel 2, 5, 7.
is 0 info scan.mhd --png a.png --at 17,25,35 --view axial
[ "$(png a.png)" = "30 20 1 5 7" ] || fail "axial: $(png a.png)"
is 0 info scan.mhd --png a.png --at 17,25,35 --view coronal
[ "$(png a.png)" = "30 20 1 13 7" ] || fail "coronal: $(png a.png)"
is 0 info scan.mhd --png a.png --at 17,25,35 --view sagittal
[ "$(png a.png)" = "20 20 1 13 5" ] || fail "sagittal: $(png a.png)"
volume turned "-1 0 0 0 -1 0 0 0 1" 2,5,7
is 0 info turned.mhd --png a.png --at 3,15,35 --view axial
[ "$(png a.png)" = "30 20 1 14 22" ] || fail "axial, -1 -1 1: $(png a.png)"
volume oblique "0.8 0.6 0 -0.6 0.8 0 0 0 1" 2,5,7
is 0 info oblique.mhd --png a.png --at 12.6,28.2,35 --view axial,sagittal
[ "$(png a.png)" = "56 20 1 5 7" ] || fail "oblique: $(png a.png)"

promise "width, window, field, crosshair and overlay"
is 0 info scan.mhd --png a.png --width 300 --view coronal --window -600,1500
says out "300 x 200 pixels of 0.1 mm: coronal .* window -600, 1500 HU"
png a.png >read
says read "^300 200 1 "
is 0 info scan.mhd --png a.png --at 17,25,35 --view axial --field 5
[ "$(png a.png)" = "5 5 1 2 2" ] || fail "field: $(png a.png)"
is 0 info scan.mhd --png a.png --at 17,25,35 --view axial --crosshair
[ "$(png a.png)" = "30 20 3 5 7" ] || fail "crosshair: $(png a.png)"
is 0 info scan.mhd --png a.png --overlay scan.mhd --at 17,25,35 --view axial
[ "$(png a.png | cut -d' ' -f1-3)" = "30 20 3" ] || fail "overlay: $(png a.png)"

promise "what makes no picture is refused with 2 and named"
is 2 info scan.mhd --png no.png --at 17,25
says err "'17,25' is not a point"
is 2 info scan.mhd --png no.png --at 17,25,350
says err "17,25,350 mm lies outside the volume"
is 2 info scan.mhd --png no.png --window bone
says err "'bone' is not a window"
is 2 info scan.mhd --png no.png --window 40,0
is 2 info scan.mhd --png no.png --view axial,side
says err "'axial,side'"
is 2 info scan.mhd --png no.png --view axial,axial
is 2 info scan.mhd --png no.png --width 0
says err "'0' is not a number of pixels"
is 2 info scan.mhd --png no.png --width 3
says err "3 pixels are too few for 3 views"
is 2 info scan.mhd --png no.png --field -5
is 2 info scan.mhd --at 17,25,35
says err "--png"
is 2 info scan.mhd --window soft
says err "--png"
cp scan.mhd before
is 2 info scan.mhd --png scan.mhd
says err "ends in .png"
cmp scan.mhd before || fail "a picture took the place of the volume"
sed 's/DimSize.*/DimSize = 30 20 4/; s/scan.raw/half.raw/' scan.mhd >half.mhd
head -c 4800 scan.raw >half.raw
is 2 info scan.mhd --png no.png --overlay half.mhd
says err "half.mhd: 4 x 20 x 30 voxels over a volume of 8 x 20 x 30"
is 2 info err --png no.png
says err "--png draws volumes"
is 1 info scan.mhd --png nowhere/no.png
says err "nowhere/no.png"
[ ! -e no.png ] || fail "a picture was written after all"
