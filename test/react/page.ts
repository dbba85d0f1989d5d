// A small app, bundled and run in a browser by hooks.test.ts.
import { createElement as element, type ReactNode, StrictMode, useState } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { createClient } from '../../src/client/index.ts'
import { ConveneProvider, useConnection, useFacts, usePublish } from '../../src/react/index.ts'

const CHANNEL = 'project:p1'

function Connection(): ReactNode {
  return element('p', { id: 'connection' }, useConnection())
}

function Facts({ name, channel = CHANNEL }: { name: string; channel?: string }): ReactNode {
  const [titles, setTitles] = useState<string[]>([])
  // A handler of this very render: one that were kept would go on telling of the first.
  const refusal = useFacts(channel, 'task:create', ({ payload, seq }) =>
    setTitles([...titles, `#${seq} ${String(payload.title)}`]),
  )
  return element('p', { id: name }, refusal?.code ?? titles.join(', '))
}

function Publisher(): ReactNode {
  const publish = usePublish(CHANNEL)
  const [reply, setReply] = useState('')
  const add = () => publish('task:create', { title: 'Mine' }).then(({ seq }) => setReply(`stored #${seq}`))
  return element('button', { type: 'button', onClick: () => void add() }, 'Publish ', reply)
}

/** What is mounted is said by the test: the names of the parts. */
function App(): ReactNode {
  const [parts, setParts] = useState<readonly string[]>([])
  // All that mounting does is done when the test goes on.
  Object.assign(window, { mount: (names: string[]) => flushSync(() => setParts(names)) })
  return [
    element(Connection, { key: 'connection' }),
    ...parts.map((part) => {
      if (part === 'publisher') return element(Publisher, { key: part })
      if (part === 'private') return element(Facts, { key: part, name: part, channel: 'user:somebody-else' })
      return element(Facts, { key: part, name: part })
    }),
  ]
}

const { searchParams } = new URL(location.href)
const given = searchParams.get('token')
// Without one in the address, the test gives each token when it wants to.
const token = given ?? (() => new Promise<string>((resolve) => Object.assign(window, { giveToken: resolve })))
const client = createClient({ url: searchParams.get('server') ?? '', token })
Object.assign(window, { client })
const root = document.body.appendChild(document.createElement('div'))
createRoot(root).render(element(StrictMode, null, element(ConveneProvider, { client }, element(App))))
