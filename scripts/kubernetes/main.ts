// Prints what Kubernetes needs to run ollana, as JSON, which kubectl takes as it takes YAML:
//   docker build -f packaging/Dockerfile -t registry.example/ollana:1 . && docker push registry.example/ollana:1
//   npx tsx scripts/kubernetes/main.ts --image registry.example/ollana:1 [--namespace NS] ... | kubectl apply -f -
// Apps in the cluster then use http://ollana-client:11435, or http://ollana-client.NS.svc.cluster.local:11435.
import { manifest } from './manifest.ts';
import { readValues } from './values.ts';

try {
  process.stdout.write(`${JSON.stringify(manifest(readValues(process.argv.slice(2))), undefined, 2)}\n`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
