// Plays playlists of a running server with hls.js in headless Chromium.
// In, on stdin: {"api": "http://…", "token": "…", "plays": [{"url", "seconds", "rate", "patience"}]}.
// Out, on stdout: a JSON list of what page.html tells of each.

import { createReadStream } from "node:fs";
import { createServer, request } from "node:http";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const files = {
  "/": ["page.html", "text/html; charset=utf-8"],
  "/hls.js": ["node_modules/hls.js/dist/hls.js", "text/javascript"],
};
const job = await json(process.stdin);

// One origin for the page and the API: the API answers no other origin's pages.
const server = createServer((req, res) => {
  const file = files[req.url];
  if (file) {
    res.writeHead(200, { "content-type": file[1] });
    return createReadStream(here(file[0])).pipe(res);
  }
  if (!req.url.startsWith("/api/")) return res.writeHead(404).end();
  const passed = request(job.api + req.url, { method: req.method, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  passed.on("error", (e) => res.writeHead(502).end(String(e)));
  req.pipe(passed);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
// An empty profile folder of its own is playwright's habit.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
try {
  const told = [];
  for (const play of job.plays) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    told.push(await page.evaluate((p) => window.play(p), { ...play, token: job.token }));
    await page.close();
  }
  console.log(JSON.stringify(told));
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
