"""Two training containers as two processes: ``two_machines.py FOLDER FOLDER``, a base each.

They are forks of one process, since importing what trains takes longer than training.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import faceflow_ml.training.trainer  # noqa: F401 - imported once for both
from faceflow_ml.cli import main
from serving.training import read_job


def train(base: Path) -> None:
    """What the image's ``train`` starts."""
    job = read_job("detector", base)
    os.environ.clear()
    os.environ.update(job.environment)
    os.chdir(base)
    sys.argv = ["faceflow-ml", "train", job.kind, "--config", str(job.config), *job.words]
    main()


if __name__ == "__main__":
    children = []
    for name in sys.argv[1:]:
        child = os.fork()
        if not child:
            train(Path(name))
            os._exit(0)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
