// The operations view: freshness, loads, dead letters and the books.

import { get } from "./client.js";
import { age, count, element, fill, moment } from "./format.js";

const at = (id) => document.getElementById(id);
const mark = (bad, text) => element("span", { class: bad ? "badge bad" : "badge good", text });

export async function showOperations() {
  await Promise.all([get("/v1/freshness").then(showFreshness), get("/v1/books").catch((problem) => problem).then(showBooks)]);
}

function showFreshness(fresh) {
  fill(at("fresh-symbols"), [
    { name: "Symbol", left: true, of: (row) => element("a", { href: `#/${encodeURIComponent(row.symbol)}`, text: row.symbol }) },
    { name: "Newest price", left: true, of: (row) => moment(row.as_of) },
    { name: "Age", of: (row) => age(row.age_seconds) },
    { name: "Open time since", of: (row) => age(row.market_seconds) },
  ], fresh.symbols, "No symbol is in the warehouse yet.");
  fill(at("fresh-datasets"), [
    { name: "Dataset", left: true, of: (row) => row.dataset },
    { name: "Batch", left: true, of: (row) => element("code", { text: row.batch_id }) },
    { name: "Rows", of: (row) => count(row.rows) },
    { name: "Loaded", of: (row) => `${age(row.age_seconds)} ago` },
  ], fresh.datasets, "Nothing has been loaded yet.");
}

function showBooks(books) {
  const verdict = at("verdict");
  const refused = books instanceof Error;
  const missing = refused || books.audited_at === null;
  const report = missing ? { partitions: [], datasets: [], findings: [], dead_letters: {} } : books;
  const off = report.findings.length;
  verdict.dataset.state = missing ? "none" : off ? "bad" : "good";
  verdict.replaceChildren(
    element("span", { class: "verdict-sign", "aria-hidden": "true", text: missing ? "?" : off ? "!" : "✓" }),
    element("div", {},
      element("h1", { text: missing ? "The books have not been checked" : off ? `${off} findings: the books don't balance` : "The books balance" }),
      element("p", { class: "dim", text: missing ? refused ? sentence(books.message) : "No audit has been finished yet; `stockpipe-auditor watch` makes them." : `Every record since ${report.first_day} is accounted for from Kafka to the warehouse${off ? ", except these" : ""}. Audited ${moment(report.audited_at)}.` }),
      ...report.findings.map((finding) => element("p", { class: "down", text: `${finding.hop}: ${finding.subject}: ${finding.detail}` }))),
  );
  const nothing = missing ? "No audit yet." : "Nothing in these days.";
  fill(at("partitions"), [
    { name: "Topic", left: true, of: (row) => row.topic },
    { name: "Partition", of: (row) => String(row.partition) },
    ...columns({ offsets: "Offsets", raw_rows: "Raw rows", rejected: "Refused", skipped: "Skipped", retired: "Retired", waiting: "Not yet read" }),
    { name: "Unaccounted", of: (row) => mark(row.unaccounted, count(row.unaccounted)) },
  ], report.partitions.filter((row) => row.offsets || row.waiting || row.unaccounted), nothing);
  fill(at("datasets"), [
    { name: "Dataset", left: true, of: (row) => row.dataset },
    ...columns({ batches: "Batches", rows_in: "Rows in" }),
    { name: "Dropped", of: (row) => Object.entries(row.dropped).filter(([, n]) => n).map(([why, n]) => `${count(n)} ${why}`).join(", ") || "0" },
    ...columns({ rows_out: "Rows out", warehouse_rows: "In warehouse", not_loaded: "Batches to load", waiting: "Not yet processed" }),
    { name: "Unaccounted", of: (row) => mark(row.unaccounted, count(row.unaccounted)) },
  ], report.datasets, nothing);
  const dead = Object.entries(report.dead_letters).flatMap(([topic, reasons]) => Object.entries(reasons).map(([reason, n]) => ({ topic, reason, n })));
  fill(at("dead"), [
    { name: "Topic", left: true, of: (row) => row.topic },
    { name: "Reason", left: true, of: (row) => row.reason },
    { name: "Records", of: (row) => count(row.n) },
  ], dead, missing ? "No audit yet." : "None: every record was good.");
}

const columns = (names) => Object.entries(names).map(([key, name]) => ({ name, of: (row) => count(row[key]) }));
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
