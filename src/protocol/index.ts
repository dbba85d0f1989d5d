// The words both sides agree on. Runs in browsers, Node and workers.
export { CHANNEL_KINDS, type ChannelAddress, type ChannelKind, channelAddress, isChannelAddress } from './channel.ts'
export {
  CLIENT_EVENTS,
  type ClientBody,
  type ClientEventName,
  type ClientReply,
  clientEvents,
  type DeclaredFact,
} from './client-events.ts'
export { type Author, type Envelope, envelope, type FactReply, type Position } from './envelope.ts'
export { ConveneError, ERRORS, type ErrorBody, type ErrorCode, type ErrorDetail } from './errors.ts'
export type { PresenceEntry, PresenceList } from './presence.ts'
export { allows, RIGHTS, type Right, ROLES, type Role } from './roles.ts'
export { SERVER_EVENTS, type ServerBody, type ServerEventName } from './server-events.ts'
export type { Connected, HistoryReply, JoinReply, ResetReason } from './session.ts'
export { PROTOCOL_VERSION } from './version.ts'
