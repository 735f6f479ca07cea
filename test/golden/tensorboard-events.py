"""The event file that TensorBoard's own writer makes of a few figures, and what its reader finds in it.
Run with tensorboard 2.21.0: python3 tensorboard-events.py > tensorboard-events.json"""

import base64
import io
import json
import tempfile

import tensorboard
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

ROWS = [
    {"step": 1, "loss": 2.5, "learningRate": 0, "gradNorm": 1e-30, "tokens": 48},
    {"step": 2, "loss": -0.1, "learningRate": 0.001, "gradNorm": 3e38, "tokens": 16777217},
    {"step": 300, "loss": 0.3, "learningRate": 1e-6, "gradNorm": 7, "tokens": 5, "validationLoss": 0.7},
    {"step": 70000, "eval_rewards/accuracy/mean": 0.25, "ε": 1},
]

buffer = io.BytesIO()
writer = RecordWriter(buffer)
writer.write(Event(file_version="brain.Event:2").SerializeToString())
for row in ROWS:
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in row.items() if tag != "step"]
    event = Event(wall_time=row["step"], step=row["step"], summary=Summary(value=values))
    writer.write(event.SerializeToString())

with tempfile.NamedTemporaryFile() as file:
    file.write(buffer.getvalue())
    file.flush()
    events = [Event.FromString(raw) for raw in RawEventFileLoader(file.name).Load()]
read = [{"step": e.step, **{v.tag: v.simple_value for v in e.summary.value}} for e in events[1:]]
assert [list(row) for row in read] == [list(row) for row in ROWS]

file = base64.b64encode(buffer.getvalue()).decode()
print(json.dumps({"tensorboard": tensorboard.__version__, "rows": ROWS, "file": file}, indent=1, ensure_ascii=False))
