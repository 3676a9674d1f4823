// An application that says back what it hears over WebSockets. Run as a program: PORT.
import { WebSocketServer, type RawData } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false })
server.on('connection', (socket) => {
  socket.on('message', (data: RawData, binary: boolean) => socket.send(data, { binary }))
  socket.on('error', () => socket.terminate())
})
