// Numbers, times and elements.

const price = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

const given = (format) => (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : format(value));

export const money = given((value) => price.format(value));
export const count = given((value) => whole.format(value));
export const short = given((value) => compact.format(value));
export const percent = given((value) => `${value >= 0 ? "+" : "−"}${price.format(Math.abs(value))} %`);
export const signed = given((value) => `${value >= 0 ? "+" : "−"}${price.format(Math.abs(value))}`);
export const direction = (value) => (value === null || value === undefined ? "" : value >= 0 ? "up" : "down");

export function day(instant) {
  return new Date(instant).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
}

export function moment(instant) {
  const time = new Date(instant).toLocaleTimeString("en-GB", { timeZone: "UTC" });
  return `${day(instant)}, ${time} UTC`;
}

export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return "now";
  for (const [unit, size] of [["y", 31557600], ["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * size || (unit === "y" && seconds >= size)) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

// element("td", { class: "num", text: "5" }, child, …); text is never read as HTML.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// Fills a table: columns are { name, of(row) → text or node, left }.
export function fill(table, columns, rows, empty) {
  const head = element("tr", {}, ...columns.map((each) => element("th", { scope: "col", class: each.left ? "" : "num", text: each.name })));
  const body = rows.map((row) => element("tr", {}, ...columns.map((each) => {
    const shown = each.of(row);
    const cell = element("td", { class: each.left ? "" : "num" });
    cell.append(shown);
    return cell;
  })));
  if (!body.length) body.push(element("tr", {}, element("td", { colspan: columns.length, class: "dim", text: empty })));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

export function sparkline(values, width = 84, height = 28) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  if (values.length < 2) return svg;
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const points = values.map((value, index) => [
    (index / (values.length - 1)) * width,
    height - 3 - ((value - low) / span) * (height - 6),
  ].map((part) => part.toFixed(1)).join(","));
  const area = document.createElementNS(space, "polygon");
  area.setAttribute("points", `0,${height} ${points.join(" ")} ${width},${height}`);
  const line = document.createElementNS(space, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(area, line);
  return svg;
}
