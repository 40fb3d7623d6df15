// `/api/docs/`: the API's description, to be read and tried out. A page of its own: it shares nothing with the others.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUI({
  dom_id: "#docs",
  url: "/api/openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  // It would send the description to somebody else's server.
  validatorUrl: null,
});
