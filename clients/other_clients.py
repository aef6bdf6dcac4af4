"""Runs the clients that are not Python: OpenAI's Node SDK and LangChain4j. script/test-clients installs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def node(*arguments: str) -> dict[str, Any]:
    """openai_node/chats.cjs: what it saw."""
    modules = str(Path(os.environ["INFINI_CLIENTS_NODE"]) / "node_modules")
    return seen(["node", str(HERE / "openai_node" / "chats.cjs"), *arguments], {"NODE_PATH": modules})


def langchain4j(*arguments: str) -> dict[str, Any]:
    """langchain4j/Chats.java: what it saw."""
    jars = os.environ["INFINI_CLIENTS_LANGCHAIN4J"] + "/*"
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    return seen([java, "-cp", jars, str(HERE / "langchain4j" / "Chats.java"), *arguments], {})


def seen(command: list[str], extra: dict[str, str]) -> dict[str, Any]:
    """Runs a client that prints one JSON object."""
    environment = {k: v for k, v in os.environ.items() if k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    done = subprocess.run(
        command, env=environment | extra, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
