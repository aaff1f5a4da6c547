#!/bin/sh
# `python` of the images. SageMaker starts containers as root, with /opt/ml mounted for root alone.
# Started so, this hands over what jobs write to, gives root up for good and then is Python; started
# as anybody else it is just Python. See docs/decisions/0043-root-is-given-up-at-once.md.
set -eu
python=${FACEFLOW_PYTHON:-/opt/venv/bin/python}
if [ "$(id -u)" -ne 0 ]; then
    exec "$python" "$@"
fi
base=${SAGEMAKER_BASE_DIR:-/opt/ml}
for folder in checkpoints model output processing/output; do
    # A model that is served is mounted to be read only, and is left as it is.
    if [ -w "$base/$folder" ]; then
        chown -Rh 1000:1000 "$base/$folder"
    fi
done
export HOME=/home/faceflow
exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs "$python" "$@"
