import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { modelReport } from '../src/daemon/model-report.ts';
import { ownPaths } from '../src/daemon/own-paths.ts';
import type { StatusReport } from '../src/daemon/status.ts';
import type { PoolServer } from '../src/fleet/pool.ts';
import { readPs, readTags } from '../src/ollama/lists.ts';
import { openExchange } from '../src/proxy/exchange.ts';
import { listenOn } from './_cluster-upstream.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

function server(name: string, tags: object[], ps: object[] = [], more: Partial<PoolServer> = {}): PoolServer {
  const rows = readTags({ models: tags });
  const loaded = readPs({ models: ps });
  return {
    deviceId: `id-${name}`,
    name,
    url: `http://${name}:11434`,
    kind: 'ollama',
    sources: ['static'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: rows,
    ps: loaded,
    modelKeys: new Set(rows.map(({ key }) => key)),
    loadedKeys: new Set(loaded.map(({ key }) => key)),
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    latencyMs: 1,
    inFlight: 0,
    ...more,
  };
}

describe('the report of models', () => {
  it('has one entry for all spellings of a name, with each server that has it', () => {
    const report = modelReport([
      server('one', [{ name: 'm:latest', size: 7, digest: A, modified_at: '2026-01-01T00:00:00Z' }]),
      server(
        'two',
        [{ name: 'library/M', size: 7, digest: A, modified_at: '2026-02-01T00:00:00Z' }],
        [
          {
            name: 'm:latest',
            digest: A,
            context_length: 4096,
            size_vram: 9,
            expires_at: '2026-03-01T00:00:00Z',
          },
        ],
      ),
    ]);
    expect(report).toEqual({
      models: [
        {
          name: 'm:latest',
          size: 7,
          digest: A,
          modifiedAt: '2026-02-01T00:00:00Z',
          servers: [
            {
              name: 'one',
              deviceId: 'id-one',
              url: 'http://one:11434',
              size: 7,
              digest: A,
              loaded: false,
              contextLength: null,
              sizeVram: null,
              expiresAt: null,
            },
            {
              name: 'two',
              deviceId: 'id-two',
              url: 'http://two:11434',
              size: 7,
              digest: A,
              loaded: true,
              contextLength: 4096,
              sizeVram: 9,
              expiresAt: '2026-03-01T00:00:00Z',
            },
          ],
        },
      ],
    });
  });

  it('keeps the digests of differing copies, by server, and names the one that lists show', () => {
    const [model] = modelReport([
      server('local', [{ name: 'm', digest: A }], [], { kind: 'local' }),
      server('two', [{ name: 'm', digest: B }]),
    ]).models;
    expect(model?.digest).toBe(B);
    expect(model?.servers.map(({ digest }) => digest)).toEqual([A, B]);
  });

  it('leaves out a server that nobody reaches, unless there is no other', () => {
    const gone = server('gone', [{ name: 'old', digest: A }], [], {
      verdict: { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'refused' },
    });
    const names = (pool: PoolServer[]) => modelReport(pool).models.map(({ name }) => name);
    expect(names([gone, server('one', [{ name: 'm', digest: A }])])).toEqual(['m']);
    expect(names([gone])).toEqual(['old']);
  });

  it('has a model that is loaded but no longer installed, and copes with rows of nonsense', () => {
    const pool = [
      server('one', [], [{ name: 'ghost', digest: A, context_length: 'many', size_vram: -1 }]),
      server('two', [{ name: 'm', size: '7', digest: 3, modified_at: 'soon' }]),
    ];
    const { models } = modelReport(pool);
    expect(models).toMatchObject([
      {
        name: 'ghost',
        size: null,
        digest: A,
        servers: [{ loaded: true, contextLength: null, sizeVram: null }],
      },
      { name: 'm', size: null, digest: '', servers: [{ loaded: false }] },
    ]);
  });
});

it('the report is for this machine alone', async () => {
  const answer = ownPaths({
    mode: 'client',
    version: '1',
    deviceId: 'd',
    name: 'n',
    status: () => ({}) as StatusReport,
    models: () => ({ models: [] }),
    pairedIdOf: () => undefined,
    rustIdFor: () => undefined,
    onLimit: () => {},
  });
  let fromHere = true;
  await using face = await listenOn(
    createServer((request, response) => void answer({ ...openExchange(request, response, 0), fromHere })),
  );
  const ask = () => fetch(`${face.url}/ollana/api/models`);
  expect(await (await ask()).json()).toEqual({ models: [] });
  fromHere = false;
  expect((await ask()).status).toBe(404);
});
