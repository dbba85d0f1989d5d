// The log: JSON lines for machines, or pretty ones for people; never a secret in it.
import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'

export type Logger = PinoLogger

const SECRET_KEYS = [
  'token',
  'accessToken',
  'refreshToken',
  'authorization',
  'Authorization',
  'cookie',
  'Cookie',
  'set-cookie',
  'sec-websocket-protocol',
  'secret',
  'jwtSecrets',
  'accessWebhookSecret',
  'apiKey',
  'apiKeys',
  'x-api-key',
  'password',
]

/** As deep as a request's headers: `req.headers.cookie`. */
const SECRET_PATHS = SECRET_KEYS.map((key) => `["${key}"]`).flatMap((key) => [key, `*${key}`, `*.*${key}`])

/**
 * Credentials within a text, where no path leads: a URL's `?token=`, a bearer, a password in an address, a token by its look.
 * The last line of defence, over each line as it is written.
 */
const SECRET_TEXT =
  /(?<=[?&](?:access_token|token)=)[^&#\s"'\\]+|(?<=\bbearer[ .])[\w~+/.=-]+|(?<=:\/\/[^\s/:@"]*:)[^\s/@"]+(?=@)|(?<![\w-])eyJ[\w-]{8,}\.[\w-]*\.[\w.-]*/gi

const REDACTED = '[redacted]'

/**
 * A log on stdout. `pretty` is for people at a terminal, and writes at once, so that the last line before a crash is not lost.
 * `destination` takes the lines instead of stdout.
 */
export function createLogger(
  options: { level: string; pretty: boolean; serverId: string },
  destination?: DestinationStream,
): Logger {
  const settings: LoggerOptions = {
    level: options.level,
    base: { serverId: options.serverId },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_PATHS, censor: REDACTED },
    hooks: { streamWrite: (line) => line.replace(SECRET_TEXT, REDACTED) },
  }
  // Not process.stdout: to a pipe it writes later, and what waits is lost when the process ends.
  const lines = destination ?? pino.destination({ dest: 1, sync: true })
  return pino(
    settings,
    options.pretty ? prettyLines(lines, destination === undefined && process.stdout.isTTY === true) : lines,
  )
}

/** In-process: a worker thread would lose what it holds when the process ends. */
function prettyLines(destination: DestinationStream, colorize: boolean): DestinationStream {
  const format = pretty.prettyFactory({
    colorize,
    ignore: 'serverId',
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return { write: (line) => destination.write(format(line)) }
}
