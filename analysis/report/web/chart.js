// Chart of series over training: one map and measure, selectable arms, values at a cursor.
const MARGIN = { top: 16, right: 18, bottom: 40, left: 52 };

function setUpChart(data) {
  const plot = find("#chart");
  const mapSelect = find("#chart-map");
  const metricSelect = find("#chart-metric");
  const seedsBox = find("#chart-seeds");
  const hidden = new Set();
  let cursor = null;

  const current = () =>
    data.series.filter((one) => one.map === mapSelect.value && one.metric === metricSelect.value);
  const shown = () => current().filter((one) => !hidden.has(one.arm));

  function choose() {
    const metrics = unique(data.series.filter((one) => one.map === mapSelect.value).map((one) => one.metric));
    fillSelect(metricSelect, metrics, (name) => data.metrics[name]);
    drawChips();
    draw();
  }

  function drawChips() {
    const chips = unique(current().map((one) => one.arm)).map((arm) => {
      const button = html("button", { type: "button", "aria-pressed": !hidden.has(arm) }, swatch(data.arms[arm]), labelled(data.arms[arm]));
      button.addEventListener("click", () => {
        if (!hidden.delete(arm)) hidden.add(arm);
        button.setAttribute("aria-pressed", !hidden.has(arm));
        draw();
      });
      return button;
    });
    find("#chart-arms").replaceChildren(...chips);
  }

  function scales(all, width, height) {
    const values = all.flatMap((one) => [...one.mean, ...one.low, ...one.high]).filter((value) => value !== null);
    const rate = metricSelect.value.endsWith("won_mean");
    const [low, high] = rate || !values.length ? [0, 1] : [Math.min(0, ...values), Math.max(...values)];
    const last = Math.max(1, ...all.flatMap((one) => one.steps));
    return {
      last, low, high,
      x: (step) => MARGIN.left + (step / last) * (width - MARGIN.left - MARGIN.right),
      y: (value) => height - MARGIN.bottom - ((value - low) / (high - low || 1)) * (height - MARGIN.top - MARGIN.bottom),
      step: (x) => ((x - MARGIN.left) / (width - MARGIN.left - MARGIN.right)) * last,
    };
  }

  function draw() {
    const { clientWidth: width, clientHeight: height } = plot;
    if (!width) return;
    const scale = scales(current(), width, height); // scales of all arms, so that hiding an arm keeps the axes
    const layers = [axes(scale, width, height)];
    const drawn = shown().reverse().map((one) => drawSeries(one, scale)); // the first arm is drawn on top
    layers.push(...drawn.map(({ band }) => band), ...drawn.map(({ lines }) => lines));
    if (cursor !== null) {
      const x = scale.x(cursor);
      layers.push(svg("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: height - MARGIN.bottom }));
    }
    plot.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}` }, ...layers));
    plot.setAttribute("aria-label", `${data.metrics[metricSelect.value]} on ${mapSelect.value}, ${shown().length} lines`);
    drawReadout();
  }

  function drawSeries(one, scale) {
    const { colour, dashes } = data.arms[one.arm];
    const points = (values) =>
      one.steps.flatMap((step, at) => (values[at] === null ? [] : [`${scale.x(step).toFixed(1)},${scale.y(values[at]).toFixed(1)}`]));
    const outline = [...points(one.high), ...points(one.low).reverse()];
    const band = svg("polygon", { points: one.reference ? "" : outline.join(" "), fill: colour, opacity: 0.1 });
    const lines = svg("g", { class: "series", "data-arm": one.arm, fill: "none", stroke: colour });
    if (seedsBox.checked)
      for (const values of Object.values(one.seeds))
        lines.append(svg("polyline", { class: "seed", points: points(values).join(" "), opacity: 0.45, "stroke-width": 0.8 }));
    const weight = one.reference ? { "stroke-width": 1, opacity: 0.6 } : { "stroke-width": 2 };
    lines.append(svg("polyline", { points: points(one.mean).join(" "), "stroke-dasharray": dashes, ...weight }));
    return { band, lines };
  }

  function drawReadout() {
    const readout = find("#chart-readout");
    if (cursor === null) return readout.replaceChildren("Point at the plot to read values.");
    const number = (value) => (value === null ? "–" : value.toFixed(3));
    const rows = shown()
      .map((one) => ({ one, at: nearest(one.steps, cursor) }))
      .filter(({ one, at }) => one.mean[at] !== null)
      .sort((a, b) => b.one.mean[b.at] - a.one.mean[a.at])
      .map(({ one, at }) => {
        const interval = one.low[at] === null ? "" : `${number(one.low[at])} to ${number(one.high[at])}, `;
        const label = labelled(data.arms[one.arm]);
        if (one.reference) label.append(` (${one.reference})`);
        return html("li", {}, swatch(data.arms[one.arm]), label, html("b", {}, number(one.mean[at])), html("span", {}, `${interval}n = ${one.n[at]}`));
      });
    readout.replaceChildren(html("strong", {}, `At ${steps(Math.round(cursor))} environment steps`), html("ul", {}, ...rows));
  }

  function moveCursor(step) {
    const places = unique(shown().flatMap((one) => one.steps)).sort((a, b) => a - b);
    if (!places.length) return;
    cursor = places[nearest(places, step)];
    draw();
  }

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    moveCursor(scales(current(), plot.clientWidth, plot.clientHeight).step(event.clientX - box.left));
  });
  plot.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    const places = unique(shown().flatMap((one) => one.steps)).sort((a, b) => a - b);
    const at = cursor === null ? (direction > 0 ? -1 : places.length) : nearest(places, cursor);
    moveCursor(places[Math.min(Math.max(at + direction, 0), places.length - 1)]);
  });
  mapSelect.addEventListener("change", choose);
  metricSelect.addEventListener("change", () => { drawChips(); draw(); });
  seedsBox.addEventListener("change", draw);
  fillSelect(mapSelect, data.maps);
  mapSelect.value = data.opening.map ?? mapSelect.value;
  choose();
  if (data.opening.metric) {
    metricSelect.value = data.opening.metric;
    draw();
  }
  onResize(plot, draw);
}

const nearest = (sorted, value) =>
  sorted.reduce((best, one, at) => (Math.abs(one - value) < Math.abs(sorted[best] - value) ? at : best), 0);

function swatch({ colour, dashes }) {
  return svg("svg", { width: 26, height: 8, "aria-hidden": true },
    svg("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dashes }));
}

function axes(scale, width, height) {
  const group = svg("g");
  const ticks = (low, high, count) => {
    const rough = (high - low) / count || 1;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const distance = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough);
    return Array.from({ length: Math.floor(high / distance) - Math.ceil(low / distance) + 1 },
      (_, at) => +((Math.ceil(low / distance) + at) * distance).toPrecision(6));
  };
  for (const value of ticks(scale.low, scale.high, 5)) {
    const y = scale.y(value);
    group.append(svg("line", { class: "gridline", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
      svg("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, String(value)));
  }
  for (const value of ticks(0, scale.last, Math.max(2, width / 130)))
    group.append(svg("text", { x: scale.x(value), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, steps(value)));
  group.append(svg("text", { x: (width + MARGIN.left) / 2, y: height - 6, "text-anchor": "middle" }, "environment steps"));
  return group;
}
