// Colour theme: the system's theme until the reader selects another.
function setUpTheme() {
  const button = find("#theme");
  const themes = ["system", "light", "dark"];
  let chosen = 0;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    if (chosen) document.documentElement.dataset.theme = themes[chosen];
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${themes[chosen]}`;
    button.setAttribute("aria-label", button.textContent);
  });
}
