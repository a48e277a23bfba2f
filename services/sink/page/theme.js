// Before the first paint: light or dark, as this browser was told the last time.
document.documentElement.dataset.theme = localStorage.getItem("causal-theme") || "auto";
