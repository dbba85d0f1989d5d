// The server, for programs that run it themselves.
export { ConveneError } from '../protocol/errors.ts'
export { ConfigError, type Options, readOptions } from './config/config.ts'
export { type ConveneServer, createServer, type ServerFact, type ServerOptions } from './server.ts'
