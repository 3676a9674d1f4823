/**
 * A value that must not be seen. It prints as `[secret]` in logs, JSON and templates; whoever needs the text asks for it with `reveal`,
 * so that every use of a secret can be found by that one word.
 */
export class Secret {
  readonly #text: string
  /** Where it came from, such as `file /run/secrets/session-key`: for messages about it. */
  readonly origin: string

  constructor(text: string, origin: string) {
    this.#text = text
    this.origin = origin
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
