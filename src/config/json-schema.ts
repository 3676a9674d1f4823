import { z } from 'zod'
import { sentenceOf } from './describe.ts'
import { markOf } from './marks.ts'
import { GatewayFile } from './schema.ts'

/** The JSON Schema (draft-07) of the settings file, as text: editors complete and check by it. */
export function publishedSchema(): string {
  const schema = z.toJSONSchema(GatewayFile, {
    io: 'input',
    target: 'draft-7',
    override: ({ zodSchema, jsonSchema }) => {
      const sentence = sentenceOf(zodSchema)
      if (sentence !== '') jsonSchema.description = sentence
      const { pattern } = markOf(zodSchema)
      if (pattern !== undefined && jsonSchema.type === 'string') jsonSchema.pattern = pattern
    },
  })
  return `${JSON.stringify({ ...schema, title: 'Settings of Cognito Gateway' }, null, 2)}\n`
}
