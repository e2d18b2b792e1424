// A headless Chromium through the DevTools protocol: opens pages, and tells what is on them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { serve } from "./rpc.mjs";

const profile = await mkdtemp(join(tmpdir(), "txpusher-browser-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.argv[2],
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
  ],
});
const pages = {};

await serve(
  {
    async open({ page, url }) {
      pages[page] = await browser.newPage();
      await pages[page].goto(url);
    },
    // Waits until the element's text contains this.
    async text({ page, element, contains }) {
      await pages[page].locator(element).filter({ hasText: contains }).waitFor({ timeout: 10_000 });
      return pages[page].locator(element).innerText();
    },
    evaluate: ({ page, script }) => pages[page].evaluate(script),
    async close({ page }) {
      await pages[page].close();
    },
  },
  async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  },
);
