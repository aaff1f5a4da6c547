"""Write the API reference: ``python docs/api.py FOLDER``; `make docs` calls it."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import pdoc
import pdoc.render

import faceflow_ml


def main(folder: Path) -> None:
    """Render every public module of the package as HTML into ``folder``."""
    # pdoc reads a module's namespace, which the lazy exports enter only here.
    for name in faceflow_ml.__all__:
        setattr(faceflow_ml, name, getattr(faceflow_ml, name))
    pdoc.render.configure(docformat="google")
    modules = pkgutil.walk_packages(faceflow_ml.__path__, "faceflow_ml.")
    public = [module.name for module in modules if "._" not in module.name]
    pdoc.pdoc("faceflow_ml", *public, output_directory=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
