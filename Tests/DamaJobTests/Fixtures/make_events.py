"""Writes events with TensorBoard's own record writer and protocol buffers.

Run in the environment of `make test-torch`; writes events.tfevents beside this file.
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

STEPS = {
    0: {"loss": 0.6931471805599453, "beta/mean": 0.1},
    1: {"loss": -2.5e-8, "reward/chosen": float("inf"), "Bewertung ä": 3.0},
    300: {},
    2**40: {"loss": 1e300, "gradient_norm": 0.0},
}

times = iter(1_800_000_000.125 + i for i in range(10))
with open(Path(__file__).with_name("events.tfevents"), "wb") as file:
    writer = RecordWriter(file)
    writer.write(Event(wall_time=next(times), file_version="brain.Event:2").SerializeToString())
    start = SessionLog(status=SessionLog.START)
    writer.write(Event(wall_time=next(times), step=5, session_log=start).SerializeToString())
    for step, scalars in STEPS.items():
        values = []
        for tag, value in scalars.items():
            # Python's protocol buffers also convert a double beyond the range of float to infinity.
            values.append(Summary.Value(tag=tag, simple_value=value))
        writer.write(Event(wall_time=next(times), step=step, summary=Summary(value=values)).SerializeToString())
