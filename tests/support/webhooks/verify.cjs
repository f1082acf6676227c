// Verifies deliveries with the npm package standardwebhooks.
//
//   node verify.cjs < INPUT
//
// COUNTERSIGN_TEST_JOSE names the directory with node_modules. The input is JSON: a list of deliveries, each
// with `secret`, `headers` and `body`. The output is JSON: for each delivery its content, or the error as text.

const { createRequire } = require("node:module");
const { Webhook, WebhookVerificationError } = createRequire(`${process.env.COUNTERSIGN_TEST_JOSE}/`)("standardwebhooks");

function verify({ secret, headers, body }) {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return error.message;
    throw error;
  }
}

async function main() {
  let text = "";
  for await (const part of process.stdin) text += part;
  console.log(JSON.stringify(JSON.parse(text).map(verify)));
}

main();
