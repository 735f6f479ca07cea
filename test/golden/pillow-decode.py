"""Small image files of many kinds, each with its pixels as Pillow and transformers' conversion to RGB have them. Run with
Pillow 13.0.0 and transformers 5.23.0: python3 pillow-decode.py > pillow-decode.json"""

import base64
import io
import json
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageCms
from transformers.image_transforms import convert_to_rgb

WIDTH, HEIGHT = 23, 17
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
colours = np.stack([(x * 11) % 256, (y * 15) % 256, ((x * 5 + y * 3) * 3) % 256], -1).astype(np.uint8)
alphas = ((x * 11 + y * 17) % 256).astype(np.uint8)
deep = (colours.astype(np.uint32) * 257 + np.arange(colours.size).reshape(colours.shape) % 200).clip(0, 65535).astype(">u2")
deep_alphas = (alphas.astype(np.uint32) * 257).astype(">u2")
deep_grey = ((x * 1777 + y * 911) % 65536).astype(">u2")

rgb = Image.fromarray(colours)
grey = Image.fromarray(colours[..., 2])
alpha = Image.fromarray(alphas)
rgba = Image.merge("RGBA", [*rgb.split(), alpha])
palette = rgb.quantize(16)
cmyk = Image.merge("CMYK", [*rgb.split(), alpha])
turned = Image.Exif()
turned[0x0112] = 6


def deep_png(kind, samples):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
files = {
    **{f"quality {q}, subsampling {s}.jpg": saved(rgb, "JPEG", quality=q, subsampling=s) for q in (50, 92) for s in (0, 1, 2)},
    "progressive.jpg": saved(rgb, "JPEG", progressive=True),
    "grey.jpg": saved(grey, "JPEG"),
    "inks.jpg": saved(cmyk, "JPEG", quality=95),
    "with a colour profile.jpg": saved(rgb, "JPEG", icc_profile=lab),
    "with an orientation.jpg": saved(rgb, "JPEG", exif=turned),
    "lossy.webp": saved(rgb, "WEBP"),
    "lossless.webp": saved(rgb, "WEBP", lossless=True),
    "alpha.webp": saved(rgba, "WEBP"),
    "animated.webp": saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)], lossless=True),
    "rgb.png": saved(rgb, "PNG"),
    "with an orientation.png": saved(rgb, "PNG", exif=turned),
    "alpha.png": saved(rgba, "PNG"),
    "grey.png": saved(grey, "PNG"),
    "grey with alpha.png": saved(Image.merge("LA", [grey, alpha]), "PNG"),
    "one bit.png": saved(grey.convert("1"), "PNG"),
    "palette.png": saved(palette, "PNG"),
    "palette of 4.png": saved(rgb.quantize(4), "PNG", bits=2),
    "palette with a transparent colour.png": saved(palette, "PNG", transparency=3),
    "palette with alpha.png": saved(palette, "PNG", transparency=bytes([0, 50, 100, 255, 128])),
    "transparent colour.png": saved(rgb, "PNG", transparency=tuple(int(v) for v in colours[3, 4])),
    "transparent grey.png": saved(grey, "PNG", transparency=int(colours[3, 4, 2])),
    "16 bits.png": deep_png(2, deep),
    "16 bits with alpha.png": deep_png(6, np.dstack([deep, deep_alphas])),
    "16 bits of grey.png": deep_png(0, deep_grey),
    "16 bits of grey with alpha.png": deep_png(4, np.dstack([deep_grey, deep_alphas])),
    **{f"{c or 'plain'}.tif": saved(rgb, "TIFF", compression=c) for c in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg")},
    "YCbCr as JPEG.tif": saved(rgb.convert("YCbCr"), "TIFF", compression="jpeg"),
    "YCbCr.tif": saved(rgb.convert("YCbCr"), "TIFF"),
    "grey.tif": saved(grey, "TIFF"),
    "white is zero.tif": saved(grey, "TIFF", tiffinfo={262: 0}),
    "fax.tif": saved(grey.convert("1"), "TIFF", compression="group4"),
    "alpha.tif": saved(rgba, "TIFF"),
    "palette.tif": saved(palette, "TIFF"),
    "inks.tif": saved(cmyk, "TIFF"),
    "two pages.tif": saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(180)]),
    "with an orientation.tif": saved(rgb, "TIFF", exif=turned),
    "16 bits of grey.tif": saved(Image.fromarray(deep_grey.astype(np.uint16)), "TIFF"),
    "floating point.tif": saved(Image.fromarray(deep_grey.astype(np.float32)), "TIFF"),
    "palette.gif": saved(rgb, "GIF"),
}


def text(data):
    return base64.b64encode(data).decode()


cases = []
for name, data in files.items():
    with Image.open(io.BytesIO(data)) as image:
        mode, pixels = image.mode, convert_to_rgb(image, return_numpy=True)
    size = {"width": pixels.shape[1], "height": pixels.shape[0]}
    cases.append({"name": name, "mode": mode, "file": text(data), **size, "rgb": text(zlib.compress(pixels.tobytes(), 9))})
print("{\n \"pillow\": " + json.dumps(PIL.__version__) + ",\n \"cases\": [\n  " + ",\n  ".join(map(json.dumps, cases)) + "\n ]\n}")
