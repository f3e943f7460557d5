import { test } from 'vitest';
import { DEFAULTS } from '../src/config.ts';
import { startBefore } from './_cluster.ts';
import { attack, CASES, PATIENCE_MS } from './_fuzz-face.ts';
import { startRawUpstream } from './_fuzz-upstream.ts';

test(
  `${CASES} hostile connections to the local face`,
  async () => {
    await using upstream = await startRawUpstream();
    await using face = await startBefore([upstream.url], { connectTimeoutMs: DEFAULTS.connectTimeoutMs });
    const port = Number(new URL(face.url).port);
    await attack('HTTP at the local face', { address: '127.0.0.1', port }, upstream, () => {
      face.log.lines.length = 0;
    });
  },
  PATIENCE_MS,
);
