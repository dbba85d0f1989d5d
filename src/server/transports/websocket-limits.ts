/** What every WebSocket here is held to: pings are answered by us, who count them, and a message comes in few pieces. */
export const WEBSOCKET_LIMITS = {
  autoPong: false,
  // Of one message; more pieces than that only cost memory.
  maxFragments: 64,
  maxBufferedChunks: 1024,
} as const
