// The JSON of the answers, with the fields of countersign in the same order, and their schemas.

const RIGHTS = ['anyone', 'read', 'get', 'write', 'admin', 'owner'];
// The names of the rights of each mask.
const RIGHT_NAMES = Array.from({ length: 64 }, (_, mask) => RIGHTS.filter((_, bit) => mask & (1 << bit)));

const rfc3339 = (date) => (date === null ? null : `${date.toISOString().slice(0, 19)}Z`);

function userView(id, email, firstName, lastName) {
  return {
    email,
    first_name: firstName,
    id,
    last_name: lastName,
    resource_uri: `/api/user/${id}/`,
    username: email,
  };
}

const targetView = (row) => userView(row.user_target, row.t_email, row.t_first_name, row.t_last_name);
const allowedView = (row) => userView(row.user_allowed, row.a_email, row.a_first_name, row.a_last_name);

export function permissionView(row) {
  return {
    bundle: `/api/bundle/${row.bundle_id}/`,
    expires_at: rfc3339(row.permission_expires_at),
    granted_at: rfc3339(row.closed_at),
    name: row.b_name,
    permission: row.granted_permission,
    receipt: `/api/bundle_permission/${row.id}/receipt/`,
    request: `/api/bundle_permission_request/${row.id}/`,
    resource_uri: `/api/bundle_permission/${row.id}/`,
    rights: RIGHT_NAMES[row.granted_permission],
    user_allowed: allowedView(row),
    user_target: targetView(row),
  };
}

// A pending request. Only its target gets the link.
export function requestView(row, redeemUrl) {
  return {
    bundle: {
      description: row.b_description,
      id: row.bundle_id,
      name: row.b_name,
      permission: row.b_permission,
      resource_uri: `/api/bundle/${row.bundle_id}/`,
    },
    created_at: rfc3339(row.created_at),
    decided_at: null,
    decision: null,
    expires_at: rfc3339(row.expires_at),
    id: row.id,
    minimum: row.minimum,
    permission: row.permission,
    permission_ttl: row.permission_ttl,
    purpose: row.purpose,
    redeem_url: redeemUrl,
    resource_uri: `/api/bundle_permission_request/${row.id}/`,
    return_url: null,
    rights: RIGHT_NAMES[row.permission],
    state: null,
    status: 'pending',
    ttl: row.ttl,
    user_allowed: allowedView(row),
    user_target: targetView(row),
  };
}

const integer = { type: 'integer' };
const text = { type: 'string' };
const texts = { type: 'array', items: text };
const orNull = (schema) => ({ ...schema, nullable: true });
const object = (properties) => ({ type: 'object', required: Object.keys(properties), properties });

const user = object({
  email: text,
  first_name: text,
  id: integer,
  last_name: text,
  resource_uri: text,
  username: text,
});

export const permissionSchema = object({
  bundle: text,
  expires_at: orNull(text),
  granted_at: text,
  name: text,
  permission: integer,
  receipt: text,
  request: text,
  resource_uri: text,
  rights: texts,
  user_allowed: user,
  user_target: user,
});

const request = {
  bundle: object({ description: text, id: integer, name: text, permission: integer, resource_uri: text }),
  created_at: text,
  decided_at: orNull(text),
  decision: { type: 'null' },
  expires_at: text,
  id: integer,
  minimum: integer,
  permission: integer,
  permission_ttl: orNull(integer),
  purpose: orNull(text),
  redeem_url: orNull(text),
  resource_uri: text,
  return_url: orNull(text),
  rights: texts,
  state: orNull(text),
  status: text,
  ttl: integer,
  user_allowed: user,
  user_target: user,
};

// What the user who created a request gets.
export const createdRequestSchema = object(request);

const { return_url: _, state: __, ...forTarget } = request;
// What the target gets.
export const requestSchema = object(forTarget);
