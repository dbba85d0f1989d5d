// PM2: three nodes on this machine, behind Nginx (nginx/nginx.conf). See docs/deployment.md.
//   set -a; . ./.env; set +a; pm2 start ecosystem.config.js
// A new version or another .env: one node after the other, as docs/deployment.md has it.
const FIRST_PORT = Number(process.env.PORT || 3001)
const DRAIN_MS = Number(process.env.DRAIN_MS || 10_000)

// An app each, not three instances with increment_var: a reload of this file would give all three the first one's port.
export const apps = [0, 1, 2].map((index) => ({
  name: `convene-${index + 1}`,
  namespace: 'convene',
  cwd: import.meta.dirname,
  script: 'dist/cli/main.js',
  args: 'serve',
  // Processes of their own, not Node's cluster: that would spread the requests of one polling client over all of them.
  exec_mode: 'fork',
  // As nginx/convene/nodes.conf names them.
  env: { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: FIRST_PORT + index, TRUST_PROXY: 1 },
  // The node says when it listens. PM2 takes one that ends at once for ready as well: look at /readyz before the next.
  wait_ready: true,
  listen_timeout: 30_000,
  // A node drains within DRAIN_MS and leaves a second later at the latest. Killed sooner, it would cut its clients off.
  kill_timeout: DRAIN_MS + 3000,
  // One that cannot start, for want of its database say, is tried again more and more slowly.
  exp_backoff_restart_delay: 200,
}))
