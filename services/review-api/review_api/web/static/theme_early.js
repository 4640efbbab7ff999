// Runs before the first paint, so that a chosen theme or text size never flashes another one.
try {
  const theme = localStorage.getItem("labelmill.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const size = JSON.parse(localStorage.getItem("labelmill.text_size"));
  if (/^\d{2,3}$/.test(size)) document.documentElement.dataset.size = size;
} catch {
  // Storage may be closed to us: the system's theme and the usual size are used.
}
