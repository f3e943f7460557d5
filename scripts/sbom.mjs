// Prints the software bill of materials of what is shipped: CycloneDX JSON of the runtime dependencies and theirs, read
// from package-lock.json by npm (10 or newer) without the network. Same lock file, same text.
//   node scripts/sbom.mjs > ollana.cdx.json
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file) => readFileSync(join(root, file), 'utf8');
const { name } = JSON.parse(read('package.json'));
const folder = mkdtempSync(join(tmpdir(), 'ollana-sbom-'));

try {
  // What a development package shares with a shipped one, npm 10 takes for the former's alone (--omit=dev).
  for (const file of ['package.json', 'package-lock.json'])
    writeFileSync(join(folder, file), JSON.stringify(shippedOnly(JSON.parse(read(file)))));
  const text = execFileSync(
    'npm',
    [
      'sbom',
      '--offline',
      '--package-lock-only',
      '--omit=dev',
      '--sbom-format=cyclonedx',
      '--sbom-type=application',
    ],
    // On Windows npm is a script, which only a shell runs.
    {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      shell: process.platform === 'win32',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const bom = JSON.parse(text);
  // npm calls it after its folder, and makes a number and a time up anew each time.
  bom.metadata.component.name = name;
  delete bom.metadata.timestamp;
  bom.serialNumber = `urn:uuid:${uuidOf(read('package-lock.json'))}`;
  process.stdout.write(`${JSON.stringify(bom, undefined, 2)}\n`);
} catch (error) {
  const said = String(error.stderr ?? error.message).trim();
  console.error(`npm gave no bill of materials (npm 10 or newer is needed): ${said}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** A manifest, or a lock file, without what is for development. */
function shippedOnly({ devDependencies: _dev, packages, ...rest }) {
  if (packages === undefined) return rest;
  const kept = Object.entries(packages).filter(([, { dev, devOptional }]) => !dev && !devOptional);
  return { ...rest, packages: { ...Object.fromEntries(kept), '': shippedOnly(packages['']) } };
}

/** A UUID (RFC 9562, version 8) that says which text it is of. */
function uuidOf(text) {
  const hex = [...createHash('sha256').update(text).digest('hex').slice(0, 32)];
  hex[12] = '8';
  hex[16] = '8';
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
