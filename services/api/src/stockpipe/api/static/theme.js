// Runs before the page is drawn, so that it never flashes in the other theme.
const kept = localStorage.getItem("theme");
const dark = kept ? kept === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
document.documentElement.dataset.theme = dark ? "dark" : "light";
