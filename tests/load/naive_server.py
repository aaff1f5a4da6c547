"""What one writes first: a request is decoded, run through the model and answered by itself.

``python -m tests.load.naive_server embedding|detection PORT``. The other side of
`tests.load.serving_bench`: same models, same HTTP server, same answers, nothing put together.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from faceflow_ml import FaceDetector, FaceEmbedder, load_image


def main() -> None:
    """Serve until killed."""
    task, port = sys.argv[1:]
    if task == "embedding":
        embedder = FaceEmbedder.from_pretrained()

        def answer(body: bytes) -> Response:
            vectors = embedder.embed(load_image(body)[None])
            return JSONResponse(
                {"embeddings": vectors.tolist(), "contract_id": embedder.contract_id}
            )
    else:
        detector = FaceDetector.from_pretrained()

        def answer(body: bytes) -> Response:
            found = detector.detect(load_image(body))
            columns = zip(
                found.boxes.tolist(), found.scores.tolist(), found.landmarks.tolist(), strict=True
            )
            faces = [
                {"box": box, "score": score, "landmarks": marks} for box, score, marks in columns
            ]
            return JSONResponse({"faces": faces, "contract_id": detector.contract_id})

    async def invocations(request: Request) -> Response:
        return await run_in_threadpool(answer, await request.body())

    async def ping(_request: Request) -> Response:
        return Response()

    routes = [Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
