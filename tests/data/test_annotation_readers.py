"""What users have: WIDER FACE, COCO, VOC, a folder a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceflow_ml.data.boxes import read_coco, read_voc, read_wider_face
from faceflow_ml.data.folders import read_identity_folders
from faceflow_ml.errors import FaceFlowError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "0--Parade").mkdir(parents=True)
    for name in ("0--Parade/a b.jpg", "0--Parade/é.jpg"):
        Image.new("RGB", (100, 60), (200, 10, 10)).save(folder / name)
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# WIDER FACE


def test_wider(tmp_path: Path, images: Path) -> None:
    file = write(
        tmp_path / "gt.txt",
        "0--Parade/a b.jpg\n3\n"
        "10 5 20 30 0 0 0 0 0 0 \n"
        "90 50 20 30 0 0 0 1 0 0 \n"
        "10 10 0 0 0 0 0 0 0 0\n"
        "0--Parade/é.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
        "0--Parade/a b.jpg\n1\n1 2 3 4\n",
    )
    first, second, third = read_wider_face(file, images)
    np.testing.assert_array_equal(first.boxes, [[10, 5, 30, 35], [90, 50, 100, 60]])
    assert first.ignore.tolist() == [False, True]
    assert np.isnan(first.landmarks).all()
    assert (first.width, first.height, first.name) == (100, 60, "0--Parade/a b.jpg")
    assert first.decode().shape == (60, 100, 3)
    assert len(second.boxes) == 0
    np.testing.assert_array_equal(third.boxes, [[1, 2, 4, 6]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0--Parade/a b.jpg\nx\n", r"gt\.txt line 2: expected a number of faces, got 'x'"),
        ("0--Parade/a b.jpg\n", r"gt\.txt line 2: expected a number of faces, got the end"),
        ("0--Parade/a b.jpg\n1\n1 2 3\n", r"gt\.txt line 3: expected 4 or 10 numbers"),
        ("0--Parade/a b.jpg\n1\n1 2 3 four\n", r"gt\.txt line 3: expected numbers"),
        ("0--Parade/a b.jpg\n1\n1 2 3 nan\n", r"gt\.txt line 3: expected finite numbers"),
        ("0--Parade/a b.jpg\n2\n1 2 3 4\n", r"gt\.txt: ends before the 2 faces of"),
        ("none.jpg\n1\n1 2 3 4\n", r"gt\.txt line 1: there is no photo .*none\.jpg"),
        ("\n\n", "describes no photos"),
    ],
)
def test_wider_errors_name_the_line(tmp_path: Path, images: Path, text: str, message: str) -> None:
    with pytest.raises(FaceFlowError, match=message):
        read_wider_face(write(tmp_path / "gt.txt", text), images)


# COCO


def coco(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "images": [
            {"id": 7, "file_name": "0--Parade/a b.jpg", "width": 100, "height": 60},
            {"id": 8, "file_name": "0--Parade/é.jpg"},
        ],
        "categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {
                "image_id": 7,
                "category_id": 1,
                "bbox": [10, 5, 20, 30],
                "keypoints": [12, 9, 2, 24, 9, 2, 18, 15, 1, 0, 0, 0, 22, 28, 2],
            },
            {"image_id": 7, "category_id": 1, "bbox": [50, 5, 20, 30], "iscrowd": 1},
            {"image_id": 8, "category_id": 2, "bbox": [1, 1, 5, 5]},
        ],
    }
    return {**document, **changes}


def test_coco(tmp_path: Path, images: Path) -> None:
    file = write(tmp_path / "coco.json", json.dumps(coco()))
    first, second = read_coco(file, images, categories=["face"])
    np.testing.assert_array_equal(first.boxes, [[10, 5, 30, 35], [50, 5, 70, 35]])
    assert first.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(first.landmarks[0, [0, 4]], [[12, 9], [22, 28]])
    assert np.isnan(first.landmarks[0, 3]).all()
    assert np.isnan(first.landmarks[1]).all()
    assert len(second.boxes) == 0
    assert (second.width, second.height) == (100, 60)
    assert len(read_coco(file, images)[1].boxes) == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{\n\n oops", r"coco\.json line 3: not JSON"),
        ("[]", "expected an object"),
        (json.dumps({"images": {}}), "'images' must be a list of objects"),
        (
            json.dumps(coco(annotations=[{"image_id": 9, "bbox": [1, 2, 3, 4]}])),
            r"annotations\[0\]: image_id 9 is not among the images",
        ),
        (
            json.dumps(coco(annotations=[{"image_id": 7, "bbox": [1, 2, 3]}])),
            r"annotations\[0\] bbox: expected 4 numbers, got 3",
        ),
        (
            json.dumps(coco(annotations=[{"image_id": 7, "bbox": [1, 2, 3, 4], "keypoints": [1]}])),
            r"annotations\[0\] keypoints: expected 15 numbers, got 1",
        ),
        (json.dumps(coco(annotations=[{"image_id": 7}])), r"annotations\[0\]: 'bbox' is missing"),
        (
            json.dumps(coco(images=[{"id": [1], "file_name": "0--Parade/é.jpg"}])),
            r"images\[0\]: 'id' must be a number or text, got \[1\]",
        ),
        (
            json.dumps(coco(annotations=[{"image_id": {}, "bbox": [1, 2, 3, 4]}])),
            r"annotations\[0\]: 'image_id' must be a number or text",
        ),
        (json.dumps(coco(images=[{"id": 1}])), r"images\[0\]: 'file_name' is missing"),
        (
            json.dumps(coco(images=[{"id": 1, "file_name": "0--Parade/é.jpg"}] * 2)),
            r"images\[1\]: id 1 is used twice",
        ),
    ],
)
def test_coco_errors_name_the_entry(
    tmp_path: Path, images: Path, document: str, message: str
) -> None:
    with pytest.raises(FaceFlowError, match=message):
        read_coco(write(tmp_path / "coco.json", document), images)


def test_coco_without_keypoints(tmp_path: Path, images: Path) -> None:
    face = {"image_id": 7, "bbox": [10, 5, 20, 30], "keypoints": []}
    file = write(tmp_path / "coco.json", json.dumps(coco(annotations=[face])))
    assert np.isnan(read_coco(file, images)[0].landmarks).all()


def test_coco_ids_of_categories_are_checked_too(tmp_path: Path, images: Path) -> None:
    for changes in (
        {"categories": [{"id": [1], "name": "face"}]},
        {"annotations": [{"image_id": 7, "category_id": [1], "bbox": [1, 2, 3, 4]}]},
    ):
        file = write(tmp_path / "coco.json", json.dumps(coco(**changes)))
        with pytest.raises(FaceFlowError, match="must be a number or text"):
            read_coco(file, images, categories=["face"])


def test_coco_names_the_categories_there_are(tmp_path: Path, images: Path) -> None:
    file = write(tmp_path / "coco.json", json.dumps(coco()))
    with pytest.raises(FaceFlowError, match="no category 'cat'; it has face, dog"):
        read_coco(file, images, categories=["cat"])


# Pascal VOC

VOC = """<annotation>
  <filename>0--Parade/é.jpg</filename>
  <size><width>100</width><height>60</height><depth>3</depth></size>
  <object><name>face</name><difficult>0</difficult>
    <bndbox><xmin>10</xmin><ymin>5</ymin><xmax>30</xmax><ymax>35.5</ymax></bndbox>
    <landmarks><x1>12</x1><y1>9</y1><x2>24</x2><y2>9</y2><x3>18</x3><y3>15</y3>
      <x4>-1</x4><y4>-1</y4></landmarks></object>
  <object><name>face</name><difficult>1</difficult>
    <bndbox><xmin>50</xmin><ymin>5</ymin><xmax>70</xmax><ymax>35</ymax></bndbox></object>
  <object><name>dog</name>
    <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>
</annotation>
"""


@pytest.fixture
def voc(tmp_path: Path) -> Callable[[str], Path]:
    def write_voc(text: str) -> Path:
        folder = tmp_path / "voc"
        folder.mkdir(exist_ok=True)
        write(folder / "one.xml", text)
        return folder

    return write_voc


def test_voc(voc: Callable[[str], Path], images: Path) -> None:
    (sample,) = read_voc(voc(VOC), images, classes=["face"])
    np.testing.assert_array_equal(sample.boxes, [[10, 5, 30, 35.5], [50, 5, 70, 35]])
    assert sample.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(sample.landmarks[0, :3], [[12, 9], [24, 9], [18, 15]])
    assert np.isnan(sample.landmarks[0, 3:]).all()
    assert len(read_voc(voc(VOC), images)[0].boxes) == 3


def test_voc_size_may_be_unknown(voc: Callable[[str], Path], images: Path) -> None:
    (sample,) = read_voc(voc(VOC.replace("<width>100<", "<width>0<")), images)
    assert (sample.width, sample.height) == (100, 60)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</annotation>", "", r"one\.xml line \d+: not XML"),
        ("<filename>0--Parade/é.jpg</filename>", "", r"one\.xml: <filename> is missing"),
        ("<xmin>50</xmin>", "", r"one\.xml object 2: <bndbox/xmin> is missing"),
        ("<xmin>50<", "<xmin>left<", r"one\.xml object 2: expected numbers"),
        ("é.jpg", "gone.jpg", r"one\.xml: there is no photo"),
    ],
)
def test_voc_errors_name_the_object(
    voc: Callable[[str], Path], images: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(FaceFlowError, match=message):
        read_voc(voc(VOC.replace(old, new, 1)), images)


def test_voc_without_files(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="no such folder"):
        read_voc(tmp_path / "none", tmp_path)
    with pytest.raises(FaceFlowError, match="describes no photos"):
        read_voc(tmp_path, tmp_path)


def test_a_rotated_photo_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 60)).save(tmp_path / "turned.jpg", exif=exif)
    (sample,) = read_wider_face(write(tmp_path / "gt.txt", "turned.jpg\n0\n"), tmp_path)
    assert (sample.width, sample.height) == (60, 100)
    assert sample.decode().shape == (100, 60, 3)
    # Annotated without regard to EXIF: then the pixels are as stored.
    entry = {"id": 1, "file_name": "turned.jpg", "width": 100, "height": 60}
    file = write(tmp_path / "c.json", json.dumps({"images": [entry], "annotations": []}))
    assert read_coco(file, tmp_path)[0].decode().shape == (60, 100, 3)


# One folder a person


def test_folders(tmp_path: Path) -> None:
    root = tmp_path / "people"
    for name in ("Ada/1.jpg", "Ada/older/2.PNG", "Zoë K/1.jpg", ".cache/1.jpg", "Ada/.x.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    (root / "Ada" / "notes.txt").write_text("")
    (root / "README.md").write_text("")
    (root / "Ada" / "loop").symlink_to(root)
    samples = read_identity_folders(root)
    assert [(s.identity, s.name) for s in samples] == [
        ("people/Ada", "Ada/1.jpg"),
        ("people/Ada", "Ada/older/2.PNG"),
        ("people/Zoë K", "Zoë K/1.jpg"),
    ]
    assert samples[1].decode().shape == (8, 8, 3)
    assert read_identity_folders(root, source="club")[0].identity == "club/Ada"


def test_folders_that_hold_nobody(tmp_path: Path) -> None:
    with pytest.raises(FaceFlowError, match="no such folder"):
        read_identity_folders(tmp_path / "none")
    with pytest.raises(FaceFlowError, match="no images in folders of people"):
        read_identity_folders(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    with pytest.raises(FaceFlowError, match=r"1\.jpg: belongs to nobody"):
        read_identity_folders(tmp_path)
