// The options table as documents: the help of the command line, and a page of Markdown.
import type { Row, Table } from './rows.ts'

const WIDTH = 100

function names({ env, aliases = [] }: Row<unknown>): readonly string[] {
  return [env, ...aliases]
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** One option a paragraph: its name on the left, what it means on the right. */
export function renderHelp(table: Table): string {
  const rows = Object.values(table)
  const indent = 2 + Math.max(...rows.map(({ env }) => env.length)) + 2
  const lines = rows.flatMap((row) => {
    const [env = '', ...aliases] = names(row)
    const text = [
      row.meaning,
      aliases.length > 0 ? `Also read from ${aliases.join(', ')}.` : '',
      row.shown ? `Default: ${row.shown}.` : '',
    ]
    const wrapped = wrap(text.filter(Boolean).join(' ').replaceAll('`', ''), WIDTH - indent)
    return wrapped.map((line, index) => (index === 0 ? `  ${env}`.padEnd(indent) : ' '.repeat(indent)) + line)
  })
  return `Options, read from the environment. Empty means unset.\n\n${lines.join('\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function tableRow(row: Row<unknown>): string {
  const [env = '', ...aliases] = names(row).map((name) => `\`${name}\``)
  const name = aliases.length > 0 ? `${env} (${aliases.join(', ')})` : env
  return `| ${name} | ${cell(row.shown)} | ${cell(row.meaning)} |`
}

/** docs/configuration.md. `productionRules` are those that no single row knows. */
export function renderMarkdown(table: Table, productionRules: readonly string[]): string {
  const rows = Object.values(table)
  const refusals = rows.flatMap(({ env, production }) => (production ? `\`${env}\`: ${production.rule}` : []))
  return `<!-- Made from the table in src/server/config/options.ts; edit it there. -->

# Configuration

Convene is configured by environment variables. With none set it runs in development mode: SQLite in \`./data\`, a generated secret, the demo page,
everything on this computer only. Blanks around a value are dropped, and empty means unset. A value that will not do is a refusal to start that
names the option, the value (unless it is secret) and what would do; all problems are told at once.

| name (aliases) | default | meaning |
| --- | --- | --- |
${rows.map(tableRow).join('\n')}

Where a name has aliases, the first that is set wins. To accept tokens signed with either of two secrets, put both into \`JWT_SECRET\`,
comma-separated.

## Access

Access is one question: which role has this identity in this channel? A \`viewer\` reads and sends signals, a \`commenter\` comments and chats as
well, an \`editor\` changes things as well, an \`admin\` may do everything. Whoever has no role is kept out.

- \`open\`: every identity is \`editor\` everywhere, but for the \`user:\` channels of other people.
- \`claims\`: the token says. The claim \`role: "admin"\` is admin everywhere. The claim \`channels\` is an array of addresses (editor), or an object of
  address and role; an address may end in \`*\`, like \`project:*\`. The claims \`projects\`, \`rooms\`, \`groups\` and \`dashboards\` are arrays of ids (editor).
  The most exact match wins.
- \`members\`: the members table says, kept through the service API.
- \`webhook\`: your app is asked at \`ACCESS_WEBHOOK_URL\`, and each question is signed with \`ACCESS_WEBHOOK_SECRET\`. Its answer is good for 30 s.
  While it fails, nobody is let in who was not answered for in these 30 s: joins are refused with \`unavailable\`, at once.

Whatever the policy, a row of the members table wins over it; the role \`none\` there shuts somebody out.

A token for \`ACCESS=claims\`, without its signature:

\`\`\`json
{ "sub": "ada", "exp": 1767225600, "channels": { "project:p1": "editor", "room:*": "viewer" } }
\`\`\`

## Secrets

Make a secret with \`openssl rand -base64 32\`. Give the same one to whatever signs your tokens: NextAuth's \`NEXTAUTH_SECRET\` and Auth.js's
\`AUTH_SECRET\` are read as they are. To rotate it, set \`JWT_SECRET=new,old\`, sign with the new one, and drop the old one when its last token has
expired. A comma parts two secrets, so a secret cannot contain one. Convene prints no secret: not in a refusal, and logs leave out tokens, cookies and
passwords.

In development without a secret one is generated and kept in the data folder, so that links stay good over a restart.

## Production

\`NODE_ENV=production\` refuses to start with

${[...productionRules, ...refusals].map((rule) => `- ${rule}`).join('\n')}

Without \`ALLOWED_ORIGINS\` no browser may connect; clients outside of browsers still may.
`
}
