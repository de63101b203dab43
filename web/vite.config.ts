import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.DATAOS_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: "../src/dataos/doors/webapp",
    emptyOutDir: true,
    manifest: true,
    sourcemap: false,
    target: "es2023",
    assetsInlineLimit: 0,
  },
  server: {
    port: 5173,
    strictPort: true,
    // the server takes a cookie only from pages of its own address
    proxy: { "/api": { target: server, headers: { origin: server } } },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
