// Draws the load chart from the page's own data endpoint. Hours that are missing or zero are gaps, never averaged in.
"use strict";
(() => {
  const place = document.getElementById("load-chart");
  if (!place) return;
  const said = document.getElementById("load-state");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const chart = echarts.init(place, null, { renderer: "svg" });
  const usable = (row) => row.quality === "ok";

  const line = (name, tint, rows, value, extra) => ({
    name, type: "line", showSymbol: false, sampling: "lttb", connectNulls: false,
    lineStyle: { width: 2, color: tint }, itemStyle: { color: tint },
    data: rows.map((row) => [row.hour, value(row)]), ...extra,
  });

  const draw = (rows) => {
    const text = color("--muted"), grid = color("--line");
    const faults = rows.filter((row) => !usable(row)).map((row) => ({ xAxis: row.hour }));
    chart.setOption({
      animation: false, aria: { enabled: true }, textStyle: { color: text },
      grid: { left: 56, right: 16, top: 24, bottom: 64 },
      tooltip: { trigger: "axis", renderMode: "richText" },
      xAxis: { type: "time", axisLine: { lineStyle: { color: grid } }, axisLabel: { color: text } },
      yAxis: { type: "value", name: "MW", scale: true, axisLabel: { color: text }, splitLine: { lineStyle: { color: grid } } },
      dataZoom: [{ type: "inside" }, { type: "slider", height: 22, bottom: 12 }],
      series: [
        line("actual", color("--actual"), rows, (row) => (usable(row) ? row.actual_mw : null), {
          markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: color("--bad"), opacity: 0.35 }, data: faults.slice(0, 200) },
        }),
        line("operator's forecast", color("--operator"), rows, (row) => row.operator_forecast_mw, { lineStyle: { width: 1.5, type: "dashed", color: color("--operator") } }),
        line("our forecast", color("--ours"), rows, (row) => row.forecast_p50_mw),
      ],
    }, true);
    said.textContent = `${rows.length} hours, ${faults.length} of them faulty (missing, zero or spike) and left out.`;
    place.dataset.ready = "true";
  };

  const load = async () => {
    const answer = await fetch(`/grid/data${window.location.search}`, { headers: { accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) { said.textContent = body.detail || "The gateway refused this data."; return; }
    draw(body.items);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(body.items));
  };
  window.addEventListener("resize", () => chart.resize());
  load().catch(() => { said.textContent = "The data could not be loaded. Reload the page."; });
})();
