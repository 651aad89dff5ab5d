# syntax=docker/dockerfile:1
# One image, whose first argument names what runs: standalone (when none is given), workflow-api, dispatcher, projector,
# sample-app, views-rebuild, archive-read.
#
#   docker build --tag stepwell .
#   docker run --init --publish 8080:8080 --volume stepwell:/data stepwell
#
# The base is Debian slim with Node.js of the version that the lockfile brings for development (a test holds the two equal): it
# has version tags, both architectures and the glibc that the SQLite driver is built for. The package of the lockfile is 189 MB,
# of which the image needs the 120 MB binary alone; distroless images have no version tags to pin.

FROM node:24.21.0-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY apps apps
COPY libs libs
COPY test test
# The whole is compiled, tests too; what only tests need does not go on.
RUN node scripts/ensure-built.mjs --force \
  && rm -rf dist/test \
  && find dist -name '*.spec.js*' -delete \
  && find dist -name '*.bench.js*' -delete \
  && find dist -depth -type d -name testing -exec rm -rf '{}' +

# Optional packages of production are Node.js itself, which the base has, and a part of `pg` for another platform.
FROM node:24.21.0-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The SQLite driver comes with its sources and with binaries for every system: 25 MB that nothing here reads.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund \
  && rm -rf node_modules/better-sqlite3/deps node_modules/better-sqlite3/src \
  && find node_modules/better-sqlite3/prebuilds -type f ! -name 'linux-*.node' -delete \
  && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete

FROM node:24.21.0-trixie-slim
LABEL org.opencontainers.image.title="Stepwell" \
  org.opencontainers.image.description="Durable workflows over HTTP" \
  org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
  STEPWELL_HOST=0.0.0.0 \
  STEPWELL_PORT=8080 \
  STEPWELL_DATA_DIR=/data
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY docker/entrypoint.sh docker/entrypoint.sh
# The code belongs to root and the data to the user, who is named by number: so Kubernetes can see that it is not root. The
# owner is set before the volume is declared, since a new volume takes it over from the folder.
RUN mkdir /data && chown 1000:1000 /data
VOLUME /data
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether the process lives: who restarts by this must not restart for a store that is away. Readiness is /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.STEPWELL_PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/docker/entrypoint.sh"]
CMD ["standalone"]
