"""Prints what TensorBoard makes of a folder of event files: {tag: [[step, value], …]}, a value that is not finite as a
string; exits with 77 where the tensorboard package is not installed.   python read_events.py FOLDER"""
import json
import math
import sys


def read_events(folder):
    """Through TensorBoard's own reader, which checks every checksum."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()

    def shown(value):
        return value if math.isfinite(value) else str(value)

    return {tag: [[e.step, shown(e.value)] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


if __name__ == "__main__":
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        sys.exit(77)
    print(json.dumps(read_events(sys.argv[1])))
