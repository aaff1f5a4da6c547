"""Where photos with true faces, and aligned faces with names, come from.

What reads Parquet is imported where Parquet is given: the base install reads everything else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceflow_ml.data.records import DetectionSample, IdentitySample
from faceflow_ml.errors import ConfigError


def read_labelled_photos(source: Path, split: str = "val") -> list[DetectionSample]:
    """Photos with boxes and landmarks.

    Args:
        source: one of
            a ``.parquet`` file, or a folder of Parquet shards (needs pyarrow);
            an album of ``faceflow-ml data synth``;
            a folder of Pascal VOC ``.xml`` files with their photos;
            a COCO ``.json`` file, or WIDER FACE ``.txt`` file, whose paths start at its folder.
        split: of a folder of Parquet shards, the one to take.

    Raises:
        ConfigError: there is nothing there that can be read.
        FaceFlowError: the labels are malformed.
    """
    if not source.exists():
        raise ConfigError(f"{source}: no such data")
    samples = _read_folder(source, split) if source.is_dir() else _read_file(source)
    if not samples:
        raise ConfigError(f"{source}: holds no photos")
    return samples


def read_aligned_faces(source: Path, split: str = "val") -> list[IdentitySample]:
    """Aligned faces and whose they are.

    Args:
        source: a ``.parquet`` file or a folder of Parquet shards (needs pyarrow), or a folder with
            a folder a person.
        split: of a folder of Parquet shards, the one to take.

    Raises:
        ConfigError: there is no such file or folder.
        FaceFlowError: it is malformed, or holds no faces.
    """
    if not source.exists():
        raise ConfigError(f"{source}: no such data")
    if source.is_file() or any(source.glob("*.parquet")):
        from faceflow_ml.data.parquet import read_identity_shards

        faces = read_identity_shards(source, split if source.is_dir() else None)
    else:
        from faceflow_ml.data.folders import read_identity_folders

        faces = read_identity_folders(source)
    if not faces:
        raise ConfigError(f"{source}: holds no faces")
    return faces


def _read_folder(folder: Path, split: str) -> list[DetectionSample]:
    from faceflow_ml.data.synth.album import LABELS

    if (folder / LABELS).is_file():
        return _read_synthetic(folder)
    if any(folder.glob("*.parquet")):
        from faceflow_ml.data.parquet import read_detection_shards

        return read_detection_shards(folder, split)
    if any(folder.glob("*.xml")):
        from faceflow_ml.data.boxes import read_voc

        return read_voc(folder, folder)
    raise ConfigError(
        f"{folder}: expected Parquet shards, Pascal VOC .xml files or an album with {LABELS}"
    )


def _read_file(file: Path) -> list[DetectionSample]:
    from faceflow_ml.data.boxes import read_coco, read_wider_face

    match file.suffix.lower():
        case ".parquet":
            from faceflow_ml.data.parquet import read_detection_shards

            return read_detection_shards(file)
        case ".json":
            return read_coco(file, file.parent)
        case ".txt":
            return read_wider_face(file, file.parent)
    raise ConfigError(f"{file}: expected a .parquet, .json (COCO) or .txt (WIDER FACE) file")


def _read_synthetic(folder: Path) -> list[DetectionSample]:
    from faceflow_ml.data.synth.album import read_album

    return [
        DetectionSample(
            image=folder / photo.path,
            boxes=np.array([face.box for face in photo.faces], np.float32).reshape(-1, 4),
            landmarks=np.array([face.landmarks for face in photo.faces], np.float32).reshape(
                -1, 5, 2
            ),
            ignore=np.zeros(len(photo.faces), np.bool_),
            name=photo.path,
            width=photo.width,
            height=photo.height,
        )
        for photo in read_album(folder).photos
    ]
