// The peer of the benches: countersign's redemption, request and look at a request as a Node.js service would have
// them, with fastify and pg. Mails, audit log, rate limits, blocks and idempotency keys are left out.
//
// Environment: BIND, DATABASE_URL, POOL (connections to the database, of all processes), PROCESSES.

import cluster from 'node:cluster';
import { hash, randomBytes } from 'node:crypto';
import fastify from 'fastify';
import pg from 'pg';
import { createdRequestSchema, permissionSchema, permissionView, requestSchema, requestView } from './answers.mjs';

const { BIND, DATABASE_URL, POOL, PROCESSES } = process.env;
const PUBLIC_URL = 'http://127.0.0.1:8080';
const KEY_REFRESH_MS = 5_000;
const DEFAULT_TTL_SECONDS = 604_800;
const REQUESTS = '/api/bundle_permission_request/';
const UNIQUE_VIOLATION = '23505';

// The ids and totals of this server are far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// --- Statements ---------------------------------------------------------------
// Each is prepared once per connection.

const PARTIES = `t.email AS t_email, t.first_name AS t_first_name, t.last_name AS t_last_name,
  a.email AS a_email, a.first_name AS a_first_name, a.last_name AS a_last_name,
  b.name AS b_name, b.description AS b_description, b.permission AS b_permission`;
const SECONDS_LEFT = 'floor(extract(epoch FROM r.expires_at - now()))::integer AS ttl';

const LOAD_KEYS = {
  name: 'load_keys',
  text: `SELECT k.digest, u.id, u.email, u.staff FROM api_keys k JOIN users u ON u.id = k.user_id
    WHERE k.revoked_at IS NULL AND k.scope IS NULL AND u.active`,
};

const LOOK = {
  name: 'look',
  text: `SELECT r.*, ${SECONDS_LEFT}, ${PARTIES} FROM peer_requests r JOIN users t ON t.id = r.user_target
    JOIN users a ON a.id = r.user_allowed JOIN bundles b ON b.id = r.bundle_id
    WHERE r.token_digest = $1 AND r.user_target = $2 AND r.closed_at IS NULL AND r.expires_at > now() AND a.active`,
};

// Closes the request and makes its row the permission, if it is pending.
const redeemStatement = (name, active) => ({
  name,
  text: `UPDATE peer_requests r SET closed_at = now(), outcome = 'approved', granted_permission = r.permission,
      permission_expires_at = now() + r.permission_ttl * interval '1 second', active = ${active}
    FROM users t, users a, bundles b
    WHERE r.token_digest = $1 AND r.user_target = $2 AND r.closed_at IS NULL AND r.expires_at > now()
      AND t.id = r.user_target AND a.id = r.user_allowed AND a.active AND b.id = r.bundle_id
    RETURNING r.id, r.user_target, r.user_allowed, r.bundle_id, r.closed_at, r.granted_permission,
      r.permission_expires_at, ${PARTIES}`,
});
const REDEEM = redeemStatement('redeem', 'true');
const CLOSE_ONLY = redeemStatement('close_only', 'false');

const ACTIVE_PERMISSION = {
  name: 'active_permission',
  text: `SELECT r.*, ${PARTIES} FROM peer_requests r JOIN users t ON t.id = r.user_target
    JOIN users a ON a.id = r.user_allowed JOIN bundles b ON b.id = r.bundle_id
    WHERE r.user_target = $1 AND r.user_allowed = $2 AND r.bundle_id = $3 AND r.active`,
};

// One row if both users and the bundle exist; with an id if the request was created.
const askStatement = (name, isTarget) => ({
  name,
  text: `WITH found AS (
      SELECT t.id AS user_target, a.id AS user_allowed, b.id AS bundle_id, ${PARTIES}
      FROM users t, users a, bundles b WHERE ${isTarget} AND t.active AND a.id = $2 AND a.active AND b.id = $3
    ), created AS (
      INSERT INTO peer_requests (token_digest, user_target, user_allowed, bundle_id, asked_by, purpose, permission,
        expires_at)
      SELECT $4, user_target, user_allowed, bundle_id, $5, $6, b_permission, now() + $7 * interval '1 second'
      FROM found WHERE user_target <> user_allowed AND NOT EXISTS (
        SELECT FROM peer_requests p WHERE p.user_target = found.user_target AND p.user_allowed = found.user_allowed
          AND p.bundle_id = found.bundle_id AND p.active)
      RETURNING id, permission, minimum, permission_ttl, purpose, created_at, expires_at
    )
    SELECT * FROM found LEFT JOIN created ON true`,
});
const ASK = {
  id: askStatement('ask_by_id', 't.id = $1'),
  email: askStatement('ask_by_email', 't.email = $1'),
};
const FIND_USER = {
  id: { name: 'user_by_id', text: 'SELECT id FROM users WHERE id = $1 AND active' },
  email: { name: 'user_by_email', text: 'SELECT id FROM users WHERE email = $1 AND active' },
};
const REPLACE = {
  name: 'replace',
  text: `UPDATE peer_requests r SET closed_at = now(), outcome = 'replaced' FROM users t
    WHERE t.id = r.user_target AND (t.id::text = $1 OR t.email = $1) AND r.user_allowed = $2 AND r.bundle_id = $3
      AND r.closed_at IS NULL`,
};

// --- The server ---------------------------------------------------------------

// Connections stay open, so that no run begins with opening them.
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Math.ceil(POOL / PROCESSES), idleTimeoutMillis: 0 });

// Runs a prepared statement, and returns its first row.
async function firstRow(statement, values) {
  const { rows } = await pool.query({ ...statement, values });
  return rows[0];
}

const sha256 = (data) => hash('sha256', data, 'buffer');

// The callers by the digest of their keys, loaded again every five seconds, and by the headers seen since then.
let callersByDigest = new Map();
let callersByHeader = new Map();

async function loadKeys() {
  const { rows } = await pool.query(LOAD_KEYS);
  callersByDigest = new Map(rows.map(({ digest, ...caller }) => [digest.toString('hex'), caller]));
  callersByHeader = new Map();
}

function authenticate(header) {
  let caller = callersByHeader.get(header);
  if (caller === undefined && header?.startsWith('Bearer csk_')) {
    // As countersign stores it: the digest of the version, the kind, the id and the secret.
    const bytes = Buffer.from(header.slice('Bearer csk_'.length), 'base64url');
    const digest = sha256(Buffer.concat([bytes.subarray(0, 1), Buffer.from('csk'), bytes.subarray(1)]));
    caller = callersByDigest.get(digest.toString('hex'));
    if (caller !== undefined) callersByHeader.set(header, caller);
  }
  return caller;
}

// The id in a URI, an id, or an email.
function userReference(given) {
  const id = /^(?:\/api\/user\/)?(\d+)\/?$/.exec(given)?.[1];
  return id === undefined ? { kind: 'email', value: given.toLowerCase() } : { kind: 'id', value: id };
}

const notFound = (reply) => reply.code(404).send({ error: 'Not found.' });
const unresolved = (reply, resource, given) =>
  reply.code(400).send({ error: `Could not find the provided ${resource} object via resource URI '${given}'.` });
const invalidField = (reply, field, reason) =>
  reply.code(400).send({ bundle_permission_request: { [field]: [reason] } });

async function look(request, reply) {
  const { token } = request.params;
  const row = await firstRow(LOOK, [sha256(token), request.caller.id]);
  return row ? requestView(row, `${PUBLIC_URL}/redeem?token=${token}`) : notFound(reply);
}

async function redeem(request, reply) {
  const values = [sha256(request.params.token), request.caller.id];
  try {
    const row = await firstRow(REDEEM, values);
    return row ? permissionView(row) : notFound(reply);
  } catch (error) {
    if (error.code !== UNIQUE_VIOLATION) throw error;
    // The permission is active already.
    const closed = await firstRow(CLOSE_ONLY, values);
    if (!closed) return notFound(reply);
    const row = await firstRow(ACTIVE_PERMISSION, [closed.user_target, closed.user_allowed, closed.bundle_id]);
    return row ? permissionView(row) : notFound(reply);
  }
}

const askSchema = {
  type: 'object',
  required: ['bundle', 'user_allowed', 'user_target'],
  properties: {
    bundle: { type: 'string' },
    user_allowed: { type: 'string' },
    user_target: { type: 'string' },
    purpose: { type: 'string', nullable: true, maxLength: 500 },
    ttl: { type: 'integer', nullable: true, minimum: 60, maximum: 2_592_000 },
  },
};

async function ask(request, reply) {
  const { caller, body } = request;
  const allowed = userReference(body.user_allowed);
  let allowedId = caller.id;
  if (allowed.kind === 'id' ? Number(allowed.value) !== caller.id : allowed.value !== caller.email) {
    const other = await firstRow(FIND_USER[allowed.kind], [allowed.value]);
    if (!other) return unresolved(reply, 'user', body.user_allowed);
    if (!caller.staff) return reply.code(403).send({ error: 'Only user_allowed or staff can create this request.' });
    allowedId = other.id;
  }
  const target = userReference(body.user_target);
  const bundle = /^(?:\/api\/bundle\/)?(\d+)\/?$/.exec(body.bundle)?.[1] ?? 0;
  const digest = sha256(`csr_${randomBytes(33).toString('base64url')}`);
  const ttl = body.ttl ?? DEFAULT_TTL_SECONDS;
  const values = [target.value, allowedId, bundle, digest, caller.id, body.purpose ?? null, ttl];
  const row = await create(ASK[target.kind], values);
  if (!row) {
    const isUser = await firstRow(FIND_USER[target.kind], [target.value]);
    return isUser ? unresolved(reply, 'bundle', body.bundle) : unresolved(reply, 'user', body.user_target);
  }
  if (row.user_target === row.user_allowed) {
    return invalidField(reply, 'user_target', 'Choose a user other than user_allowed.');
  }
  if (row.id === null) return invalidField(reply, 'bundle', 'This permission is already active.');
  row.ttl = ttl;
  const view = requestView(row, null);
  return reply.code(201).header('location', view.resource_uri).send(view);
}

// Creates a request. A pending one of the same users and bundle is replaced.
async function create(statement, values, attempts = 3) {
  try {
    return await firstRow(statement, values);
  } catch (error) {
    if (error.code !== UNIQUE_VIOLATION || attempts === 0) throw error;
  }
  await firstRow(REPLACE, values.slice(0, 3));
  return create(statement, values, attempts - 1);
}

async function serve() {
  await loadKeys();
  setInterval(() => loadKeys().catch((error) => console.error('ERROR', error)), KEY_REFRESH_MS);

  // Without a log, which gives it an advantage.
  const app = fastify({ bodyLimit: 65_536 });
  app.setErrorHandler((error, _request, reply) => {
    if (error.statusCode < 500) return reply.code(error.statusCode).send({ error: error.message });
    console.error('ERROR', error);
    return reply.code(500).send({ error: 'Internal server error.' });
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.register(async (api) => {
    api.decorateRequest('caller', null);
    api.addHook('onRequest', (request, reply, done) => {
      reply.header('cache-control', 'no-store');
      request.caller = authenticate(request.headers.authorization);
      if (request.caller !== undefined) return done();
      reply.code(401).header('www-authenticate', 'Basic realm="countersign"');
      reply.send({ error: 'Missing or invalid credentials.' });
    });
    api.get(`${REQUESTS}:token/`, { schema: { response: { 200: requestSchema } } }, look);
    api.put(`${REQUESTS}:token/`, { schema: { response: { 200: permissionSchema } } }, redeem);
    api.post(REQUESTS, { schema: { body: askSchema, response: { 201: createdRequestSchema } } }, ask);
  });
  const [host, port] = BIND.split(':');
  await app.listen({ host, port: Number(port), backlog: 1_024 });
}

if (cluster.isPrimary && PROCESSES > 1) {
  for (let nth = 0; nth < PROCESSES; nth++) cluster.fork();
  // A bench must not continue with fewer processes.
  cluster.on('exit', () => process.exit(1));
} else {
  await serve();
}
