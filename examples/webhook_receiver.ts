// Receives webhooks of countersign, with Node.js only.
//
//   WEBHOOK_SECRET=whsec_... PORT=9000 npx tsx webhook_receiver.ts
//
// It verifies the signature of each delivery (Standard Webhooks 1.0) and acts on `request.approved`. Run it
// behind a server with HTTPS: countersign sends only to https URLs on port 443, unless `webhooks.allow` has its
// network. Deliveries are at least once, so an event that was seen before is ignored.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

interface WebhookEvent {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

/** How far the clocks of both servers can differ, in seconds. */
const TOLERANCE = 300;
/** Deliveries are much smaller. */
const MAX_BODY = 65_536;

/** Whether countersign has sent this body, and not long ago. */
export function isGenuine(secret: string, headers: IncomingHttpHeaders, body: Buffer, now: number): boolean {
  const header = (name: string): string => String(headers[name] ?? "");
  const sentAt = header("webhook-timestamp");
  if (!/^\d+$/.test(sentAt) || Math.abs(now - Number(sentAt)) > TOLERANCE) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = Buffer.concat([Buffer.from(`${header("webhook-id")}.${sentAt}.`), body]);
  const expected = Buffer.from(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
  // For a day after the secret was rotated there are two signatures.
  const signatures = header("webhook-signature").split(" ").map((one) => Buffer.from(one));
  return signatures.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

function handleEvent(event: WebhookEvent): void {
  if (event.type === "request.approved") console.log("approved:", JSON.stringify(event.data));
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const secret = process.env.WEBHOOK_SECRET ?? "";
if (!secret.startsWith("whsec_")) throw new Error("set WEBHOOK_SECRET to the secret of the webhook");
/** Store them in your database, in the transaction that handles the event. */
const seen = new Set<string>();

async function statusOf(request: IncomingMessage): Promise<number> {
  if (request.method !== "POST") return 405;
  const body = await readBody(request);
  if (!body) return 413;
  if (!isGenuine(secret, request.headers, body, Date.now() / 1000)) return 401;
  const id = String(request.headers["webhook-id"]);
  if (!seen.has(id)) {
    handleEvent(JSON.parse(body.toString()) as WebhookEvent);
    // Only now: if handling fails, countersign sends the event again.
    seen.add(id);
  }
  return 204;
}

const server = createServer((request, response) => {
  statusOf(request)
    .catch(() => 500)
    .then((status) => response.writeHead(status).end());
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
