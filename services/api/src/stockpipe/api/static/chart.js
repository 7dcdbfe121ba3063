// The chart: candles with averages, bands and volume, and panes of indicators below.

import { money, short } from "./format.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What can be shown, by kind of bars. `pane` gives it one of its own.
const LAYERS = {
  daily: [
    { id: "bands", label: "Bollinger", lines: [["bollinger_upper", "--c-band"], ["bollinger_middle", "--c-band-mid"], ["bollinger_lower", "--c-band"]] },
    { id: "averages", label: "SMA 50 · 200", lines: [["sma_50", "--c-1"], ["sma_200", "--c-2"]] },
    { id: "vwap", label: "VWAP 20", off: true, lines: [["vwap_20", "--c-3"]] },
    { id: "rsi", label: "RSI 14", pane: true, lines: [["rsi_14", "--c-1"]], levels: [70, 30] },
    { id: "macd", label: "MACD 12 26 9", pane: true, bars: "macd_histogram", lines: [["macd", "--c-1"], ["macd_signal", "--c-2"]] },
    { id: "volatility", label: "Volatility 30", pane: true, off: true, lines: [["volatility_30", "--c-3"]], percent: true },
    { id: "atr", label: "ATR 14", pane: true, off: true, lines: [["atr_14", "--c-3"]] },
    { id: "anomalies", label: "Anomalies", off: true, lines: [] },
  ],
  intraday: [
    { id: "means", label: "Mean 15 min · 1 h", lines: [["ma_15m", "--c-1"], ["ma_1h", "--c-2"]] },
    { id: "window-vwap", label: "VWAP", lines: [["vwap_15m", "--c-3"]] },
    { id: "deviation", label: "Deviation 1 h", pane: true, lines: [["volatility_1h", "--c-3"]] },
  ],
};

export const layersOf = (mode) => LAYERS[mode];

export class Chart {
  constructor(holder, legend, onPick) {
    this.holder = holder;
    this.legend = legend;
    this.onPick = onPick;
    this.rows = [];
    const narrow = innerWidth < 600;
    this.shown = new Set(Object.values(LAYERS).flat().filter((layer) => !layer.off && !(narrow && layer.pane && layer.id === "macd")).map((layer) => layer.id));
    holder.addEventListener("keydown", (event) => this.key(event));
    holder.addEventListener("blur", () => this.chart?.clearCrosshairPosition());
  }

  // rows: time, open, high, low, close, volume and the layers' columns, oldest first.
  show(mode, rows, anomalies = []) {
    const keep = this.mode === mode && this.name === rows.name;
    const range = keep ? this.chart?.timeScale().getVisibleLogicalRange() : null;
    this.mode = mode;
    this.rows = rows;
    this.anomalies = anomalies;
    this.byTime = new Map(rows.map((row, index) => [row.time, index]));
    this.cursor = rows.length - 1;
    this.draw();
    if (range) this.chart.timeScale().setVisibleLogicalRange(range);
  }

  draw() {
    this.chart?.remove();
    if (!this.rows.length) {
      this.chart = null;
      this.legend.replaceChildren();
      return;
    }
    const L = window.LightweightCharts;
    const chart = (this.chart = L.createChart(this.holder, {
      autoSize: true,
      layout: {
        background: { color: "transparent" },
        textColor: css("--dim"),
        fontFamily: css("--font"),
        fontSize: 11,
        attributionLogo: false,
        panes: { separatorColor: css("--line"), separatorHoverColor: css("--line"), enableResize: true },
      },
      grid: { vertLines: { color: css("--grid") }, horzLines: { color: css("--grid") } },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderVisible: false, timeVisible: this.mode === "intraday", secondsVisible: false, rightOffset: 2, minBarSpacing: 0.05, maxBarSpacing: 42 },
      crosshair: { mode: L.CrosshairMode.Normal, vertLine: { color: css("--dim"), labelBackgroundColor: css("--accent") }, horzLine: { color: css("--dim"), labelBackgroundColor: css("--accent") } },
      kineticScroll: { mouse: true },
    }));
    const up = css("--up"), down = css("--down");
    this.candles = chart.addSeries(L.CandlestickSeries, {
      priceFormat: { type: "custom", formatter: money, minMove: 0.01 }, upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false, priceLineColor: css("--accent"), priceLineStyle: L.LineStyle.Dotted,
    });
    this.volume = chart.addSeries(L.HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false });
    chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: innerWidth < 600 ? 0.04 : 0.1, bottom: 0.2 } });
    this.series = [];
    let pane = 0;
    for (const layer of LAYERS[this.mode].filter((each) => this.shown.has(each.id))) {
      const index = layer.pane ? ++pane : 0;
      const format = layer.percent
        ? { priceFormat: { type: "custom", formatter: (value) => `${(100 * value).toFixed(1)} %`, minMove: 0.0001 } }
        : { priceFormat: { type: "custom", formatter: money, minMove: 0.01 } };
      const quiet = { priceLineVisible: false, lastValueVisible: Boolean(layer.pane), crosshairMarkerVisible: false, ...format };
      if (layer.bars) this.add(layer.bars, chart.addSeries(L.HistogramSeries, { ...quiet, lastValueVisible: false }, index), (value) => ({ color: value >= 0 ? css("--up-soft") : css("--down-soft") }));
      layer.lines.forEach(([column, color]) => this.add(column, chart.addSeries(L.LineSeries, { ...quiet, color: css(color), lineWidth: layer.id === "bands" ? 1 : 1.5 }, index)));
      if (layer.levels) layer.levels.forEach((price) => this.series.at(-1).series.createPriceLine({ price, color: css("--dim"), lineStyle: L.LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false }));
      if (layer.pane) L.createTextWatermark(chart.panes()[index], { horzAlign: "left", vertAlign: "top", lines: [{ text: layer.label, color: css("--dim"), fontSize: 11, fontFamily: css("--font") }] });
    }
    const spread = Math.max(...this.rows.map((row) => row.high)) / Math.min(...this.rows.map((row) => row.low));
    chart.panes().forEach((each, index) => {
      each.setStretchFactor(index ? 1 : 3.4);
      const mode = index === 0 && spread > 4 ? L.PriceScaleMode.Logarithmic : L.PriceScaleMode.Normal;
      chart.priceScale("right", index).applyOptions({ mode });
    });
    if (this.shown.has("anomalies") && this.mode === "daily") {
      const marks = this.anomalies.filter((row) => this.byTime.has(row.date));
      L.createSeriesMarkers(this.candles, marks.map((row) => ({ time: row.date, position: "aboveBar", shape: "circle", size: 0.7, color: css("--warn") })));
    }
    this.feed();
    chart.timeScale().fitContent();
    chart.subscribeCrosshairMove((move) => this.write(move.time === undefined ? this.rows.length - 1 : this.byTime.get(move.time)));
    chart.subscribeClick((click) => {
      if (click.time !== undefined && this.byTime.has(click.time)) this.onPick(this.rows[this.byTime.get(click.time)]);
    });
    this.write(this.rows.length - 1);
  }

  add(column, series, more = () => ({})) {
    this.series.push({ column, series, more });
  }

  feed() {
    const up = css("--up-soft"), down = css("--down-soft");
    this.candles.setData(this.rows.map(({ time, open, high, low, close }) => ({ time, open, high, low, close })));
    this.volume.setData(this.rows.map(({ time, volume, open, close }) => ({ time, value: volume, color: close >= open ? up : down })));
    for (const { column, series, more } of this.series) {
      series.setData(this.rows.map((row) => (row[column] === null ? { time: row.time } : { time: row.time, value: row[column], ...more(row[column]) })));
    }
  }

  // Takes rows that are new or changed; the view stays where it is.
  update(rows) {
    if (!this.chart) return this.show(this.mode, rows);
    const all = new Map(this.rows.map((row) => [row.time, row]));
    rows.forEach((row) => all.set(row.time, row));
    this.rows = [...all.values()].sort((a, b) => a.time - b.time);
    this.byTime = new Map(this.rows.map((row, index) => [row.time, index]));
    this.feed();
    this.write(this.rows.length - 1);
  }

  write(index) {
    const row = this.rows[index];
    if (!row) return;
    const pair = (label, value, color) => {
      const part = document.createElement("span");
      const name = document.createElement("i");
      name.textContent = label;
      if (color) name.style.color = css(color);
      part.append(name, ` ${value}`);
      return part;
    };
    const parts = [pair("", row.label), ...["open", "high", "low", "close"].map((each) => pair(each[0].toUpperCase(), money(row[each]))), pair("Vol", short(row.volume))];
    for (const layer of LAYERS[this.mode].filter((each) => !each.pane && this.shown.has(each.id))) {
      layer.lines.forEach(([column, color]) => {
        if (layer.id !== "bands") parts.push(pair(NAMES[column], money(row[column]), color));
      });
    }
    this.legend.replaceChildren(...parts);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!this.chart || (!step && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return this.onPick(this.rows[this.cursor]);
    this.cursor = Math.min(Math.max(this.cursor + step * (event.shiftKey ? 10 : 1), 0), this.rows.length - 1);
    const row = this.rows[this.cursor];
    this.chart.setCrosshairPosition(row.close, row.time, this.candles);
    this.write(this.cursor);
  }
}

const NAMES = { sma_50: "SMA 50", sma_200: "SMA 200", vwap_20: "VWAP", vwap_15m: "VWAP", ma_15m: "15 min", ma_1h: "1 h" };
