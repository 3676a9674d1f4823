import t from 'tap'
import { prepareImage, runContainer } from '../helpers/podman.ts'

const skip = prepareImage()

t.test('the commands of the image are those of the gateway', { skip }, async (t) => {
  const run = runContainer(t, ['--version'])
  t.equal(await run.ended, 0)
  t.match(run.out(), /^\d+\.\d+\.\d+\n$/)
})
