"""Extracts from a wheel what linking against TensorFlow and running it needs; the rest is Python.

    python3 extract.py WHEEL FOLDER
"""

import os
import sys
import zipfile

WANTED = (
    "tensorflow/libtensorflow_cc",
    "tensorflow/libtensorflow_framework",
    "tensorflow/include/tensorflow/",
    "tensorflow/include/tsl/",
    "tensorflow/include/xla/tsl/",
    "nvidia/",
)

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if not entry.filename.startswith(WANTED):
            continue
        file = archive.extract(entry, folder)
        # zipfile drops the mode; XLA runs programs out of the CUDA wheels.
        if entry.external_attr >> 16 & 0o111 and not entry.is_dir():
            os.chmod(file, 0o755)
