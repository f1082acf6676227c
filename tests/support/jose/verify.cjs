// Verifies a receipt with the npm package jose.
//
//   node verify.cjs < INPUT
//
// COUNTERSIGN_TEST_JOSE names the directory with node_modules. The input is JSON: `receipt`, `jwks`,
// `issuer` and `audience`. The output is JSON: the `header` and the `claims`.

const { createRequire } = require("node:module");
const { createLocalJWKSet, jwtVerify } = createRequire(`${process.env.COUNTERSIGN_TEST_JOSE}/`)("jose");

async function main() {
  let text = "";
  for await (const part of process.stdin) text += part;
  const { receipt, jwks, issuer, audience } = JSON.parse(text);
  const { payload, protectedHeader } = await jwtVerify(receipt, createLocalJWKSet(jwks), {
    algorithms: ["EdDSA"],
    typ: "consent-receipt+jwt",
    issuer,
    audience,
  });
  console.log(JSON.stringify({ header: protectedHeader, claims: payload }));
}

main().catch((error) => {
  console.error(error.code ?? error);
  process.exitCode = 1;
});
