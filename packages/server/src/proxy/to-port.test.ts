import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { maxHeaders } from '../http/listeners.ts';
import { host, proxyUnderTest, sandboxId, type ProxyUnderTest } from './testing/fake-guest.ts';

const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Checks that the proxy still serves requests. */
async function serves(proxy: ProxyUnderTest): Promise<void> {
  proxy.guest = (connection) => {
    connection.once('data', () => connection.end(ok));
  };
  assert.match(await proxy.exchange(request), /^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
}

test('what a hostile guest answers ends in 502, 504 or a broken connection, and harms nobody else', async () => {
  await using proxy = await proxyUnderTest({ firstByteMs: 300 });
  const says = (text: string) => (connection: Parameters<ProxyUnderTest['guest']>[0]) => {
    connection.once('data', () => void connection.write(text, 'latin1'));
    connection.resume();
  };
  const cases: Readonly<Record<string, [ProxyUnderTest['guest'], readonly number[]]>> = {
    'closes at once': [(c) => void c.end(), [502]],
    'breaks off': [(c) => void c.destroy(), [502]],
    'never answers': [(c) => void c.resume(), [504]],
    garbage: [says('\x00\x01\x02 no http at all\r\n\r\n'), [502]],
    'another protocol': [says('SSH-2.0-OpenSSH_9.2\r\n'), [502]],
    'HTTP/2': [says('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), [502]],
    'two lengths': [says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nokxxx'), [502]],
    'length and chunks': [
      says('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      [502],
    ],
    'a status that is none': [says('HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n'), [502]],
    'a status below 100': [says('HTTP/1.1 042 What\r\nContent-Length: 0\r\n\r\n'), [502]],
    'a switch nobody asked for': [
      says('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabc'),
      [502],
    ],
    'a bare line feed in a header': [says('HTTP/1.1 200 OK\r\nA: b\nC: d\r\nContent-Length: 0\r\n\r\n'), [502, 200]],
    'a reason of controls': [says('HTTP/1.1 200 \x01\x02\x7f\r\nContent-Length: 0\r\n\r\n'), [200]],
    'a NUL in a header': [says('HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n'), [502]],
    'a huge header': [says(`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(200_000)}\r\n\r\n`), [502]],
    'continue for ever': [(c) => flood(c, 'HTTP/1.1 100 Continue\r\n\r\n'), [504, 502]],
    'headers for ever': [(c) => flood(c, 'A: b\r\n', 'HTTP/1.1 200 OK\r\n'), [502]],
  };
  for (const [name, [guest, expected]] of Object.entries(cases)) {
    proxy.guest = guest;
    const answer = await proxy.exchange(request);
    assert.ok(expected.includes(statusOf(answer)), `${name}: ${answer.slice(0, 200)}`);
    await serves(proxy);
  }
});

function flood(connection: Parameters<ProxyUnderTest['guest']>[0], text: string, first = ''): void {
  connection.resume();
  connection.write(first);
  const more = (): void => {
    while (!connection.destroyed && connection.write(text.repeat(100)));
    if (!connection.destroyed) connection.once('drain', () => setImmediate(more));
  };
  connection.once('data', more);
}

test('a body that is shorter than said breaks the connection; one that is longer is cut', async () => {
  await using proxy = await proxyUnderTest();
  proxy.guest = (connection) => {
    connection.once('data', () => connection.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort'));
  };
  const keepAlive = request.replace('Connection: close\r\n', '');
  const short = await proxy.exchange(keepAlive);
  assert.ok(short.endsWith('short'), short);
  proxy.guest = (connection) => {
    connection.once('data', () =>
      connection.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nEvil: yes\r\n\r\n'),
    );
  };
  assert.ok(!(await proxy.exchange(request)).includes('Evil'));
});

test('headers of one connection and credentials of ours stay here', async () => {
  await using proxy = await proxyUnderTest();
  let seen = '';
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes('\r\n\r\n'))
        connection.end(
          'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Own: 2\r\nContent-Length: 0\r\n\r\n',
        );
    });
  };
  const key = `nova_${'0'.repeat(40)}`;
  const answer = await proxy.exchange(
    `GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nE2b-Sandbox-Id: ${sandboxId}\r\nE2b-Sandbox-Port: 3000\r\nConnection: close, X-Secret\r\n` +
      `X-Secret: 1\r\nTE: trailers\r\nX-API-Key: ${key}\r\nAuthorization: Bearer ${key}\r\nX-Access-Token: agent-${sandboxId}\r\n` +
      `E2b-Traffic-Access-Token: t\r\nCookie: a=b\r\nX-Kept: yes\r\n\r\n`,
  );
  assert.doesNotMatch(seen, /x-secret|nova_|agent-|e2b-|^te:/im);
  assert.match(seen, /^GET \/a HTTP\/1\.1\r\n/);
  assert.match(seen, /x-kept: yes/i);
  assert.match(seen, /cookie: a=b/i);
  assert.match(answer, /x-own: 2/i);
  assert.doesNotMatch(answer, /x-hop|^keep-alive: 5/im);
  const foreign = await proxy.exchange(
    `GET / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer theirs\r\nX-API-Key: theirs\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(statusOf(foreign), 200);
  assert.match(seen, /authorization: bearer theirs/i);
});

test('a guest speaks for its own host alone: cookies lose their Domain, nothing is said of the whole site', async () => {
  await using proxy = await proxyUnderTest();
  const cookies = [
    'a=1; Domain=localhost; Path=/',
    'b=2;domain=.localhost;Secure',
    'c=3; DOMAIN ; HttpOnly',
    'd=4;\t Domain\t=x; Domain=y',
    'domain=5; Max-Age=1',
    'e="domain=x"',
  ];
  const lines = cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('');
  const more = 'Clear-Site-Data: "cookies"\r\nAlt-Svc: h2="evil:443"\r\nX-Kept: 1\r\n';
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const ask = async (status: string, asked: string): Promise<string> => {
    proxy.guest = (connection) => {
      connection.once('data', () => connection.end(`HTTP/1.1 ${status}\r\n${lines}${more}\r\n`));
    };
    return proxy.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n${asked}\r\n`);
  };
  for (const answer of [
    await ask('200 OK\r\nContent-Length: 0', 'Connection: close\r\n'),
    await ask('403 No\r\nContent-Length: 0', upgrade),
    await ask(`101 Switching Protocols\r\n${upgrade.trimEnd()}`, upgrade),
  ]) {
    assert.deepEqual(
      [...answer.matchAll(/^set-cookie: (.*)\r$/gim)].map(([, cookie]) => cookie),
      ['a=1; Path=/', 'b=2;Secure', 'c=3; HttpOnly', 'd=4', 'domain=5; Max-Age=1', 'e="domain=x"'],
    );
    assert.doesNotMatch(answer, /clear-site-data|alt-svc/i);
    assert.match(answer, /x-kept: 1/i);
  }
});

test('a guest cannot put bytes of its own between the answers on one connection', async () => {
  await using proxy = await proxyUnderTest();
  const evil = 'HTTP/1.1 200 OK\r\nX-Evil: yes\r\nContent-Length: 4\r\n\r\nevil';
  const twice = `GET /1 HTTP/1.1\r\nHost: ${host}\r\n\r\nGET /2 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  const firsts = {
    'a 204 with a length': `HTTP/1.1 204 No Content\r\nContent-Length: ${evil.length}\r\n\r\n${evil}`,
    'a 204 with chunks': `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHTTP/\r\n0\r\n\r\n${evil}`,
    'a 304 with a body': `HTTP/1.1 304 Not Modified\r\n\r\n${evil}`,
    'early hints': `HTTP/1.1 103 Early Hints\r\nX-Evil: yes\r\nLink: </x>\r\n\r\n${ok}`,
    'bytes after a body': `${ok}${evil}`,
    'bytes after the last chunk': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${evil}`,
    'headers after the last chunk': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Evil\r\n\r\n0\r\nX-Evil: yes\r\n\r\n`,
    'a folded header': `HTTP/1.1 200 OK\r\nA: b\r\n X-Evil: yes\r\nContent-Length: 0\r\n\r\n`,
    'a reason with a line feed': `HTTP/1.1 200 OK\nX-Evil: yes\r\nContent-Length: 0\r\n\r\n`,
  };
  for (const [name, first] of Object.entries(firsts)) {
    let asked = 0;
    proxy.guest = (connection) => {
      connection.once('data', () => {
        asked += 1;
        connection.end(asked === 1 ? first : ok, 'latin1');
      });
    };
    const answer = await proxy.exchange(twice);
    // A line feed ends a line: what comes after it is a header of this answer, and of no other.
    if (name !== 'a reason with a line feed') assert.doesNotMatch(answer, /^X-Evil/im, name);
    assert.ok(!answer.includes('evil'), `${name}: ${answer}`);
    // The second answer belongs to the second request, or the connection was broken off before it.
    const second = /^HTTP\/1\.1 \d{3} [\s\S]*?(HTTP\/1\.1 [\s\S]*)$/.exec(answer)?.[1];
    if (second !== undefined)
      assert.match(second, /^HTTP\/1\.1 200 OK\r\n(?:[\w-]+: .*\r\n)*\r\nok$/, `${name}: ${answer}`);
    if (name.startsWith('a 204'))
      assert.doesNotMatch(answer.slice(0, answer.indexOf('\r\n\r\n')), /content-length/i, name);
  }
});

test('tokens of a login stay here, in force or not; those of the guest’s application go through', async () => {
  await using proxy = await proxyUnderTest();
  let seen = '';
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes('\r\n\r\n')) connection.end(ok);
    });
  };
  const token = (issuer: string): Promise<string> =>
    new SignJWT().setProtectedHeader({ alg: 'HS256' }).setIssuer(issuer).setExpirationTime(1).sign(Buffer.alloc(32));
  const [ours, theirs] = [await token('novasandbox'), await token('their-application')];
  const send = async (header: string): Promise<string> => {
    seen = '';
    await proxy.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n${header}\r\nConnection: close\r\n\r\n`);
    return seen;
  };
  for (const scheme of ['Bearer', 'bearer', 'BEARER  ']) {
    assert.doesNotMatch(await send(`Authorization: ${scheme} ${ours}`), /authorization/i);
  }
  assert.doesNotMatch(await send(`X-API-Key: ${ours}`), /x-api-key/i);
  for (const own of [`Bearer ${theirs}`, 'Bearer a.b.c', 'Basic dXNlcjpwYXNz', 'Digest a="b"']) {
    assert.ok((await send(`Authorization: ${own}`)).includes(`Authorization: ${own}\r\n`), own);
  }
});

test('a request that two parsers could read differently does not reach the guest', async () => {
  await using proxy = await proxyUnderTest({ firstByteMs: 500 });
  let connections = 0;
  proxy.guest = (connection) => {
    connections++;
    connection.once('data', () => connection.end(ok));
  };
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\n`;
  const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  for (const bad of [
    `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    `${head}Content-Length: 5, 5\r\n\r\nhello`,
    `${head}Content-Length: +5\r\n\r\nhello`,
    `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    `${head}A: b\rC: d\r\n\r\n`,
    `${head} folded: yes\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nHost: other\r\n\r\n`,
    // The coding comes after the maximum number of headers, where it must not be overlooked.
    `GET / HTTP/1.1\r\nHost: ${host}\r\n${'A: b\r\n'.repeat(maxHeaders + 200)}Transfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nE2b-Sandbox-Id: a\0b\r\n\r\n`,
  ]) {
    const answer = await proxy.exchange(bad, { withinMs: 1500 });
    assert.ok([0, 400, 431].includes(statusOf(answer)), `${JSON.stringify(bad)}: ${answer.slice(0, 100)}`);
  }
  assert.equal(connections, 0);
  await serves(proxy);
});

test('bodies go both ways as they come; a client that leaves ends the connection in the guest', async () => {
  await using proxy = await proxyUnderTest();
  let closed = false;
  let body = '';
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      body += chunk.toString();
      if (body.includes('0\r\n\r\n'))
        connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    });
    connection.on('close', () => (closed = true));
  };
  const answer = await proxy.exchange(
    `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    { withinMs: 500 },
  );
  assert.match(answer, /3\r\nabc\r\n$/);
  assert.match(body, /transfer-encoding: chunked[\s\S]*5\r\nhello\r\n0\r\n\r\n$/i);
  await delay(50);
  assert.equal(closed, true);
});

test('an early answer reaches a client that is still sending', async () => {
  await using proxy = await proxyUnderTest();
  proxy.guest = (connection) => {
    connection.once('data', () => connection.end('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig'));
  };
  const answer = await proxy.exchange(
    `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n${'x'.repeat(1000)}`,
  );
  assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*big$/);
});

test('upgrades: bytes both ways after 101, refusals passed on, hostile answers survived', async () => {
  await using proxy = await proxyUnderTest({ firstByteMs: 300 });
  const upgrade = `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  proxy.guest = (connection) => {
    connection.once('data', () => {
      connection.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\nfirst ',
      );
      connection.on('data', (chunk: Buffer) => connection.end(`echo ${chunk.toString()}`));
    });
  };
  const answer = await proxy.exchange(`${upgrade}hello`);
  assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n[\s\S]*X-A: 1[\s\S]*\r\n\r\nfirst echo hello$/);
  proxy.guest = (connection) => {
    connection.once('data', () => connection.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno'));
  };
  assert.match(await proxy.exchange(upgrade), /^HTTP\/1\.1 403 [\s\S]*no$/);
  for (const guest of [
    (connection: Parameters<ProxyUnderTest['guest']>[0]) => void connection.destroy(),
    (connection: Parameters<ProxyUnderTest['guest']>[0]) => void connection.resume(),
    (connection: Parameters<ProxyUnderTest['guest']>[0]) => void connection.end('garbage\r\n\r\n'),
  ]) {
    proxy.guest = guest;
    assert.ok([502, 504].includes(statusOf(await proxy.exchange(upgrade))));
  }
  await serves(proxy);
});

test('visitors of a sandbox are counted, by address and together; idle ones are closed and make room', async () => {
  await using proxy = await proxyUnderTest({ perSandbox: 3, perVisitor: 2, firstByteMs: 400 });
  proxy.guest = (connection) => void connection.resume();
  const upgrade = request.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket');
  const visits = [proxy.exchange(request), proxy.exchange(upgrade)];
  // Both have reached the guest, which does not answer.
  while (proxy.opened < 2) await new Promise((resolve) => setImmediate(resolve));
  for (const third of [request, upgrade]) assert.equal(statusOf(await proxy.exchange(third)), 429);
  const other = proxy.exchange(request, { from: '127.0.0.2' });
  while (proxy.opened < 3) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(statusOf(await proxy.exchange(request, { from: '127.0.0.3' })), 429);
  assert.deepEqual((await Promise.all([...visits, other])).map(statusOf), [504, 504, 504]);
  await serves(proxy);
});

test('closed ports and unknown sandboxes answer as documented', async () => {
  await using proxy = await proxyUnderTest();
  const closed = await proxy.exchange(request.replace('3000-', '3001-'));
  assert.match(closed, /^HTTP\/1\.1 502 [\s\S]*"port":3001,"code":502\}$/);
  const unknown = await proxy.exchange(request.replace(sandboxId, 'zzzz9999'));
  assert.match(
    unknown,
    /^HTTP\/1\.1 502 [\s\S]*\{"sandboxId":"zzzz9999","message":"The sandbox was not found","code":502\}$/,
  );
  assert.equal(statusOf(await proxy.exchange(request.replace(host, '0-abcd1234.localhost'))), 400);
});

test('an upgraded connection that says nothing is closed', async () => {
  await using proxy = await proxyUnderTest({ idleMs: 300 });
  proxy.guest = (connection) => {
    connection.once('data', () =>
      connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    );
  };
  const upgrade = request.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket');
  assert.equal(statusOf(await proxy.exchange(upgrade)), 101);
});

test('heads pass as they were sent: every byte of a value, spelling, order and reason, both ways', async () => {
  await using proxy = await proxyUnderTest();
  const bytes = `${Buffer.from('Grüße 🙂').toString('latin1')} caf\xe9 \x80\xff`;
  const headers = `x-LOWER: 1\r\nX-Twice: a\r\nX-Bytes: ${bytes}\r\nX-Twice: b\r\nContent-Disposition: attachment; filename="${bytes}"\r\n`;
  let seen = '';
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      if (seen.includes('\r\n\r\n'))
        connection.end(`HTTP/1.1 200 ${bytes}\r\n${headers}Content-Length: 2\r\n\r\nok`, 'latin1');
    });
  };
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  for (const asked of ['Connection: close\r\n', upgrade]) {
    seen = '';
    const answer = await proxy.exchange(`GET /%C3%A9?a=[b]|c HTTP/1.1\r\nHost: ${host}\r\n${headers}${asked}\r\n`);
    assert.ok(seen.startsWith(`GET /%C3%A9?a=[b]|c HTTP/1.1\r\nHost: ${host}\r\n${headers}`), seen);
    assert.ok(answer.startsWith(`HTTP/1.1 200 ${bytes}\r\n${headers}`), answer);
  }
  proxy.guest = (connection) => {
    connection.once('data', () => connection.end(`HTTP/1.1 101 ${bytes}\r\n${headers}${upgrade}\r\n`, 'latin1'));
  };
  const switched = await proxy.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n`);
  assert.ok(switched.startsWith(`HTTP/1.1 101 ${bytes}\r\n${headers}`), switched);
});

test('a loose answer in pieces of any size arrives; one that is refused says why', async () => {
  await using proxy = await proxyUnderTest();
  const inPieces = (text: string) => (connection: Parameters<ProxyUnderTest['guest']>[0]) => {
    connection.once('data', () => {
      for (const byte of Buffer.from(text, 'latin1')) connection.write(Buffer.of(byte));
      connection.end();
    });
  };
  proxy.guest = inPieces(
    '\r\nHTTP/1.1 103 Early Hints\nLink: </x>\n\nHTTP/1.1 200\nX-A : b\nContent-Length: 2\ncontent-length: 2\n\nok',
  );
  assert.match(await proxy.exchange(request), /^HTTP\/1\.1 200 \r\nX-A: b\r\nContent-Length: 2\r\n[\s\S]*\r\n\r\nok$/);
  proxy.guest = inPieces('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!');
  assert.match(await proxy.exchange(request), /^HTTP\/1\.1 502 [\s\S]*it has two lengths/);
});

test('heads as large as applications send them pass both ways', async () => {
  await using proxy = await proxyUnderTest();
  const cookies = Array.from({ length: 12 }, (_, index) => `X-Cookie-${index}: ${'c'.repeat(4000)}\r\n`).join('');
  const many = Array.from({ length: 400 }, (_, index) => `X-${index}: v\r\n`).join('');
  let seen = '';
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      if (seen.includes('\r\n\r\n'))
        connection.end(`HTTP/1.1 200 OK\r\n${cookies}${cookies}${many}Content-Length: 2\r\n\r\nok`);
    });
  };
  const answer = await proxy.exchange(`GET / HTTP/1.1\r\nHost: ${host}\r\n${cookies}${many}Connection: close\r\n\r\n`);
  assert.ok(seen.includes(`${cookies}${many}`));
  assert.ok(answer.includes(`${cookies}${cookies}${many}Content-Length: 2\r\n`), answer.slice(0, 300));
});

test('the time for a first byte begins with the last of the request', async () => {
  await using proxy = await proxyUnderTest({ firstByteMs: 600 });
  let length = 0;
  proxy.guest = (connection) => {
    connection.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (chunk.includes('end')) connection.end(ok);
    });
  };
  const { connect } = await import('node:net');
  const socket = connect(proxy.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\nConnection: close\r\n\r\n`);
  for (const piece of ['a', 'b', 'c', 'd', 'e', 'f', 'end']) {
    await delay(200);
    socket.write(piece);
  }
  await new Promise((resolve) => socket.once('close', resolve));
  assert.equal(statusOf(answer), 200);
  assert.ok(length > 9);
});
