# syntax=docker/dockerfile:1
# InfiniLM-SVC for the JVM: registry, router, babysitter and the embedded engine with its small model, in one image.
# Not built where it was written (no container engine there); the scripts in it are tested without one (clients/test_container.py).
#
#   docker build -t infinilm-svc .
#   docker run --rm -p 127.0.0.1:8000:8000 -e BABYSITTER_CONFIGS="paged-cache-9g_8b_thinking.toml static-cache-9g_8b_thinking.toml" infinilm-svc

FROM maven:3.9-eclipse-temurin-25-noble AS build
WORKDIR /src
# Libraries in a layer of their own, which changes with the pom only.
COPY .mvn .mvn
COPY pom.xml ./
RUN mvn -B -ntp -Pquick dependency:go-offline
COPY src src
RUN mvn -B -ntp -Pquick package

FROM eclipse-temurin:25-jre-noble
# curl: the health check of what listens over TLS. libgomp1: threads of the embedded engine's native library; the base image decides their versions.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends curl libgomp1 \
  && rm -rf /var/lib/apt/lists/*
ENV PATH=/app/bin:$PATH \
  XDG_CACHE_HOME=/app/cache \
  XDG_STATE_HOME=/var/lib/infini \
  LOG_DIR=/var/lib/infini/logs
WORKDIR /app
RUN groupadd --system --gid 10001 infini \
  && useradd --system --uid 10001 --gid infini --home-dir /var/lib/infini --shell /usr/sbin/nologin infini \
  && install -d -o infini -g infini -m 0750 /var/lib/infini /var/lib/infini/logs
# What changes seldom first.
COPY LICENSE NOTICE ./
COPY model/infini-tiny.gguf model/
COPY --from=build /src/target/lib target/lib
COPY deployment/cases/cache-type-routing-validation/config config
COPY bin bin
COPY script/launch_all_rust.sh script/stop_all.sh script/services.sh script/llama_cpp_server.py script/
COPY docker/docker_entrypoint.sh docker/healthcheck.sh ./
COPY --from=build /src/target/infini.jar target/
# The first start makes the JVM's start-up cache for this very JRE and unpacks the engine's library; both stay in the image.
RUN infini --version && ls target/*.aot && rm -f target/start-cache.log target/router-archive.log && which infini-registry infini-router infini-babysitter && chmod -R a+rX /app

USER 10001:10001
VOLUME /var/lib/infini
EXPOSE 18000 8000 8100 8101 8200 8201
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/app/healthcheck.sh"]
ENTRYPOINT ["/app/docker_entrypoint.sh"]
