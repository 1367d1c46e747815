// Node-RED as it is wired for this: mqtt in, split, function, postgres; one INSERT per event, ten connections.
'use strict';
const [host, database, port] = process.argv.slice(2);
const num = 'num', str = 'str';
const PREPARE = `const [seq, wall, , , , , kind, told] = msg.payload;
msg.params = [msg.topic.split('/')[2], msg.epoch, seq, wall, kind, told.lane ?? null, told.outcome ?? null,
  told.reason ?? null, told.rule ?? null, told.cti ?? null, JSON.stringify(told)];
return msg;`;
const UNPACK = 'msg.epoch = msg.payload.epoch; msg.payload = msg.payload.events; return msg;';
const QUERY = 'INSERT INTO log VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT DO NOTHING';
const fn = (id, func, next) => ({ id, type: 'function', z: 'tab', func, outputs: 1, wires: [[next]] });
console.log(JSON.stringify([
  { id: 'tab', type: 'tab', label: 'bench' },
  {
    id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port, clientid: 'bench', autoConnect: true, usetls: false,
    protocolVersion: '5', keepalive: '60', cleansession: false, sessionExpiry: '3600',
  },
  {
    id: 'db', type: 'postgresDB', host, hostFieldType: str, port: '5432', portFieldType: num, database,
    databaseFieldType: str, ssl: 'false', sslFieldType: 'bool', max: '10', maxFieldType: num, min: '1',
    minFieldType: num, idle: '10000', idleFieldType: num, connectionTimeout: '0', connectionTimeoutFieldType: num,
    user: 'gate', userFieldType: str, password: '', passwordFieldType: str,
  },
  {
    id: 'in', type: 'mqtt in', z: 'tab', topic: 'gs/1/+/up/log', qos: '1', datatype: 'json', broker: 'broker', nl: false,
    rap: true, rh: 0, inputs: 0, wires: [['unpack']],
  },
  fn('unpack', UNPACK, 'apart'),
  { id: 'apart', type: 'split', z: 'tab', arraySplt: 1, arraySpltType: 'len', stream: false, wires: [['prepare']] },
  fn('prepare', PREPARE, 'put'),
  { id: 'put', type: 'postgrestor', z: 'tab', query: QUERY, postgresDB: 'db', output: true, wires: [[]] },
]));
