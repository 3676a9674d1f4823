import type { FastifyPluginCallback } from 'fastify'
import fp from 'fastify-plugin'
import type { Brand, BrandedRequest } from '../domain/branding.ts'
import { branded, pageHeaders } from '../pages/layout.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends a page of ours as the application has it that the request is about, with the headers that it needs. */
    sendPage(html: string): FastifyReply
  }
}

export interface SendPageOptions {
  readonly https: boolean
  readonly brandOf: (request: BrandedRequest) => Brand | null
}

const plugin: FastifyPluginCallback<SendPageOptions> = (app, { https, brandOf }, ready) => {
  app.decorateReply('sendPage', function sendPage(html) {
    const brand = brandOf(this.request)
    const [form, script] = [html.includes('<form '), html.includes('<script ')]
    return this.headers(pageHeaders({ https, form, script, brand })).send(brand === null ? html : branded(html, brand))
  })
  ready()
}

export const sendPage = fp(plugin, { name: 'send-page', fastify: '5.x' })
