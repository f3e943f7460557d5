import { join } from 'node:path';
import { test } from 'vitest';
import type { ServerConfig } from '../src/config.ts';
import { startServer } from '../src/daemon/server.ts';
import { commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { attack, CASES, PATIENCE_MS } from './_fuzz-face.ts';
import { startRawUpstream } from './_fuzz-upstream.ts';
import { OUTSIDE } from './_paired.ts';

test(
  `${CASES} hostile connections to the LAN face`,
  async () => {
    await using upstream = await startRawUpstream();
    using folder = temporaryDirectory('fuzz');
    const log = new TestLog();
    const common = commonConfig(join(folder.path, 'data'), { ollama: upstream.url, host: '0.0.0.0' });
    const face = await startServer({ ...common, mode: 'server', allow: new Set() } as ServerConfig, log);
    try {
      await until(5000, 'its Ollama', () =>
        face.status().servers.some(({ verdict, models }) => verdict === 'reliable' && models.length > 0),
      );
      const target = { address: OUTSIDE ?? '127.0.0.1', port: Number(new URL(face.url).port) };
      await attack('HTTP at the LAN face', target, upstream, () => {
        log.lines.length = 0;
      });
    } finally {
      await face.stop();
    }
  },
  PATIENCE_MS,
);
