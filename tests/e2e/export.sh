#!/usr/bin/env bash
# `pulmo export` and `pulmo import`: what others read of it is what the run holds, to the millimetre, also of turned and
# oblique scans; weights come back as the same bytes. Readers: nibabel, JSON, the rule of the safetensors header.
. "${PULMO_SOURCE:-$(dirname "$0")/../..}/tests/lib/launch.sh"
. "$PULMO_SOURCE/tests/lib/detect.sh"

export LC_ALL=C
cd "$work"
make_data tree tree --scans 3
"$python" - <<'END'
import glob
for path, axes in zip(sorted(glob.glob("tree/subset*/*.mhd")), ("-1 0 0 0 -1 0 0 0 1", "0.8 0.6 0 -0.6 0.8 0 0 0 1")):
    lines = [("TransformMatrix = " + axes if line.startswith("TransformMatrix") else line) for line in open(path).read().splitlines()]
    open(path, "w").write("\n".join(lines) + "\n")
END
run 2 run --set dataset.root=tree
expect_done 0 run

promise "a run.h5 of format 1, without scans/seen and with masks in thicker slabs, is read as well; a later one is refused"
cp -r run old
"$python" - old/run.h5 <<'END'
import struct, sys, zlib
import h5py, numpy as np

with h5py.File(sys.argv[1], "r+") as f:
    scans, masks = f["results/scans"], f["results/mask/bytes"][()].tobytes()
    data = b""
    for i, (depth, height, width) in enumerate(scans["size"]):
        position, slabs = int(scans["mask_first"][i]), []
        for z in range(0, depth, 4):
            (length,) = struct.unpack_from("<I", masks, position)
            bits = np.frombuffer(zlib.decompress(masks[position + 4:position + 4 + length]), np.uint8)
            slabs.append(np.unpackbits(bits, bitorder="little")[:min(4, depth - z) * height * width])
            position += 4 + length
        mask = np.concatenate(slabs).reshape(depth, -1)
        scans["mask_first"][i] = len(data)
        for z in range(0, depth, 8):
            packed = zlib.compress(np.packbits(mask[z:z + 8].ravel(), bitorder="little").tobytes())
            data += struct.pack("<I", len(packed)) + packed
        scans["mask_bytes"][i] = len(data) - scans["mask_first"][i]
    del f["results/mask/bytes"], f["results/scans/seen"]
    f["results/mask/bytes"] = np.frombuffer(data, np.uint8)
    f.attrs.modify("format", 1)
END
for of in run old; do "$PULMO" export $of --markups --mhd --out $of.out 2>log || fail "$of: $(cat log)"; done
[ "$(ls old.out/*.mrk.json | wc -l)" = 3 ] && diff -r run.out old.out || fail "another export of format 1"
"$python" -c 'import h5py; h5py.File("old/run.h5", "r+").attrs.modify("format", 4)'
! "$PULMO" export old --markups --out old/out 2>log && grep -q "format 4, this program reads 1 to 3" log || fail "$(cat log)"

promise "points and label volumes of every scan, where the run says they are"
"$PULMO" export run --markups --nifti --mhd --submission --threshold 0 --out out 2>/dev/null
cmp run/submission.csv out/submission.csv || fail "the submission is another one"
"$python" - <<'END'
import glob, json, zlib
import h5py, numpy as np
try:
    import nibabel
except ImportError:
    nibabel = None
    print("skipped: NIfTI (no nibabel; Debian: python3-nibabel)")
run = h5py.File("run/run.h5")["results"]
scans, found = run["scans"], 0

def held(thing, kinds):
    """What Slicer's schema says of these properties; there are no others. A number: so many numbers."""
    assert set(thing) == set(kinds), set(thing) ^ set(kinds)
    for key, kind in kinds.items():
        if isinstance(kind, int):
            assert len(thing[key]) == kind and all(isinstance(v, (int, float)) for v in thing[key]), key
        else:
            assert type(thing[key]) is kind, key

def metaimage(path):
    header = dict(line.split(" = ", 1) for line in open(path).read().splitlines())
    size = [int(v) for v in header["DimSize"].split()][::-1]
    data = open("out/" + header["ElementDataFile"], "rb").read()
    labels = np.frombuffer(zlib.decompress(data), "<u2").reshape(size)
    numbers = lambda key: np.array([float(v) for v in header[key].split()])
    return labels, numbers("TransformMatrix").reshape(3, 3).T * numbers("ElementSpacing"), numbers("Offset")

for i, uid in enumerate(scans["seriesuid"].asstr()[:]):
    first, count = scans["candidate_first"][i], scans["candidate_count"][i]
    xyz, p = run["candidates/xyz"][first : first + count], run["candidates/probability"][first : first + count]
    size = tuple(scans["size"][i])
    markups = json.load(open("out/%s.mrk.json" % uid))
    assert markups["@schema"].endswith("markups-schema-v1.0.3.json#")
    (node,) = markups["markups"]
    assert node["type"] == "Fiducial" and node["coordinateSystem"] == "LPS" and node["coordinateUnits"] == "mm"
    points = node["controlPoints"]
    held(node, {"type": str, "coordinateSystem": str, "coordinateUnits": str, "locked": bool, "labelFormat": str,
                "lastUsedControlPointNumber": int, "controlPoints": list})
    assert len(points) == count and len({c["id"] for c in points}) == count
    for point, place, probability in zip(points, xyz, p):
        held(point, {"id": str, "label": str, "description": str, "associatedNodeID": str, "position": 3,
                     "orientation": 9, "selected": bool, "locked": bool, "visibility": bool, "positionStatus": str})
        assert np.allclose(point["position"], place, atol=1e-6) and point["positionStatus"] == "defined"
        assert "%.3f" % probability in point["label"]
    axes = scans["direction"][i].reshape(3, 3) * scans["spacing"][i]
    for kind in ("findings", "mask"):
        stem = "out/%s-%s" % (uid, kind)
        labels, matrix, offset = metaimage(stem + ".mhd")
        assert labels.shape == size and np.allclose(matrix, axes) and np.allclose(offset, scans["origin"][i])
        if nibabel:
            image = nibabel.load(stem + ".nii.gz")
            lps = np.diag([-1, -1, 1, 1]) @ image.affine
            assert np.allclose(lps[:3, :3], axes, atol=1e-5) and np.allclose(lps[:3, 3], scans["origin"][i], atol=1e-3)
            assert np.allclose(image.get_qform(), image.affine, atol=1e-3), "qform and sform differ"
            assert np.array_equal(np.asarray(image.dataobj).T, labels)
        if kind == "findings":
            for k, place in enumerate(xyz):  # a ball's centre of mass is its candidate, within a voxel
                voxels = np.argwhere(labels == k + 1)
                if len(voxels) == 0:
                    continue  # it lies below more probable ones
                at = axes @ voxels.mean(0)[::-1] + scans["origin"][i]
                assert np.linalg.norm(at - place) < 3 * max(scans["spacing"][i]), (at, place)
                found += 1
        else:
            assert set(np.unique(labels)) <= {0, 1} and (labels.sum() > 0) == (scans["mask_bytes"][i] > 0)
assert found >= 3, found
print(found, "findings where the run has them")
END

promise "one scan, the run's threshold, and clear refusals"
one=$(sed -n 1p tree/seriesuids.csv)
"$PULMO" export run --nifti --scan "$one" --out one 2>/dev/null
[ "$(ls one)" = "$(printf '%s\n' "$one-findings.nii.gz" "$one-mask.nii.gz")" ] || fail "of one scan: $(ls one)"
refused() { # CODE REGEX ARGUMENT...
    local code=0 wanted=$1 what=$2
    shift 2
    "$PULMO" "$@" 2>err >/dev/null || code=$?
    [ "$code" -eq "$wanted" ] && grep -Eq -- "$what" err || { cat err; fail "pulmo $*: $code"; }
}
refused 1 "no scan 'nobody'" export run --mhd --scan nobody --out no
refused 2 "as what" export run
refused 2 "not a probability" export run --mhd --threshold 2
refused 2 "a folder" export run --safetensors
refused 1 "no run directory" export tree --markups

promise "learning curves as event files: framing, checksums and values by their own rules"
mkdir trained
cp run/job.cfg trained
cat >trained/metrics.csv <<'END'
stage,epoch,set,samples,loss,correct,correct_positive,correct_negative,precision,recall,f1,auc,learning_rate
segment,1,training,160,1.25,0.5,0.25,0.75,,,,,0.001
segment,1,validation,10,0.75,0.5,0.25,0.75,0.5,0.125,0.2,,0.001
END
"$PULMO" export trained --tensorboard --out curves 2>/dev/null
"$python" - <<'END'
import glob, struct

def crc(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF

def fields(data):
    at = 0
    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        n = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if n is None:
            n = varint()
        value = varint() if key & 7 == 0 else data[at : at + n]
        at += 0 if key & 7 == 0 else n
        yield key >> 3, value

found = {}
for name in ("training", "validation"):
    (path,) = glob.glob("curves/tensorboard/%s/events.out.tfevents.*" % name)
    data, at, events = open(path, "rb").read(), 0, []
    while at < len(data):
        (n,) = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == crc(data[at : at + 8])
        body = data[at + 12 : at + 12 + n]
        assert struct.unpack_from("<I", data, at + 12 + n)[0] == crc(body)
        events.append(dict(fields(body)))
        at += 16 + n
    assert events[0][3] == b"brain.Event:2"
    for event in events[1:]:
        value = dict(fields(dict(fields(event[5]))[1]))
        found[name, value[1].decode(), event[2]] = struct.unpack("<f", value.get(2, bytes(4)))[0]
assert found["training", "segment/loss", 1] == 1.25 and found["validation", "segment/recall", 1] == 0.125
assert len(found) == 5 + 8, found
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    curves = EventAccumulator("curves/tensorboard/validation")
    curves.Reload()
    assert curves.Scalars("segment/loss")[0].value == 0.75
except ImportError:
    print("skipped: tensorboard's own reader (not installed)")
END

promise "weights as safetensors, read by the rule of its header, and the same model again"
"$PULMO" export weights/classify.h5 --safetensors --out model.safetensors 2>/dev/null
"$python" - <<'END'
import json, struct
import h5py, numpy as np
data = open("model.safetensors", "rb").read()
(n,) = struct.unpack_from("<Q", data)
header = json.loads(data[8 : 8 + n])
assert (8 + n) % 8 == 0 and all(isinstance(v, str) for v in header.pop("__metadata__").values())
end = 0
with h5py.File("weights/classify.h5") as f:
    names = [k for k in f if not k.endswith("_seriesuids")]
    assert set(header) == set(names)
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        assert first == end and entry["dtype"] == "F32"
        values = np.frombuffer(data[8 + n + first : 8 + n + last], "<f4").reshape(entry["shape"])
        assert np.array_equal(values, f[name][()]), name
        end = last
assert 8 + n + end == len(data), "the values end where the file does"
END
"$PULMO" import model.safetensors back.h5 2>/dev/null
"$PULMO" export back.h5 --safetensors --out again.safetensors 2>/dev/null
[ "$("$PULMO" info back.h5 | grep content)" = "$("$PULMO" info weights/classify.h5 | grep content)" ] || fail "other content"
"$python" - <<'END'
import json, struct
import numpy as np
rows = {"a": np.arange(6, dtype="<f8").reshape(2, 3), "n": np.array(7, dtype="<i8")}
header, data = {}, b""
for name, v in rows.items():
    header[name] = {"dtype": {"<f8": "F64", "<i8": "I64"}[v.dtype.str], "shape": list(v.shape),
                    "data_offsets": [len(data), len(data) + v.nbytes]}
    data += v.tobytes()
def write(path, header, data):
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
write("others.safetensors", header, data)
header["a"]["data_offsets"][1] += 8
write("wrong.safetensors", header, data)
header["a"] = {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}
write("half.safetensors", header, data)
open("short.safetensors", "wb").write(struct.pack("<Q", 1 << 40) + b"{}")
END
"$PULMO" import others.safetensors others.h5 2>/dev/null
"$PULMO" info others.h5 >info
grep -q "a  *2 x 3" info || { cat info; fail "tensors of another tool"; }
refused 2 "a: its place and its shape do not agree" import wrong.safetensors no.h5
refused 2 "only F32, F64 and I64" import half.safetensors no.h5
refused 2 "longer than the file" import short.safetensors no.h5
[ ! -e no.h5 ] || fail "a model was written after all"
