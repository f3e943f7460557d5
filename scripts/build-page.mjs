// Bundles the dashboard's page: one script, one style sheet, and what is as it is.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const page = fileURLToPath(new URL('../src/dashboard/page', import.meta.url));

/** What is in the script that others wrote, whose licences go where it goes. */
const BUNDLED = ['preact', 'uplot'];

/** Writes the page's files to a folder. Rejects with what vite says. */
export async function buildPage(outDir) {
  await build({
    root: page,
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: 'warn',
    esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: { polyfill: false },
      // Files with fixed names: an ETag tells whether they are new.
      assetsInlineLimit: 0,
      cssCodeSplit: false,
      rollupOptions: {
        input: join(page, 'main.tsx'),
        output: { entryFileNames: 'app.js', assetFileNames: 'app[extname]', inlineDynamicImports: true },
      },
    },
  });
  for (const file of ['index.html', 'icon.svg']) copyFileSync(join(page, file), join(outDir, file));
  const { resolve } = createRequire(import.meta.url);
  const texts = BUNDLED.map(
    (name) => `${name}\n\n${readFileSync(join(resolve(`${name}/package.json`), '../LICENSE'), 'utf8')}`,
  );
  writeFileSync(join(outDir, 'LICENSES.txt'), texts.join('\n\n'));
}
