"""Digests of Pillow's bicubic resizing of a generated RGB image, for many pairs of sizes. Run with Pillow 13.0.0:
python3 pillow-resize.py > pillow-resize.json"""

import hashlib
import json

import PIL
from PIL import Image

SIZES = [
    ((84, 56), (84, 56)), ((113, 97), (112, 84)), ((300, 40), (308, 28)), ((30, 28), (84, 56)),
    ((640, 480), (140, 112)), ((40, 300), (28, 308)), ((97, 113), (84, 112)), ((50, 500), (56, 112)),
    ((500, 50), (112, 56)), ((64, 64), (28, 64)), ((64, 64), (64, 28)), ((64, 64), (56, 48)),
    ((64, 65), (56, 48)), ((1, 1), (28, 28)), ((3, 200), (28, 588)), ((803, 517), (392, 252)),
]


def image(width, height):
    data = bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(3):
                data.append(((x * 2654435761 ^ y * 40503 ^ c * 977) >> 7) & 255 if (x // 9 + y // 7) % 2 else 255 * ((x + y) % 2))
    return Image.frombytes("RGB", (width, height), bytes(data))


cases = []
for source, target in SIZES:
    out = image(*source).resize(target, Image.Resampling.BICUBIC)
    cases.append({"from": source, "to": target, "sha256": hashlib.sha256(out.tobytes()).hexdigest()})
print(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1))
