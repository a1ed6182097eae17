// Light, dark, or as the system says; the choice lasts as long as the page is open.
const THEMES = [
  ["", "auto", "◐", "auto, as the system"],
  ["light", "light", "○", "light"],
  ["dark", "dark", "●", "dark"],
];

function startTheme() {
  const button = byId("theme");
  let chosen = 0;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % THEMES.length;
    const [theme, word, sign, said] = THEMES[chosen];
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.querySelector("[aria-hidden]").textContent = sign;
    button.querySelector(".word").textContent = `Theme: ${word}`;
    button.setAttribute("aria-label", `Theme: ${said}`);
  });
}
