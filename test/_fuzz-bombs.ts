import { gzipSync } from 'node:zlib';

/** Lists that cost more than they are worth. */
export const LIST_BOMBS: readonly { readonly what: string; readonly head: string; readonly body: Buffer }[] =
  [
    ...['gzip', 'deflate', 'br', 'zstd', 'x-gzip, gzip'].map((coding) => ({
      what: `a bomb in ${coding}`,
      head: `Content-Encoding: ${coding}\r\n`,
      body: gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20)),
    })),
    { what: 'depth', head: '', body: Buffer.from('['.repeat(500_000) + ']'.repeat(500_000)) },
    {
      what: 'depth in a row',
      head: '',
      body: Buffer.from(rowWith(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)),
    },
    {
      what: 'depth of objects in a row',
      head: '',
      body: Buffer.from(rowWith(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)),
    },
    {
      what: 'rows without end',
      head: '',
      body: Buffer.from(`{"models":[${'{"name":"m"},'.repeat(400_000)}{}]}`),
    },
    {
      what: 'a name without end',
      head: '',
      body: Buffer.from(`{"models":[{"name":"${'x'.repeat(8_000_000)}"}]}`),
    },
    { what: '17 MB', head: '', body: Buffer.alloc(17 * 1024 * 1024, 0x20) },
    {
      what: 'a prototype',
      head: '',
      body: Buffer.from('{"models":[{"name":"__proto__","__proto__":{"polluted":1}}]}'),
    },
    { what: 'null', head: '', body: Buffer.from('null') },
  ];

function rowWith(details: string): string {
  const row = `"name":"evil:latest","model":"evil:latest","digest":"${'1'.repeat(64)}"`;
  return `{"models":[{${row},"details":${details}}]}`;
}
