"""TensorBoard reads the event files of a training run."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PROCESS = Path(__file__).parents[2] / ".build/debug/TrainingProcess"


def test_scalars_of_a_run_that_went_on(tmp_path):
    before = time.time()
    subprocess.run([PROCESS, "events", tmp_path], check=True)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 2 and all(socket.gethostname() in name for name in files)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["beta/mean", "loss"]
    # Steps 3 and 4 of the first file were repeated, and their first values are replaced.
    loss = events.Scalars("loss")
    assert [(s.step, s.value) for s in loss] == [(0, 0.0), (1, 0.125), (2, 0.25), (3, 1.375), (4, 1.5), (5, 1.625)]
    assert [s.step for s in events.Scalars("beta/mean")] == [0, 1, 2]
    assert all(before <= s.wall_time <= time.time() for s in loss)
    assert events.file_version == 2.0
