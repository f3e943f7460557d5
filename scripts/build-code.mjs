// Bundles our own code, as tsc compiled it, into few files: loading 250 small ones was most of a start. Packages stay
// what they are, beside it: neither their code nor their licences are copied.
import { isAbsolute, join } from 'node:path';
import { build } from 'vite';

/** What is started by its name: by people, and as threads (src/own-thread.ts). The rest is split where the code says `import()`. */
const ENTRIES = ['cli', 'observe/traces-worker', 'ollama/long-look-thread'];

/** Writes the bundle of the modules in a folder to another. Rejects with what vite says. */
export async function buildCode(modules, outDir) {
  await build({
    root: modules,
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: 'warn',
    // tsc has seen to the syntax, and its comments are kept.
    esbuild: false,
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      target: 'esnext',
      minify: false,
      rollupOptions: {
        input: Object.fromEntries(ENTRIES.map((name) => [name, join(modules, `${name}.js`)])),
        external: (id) => !id.startsWith('.') && !isAbsolute(id),
        // Who imports from cli.js would run it: what others need of it is a chunk of its own.
        preserveEntrySignatures: 'strict',
        output: {
          entryFileNames: '[name].js',
          chunkFileNames: 'chunks/[name].js',
          generatedCode: 'es2015',
          // Bytes. Less than this is put to what is loaded with it, where that runs nothing else: 5 files fewer at a start.
          experimentalMinChunkSize: 10_000,
          hoistTransitiveImports: false,
          minifyInternalExports: false,
        },
      },
    },
  });
}
