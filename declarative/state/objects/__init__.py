"""A state in a bucket that speaks S3: AWS, OBS, MinIO and others, with compare-and-swap by conditional put.

The journal is the truth: a chain of small objects (`links`), each created once under the next free number and naming
what it follows. The object at the state's key is a checkpoint of it (`checkpoint`), which may lag behind at any time.
`lock` has the lock object, `probe` finds out whether a store can be trusted with all this, `engine` puts it together.
"""

from __future__ import annotations

from declarative.state.objects.engine import ObjectEngine, open_objects

__all__ = ["ObjectEngine", "open_objects"]
