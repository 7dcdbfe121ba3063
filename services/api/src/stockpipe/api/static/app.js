// Puts the page together: which view and symbol is shown follows the address, what changes follows the stream.

import { Chart, layersOf } from "./chart.js";
import { get, listen } from "./client.js";
import { age, direction, element, money, moment, day, percent, short, signed, sparkline } from "./format.js";
import { showLineage } from "./lineage.js";
import { showOperations } from "./operations.js";

const at = (id) => document.getElementById(id);
const state = { symbols: new Map(), symbol: null, view: "market", mode: "daily", range: 252, loaded: null, heard: false };
const chart = new Chart(at("chart"), at("legend"), (row) => showLineage(state.symbol, state.mode, row));

// --- the list of symbols

function showSymbols() {
  const wanted = at("search").value.trim().toUpperCase();
  const shown = [...state.symbols.values()].filter((each) => each.symbol.includes(wanted));
  const list = at("symbols");
  const there = new Map([...list.children].map((item) => [item.dataset.symbol, item]));
  list.replaceChildren(...shown.map((each) => {
    const item = there.get(each.symbol) ?? element("li", { "data-symbol": each.symbol });
    if (item.dataset.version !== version(each)) fillSymbol(item, each);
    item.firstChild.toggleAttribute("aria-current", each.symbol === state.symbol);
    if (each.symbol === state.symbol) item.firstChild.setAttribute("aria-current", "true");
    return item;
  }));
  if (!shown.length) list.append(element("li", { class: "dim none", text: state.symbols.size ? "No symbol has this in its name." : "No symbol yet." }));
  showAges();
}

const version = (each) => `${each.price} ${each.as_of} ${each.change}`;

function fillSymbol(item, each) {
  const isNew = item.dataset.version && item.dataset.version.split(" ")[0] !== String(each.price);
  item.dataset.version = version(each);
  const way = direction(each.change);
  item.replaceChildren(element("a", { class: `symbol ${way}`, href: `#/${encodeURIComponent(each.symbol)}` },
    element("span", { class: "symbol-name", text: each.symbol }),
    sparkline(each.spark),
    element("span", { class: "symbol-price num", text: money(each.price) }),
    element("span", { class: "symbol-age dim", "data-as-of": each.as_of, "data-source": each.source }),
    element("span", { class: "symbol-change num", text: percent(each.change_pct) }),
  ));
  if (isNew) flash(item.firstChild);
}

function flash(node) {
  node.classList.remove("flash");
  void node.offsetWidth;
  node.classList.add("flash");
}

function showAges() {
  for (const each of document.querySelectorAll("[data-as-of]")) {
    const seconds = (Date.now() - new Date(each.dataset.asOf)) / 1000;
    each.textContent = each.dataset.source === "daily" || seconds > 3 * 86400 ? day(each.dataset.asOf) : `${age(Math.max(seconds, 0))} ago`;
    each.classList.toggle("fresh", each.dataset.source === "realtime" && seconds < 120);
  }
}

// --- the symbol that is shown

function showHead() {
  const now = state.symbols.get(state.symbol);
  if (!now) return;
  const way = direction(now.change);
  const before = at("price").textContent;
  at("name").textContent = now.symbol;
  at("exchange").textContent = now.exchange ?? "";
  at("price").textContent = money(now.price);
  at("change").className = `change num ${way}`;
  at("change").textContent = now.change === null ? "" : `${signed(now.change)} (${percent(now.change_pct)})`;
  at("change").title = now.change_from === "first_price" ? "since the day's first price" : "since the close before";
  at("as-of").textContent = now.source === "realtime" ? `${moment(now.as_of)}` : `Close of ${day(now.as_of)}`;
  if (before && before !== money(now.price) && state.loaded === key()) flash(at("price"));
  document.title = `${now.symbol} ${money(now.price)} · stockpipe`;
}

const key = () => `${state.symbol} ${state.mode} ${state.range}`;

async function showChart() {
  const wanted = key();
  if (!state.symbol) return;
  at("chart").setAttribute("aria-busy", "true");
  const empty = at("chart-empty");
  try {
    const [rows, anomalies] = state.mode === "daily" ? await daily() : [await intraday({ limit: 500 }), []];
    if (wanted !== key()) return;
    rows.name = wanted;
    chart.show(state.mode, rows, anomalies);
    empty.hidden = rows.length > 0;
    empty.textContent = state.mode === "daily" ? `No daily bars of ${state.symbol} are in the warehouse yet.` : `No windows of ${state.symbol} are in the warehouse yet: they come with its first quotes.`;
    showStats(rows);
    chart.name = wanted;
    state.loaded = wanted;
  } catch (problem) {
    empty.hidden = false;
    empty.textContent = problem.message;
  } finally {
    at("chart").removeAttribute("aria-busy");
  }
}

async function daily() {
  const symbol = encodeURIComponent(state.symbol);
  const [bars, flags] = await Promise.all([
    get(`/v1/indicators/${symbol}`, { order: "desc", limit: state.range }),
    get(`/v1/anomalies/${symbol}`, { order: "desc", limit: 1000 }),
  ]);
  const rows = bars.data.reverse().map((row) => ({ ...row, time: row.date, key: row.date, label: day(row.date) }));
  return [rows, flags.data.reverse()];
}

async function intraday(parameters) {
  const found = await get(`/v1/realtime/${encodeURIComponent(state.symbol)}`, { order: "desc", ...parameters });
  return found.data.reverse()
    .filter((row) => new Date(row.window_start).getUTCMinutes() % 15 === 0)
    .map((row) => ({ ...row, time: Date.parse(row.window_start) / 1000, key: row.window_start, volume: row.volume_sum_15m, label: `${row.window_start.slice(0, 10)} ${row.window_start.slice(11, 16)}–${row.window_end.slice(11, 16)}` }));
}

function showStats(rows) {
  const last = rows.at(-1);
  const tiles = [];
  if (last && state.mode === "daily") {
    const highs = Math.max(...rows.map((row) => row.high)), lows = Math.min(...rows.map((row) => row.low));
    tiles.push(["Range shown", `${money(lows)} – ${money(highs)}`], ["Return shown", percent(100 * (last.close / rows[0].close - 1))],
      ["Volatility, a year", last.volatility_30 === null ? "–" : `${(100 * last.volatility_30 * Math.sqrt(252)).toFixed(1)} %`],
      ["RSI 14", last.rsi_14?.toFixed(1) ?? "–"], ["ATR 14", money(last.atr_14)], ["Volume", short(last.volume)]);
  } else if (last) {
    tiles.push(["VWAP", money(last.vwap_15m)], ["Mean, 1 hour", money(last.ma_1h)], ["Deviation, 1 hour", money(last.volatility_1h)],
      ["Shares, 1 hour", short(last.volume_sum_1h)], ["Quotes, 1 hour", short(last.record_count_1h)], ["Windows shown", short(rows.length)]);
  }
  at("stats").replaceChildren(...tiles.map(([name, value]) => element("div", { class: "stat" }, element("span", { class: "dim", text: name }), element("strong", { class: "num", text: value }))));
}

async function showCorrelation() {
  const names = [...state.symbols.keys()].slice(0, 12);
  if (names.length < 2) return;
  const found = await get("/v1/correlation", { symbols: names.join(",") }).catch(() => null);
  if (!found) return;
  const values = new Map(found.data.map((row) => [`${row.left} ${row.right}`, row]));
  const head = element("tr", {}, element("td"), ...names.map((name) => element("th", { scope: "col", text: name })));
  const rows = names.map((left) => element("tr", {}, element("th", { scope: "row", text: left }), ...names.map((right) => {
    const { correlation, sessions } = values.get(`${left} ${right}`);
    const cell = element("td", { class: "num", title: `${left} and ${right}: ${sessions} sessions`, text: correlation === null ? "–" : correlation.toFixed(2).replace("-0.00", "0.00") });
    if (correlation !== null) cell.style.setProperty("--heat", `${Math.round(Math.abs(correlation) * 70)}%`);
    if (correlation < 0) cell.classList.add("negative");
    return cell;
  })));
  at("correlation").replaceChildren(head, ...rows);
  at("correlation-card").hidden = false;
}

// --- what is chosen

function showLayers() {
  at("layers").replaceChildren(...layersOf(state.mode).map((layer) => {
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": String(chart.shown.has(layer.id)), text: layer.label });
    chip.onclick = () => {
      if (!chart.shown.delete(layer.id)) chart.shown.add(layer.id);
      chip.setAttribute("aria-pressed", String(chart.shown.has(layer.id)));
      const range = chart.chart?.timeScale().getVisibleLogicalRange();
      chart.draw();
      if (range) chart.chart?.timeScale().setVisibleLogicalRange(range);
    };
    return chip;
  }));
}

function choose(holder, attribute, set) {
  holder.onclick = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    set(button.dataset[attribute]);
    press(holder, attribute, button.dataset[attribute]);
    showLayers();
    showChart();
  };
}

function press(holder, attribute, value) {
  for (const button of holder.children) button.setAttribute("aria-pressed", String(button.dataset[attribute] === value));
}

choose(at("modes"), "mode", (mode) => {
  state.mode = mode;
  at("ranges").hidden = mode !== "daily";
});
choose(at("ranges"), "range", (range) => (state.range = Number(range)));

function follow() {
  const place = decodeURIComponent(location.hash.slice(2));
  state.view = place === "operations" ? "operations" : "market";
  at("market").hidden = state.view !== "market";
  at("operations").hidden = state.view !== "operations";
  for (const view of ["market", "operations"]) {
    if (view === state.view) at(`tab-${view}`).setAttribute("aria-current", "page");
    else at(`tab-${view}`).removeAttribute("aria-current");
  }
  if (state.view === "operations") {
    document.title = "Operations · stockpipe";
    return refreshOperations();
  }
  const symbol = state.symbols.has(place) ? place : (state.symbol ?? state.symbols.keys().next().value ?? null);
  const changed = symbol !== state.symbol;
  state.symbol = symbol;
  at("waiting").hidden = symbol !== null || !state.heard;
  at("shown").hidden = symbol === null;
  showSymbols();
  showHead();
  if (changed || state.loaded !== key()) {
    document.querySelector("[aria-current='true']")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    showChart();
  }
}

const refreshOperations = () => showOperations().catch((problem) => (at("verdict").textContent = problem.message));

function move(step) {
  const names = [...at("symbols").children].map((item) => item.dataset.symbol).filter(Boolean);
  const next = names[(names.indexOf(state.symbol) + step + names.length) % names.length];
  if (next) location.hash = `#/${encodeURIComponent(next)}`;
}

function changeTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  if (chart.rows.length) chart.draw();
}

// --- what happens

addEventListener("hashchange", follow);
at("search").oninput = showSymbols;
at("search").onkeydown = (event) => {
  if (event.key === "Enter") {
    const first = at("symbols").querySelector("a");
    if (first) location.hash = first.getAttribute("href");
  }
  if (event.key === "Escape") {
    at("search").value = "";
    showSymbols();
    at("search").blur();
  }
};
at("theme").onclick = changeTheme;
at("lineage-close").onclick = () => at("lineage").close();
at("lineage").onclick = (event) => event.target === at("lineage") && at("lineage").close();
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input") || document.querySelector("dialog[open]")) return;
  const action = {
    "/": () => at("search").focus(), t: changeTheme, ArrowDown: () => move(1), ArrowUp: () => move(-1),
    1: () => (location.hash = "#/"), 2: () => (location.hash = "#/operations"),
  }[event.key];
  if (!action || (event.key === "/" && state.view !== "market")) return;
  event.preventDefault();
  action();
});
setInterval(showAges, 1000);
setInterval(() => state.view === "operations" && !document.hidden && refreshOperations(), 10000);

listen({
  state(connection) {
    at("live").dataset.state = connection;
    at("live").textContent = connection === "live" ? "Live" : "Reconnecting";
  },
  symbols(rows) {
    const first = state.symbols.size === 0;
    state.heard = true;
    rows.forEach((row) => state.symbols.set(row.symbol, row));
    if (first && rows.length) {
      state.symbols = new Map([...state.symbols].sort(([a], [b]) => (a < b ? -1 : 1)));
      showCorrelation();
    }
    if (first || state.view === "market") follow();
    if (!first && state.mode === "intraday" && rows.some((row) => row.symbol === state.symbol)) updateIntraday();
  },
  batches(rows) {
    if (state.view === "operations") refreshOperations();
    if (rows.some((row) => row.dataset === "daily")) {
      showCorrelation();
      if (state.mode === "daily") showChart();
    }
  },
});

async function updateIntraday() {
  const wanted = key();
  if (state.loaded !== wanted) return;
  const rows = await intraday({ limit: 30 }).catch(() => []);
  if (wanted !== key() || !rows.length) return;
  rows.name = wanted;
  at("chart-empty").hidden = true;
  chart.update(rows);
  showStats(chart.rows);
}

follow();
showLayers();
