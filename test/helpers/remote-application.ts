// Run in a network namespace of its own: an application that says what reaches it, and ends with the test that started it.
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

const sockets = new Set<Socket>()
const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    process.stdout.write(`${request.method} ${request.url}\n`)
    response.end('fine')
  })
})
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2]), '0.0.0.0', () => process.stdout.write('listening\n'))

const orders = createInterface({ input: process.stdin })
orders.on('line', (order) => {
  if (order !== 'reset') return
  for (const socket of sockets) socket.resetAndDestroy()
  process.stdout.write('reset\n')
})
orders.on('close', () => process.exit())
