"""Configuration: typed, strict, overridable, and aware of SageMaker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceflow_ml.errors import ConfigError
from faceflow_ml.training.ablations.plan import AblationPlan
from faceflow_ml.training.config import (
    AlignerConfig,
    DetectorConfig,
    EmbedderConfig,
    RefinerConfig,
    load_config,
    save_config,
)
from pipelines.config import PipelineConfig

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text("data:\n  train: faces\nrun:\n  epochs: 3\n")
    return file


KINDS = {
    "ablations": AblationPlan,
    "aligner": AlignerConfig,
    "detector": DetectorConfig,
    "embedder": EmbedderConfig,
    "pipeline": PipelineConfig,
    "refiner": RefinerConfig,
}


@pytest.mark.parametrize(
    "file", sorted(CONFIGS.glob("*/*.yaml")), ids=lambda f: f"{f.parent.name}/{f.name}"
)
def test_shipped_configurations_are_valid(file: Path) -> None:
    load_config(KINDS[file.parent.name], file, (), {})


def test_overrides_win_and_are_typed(config_file: Path) -> None:
    words = ["run.epochs=7", "optim.clip_norm=null", "head.kind=cosface", "optim.lr=1e-2"]
    config = load_config(EmbedderConfig, config_file, words, {})
    assert config.run.epochs == 7
    assert config.optim.clip_norm is None
    assert config.head.kind == "cosface"
    assert config.optim.lr == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("run.epoch=7", "run.epoch"),
        ("optim.lr=-1", "optim.lr"),
        ("optim.lr", "key=value"),
        ("data.train.x=1", "not a section"),
        ("model.input_size=100", "input_size"),
    ],
)
def test_bad_words_are_named(config_file: Path, word: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_config(EmbedderConfig, config_file, [word], {})


@pytest.mark.parametrize(
    ("hyperparameters", "complaint"),
    [("[1]", "SM_HPS must hold"), ('{"optim.lr": "[1"}', "optim.lr is not valid YAML")],
)
def test_hyperparameters_that_are_none(
    config_file: Path, hyperparameters: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_config(EmbedderConfig, config_file, (), {"SM_HPS": hyperparameters})


def test_everything_that_is_wrong_stands_in_one_line(config_file: Path) -> None:
    with pytest.raises(ConfigError) as failed:
        load_config(EmbedderConfig, config_file, ["run.epochs=none", "run.seed=-1"], {})
    said = str(failed.value)
    assert "run.epochs is 'none'; it should be a valid integer" in said
    assert "run.seed is -1; it should be greater than or equal to 0" in said
    assert "\n" not in said


def test_no_data_at_all_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("data: {}\n")
    with pytest.raises(ConfigError, match="synthetic_people"):
        load_config(EmbedderConfig, file, (), {})


@pytest.mark.parametrize("text", ["- a\n", "data: [\n", "\x00"])
def test_files_that_hold_no_mapping(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(DetectorConfig, file, (), {})


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config(DetectorConfig, tmp_path / "nowhere.yaml", (), {})


def test_sagemaker_environment_is_read_and_the_command_line_wins(config_file: Path) -> None:
    environment = {
        "SM_HPS": json.dumps({"optim.lr": "0.02", "run.epochs": "5", "sagemaker_program": "x"}),
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CHANNEL_VAL": "/opt/ml/input/data/val",
    }
    config = load_config(EmbedderConfig, config_file, ["run.epochs=9"], environment)
    assert config.data.train == Path("/opt/ml/input/data/train")
    assert config.data.val == Path("/opt/ml/input/data/val")
    assert config.optim.lr == pytest.approx(0.02)
    assert config.run.epochs == 9


def test_a_saved_configuration_reads_back(config_file: Path, tmp_path: Path) -> None:
    config = load_config(EmbedderConfig, config_file, ["head.margin=0.25"], {})
    save_config(config, tmp_path / "resolved.yaml")
    assert load_config(EmbedderConfig, tmp_path / "resolved.yaml", (), {}) == config
