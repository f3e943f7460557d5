import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

const manifest = JSON.parse(read('package.json')) as { readonly dependencies: Record<string, string> };
const direct = Object.keys(manifest.dependencies);
const lock = JSON.parse(read('package-lock.json')) as { readonly packages: Record<string, Locked> };
/** What is installed with ollana: its dependencies and theirs, by path. */
const shipped = Object.entries(lock.packages).filter(
  ([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true,
);
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Licences that let anybody pass ollana on, under its own, with no more than a notice. */
const LICENCES: ReadonlySet<string> = new Set([
  ...[
    'MIT',
    'ISC',
    '0BSD',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'Apache-2.0',
    'BlueOak-1.0.0',
    'Unlicense',
    'CC0-1.0',
  ],
]);

describe('what is installed with ollana', () => {
  it('is locked to its bytes', () => {
    expect(shipped.length).toBeGreaterThan(direct.length);
    for (const [path, { resolved, integrity }] of shipped) {
      // Absent: from whichever registry is configured, which the hash below makes all the same.
      expect(resolved ?? 'https://registry.npmjs.org/', path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
      expect(integrity, path).toMatch(/^sha512-/);
    }
  });

  it('runs nothing while it is installed', () => {
    const scripts = shipped.flatMap(([path, { hasInstallScript }]) => {
      const file = join(ROOT, path, 'package.json');
      // One for another system is not here; the lock file tells of it.
      const { scripts = {} } = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Scripts) : {};
      const own = ['preinstall', 'install', 'postinstall'].filter((name) => scripts[name] !== undefined);
      const builds = existsSync(join(dirname(file), 'binding.gyp'));
      return hasInstallScript || own.length > 0 || builds ? [path] : [];
    });
    expect(scripts).toEqual([]);
  });

  it('has licences that ask for no more than a notice', () => {
    const others = shipped.filter(([, { license }]) => !LICENCES.has(license ?? ''));
    expect(others.map(([path, { license }]) => `${path}: ${license}`)).toEqual([]);
  });

  it('is as much as docs/design.md says, and each direct one has its reason there', () => {
    const page = read('docs/design.md').replace(/\s+/g, ' ');
    const [, ...said] = /(\d+) runtime dependencies, (\d+) packages with theirs/.exec(page) ?? [];
    expect(said.map(Number)).toEqual([direct.length, shipped.length]);
    const at = page.indexOf('Runtime dependencies, and why each');
    expect(at).toBeGreaterThan(0);
    const reasons = page.slice(at);
    expect(direct.filter((name) => !reasons.includes(`\`${name}\``))).toEqual([]);
  });
});

interface Scripts {
  readonly scripts?: Readonly<Record<string, string>>;
}

interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses: readonly unknown[];
}

describe('the bill of materials', () => {
  let text = '';
  let bom: Bom;
  const make = () =>
    execFileSync(process.execPath, [join(ROOT, 'scripts/sbom.mjs')], {
      encoding: 'utf8',
      // Nobody is there: it is made of the lock file alone.
      env: {
        ...process.env,
        npm_config_registry: 'http://127.0.0.1:9/',
        npm_config_update_notifier: 'false',
      },
    });
  beforeAll(() => {
    text = make();
    bom = JSON.parse(text) as Bom;
  }, 60_000);

  it('is CycloneDX of this package', () => {
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 });
    expect(bom.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(bom.metadata.component).toMatchObject({ name: 'ollana', version, type: 'application' });
  });

  it('names what is shipped and nothing else, with version, hash, licence and package URL', () => {
    const expected = shipped.map(([path, { version }]) => `${nameOf(path)}@${version}`).sort();
    expect(bom.components.map(({ name, version }) => `${name}@${version}`).sort()).toEqual(expected);
    for (const { name, version, type, purl, hashes, licenses } of bom.components) {
      expect(type).toBe('library');
      expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`);
      const [, locked] = shipped.find(([path, one]) => nameOf(path) === name && one.version === version)!;
      const sha512 = Buffer.from(locked.integrity!.replace('sha512-', ''), 'base64').toString('hex');
      expect(hashes).toContainEqual({ alg: 'SHA-512', content: sha512 });
      expect(licenses).toHaveLength(1);
    }
  });

  it('has every reference lead somewhere', () => {
    const refs = new Set([
      ...bom.components.map((one) => one['bom-ref']),
      ...bom.dependencies.map(({ ref }) => ref),
    ]);
    expect(refs.size).toBe(bom.components.length + 1);
    expect(
      bom.dependencies.flatMap(({ dependsOn = [] }) => dependsOn).filter((ref) => !refs.has(ref)),
    ).toEqual([]);
  });

  it('is the same each time', { timeout: 60_000 }, () => {
    expect(make()).toBe(text);
  });
});
