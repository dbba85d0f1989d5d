// The client, for browsers and Node.

export type { Envelope, FactReply, Position } from '../protocol/envelope.ts'
export { ConveneError, type ErrorCode } from '../protocol/errors.ts'
export type { Channel, Discontinuity, PublishOptions } from './channel.ts'
export { type ClientOptions, type ConveneClient, createClient } from './client.ts'
export type { ClientState } from './connection.ts'
export type { Joined, JoinOptions } from './membership.ts'
export type { Transport } from './pipe.ts'
export type { Token } from './token.ts'
