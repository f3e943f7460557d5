// http-proxy with nothing around it: what proxying costs at least. Argument: URL of the target.
// Prints its URL once it listens; ends with its parent.
import http from 'node:http';
import httpProxy from 'http-proxy';

const agent = new http.Agent({ keepAlive: true });
const proxy = httpProxy.createProxyServer({ target: process.argv[2], agent });
const server = http.createServer((request, response) => {
  proxy.web(request, response, {}, (error) => {
    console.error(error);
    process.exit(1);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('close', () => process.exit()).resume();
process.on('SIGTERM', () => process.exit());
