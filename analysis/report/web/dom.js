// Creation of HTML and SVG nodes. Strings become text nodes, never markup.
const find = (selector) => document.querySelector(selector);

function create(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const html = (name, attributes = {}, ...children) => create(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  create(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// Label of an arm, with its mathematics as elements.
const labelled = ({ parts }) => html("span", { class: "label" }, ...parts.map(([kind, text]) => (kind ? html(kind, {}, text) : text)));

const unique = (values) => [...new Set(values)];

function fillSelect(select, values, label = (value) => value) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => html("option", { value }, label(value))));
  if (values.map(String).includes(before)) select.value = before;
}

const steps = (value) =>
  value >= 1e6 ? `${+(value / 1e6).toFixed(2)}M` : value >= 1e3 ? `${+(value / 1e3).toFixed(1)}k` : String(value);

// Redraw when the size of the element changes.
const onResize = (element, draw) => new ResizeObserver(() => draw()).observe(element);
