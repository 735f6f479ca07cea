"""Seconds and peak memory of transformers' `from_pretrained` on a model folder, bfloat16:
`python load.py FOLDER`. Prints one JSON line; `load.ts` is the project's own. Imports are not timed."""

import json
import resource
import sys
import time

import torch
from transformers import AutoModelForImageTextToText

start = time.perf_counter()
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
# A mapped file is not loaded before it is read.
total = sum(float(p.detach().flatten()[::64].float().sum()) for p in model.parameters())
seconds = time.perf_counter() - start
held = sum(p.numel() * p.element_size() for p in model.parameters())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"work": "load", "seconds": round(seconds, 2), "peakMemoryBytes": peak, "heldBytes": held}))
