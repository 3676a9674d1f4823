// What one gets from Fastify and its own proxy plugin as they come. Run as a program: PORT, UPSTREAM.
import fastifyHttpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const [port, upstream = ''] = process.argv.slice(2)
const app = fastify()
await app.register(fastifyHttpProxy, { upstream })
await app.listen({ host: '127.0.0.1', port: Number(port) })
