// The way of a clicked row: warehouse, batch, raw objects, offsets, requests.

import { get } from "./client.js";
import { count, element, moment } from "./format.js";

const at = (id) => document.getElementById(id);

export async function showLineage(symbol, mode, row) {
  const dialog = at("lineage"), body = at("lineage-body");
  at("lineage-title").textContent = `${symbol}, ${row.label}`;
  body.replaceChildren(element("p", { class: "dim", text: "Following the row back…" }));
  if (!dialog.open) dialog.showModal();
  const kind = mode === "daily" ? "daily" : "realtime";
  const path = `/v1/lineage/${kind}/${encodeURIComponent(symbol)}/${encodeURIComponent(row.key)}`;
  try {
    body.replaceChildren(way(await get(path)));
  } catch (problem) {
    body.replaceChildren(element("p", { class: "down", text: problem.message }));
  }
}

function way(found) {
  const { batch, sources } = found;
  const objects = grouped(sources, (source) => source.raw_object);
  const fetches = grouped(sources, (source) => source.fetch_id);
  return element("ol", { class: "way" },
    step("Warehouse row", found.table, values(found.row)),
    step("Batch", batch.batch_id, facts({
      Dataset: batch.dataset, Computed: moment(batch.produced_at), Loaded: moment(batch.loaded_at),
      Rows: `${count(batch.rows_in)} in, ${count(batch.rows_out)} out`, "Commit record": batch.manifest,
    })),
    step("Raw rows", `${count(found.source_count)} rows in ${objects.size} object${objects.size === 1 ? "" : "s"}`,
      ...[...objects].slice(0, 6).map(([key, rows]) => element("p", {}, element("code", { text: key }), ` ${count(rows.length)} rows`))),
    step("Kafka", topics(sources), ...[...grouped(sources, (source) => `${source.topic} partition ${source.partition}`)].map(([name, rows]) => {
      const offsets = rows.map((source) => source.offset);
      return element("p", { text: `${name}, offsets ${Math.min(...offsets)} to ${Math.max(...offsets)}` });
    })),
    step("Requests", `${count(fetches.size)} to the source`,
      ...[...fetches].slice(0, 6).map(([id, rows]) => element("p", {}, element("code", { text: rows[0].request || id }), ` ${moment(rows[0].fetched_at)}`)),
      ...(fetches.size > 6 ? [element("p", { class: "dim", text: `and ${fetches.size - 6} more` })] : [])),
  );
}

function step(kind, title, ...content) {
  const parts = title.split(/(?<=[._])/).flatMap((part) => [part, element("wbr", {})]);
  return element("li", {}, element("span", { class: "kind", text: kind }), element("strong", {}, ...parts), ...content);
}

function facts(pairs) {
  return element("dl", { class: "facts" }, ...Object.entries(pairs).flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]));
}

function values(row) {
  const shown = Object.entries(row).filter(([, value]) => value !== null);
  const table = facts(Object.fromEntries(shown.map(([name, value]) => [name, typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(7).replace(/\.?0+$/, "") : String(value)])));
  return element("details", {}, element("summary", { text: `${shown.length} values` }), table);
}

const topics = (sources) => [...new Set(sources.map((source) => source.topic))].join(", ");

function grouped(items, key) {
  const groups = new Map();
  items.forEach((item) => groups.set(key(item), [...(groups.get(key(item)) ?? []), item]));
  return groups;
}
