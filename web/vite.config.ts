import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running server for what is not a page. */
const server = process.env["WEIR_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    // Both would put script into the page, which its content security policy forbids.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // hls.js and Swagger UI alone are larger than Vite's warning expects of a chunk.
    chunkSizeWarningLimit: 1_800,
    rollupOptions: { input: ["index.html", "api/docs/index.html"] },
  },
  server: {
    proxy: {
      "/api": { target: server, ws: true },
      "/emotes": server,
      "/live": server,
      "^/vod/[^/]+/": server,
      "/whep": server,
      "/whip": server,
    },
  },
  test: { include: ["src/**/*.test.ts"] },
});
