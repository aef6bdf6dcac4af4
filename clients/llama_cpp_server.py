"""llama.cpp's own HTTP server on loopback: llama_cpp_server.py MODEL.gguf PORT NAME"""

import signal
import sys

import xllamacpp


def main() -> None:
    model, port, name = sys.argv[1:]
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = 4096
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    params.ui = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait(stop)


if __name__ == "__main__":
    main()
