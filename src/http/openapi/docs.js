SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  // What is typed to sign in is forgotten with the page.
  persistAuthorization: false,
  // Nobody elsewhere is told of this server.
  validatorUrl: null,
});
