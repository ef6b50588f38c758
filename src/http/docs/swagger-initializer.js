// The document is named by its relative path, to work behind a proxy with a prefix of its own.
// The validator would be somebody else's server.
window.onload = function () {
  window.ui = SwaggerUIBundle({
    "dom_id": "#swagger-ui",
    "url": "../openapi.json",
    "deepLinking": true,
    "validatorUrl": "none",
    "layout": "BaseLayout",
    "presets": [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    "plugins": [SwaggerUIBundle.plugins.DownloadUrl],
  });
};
