# traffic-switching: two stages; what runs is the compiled daemon and its dependencies, as a user without rights.
#
#   docker build -t traffic-switching .
#   docker run --read-only --stop-timeout 40 -p 8080:8080 -v traffic-switching-state:/state \
#     -e BACKEND_V1=http://10.0.0.1:9000 -e BACKEND_V2=http://10.0.0.2:9000 -e ADMIN_TOKEN=... traffic-switching
#
# - Backends: config.yaml in the image points at 127.0.0.1:9001 and :9002, where nothing listens in a container.
#   Set BACKEND_V1 and BACKEND_V2, or mount your own: -v "$PWD/config:/app/config:ro". It is only read. Pools of
#   several backends need one: leave BACKEND_V1 and BACKEND_V2 out then, each takes the place of a whole pool.
# - State: /state holds .version, the history and the changes of backends. Give it a named volume, or a folder that uid 1000 may write;
#   mount the folder, never the one file .version: a mounted file cannot be replaced.
# - Admin API: the admin listener stays on the container's own 127.0.0.1:8081. -e ADMIN_HOST=0.0.0.0 opens it to
#   other containers and to -p 8081:8081. Set ADMIN_TOKEN: some engines (rootless ones) make every client of a
#   published port look like loopback, which needs no token while none is set.
# - --stop-timeout: longer than server.shutdown_grace (30s) and 2 s more; an engine's default of 10 s would cut requests off.
#
# The tag names the whole version, the same as the npm package "node" in package.json, so that what is tested is
# what ships (test:docker holds the two equal). A tag can be moved: where that matters, pin what you have checked
# with its digest, node:24.21.0-bookworm-slim@sha256:..., in both stages, and let a bot keep it fresh.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src/ src/
RUN npm run build
# What V8 makes of the modules, so that a container starts as fast the first time as later. Node.js keeps it by user
# id, so root's becomes that of the user the image runs as, who may read it and not write it.
RUN node dist/src/own-daemon/fill-compile-cache.js \
  && for folder in dist/compile-cache/*; do mv "$folder" "${folder%-*}-1000"; done \
  && chmod -R a+rX,go-w dist/compile-cache

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production STATE_DIR=/state ADMIN_PORT=8081
WORKDIR /app
COPY --chmod=644 package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --from=build /app/dist/src/ dist/src/
COPY --from=build /app/dist/compile-cache/ dist/compile-cache/
COPY --chmod=644 config/config.yaml config/
# By number, so that Kubernetes' runAsNonRoot can see that it is not root; the image's user "node".
RUN mkdir /state && chown 1000:1000 /state
VOLUME ["/state"]
USER 1000:1000
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# With admin.tls or admin.socket this cannot answer: --no-healthcheck, or a check of your own.
# livez, not readyz: one that is starting or draining is not ready, and must not be killed for it. ADMIN_PORT is set
# above, and wins over the config file, so that this always asks the port that the daemon listens on.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.ADMIN_PORT + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no init in between: node is pid 1, handles SIGTERM itself, and reaps its workers, its only children.
ENTRYPOINT ["node", "dist/src/main.js"]
