/**
 * The programs and the hooks of a guest that goes on from a snapshot (tests/e2e/continued-guest.test.ts): programs in
 * the middle of conversations, with random numbers of their own.
 */

/** Keeps connections, and answers each line that it is sent with what they and its random numbers are like now. */
export const program = (port: number) => `
import os, random, signal, socket, ssl, sys, threading

def serve(listener):
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

def echo(connection):
    while received := connection.recv(100):
        connection.sendall(received)

def ask(connection):
    try:
        connection.settimeout(30)
        connection.sendall(b'fine')
        return connection.recv(100).decode() or 'closed'
    except OSError as error:
        return type(error).__name__

def connect(address, own='0.0.0.0'):
    return socket.create_connection(address, source_address=(own, 0))

listener = socket.create_server(('0.0.0.0', 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
inside = ('127.0.0.1', listener.getsockname()[1])
outside = ('10.0.2.2', ${port})
loopback, own = connect(inside), connect(('10.0.2.15', inside[1]))
ipv4 = connect(outside)
mapped = socket.socket(socket.AF_INET6)
mapped.connect(('::ffff:10.0.2.2', ${port}))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.connect(('10.0.2.2', 9))

def reseed(*_):
    random.seed()
    ssl.RAND_add(os.urandom(32), 32)

signal.signal(signal.SIGUSR1, reseed)
# OpenSSL seeds its generator at the first use.
ssl.RAND_bytes(16)
count = 0
print('ready', inside[1], ask(loopback), ask(own), ask(ipv4), ask(mapped), flush=True)
for line in sys.stdin:
    count += 1
    try:
        datagrams.send(b'x')
        sent = 'fine'
    except OSError as error:
        sent = 'cut'
    answers = [ask(loopback), ask(own), ask(connect(inside)), ask(ipv4), ask(mapped), sent, ask(connect(outside))]
    print('answer', count, *answers, os.urandom(16).hex(), random.random(), ssl.RAND_bytes(16).hex(), flush=True)
`;
/** Some look at the generation, so that one snapshot serves all tests. */
export const hooks: Readonly<Record<string, string>> = {
  '10-note': 'echo "$NOVA_GENERATION $NOVA_SANDBOX_ID $NOVA_PARENT_ID $(id -u) $(pwd)" >> /run/noted',
  '20-python': '[ "${NOVA_GENERATION#unhooked}" = "$NOVA_GENERATION" ] || exit 0; pkill -USR1 -f reseed',
  '30-verdict': `case $NOVA_GENERATION in
  failing*) echo "the vault is locked"; echo "no key" >&2; exit 3 ;;
  slow*) echo "waiting for the vault"; sleep 200000 ;;
esac`,
  '40-last': 'echo last >> /run/noted',
  README: 'exit 1',
};
export const hookFolder = '/etc/nova/fork.d';

/**
 * Makes a network namespace with a link to that of the guest, where the guest has two addresses, as a container has it.
 */
export const makeInnerNetwork = `set -e
ip netns add inner
ip link add outer type veth peer name inner netns inner
ip addr add 10.99.0.1/24 dev outer
ip addr add 10.99.0.3/24 dev outer
ip link set outer up
ip -n inner addr add 10.99.0.2/24 dev inner
ip -n inner link set inner up`;

/**
 * Connects to both addresses of the guest, and answers each line with what the connections are like now. The second
 * peer then becomes somebody else: the guest gives its address up.
 */
export const innerProgram = (port: number) => `
import socket, sys
connections = [socket.create_connection((f'10.99.0.{host}', ${port})) for host in (1, 3)]
def ask(connection):
    try:
        connection.settimeout(30)
        connection.sendall(b'fine')
        return connection.recv(100).decode() or 'closed'
    except OSError as error:
        return type(error).__name__
print('ready', *map(ask, connections), flush=True)
for line in sys.stdin:
    print('answer', ask(connections[0]), ask(connections[1]) if 'both' in line else '', flush=True)
`;
