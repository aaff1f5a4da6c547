"""Progress bar."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, which otherwise loses the length of an epoch that is resumed midway."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done:
            bar = self.train_progress_bar
            bar.reset(self.total_train_batches)
            bar.initial = done
            bar.set_description(f"Epoch {trainer.current_epoch}")
