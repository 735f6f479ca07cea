"""Small DICOM files of many kinds, each with its picture as pydicom has it. Run with pydicom 3.0.2, numpy 2.4.6, Pillow
13.0.0, pylibjpeg 2.1.0 with pylibjpeg-libjpeg 2.5.0 and pylibjpeg-openjpeg 2.6.0, and pyjpegls 1.5.1:
python3 pydicom-decode.py > pydicom-decode.json

pydicom computes every step but three: levels are rounded halves up to 8 bits, which it leaves to its user; the least and
greatest values stand for a window that is missing; and high bits that do not count are taken away."""

import base64
import copy
import io
import json
import struct
import zlib

import jpeg_ls
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import UID

WIDTH, HEIGHT = 13, 11
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE, JPEG, LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_LS, NEAR, J2K, J2K_LOSSY = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 81, 90, 91))

y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
bytes8 = ((x * 17 + y * 23) % 256).astype(np.uint8)
colours = np.stack([(x * 19) % 256, (y * 23) % 256, ((x * 5 + y * 3) * 7) % 256], -1).astype(np.uint8)
smooth = np.stack([x * 18, y * 22, 255 - x * 9 - y * 10], -1).astype(np.uint8)
unsigned12 = ((x * 331 + y * 97) % 4096).astype(np.uint16)
unsigned16 = ((x * 4111 + y * 9973) % 65536).astype(np.uint16)
hounsfield = ((x * 173 + y * 211) % 4096 - 1024).astype(np.int16)


def little(array):
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def attributes(array, stored=None, photometric=None, **others):
    samples = array.shape[2] if array.ndim == 3 else 1
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = "1.2.3.4"
    ds.Rows, ds.Columns = array.shape[:2]
    ds.SamplesPerPixel = samples
    ds.PhotometricInterpretation = photometric or ("RGB" if samples == 3 else "MONOCHROME2")
    ds.BitsAllocated = array.dtype.itemsize * 8
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(array.dtype.kind == "i")
    if samples == 3:
        ds.PlanarConfiguration = 0
    for name, value in others.items():
        setattr(ds, name, value)
    return ds


def native(array, syntax=EXPLICIT, data=None, vr=None, **others):
    ds = attributes(array, **others)
    data = little(array) if data is None else data
    vr = vr or ("OW" if ds.BitsAllocated == 16 else "OB")
    if syntax == BIG and vr == "OW":
        data = np.frombuffer(data + b"\0" * (len(data) % 2), "<u2").astype(">u2").tobytes()
    ds.add_new("PixelData", vr, data + b"\0" * (len(data) % 2))
    return finish(ds, syntax)


def compressed(array, syntax, frame, fragments=1, table=False, **others):
    ds = attributes(array, **others)
    ds.add_new("PixelData", "OB", encapsulate([frame], fragments_per_frame=fragments, has_bot=table))
    return finish(ds, syntax)


def finish(ds, syntax):
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def by_pydicom(array, syntax, **others):
    ds = attributes(array, **others)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    ds.PixelData = little(array) + b"\0" * (array.nbytes % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    photometric = ds.PhotometricInterpretation
    ds.compress(UID(syntax), generate_instance_uid=False, **({"j2k_cr": [5]} if syntax == J2K_LOSSY else {}))
    ds.PhotometricInterpretation = photometric if syntax != J2K or ds.SamplesPerPixel == 1 else "YBR_RCT"
    return finish(ds, syntax)


def lossless_jpeg(samples, precision):
    """A lossless JPEG of one component, each sample predicted by its left neighbour, with 5-bit codes for all lengths."""
    bits = ""
    for row, line in enumerate(samples.astype(np.int64)):
        for column, value in enumerate(line):
            above = samples[row - 1, 0] if row else 1 << (precision - 1)
            d = (int(value) - int(line[column - 1] if column else above) + 32768) % 65536 - 32768
            length = abs(d).bit_length()
            bits += f"{length:05b}"
            if length and length < 16:
                bits += f"{d if d > 0 else d + (1 << length) - 1:0{length}b}"
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")

    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    height, width = samples.shape
    table = bytes([0, 0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    return (
        b"\xff\xd8"
        + segment(0xC3, struct.pack(">BHHBBBB", precision, height, width, 1, 1, 0x11, 0))
        + segment(0xC4, table)
        + segment(0xDA, bytes([1, 1, 0, 1, 0, 0]))
        + scan
        + b"\xff\xd9"
    )


def saved(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def unmarked(jpeg):
    """The same JPEG without its first application marker, JFIF's or Adobe's."""
    length = struct.unpack(">H", jpeg[4:6])[0]
    return jpeg[:2] + jpeg[4 + length :]


def numbered(jpeg):
    """The same JPEG, its components R, G and B called 1, 2 and 3."""
    return jpeg.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0").replace(b"R\0G\0B\0", b"\1\0\2\0\3\0")


def pieces(array, frames, table, **others):
    ds = attributes(array, **others)
    ds.add_new("PixelData", "OB", encapsulate(frames, has_bot=table))
    return finish(ds, JPEG)


def resigned(file):
    ds = pydicom.dcmread(io.BytesIO(file))
    ds.PixelRepresentation = 0
    return finish(ds, J2K)


def short_table(sequence):
    sequence[0].LUTDescriptor = [299, -100, 16]
    return sequence


def tiled(array):
    """Large enough for the resolutions of JPEG 2000."""
    return np.tile(array, (3, 3, 1)[: array.ndim])


def halved(ybr):
    pairs = ybr.reshape(ybr.shape[0], -1, 2, 3)
    return np.concatenate([pairs[..., 0], pairs[:, :, 0, 1:]], -1).astype(np.uint8)


def table(first, entries, bits, vr):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", vr, little(np.array(entries, np.uint16)) if vr == "OW" else list(entries))
    return Sequence([item])


def palette(entries, bits, first=0):
    named = {}
    for c, colour in enumerate(("Red", "Green", "Blue")):
        named[f"{colour}PaletteColorLookupTableDescriptor"] = [len(entries), first, bits]
        named[f"{colour}PaletteColorLookupTableData"] = little(np.ascontiguousarray(entries[:, c]))
    return {"photometric": "PALETTE COLOR", **named}


def groups(shared=(), frame=()):
    def items(macros):
        item = Dataset()
        for name, values in macros:
            macro = Dataset()
            for key, value in values.items():
                setattr(macro, key, value)
            setattr(item, name, Sequence([macro]))
        return Sequence([item])

    return {"SharedFunctionalGroupsSequence": items(shared), "PerFrameFunctionalGroupsSequence": items(frame)}


curve = [int(65535 * (i / 299) ** 2) for i in range(300)]
even = np.stack([(np.mgrid[0:HEIGHT, 0:14][1] * 16), np.mgrid[0:HEIGHT, 0:14][0] * 20, 255 - np.mgrid[0:HEIGHT, 0:14][1] // 2 * 30], -1)
even = even.astype(np.uint8)
wild = np.stack([colours[..., 2], np.where(x % 3 == 0, 255, x * 9), np.where(y % 4 == 0, 0, 255 - y * 11)], -1).astype(np.uint8)
ct = {"RescaleSlope": "1", "RescaleIntercept": "-24", "WindowCenter": "40", "WindowWidth": "400"}
overlaid = (unsigned12 | ((x + y) % 2 * 0x8000)).astype(np.uint16)
outside = np.where((x - 6) ** 2 + (y - 5) ** 2 > 30, -2000, hounsfield).astype(np.int16)
fine = (np.stack([np.arange(200) * 321, 65535 - np.arange(200) * 300, np.arange(200) * 17 % 65536], -1)).astype(np.uint16)
japanese = {"SpecificCharacterSet": ["", "ISO 2022 IR 13", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}
line, sample = (jpeg_ls.encode_array(smooth, interleave_mode=mode) for mode in (1, 2))
planes = jpeg_ls.encode_array(np.ascontiguousarray(smooth.transpose(2, 0, 1)), interleave_mode=0)

files = {
    "8 bits without a window": native(bytes8),
    "8 bits of one value": native(np.full_like(bytes8, 77)),
    "8 bits, signed": native((bytes8.astype(int) - 128).astype(np.int8)),
    "8 bits with a window": native(bytes8, WindowCenter="100", WindowWidth="120"),
    "12 bits with three windows": native(unsigned12, stored=12, WindowCenter=["2000", "9", "1"], WindowWidth=["1500.5", "9", "7"]),
    "12 bits without a window": native(unsigned12, stored=12),
    "12 bits below an overlay": native(overlaid, stored=12, WindowCenter="2000", WindowWidth="1500"),
    "12 bits, signed": native((unsigned12.astype(int) - 2048).astype(np.int16), stored=12, WindowCenter="-100", WindowWidth="2000"),
    "16 bits with a window": native(unsigned16, WindowCenter="3e4", WindowWidth="50000"),
    "CT": native(hounsfield, **ct),
    "CT without a window, its padding left out": native(outside, PixelPaddingValue=-2000, RescaleSlope="1", RescaleIntercept="0"),
    "padding over a range": native(outside, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-500),
    "a fraction as slope": native(unsigned16, RescaleSlope="0.0375", RescaleIntercept="-3.5", WindowCenter="1200", WindowWidth="777.7"),
    "a negative slope": native(unsigned12, stored=12, RescaleSlope="-2", RescaleIntercept="100"),
    "MONOCHROME1": native(unsigned12, stored=12, photometric="MONOCHROME1", WindowCenter="2000", WindowWidth="1500"),
    "MONOCHROME1 without a window": native(bytes8, photometric="MONOCHROME1"),
    "a window of width 1": native(bytes8, WindowCenter="100", WindowWidth="1"),
    "LINEAR_EXACT": native(hounsfield, VOILUTFunction="LINEAR_EXACT", **ct),
    "SIGMOID": native(hounsfield, VOILUTFunction="SIGMOID", **ct),
    "a modality table": native(unsigned12, stored=12, ModalityLUTSequence=table(500, curve, 16, "US"), WindowCenter="30000", WindowWidth="40000"),
    "a VOI table": native(unsigned12, stored=12, VOILUTSequence=table(1000, [v >> 4 for v in curve], 12, "US"), WindowCenter="5", WindowWidth="2"),
    "a VOI table over negative values": native(hounsfield, VOILUTSequence=table(-100, curve, 16, "OW")),
    "a VOI table of bytes": native(bytes8, VOILUTSequence=table(20, [v >> 8 for v in curve[:200]], 8, "US")),
    "a VOI table, big endian": native(hounsfield, BIG, VOILUTSequence=table(-100, curve, 16, "OW")),
    "implicit little endian": native(hounsfield, IMPLICIT, **ct),
    "implicit little endian with a table": native(hounsfield, IMPLICIT, VOILUTSequence=table(-100, curve, 16, "OW")),
    "big endian": native(hounsfield, BIG, **ct),
    "big endian, 8 bits in words": native(bytes8, BIG, vr="OW"),
    "big endian, 8 bits in bytes": native(bytes8, BIG),
    "names in three character sets": native(hounsfield, **ct, **japanese),
    "an enhanced object": native(
        hounsfield,
        NumberOfFrames="1",
        **groups(
            shared=[("PixelValueTransformationSequence", {"RescaleSlope": "1", "RescaleIntercept": "-24", "RescaleType": "HU"})],
            frame=[("FrameVOILUTSequence", {"WindowCenter": "40", "WindowWidth": "400"})],
        ),
    ),
    "RGB": native(colours),
    "RGB in planes": native(colours, data=little(np.ascontiguousarray(colours.transpose(2, 0, 1))), PlanarConfiguration=1),
    "RGB, big endian in words": native(colours, BIG, vr="OW"),
    "YBR_FULL": native(wild, photometric="YBR_FULL"),
    "YBR_FULL in planes": native(wild, photometric="YBR_FULL", data=little(np.ascontiguousarray(wild.transpose(2, 0, 1))), PlanarConfiguration=1),
    "YBR_FULL_422": native(even, photometric="YBR_FULL_422", data=little(halved(even))),
    "a palette of bytes": native(bytes8, **palette(fine.astype(np.uint8), 8, 30)),
    "a palette of words": native(bytes8, **palette(fine, 16, 30)),
    "a palette over 16 bits": native(unsigned12, stored=12, **palette(fine, 16, 700)),
    "RLE of 8 bits": by_pydicom(bytes8, RLE),
    "RLE of 16 bits": by_pydicom(hounsfield, RLE, **ct),
    "RLE of RGB": by_pydicom(colours, RLE),
    "JPEG-LS of 8 bits": by_pydicom(bytes8, JPEG_LS),
    "JPEG-LS of 12 bits": by_pydicom(unsigned12, JPEG_LS, stored=12, WindowCenter="2000", WindowWidth="1500"),
    "JPEG-LS of 16 bits, signed": by_pydicom(hounsfield, JPEG_LS, **ct),
    "JPEG-LS of RGB by line": compressed(smooth, JPEG_LS, bytes(line)),
    "JPEG-LS of RGB by sample": compressed(smooth, JPEG_LS, bytes(sample)),
    "JPEG-LS of RGB by plane": compressed(smooth, JPEG_LS, bytes(planes)),
    "JPEG-LS, near-lossless": compressed(bytes8, NEAR, bytes(jpeg_ls.encode_array(bytes8, lossy_error=3))),
    "JPEG 2000 of 8 bits": by_pydicom(tiled(bytes8), J2K),
    "JPEG 2000 of 16 bits, signed": by_pydicom(tiled(hounsfield), J2K, **ct),
    "JPEG 2000 of 12 bits": by_pydicom(tiled(unsigned12), J2K, stored=12, WindowCenter="2000", WindowWidth="1500"),
    "JPEG 2000 of colours": by_pydicom(tiled(smooth), J2K),
    "JPEG 2000, lossy": by_pydicom(tiled(bytes8), J2K_LOSSY),
    "lossless JPEG of 8 bits": compressed(bytes8, LOSSLESS, lossless_jpeg(bytes8, 8)),
    "lossless JPEG of 12 bits": compressed(unsigned12, LOSSLESS, lossless_jpeg(unsigned12, 12), stored=12, WindowCenter="2000", WindowWidth="1500"),
    "lossless JPEG of 16 bits, signed": compressed(hounsfield, LOSSLESS, lossless_jpeg(hounsfield.view(np.uint16), 16), **ct),
    "JPEG of grey": compressed(smooth[..., 0], JPEG, saved(np.ascontiguousarray(smooth[..., 0])), WindowCenter="100", WindowWidth="150"),
    "JPEG of luma and chroma": compressed(smooth, JPEG, saved(smooth, subsampling=0), photometric="YBR_FULL"),
    "JPEG of halved chroma": compressed(smooth, JPEG, saved(smooth, subsampling=1), photometric="YBR_FULL_422"),
    "JPEG of halved chroma without a marker": compressed(smooth, JPEG, unmarked(saved(smooth, subsampling=1)), photometric="YBR_FULL_422"),
    "JPEG of RGB by Adobe's marker": compressed(smooth, JPEG, saved(smooth, keep_rgb=True)),
    "JPEG of RGB without a marker": compressed(smooth, JPEG, numbered(unmarked(saved(smooth, keep_rgb=True)))),
    "four fragments": compressed(smooth, JPEG, saved(smooth, subsampling=0), fragments=4, photometric="YBR_FULL"),
    "four fragments and an offset table": compressed(smooth, JPEG, saved(smooth, subsampling=0), fragments=4, table=True, photometric="YBR_FULL"),
}

jpeg = saved(smooth, subsampling=0)
no_table = {name: value for name, value in palette(fine, 16).items() if not name.endswith("Data")}
refused = {
    "three frames": native(np.concatenate([bytes8] * 3), Rows=HEIGHT, NumberOfFrames="3"),
    "two frames in one": pieces(smooth, [jpeg, jpeg], table=False, photometric="YBR_FULL"),
    "two frames in a table": pieces(smooth, [jpeg, jpeg], table=True, photometric="YBR_FULL"),
    "deflated": native(bytes8, "1.2.840.10008.1.2.1.99"),
    "RGB of 16 bits": native(colours.astype(np.uint16)),
    "32 bits": native(unsigned16.astype(np.uint32)),
    "YBR_PARTIAL_422": native(even, photometric="YBR_PARTIAL_422", data=little(halved(even))),
    "a palette in segments": native(bytes8, **no_table, SegmentedRedPaletteColorLookupTableData=bytes(4)),
    "JFIF that is called RGB": compressed(smooth, JPEG, jpeg),
    "JPEG 2000 of another sign": resigned(by_pydicom(tiled(hounsfield), J2K)),
    "a slope without an intercept": native(hounsfield, RescaleSlope="2"),
    "a center without a width": native(hounsfield, WindowCenter="2"),
    "a width of 0": native(hounsfield, WindowCenter="2", WindowWidth="0"),
    "a width of .5": native(hounsfield, WindowCenter="2", WindowWidth="0.5"),
    "an unknown function": native(hounsfield, VOILUTFunction="CUBIC", **ct),
    "a short table": native(hounsfield, VOILUTSequence=short_table(table(-100, curve, 16, "OW"))),
    "too many bytes": native(bytes8, data=little(bytes8) + bytes(9)),
    "no pixels": finish(attributes(bytes8), EXPLICIT),
}


def levels(ds):
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in ds.get(groups, []):
            for sequence in list(group):
                ds.update(sequence.value[0])
    stored = ds.pixel_array & (2**ds.BitsStored - 1) if ds.PixelRepresentation == 0 else ds.pixel_array
    values = apply_modality_lut(stored, ds)
    if "VOILUTSequence" in ds:
        return apply_voi(values, ds) / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1) * 255
    if "WindowCenter" in ds:
        # The levels that pydicom gives are those of these attributes.
        eight = copy.deepcopy(ds)
        eight.BitsStored, eight.PixelRepresentation = 8, 0
        for name in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"):
            if name in eight:
                delattr(eight, name)
        return apply_windowing(values, eight)
    values = values.astype(np.float64)
    there = values
    if "PixelPaddingValue" in ds:
        padding = ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)
        there = values[(stored < min(padding)) | (stored > max(padding))]
    extent = there.max() - there.min()
    return (values - there.min()) / (extent or np.inf) * 255


def picture(ds):
    if ds.file_meta.TransferSyntaxUID == JPEG:
        ds.pixel_array_options(decoding_plugin="pillow")
    if ds.SamplesPerPixel == 3:
        return ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        rgb = apply_color_lut(ds.pixel_array, ds)
        return (rgb >> 8 if rgb.dtype.itemsize == 2 else rgb).astype(np.uint8)
    grey = np.floor(levels(ds).clip(0, 255) + 0.5).astype(np.uint8)
    return np.stack([255 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey] * 3, -1)


def text(data):
    return base64.b64encode(data).decode()


def lines(cases):
    return "[\n  " + ",\n  ".join(map(json.dumps, cases)) + "\n ]"


cases = []
for name, data in files.items():
    pixels = picture(pydicom.dcmread(io.BytesIO(data)))
    size = {"width": pixels.shape[1], "height": pixels.shape[0]}
    cases.append({"name": name, "file": text(zlib.compress(data, 9)), **size, "rgb": text(zlib.compress(pixels.tobytes(), 9))})
others = [{"name": name, "file": text(zlib.compress(data, 9))} for name, data in refused.items()]
print("{\n \"pydicom\": " + json.dumps(pydicom.__version__) + ",\n \"cases\": " + lines(cases) + ",\n \"refused\": " + lines(others) + "\n}")
