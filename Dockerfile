# Convene, one node: docker build -t convene .
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.house.json ./
COPY src src
RUN npm run build

FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production PORT=3001
WORKDIR /app
# For SQLite, where there is no Postgres: a volume goes to /app/data.
RUN mkdir data && chown node:node data
COPY package.json ./
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 3001
# Alive, not ready: a node whose database is away is not helped by a restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1, and SIGTERM drains it.
STOPSIGNAL SIGTERM
CMD ["node", "dist/cli/main.js", "serve"]
