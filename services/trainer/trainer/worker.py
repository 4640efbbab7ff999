"""The training process: `python -m trainer.worker` answers requests on stdin until stdin ends.

A process of its own keeps the consumer responsive, gives all memory back when the training is over, and can
be ended at any moment. It ends with its parent, whose death closes stdin.
"""

import importlib
import os
import sys
import threading
from functools import cache
from typing import BinaryIO

import msgspec
import numpy as np
from labelmill.embedding import Embedder, load_embedder
from labelmill.student import probabilities

from trainer.errors import NotEnough
from trainer.work import (
    LENGTH_BYTES,
    Broken,
    Cluster,
    Clustered,
    Embed,
    Embedded,
    Fit,
    Fitted,
    Lacking,
    Reply,
    Request,
    framed,
)


def answer(request: Request, threads: int) -> Reply:
    """Do the work; an error becomes an answer, so that the parent can record it."""
    try:
        match request:
            case Embed():
                return _embed(request, threads)
            case Fit():
                return _fit(request)
            case Cluster():
                return _cluster(request)
    except NotEnough as lacking:
        return Lacking(str(lacking))
    except Exception as error:
        return Broken(f"{type(error).__name__}: {error}")


def serve(source: BinaryIO, sink: BinaryIO, threads: int) -> None:
    """Answer every request on `source` until it ends."""
    decoder = msgspec.msgpack.Decoder(Request)
    while True:
        length = source.read(LENGTH_BYTES)
        if len(length) < LENGTH_BYTES:
            return
        request: Request = decoder.decode(source.read(int.from_bytes(length, "big")))
        sink.write(framed(answer(request, threads)))
        sink.flush()


def _embed(request: Embed, threads: int) -> Embedded:
    embedder = _embedder(request.embedder, threads)
    vectors = embedder.embed(request.texts)
    return Embedded(embedder.dimensions, vectors.astype("<f4").tobytes())


def _fit(request: Fit) -> Fitted:
    from trainer import student  # noqa: PLC0415 (scikit-learn loads in seconds, meanwhile texts are embedded)

    examples = student.Examples(
        vectors=np.frombuffer(request.vectors, "<f4").reshape(-1, request.dimensions),
        labels=request.labels,
        groups=request.groups,
        weights=np.asarray(request.weights, np.float64),
    )
    model, predicted = student.fit_and_predict(
        examples, embedder=request.embedder, sure_accuracy=request.sure_accuracy
    )
    # Of an example whose label is not learned the student's own opinion is honest: it was not fitted on it.
    shares = probabilities(model, examples.vectors)
    shares[[label in model.classes for label in examples.labels]] = np.nan
    shares[predicted.rows] = predicted.shares
    return Fitted(model, shares.astype("<f4").tobytes())


def _cluster(request: Cluster) -> Clustered:
    from trainer.clusters import clusters  # noqa: PLC0415 (as above)

    vectors = np.frombuffer(request.vectors, "<f4").reshape(-1, request.dimensions)
    return Clustered(clusters(vectors, request.texts))


@cache
def _embedder(name: str, threads: int) -> Embedder:
    return load_embedder(name, threads=threads)


def main() -> None:
    """Serve on stdin and stdout; what libraries print goes to stderr."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=importlib.import_module, args=["trainer.student"], daemon=True).start()
    serve(sys.stdin.buffer, sink, int(sys.argv[1]))


if __name__ == "__main__":
    main()
