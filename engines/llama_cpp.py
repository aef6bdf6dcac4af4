"""llama.cpp's own HTTP server on loopback: llama_cpp.py MODEL.gguf PORT NAME SLOTS CONTEXT_TOKENS_A_SLOT [API_KEY]"""

import signal
import sys

import xllamacpp


def main() -> None:
    model, port, name, slots, context, *keys = sys.argv[1:]
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = int(slots) * int(context)
    params.n_parallel = int(slots)
    params.cpuparams.n_threads = 1
    params.endpoint_metrics = True
    params.ui = False
    params.api_keys = keys
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
