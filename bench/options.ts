import { UsageError } from '../src/commands/command.ts'

interface NumberOption<T> {
  readonly flag: string
  readonly default: T
  readonly max: number
}

/** A whole number from 1 on, or the default. Throws a usage error for anything else. */
export function wholeNumber(text: string | undefined, { flag, max, ...option }: NumberOption<number>): number {
  if (text === undefined) return option.default
  const number = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN
  if (number <= max) return number
  throw new UsageError(`${flag} takes a whole number from 1 to ${max}, not '${text}'.`)
}

/** Several of them with commas between. */
export function numbers(text: string | undefined, option: NumberOption<readonly number[]>): readonly number[] {
  const { flag, max } = option
  return text?.split(',').map((one) => wholeNumber(one, { flag, max, default: 1 })) ?? option.default
}

/** Those that are named, in their own order; all without a name. Throws a usage error for a name that is none. */
export function chosen<T extends { readonly name: string }>(text: string | undefined, all: readonly T[]): readonly T[] {
  if (text === undefined) return all
  const names = text.split(',')
  const stranger = names.find((name) => !all.some((one) => one.name === name))
  if (stranger !== undefined)
    throw new UsageError(`There is no '${stranger}': --only takes some of ${all.map(({ name }) => name).join(', ')}.`)
  return all.filter(({ name }) => names.includes(name))
}
