#!/usr/bin/env python3
"""llama.cpp's own server out of the Python package xllamacpp, with the flags of llama-server that are used here.

Serves until SIGTERM or SIGINT; then answers that have begun are ended whole."""

import argparse
import signal

import xllamacpp


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("-m", "--model", required=True, help="GGUF file")
    flags.add_argument("--alias", required=True, help="the model's name")
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8080)
    flags.add_argument("-c", "--ctx-size", type=int, default=4096, help="tokens of all slots together")
    flags.add_argument("--parallel", type=int, default=1, help="slots")
    flags.add_argument("--threads", type=int, default=0, help="0: llama.cpp's choice")
    flags.add_argument("--metrics", action="store_true", help="serve /metrics")
    flags.add_argument("--jinja", action="store_true", help="always so here; known for llama-server's sake")
    flags.add_argument("--embeddings", action="store_true", help="serve embeddings")
    flags.add_argument("--pooling", choices=["none", "mean", "cls", "last"], help="of a text's embeddings; default: what the model says")
    flags.add_argument("--api-key", default="", help="who asks must show it")
    wanted = flags.parse_args()
    # Threads of the server must not take the signals.
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    params = xllamacpp.CommonParams()
    params.model.path = wanted.model
    params.model_alias = {wanted.alias}
    params.hostnames = [wanted.host]
    params.port = wanted.port
    params.n_ctx = wanted.ctx_size
    params.n_parallel = wanted.parallel
    if wanted.threads:
        params.cpuparams.n_threads = wanted.threads
    params.endpoint_metrics = wanted.metrics
    params.embedding = wanted.embeddings
    if wanted.embeddings:
        # a text is computed in one piece
        params.n_ubatch = params.n_batch
    if wanted.pooling:
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{wanted.pooling.upper()}")
    params.ui = False
    if wanted.api_key:
        params.api_keys = [wanted.api_key]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
