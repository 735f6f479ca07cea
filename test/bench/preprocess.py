"""Images a second of the Hugging Face Pillow processor, from a JPEG file to pixel values, one image at a time:
python3 preprocess.py photo.jpg [--max-pixels 1003520] [--images 40]. Makes the file, 1024 × 768, if it is not there.
Prints one JSON line. Needs transformers and Pillow."""

import argparse
import json
import math
import os
import random
import time
import warnings

from PIL import Image, ImageDraw
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


def draw(path):
    """A picture with smooth parts, edges and grain, as photographs have."""
    width, height, noise = 1024, 768, random.Random(0)
    image = Image.new("RGB", (width, height))
    image.putdata([
        tuple(int(128 + 80 * math.sin(x / a + y / b) + noise.gauss(0, 6)) for a, b in ((90, 70), (60, 110), (150, 40)))
        for y in range(height) for x in range(width)
    ])
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, r = noise.randrange(width), noise.randrange(height), noise.randrange(5, 90)
        pen.ellipse((x - r, y - r, x + r, y + r), outline=tuple(noise.randrange(256) for _ in range(3)), width=3)
    image.save(path, quality=90)


arguments = argparse.ArgumentParser()
arguments.add_argument("file")
arguments.add_argument("--max-pixels", type=int, default=28 * 28 * 1280)
arguments.add_argument("--images", type=int, default=40)
options = arguments.parse_args()
warnings.simplefilter("ignore")
if not os.path.exists(options.file):
    draw(options.file)
processor = Qwen2VLImageProcessorPil(max_pixels=options.max_pixels)


def load():
    with Image.open(options.file) as image:
        return processor(images=[image], return_tensors="pt")["pixel_values"]


for _ in range(5):
    load()
start = time.perf_counter()
for _ in range(options.images):
    load()
seconds = time.perf_counter() - start
print(json.dumps({
    "work": "preprocess", "imagesPerSecond": round(options.images / seconds, 2),
    "maxPixels": options.max_pixels, "patches": load().shape[0],
}))
