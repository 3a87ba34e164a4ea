"use strict";
/* Unpacks plotly and draws the figures; without it everything but the figures is readable. */
(() => {
  const read = (id) => document.getElementById(id).textContent;
  const onPaper = () => matchMedia("print").matches;

  async function unpack() {
    const bytes = Uint8Array.from(atob(read("plotly")), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.text = await new Response(stream).text();
    document.head.append(script);
  }

  function dressed(plot, box, printed) {
    const color = printed ? "#222" : getComputedStyle(document.body).color;
    const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
    const backdrop = (printed ? "#ffffff" : paper) + "b0";
    const grid = "rgba(128,128,128,0.28)";
    const layout = structuredClone(plot.layout);
    for (const axis of ["xaxis", "yaxis"]) {
      layout[axis] = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, ...layout[axis] };
    }
    for (const label of layout.annotations || []) label.bgcolor = backdrop;
    layout.font = { family: "system-ui, sans-serif", size: 12, color };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hovermode = "closest";
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    layout.width = box.clientWidth;
    layout.height = box.clientHeight;
    return layout;
  }

  function draw(plots, printed) {
    for (const plot of plots) {
      const box = document.getElementById("figure-" + plot.key);
      const config = { displayModeBar: false };
      window.Plotly.react(box, plot.data, dressed(plot, box, printed), config);
    }
  }

  async function start() {
    const plots = JSON.parse(read("plots"));
    if (!plots.length) return;
    await unpack();
    document.documentElement.classList.add("drawn");
    draw(plots, onPaper());
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      draw(plots, onPaper());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(plots, onPaper()));
    addEventListener("beforeprint", () => {
      for (const more of document.querySelectorAll("details.printed")) more.open = true;
      document.documentElement.classList.add("printing");
      draw(plots, true);
    });
    addEventListener("afterprint", () => {
      document.documentElement.classList.remove("printing");
      draw(plots, false);
    });
    document.documentElement.dataset.plots = String(plots.length);
  }

  start().catch((error) => {
    document.documentElement.classList.add("no-plots");
    throw error;
  });
})();
