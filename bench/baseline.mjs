// The baseline: plain Socket.IO with a JWT handshake, as its documents give it.
// It is what a team would write instead of installing Convene, so every figure is a ratio to it. It acknowledges what it
// has not stored; the ack carries the operationId so that the load generator knows which fact it answers.
import { createServer } from 'node:http'
import jwt from 'jsonwebtoken'
import { Server } from 'socket.io'

const http = createServer((_, response) => response.end('ok'))
const io = new Server(http, { cors: { origin: '*' }, maxHttpBufferSize: 1e6 })

io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.auth.token, process.env.JWT_SECRET)
    next()
  } catch {
    next(new Error('Authentication failed'))
  }
})

io.on('connection', (socket) => {
  socket.on('channel:join', ({ channel }, ack) => {
    socket.join(channel)
    ack?.({ ok: true, channel })
  })
  socket.on('task:update', (body, ack) => {
    socket.to(body.channel).emit('task:update', { ...body, user: { id: socket.data.user.sub }, timestamp: Date.now() })
    ack?.({ ok: true, operationId: body.operationId })
  })
})

http.listen(0, '127.0.0.1', () => console.log(`listening on ${http.address().port}`))
