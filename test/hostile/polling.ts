import { cleanup } from '../support/cleanup.ts'
import type { ProcessServer } from '../support/process-server.ts'
import { connectPacket } from './room.ts'

/** Engine.IO polling by hand. */
export class Polling {
  readonly url: string
  readonly received: string[] = []

  private constructor(url: string) {
    this.url = url
  }

  static async open(server: Pick<ProcessServer, 'url'>): Promise<Polling> {
    const url = `${server.url}/socket.io/?EIO=4&transport=polling`
    const open = await (await fetch(url)).text()
    const polling = new Polling(`${url}&sid=${(JSON.parse(open.slice(1)) as { sid: string }).sid}`)
    // Its end; nobody polls for it any more.
    cleanup(() => polling.post('1').catch(() => {}))
    return polling
  }

  /** Opened, authenticated, and a member of a channel. */
  static async member(server: Pick<ProcessServer, 'url'>, name: string, channel: string): Promise<Polling> {
    const polling = await Polling.open(server)
    await polling.post(connectPacket(name))
    await polling.expect(/"connected"/)
    await polling.post(`420["channel:join",{"channel":"${channel}"}]`)
    await polling.expect(/^430\[\{"ok":true/)
    return polling
  }

  async post(body: string | Uint8Array<ArrayBuffer>, type = 'text/plain;charset=UTF-8'): Promise<number> {
    const response = await fetch(this.url, { method: 'POST', body, headers: { 'content-type': type } })
    await response.text()
    return response.status
  }

  /** One GET; the packets of its answer are kept. */
  async get(): Promise<string> {
    const response = await fetch(this.url)
    const text = await response.text()
    if (response.ok) this.received.push(...text.split('\x1e'))
    return text
  }

  /**
   * Polls while a poll is waiting already, which ends the session. Something may be there to answer the first at once, so
   * that two do not overlap: it goes on until it is refused.
   */
  async overlap(): Promise<void> {
    const polls: Promise<void>[] = []
    let refused = false
    while (!refused) {
      const poll = fetch(this.url).then((response) => {
        refused ||= !response.ok
      })
      polls.push(poll)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await Promise.all(polls)
  }

  /** Polls until a packet matches. */
  async expect(pattern: RegExp): Promise<string> {
    for (let polls = 0; polls < 50; polls++) {
      const found = this.received.find((packet) => pattern.test(packet))
      if (found !== undefined) return found
      await this.get()
    }
    throw new Error(`never came: ${pattern}; came: ${this.received.join(' ').slice(0, 500)}`)
  }
}
