// The collector that a careful developer writes with mqtt and pg: parses each batch, gathers rows while a statement is
// under way, writes up to 1,000 by one prepared INSERT, leaves out what is there. (Measured: an INSERT from arrays is a
// tenth slower, one from JSON half as fast.) It checks no hashes, and mqtt acknowledges each message when it has been
// read, not when its rows are committed.
'use strict';
const mqtt = require('mqtt');
const { Client } = require('pg');

const [host, database, port, expected] = process.argv.slice(2);
const WIDTH = 11;
const MOST_ROWS = 1000;
const statements = new Map();

function insert(count) {
  if (!statements.has(count)) {
    const tuples = Array.from({ length: count }, (_, row) =>
      `(${Array.from({ length: WIDTH }, (_, column) => '$' + (row * WIDTH + column + 1)).join(',')})`);
    statements.set(count, `INSERT INTO log VALUES ${tuples.join(',')} ON CONFLICT DO NOTHING`);
  }
  return { name: `put-${count}`, text: statements.get(count) };
}

const db = new Client({ host, database, user: 'gate' });
let waiting = [];
let busy = false;
let written = 0;

function take(topic, payload) {
  const station = topic.split('/')[2];
  const batch = JSON.parse(payload);
  for (const [seq, wall, , , , , kind, told] of batch.events) {
    waiting.push([station, batch.epoch, seq, wall, kind, told.lane, told.outcome, told.reason, told.rule, told.cti,
      JSON.stringify(told)]);
  }
  if (!busy) { busy = true; setImmediate(write); }
}

async function write() {
  while (waiting.length) {
    const rows = waiting.splice(0, MOST_ROWS);
    await db.query({ ...insert(rows.length), values: rows.flat().map((value) => value ?? null) });
    written += rows.length;
  }
  busy = false;
  if (written >= Number(expected)) { console.log('done'); }
}

async function main() {
  await db.connect();
  await db.query('SELECT 1');
  console.log('ready');
  process.stdin.once('data', () => {
    const link = mqtt.connect({
      host: '127.0.0.1', port: Number(port), protocolVersion: 5, clientId: 'bench', clean: false,
      properties: { sessionExpiryInterval: 3600, receiveMaximum: 200 },
    });
    link.on('message', take);
  });
}

main();
