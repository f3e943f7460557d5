// What a web page can try against an ollana at `face`; runs in the page. Each resolves with the text that it got to
// read, or with `''` when it read nothing.
globalThis.tricks = (() => {
  const chat = { model: 'simulated', messages: [{ role: 'user', content: 'from the page' }] };
  const CALLS = {
    list: { path: '/api/tags' },
    openai: { path: '/v1/models' },
    status: { path: '/status' },
    hello: { path: '/ollana/api/hello' },
    nodes: { path: '/nodes' },
    run: { path: '/api/chat', method: 'POST', body: chat },
    generate: { path: '/api/generate', method: 'POST', body: { model: 'simulated', prompt: 'x' } },
    complete: { path: '/v1/chat/completions', method: 'POST', body: chat },
    pull: { path: '/api/pull', method: 'POST', body: { model: 'evil' } },
    remove: { path: '/api/delete', method: 'DELETE', body: { model: 'simulated' } },
    removeByPost: { path: '/api/delete', method: 'POST', body: { model: 'simulated' } },
    copy: { path: '/api/copy', method: 'POST', body: { source: 'simulated', destination: 'x' } },
    add: { path: '/add_server', method: 'POST', body: { url: 'http://127.0.0.1:9' } },
    ticket: { path: '/ollana/api/tickets', method: 'POST', body: { model: 'simulated' } },
    showCode: { path: '/ollana/api/pairing', method: 'POST', body: { manage: true } },
  };

  const read = async (url, init) => {
    try {
      return await (await fetch(url, init)).text();
    } catch {
      return '';
    }
  };
  const each = async (calls, what) => {
    const texts = await Promise.all(calls.map(what));
    return texts.join('');
  };
  const simple = { 'Content-Type': 'text/plain' };
  const json = { 'Content-Type': 'application/json' };
  const request = (headers, more) => (face) =>
    each(Object.values(CALLS), ({ path, method = 'GET', body }) =>
      read(face + path, {
        method,
        ...(body && { headers, body: JSON.stringify(body) }),
        ...more,
      }),
    );

  /** Resolves at the end of a load, whatever came; rejects never. */
  const loaded = (element) =>
    new Promise((resolve) => {
      element.onload = element.onerror = () => resolve();
    });
  const put = (name, attributes) => {
    const element = Object.assign(document.createElement(name), attributes);
    const done = loaded(element);
    document.body.append(element);
    return { element, done };
  };
  const tag =
    (name, attribute) =>
    async (face, path = '/api/tags') => {
      const before = Object.keys(globalThis).length;
      const { done } = put(name, { [attribute]: face + path });
      await done;
      return Object.keys(globalThis).length === before ? '' : 'a script that ran';
    };

  let frames = 0;
  const form = async (face, { path, method = 'GET', body }) => {
    frames += 1;
    const { element: frame, done } = put('iframe', { name: `frame${frames}`, src: 'about:blank' });
    await done;
    const text = JSON.stringify(body ?? {});
    const [head, tail] = [text.slice(0, -1), '}'];
    const element = document.createElement('form');
    Object.assign(element, { action: face + path, method, target: frame.name, enctype: 'text/plain' });
    // Sent as HEAD=TAIL: JSON with one more key.
    const field = Object.assign(document.createElement('input'), {
      name: `${head},"x":"`,
      value: `"${tail}`,
    });
    element.append(field);
    document.body.append(element);
    const answered = loaded(frame);
    element.submit();
    await answered;
    try {
      return frame.contentDocument?.body.textContent ?? '';
    } catch {
      return '';
    }
  };

  const events = (source) =>
    new Promise((resolve) => {
      source.onmessage = ({ data }) => resolve(String(data));
      source.onopen = () => resolve('open');
      source.onerror = () => resolve('');
    });

  return {
    fetch: request(simple),
    preflighted: request(json),
    withHeader: request({ ...json, 'X-Ollana-Server': 'a' }),
    noCors: request(simple, { mode: 'no-cors' }),
    withCookies: request(simple, { credentials: 'include' }),
    form: async (face) =>
      (await form(face, CALLS.list)) +
      (await form(face, CALLS.run)) +
      (await form(face, CALLS.pull)) +
      (await form(face, CALLS.removeByPost)) +
      (await form(face, CALLS.add)) +
      (await form(face, CALLS.showCode)),
    image: tag('img', 'src'),
    script: tag('script', 'src'),
    frame: async (face) => {
      const { element, done } = put('iframe', { src: `${face}/api/tags` });
      await done;
      try {
        return element.contentDocument?.body.textContent ?? '';
      } catch {
        return '';
      }
    },
    sandboxed: async (face) => {
      // Of no origin at all, from where the answer comes back by a message.
      const code = `fetch(${JSON.stringify(`${face}/api/chat`)}, { method: 'POST', body: ${JSON.stringify(JSON.stringify(chat))} })
        .then((answer) => answer.text(), () => '').then((text) => parent.postMessage(text, '*'))`;
      const said = new Promise((resolve) => {
        addEventListener('message', ({ data }) => resolve(data), { once: true });
      });
      put('iframe', { sandbox: 'allow-scripts', srcdoc: `<script>${code}</script>` });
      return said;
    },
    eventSource: async (face) => {
      const source = new EventSource(`${face}/ollana/api/watch`);
      const text = await events(source);
      source.close();
      return text;
    },
    webSocket: async (face) => {
      const socket = new WebSocket(`${face.replace('http', 'ws')}/api/chat`);
      const text = await events(socket);
      socket.close();
      return text;
    },
    beacon: async (face) => {
      for (const { path, body } of [CALLS.run, CALLS.pull, CALLS.removeByPost, CALLS.add])
        navigator.sendBeacon(face + path, JSON.stringify(body));
      return '';
    },
    /** What one call gives to read. */
    read: (face, name) => {
      const { path, method = 'GET', body } = CALLS[name];
      return read(face + path, { method, ...(body && { headers: json, body: JSON.stringify(body) }) });
    },
  };
})();
