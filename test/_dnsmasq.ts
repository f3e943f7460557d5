import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './_daemon.ts';
import { TestProcess } from './_process.ts';

/** Why dnsmasq cannot be started here, or `undefined` when it can. */
export function dnsmasqUnavailable(): string | undefined {
  const { status } = spawnSync('dnsmasq', ['--version'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'dnsmasq is missing (apt-get install dnsmasq-base)';
}

export interface Dnsmasq extends AsyncDisposable {
  readonly port: number;
  /** Restarts it with other records: `srv-host=...`, `host-record=...`, one a line. */
  configure(records: readonly string[]): Promise<void>;
  /** Writes other addresses into its hosts file, `ADDRESS NAME` each, and has it read them without a restart. */
  setHosts(lines: readonly string[]): void;
  /** Ends it, as a crash would. */
  kill(): Promise<void>;
  /** What it was asked so far, as it logs it: `query[SRV] NAME`. */
  queries(): readonly string[];
}

/** A real dnsmasq on 127.0.0.1 that knows only what it is told here; its records count for a second. */
export async function startDnsmasq(port: number, records: readonly string[]): Promise<Dnsmasq> {
  const folder = temporaryDirectory('dnsmasq');
  const config = join(folder.path, 'dnsmasq.conf');
  const hosts = join(folder.path, 'hosts');
  const logs: TestProcess[] = [];
  const current = () => logs.at(-1);
  const start = async (lines: readonly string[]) => {
    const fixed = [
      `port=${port}`,
      'listen-address=127.0.0.1',
      'bind-interfaces',
      'no-resolv',
      'no-hosts',
      `addn-hosts=${hosts}`,
      'local-ttl=1',
      'local=/example/',
      'log-queries',
      'log-facility=-',
      'pid-file=',
      // Else it gives up root, and may not read the folder any more.
      ...(process.getuid?.() === 0 ? ['user=root'] : []),
    ];
    writeFileSync(config, [...fixed, ...lines, ''].join('\n'));
    const child = new TestProcess('dnsmasq', ['--keep-in-foreground', `--conf-file=${config}`]);
    logs.push(child);
    await child.waitFor(/read .*hosts/);
  };
  const stop = () => current()?.stop('SIGKILL');
  writeFileSync(hosts, '');
  await start(records);
  return {
    port,
    async configure(lines) {
      await stop();
      await start(lines);
    },
    setHosts(lines) {
      writeFileSync(hosts, `${lines.join('\n')}\n`);
      current()?.child.kill('SIGHUP');
    },
    async kill() {
      await stop();
    },
    queries: () => logs.flatMap(({ output }) => output.match(/query\[\w+\] \S+/g) ?? []),
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}
