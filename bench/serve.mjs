// Convene as it is built, for measuring: one node, SQLite in a file.
// Only the limits that would end a measurement are raised; everything else is what production has.
import { createServer } from '../dist/server/index.js'

const server = createServer({
  nodeEnv: 'production',
  host: '127.0.0.1',
  port: 0,
  logLevel: 'warn',
  access: 'open',
  jwtSecrets: [process.env.JWT_SECRET],
  databaseUrl: `sqlite:${process.env.DATABASE_FILE}`,
  sqliteSynchronous: 'normal',
  rateFactsPerSecond: 100_000,
  rateConnectionsPerMinute: 10_000_000,
  maxConnectionsPerUser: 100_000,
  drainMs: 0,
})
const { port } = await server.listen()
process.once('SIGTERM', () => void server.close().then(() => process.exit()))
console.log(`listening on ${port}`)
