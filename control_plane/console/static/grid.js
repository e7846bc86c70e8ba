// Draws the load chart from the page's own data endpoint. Hours that are missing, zero or impossible are gaps with a
// mark, never averaged in. Canvas, and rich text for the tooltip: neither needs a style the page's policy forbids.
"use strict";
(() => {
  const place = document.getElementById("load-chart");
  if (!place) return;
  const said = document.getElementById("load-state");
  const table = document.getElementById("load-table");
  const HOUR = 3600e3, LONGEST_TABLE = 1500, NARROW = 640;
  const chart = echarts.init(place);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const usable = (row) => row.quality === "ok";
  const mw = (value) => (typeof value === "number" ? `${Math.round(value).toLocaleString("en")} MW` : "-");
  const local = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Sarajevo", ...options });
  const day = local({ day: "numeric", month: "short" }), month = local({ month: "short", year: "numeric" });
  const moment = local({ weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

  const points = (rows, value) => rows.map((row) => [row.at, value(row)]);
  const line = (name, tint, data, extra) => ({
    name, type: "line", showSymbol: false, connectNulls: false, data, itemStyle: { color: tint },
    emphasis: { disabled: true }, ...extra, lineStyle: { width: 2, color: tint, ...(extra || {}).lineStyle },
  });

  // Neighbouring faulty hours become one marked area.
  const faultyAreas = (rows) => rows.filter((row) => !usable(row)).reduce((areas, row) => {
    const last = areas[areas.length - 1];
    if (last && last[1].xAxis === row.at && last[0].name === row.quality) last[1].xAxis = row.at + HOUR;
    else areas.push([{ name: row.quality, xAxis: row.at }, { xAxis: row.at + HOUR }]);
    return areas;
  }, []);

  const band = (rows, tint) => [
    line("p10", tint, points(rows, (row) => row.forecast_p10_mw), { stack: "band", lineStyle: { width: 0 }, silent: true }),
    line("p90", tint, points(rows, (row) => (typeof row.forecast_p90_mw === "number" ? row.forecast_p90_mw - row.forecast_p10_mw : null)), {
      stack: "band", lineStyle: { width: 0 }, silent: true, areaStyle: { color: tint, opacity: 0.14 } }),
  ];

  const tip = (byTime) => (shown) => {
    const row = byTime.get(shown[0].value[0]);
    if (!row) return "";
    const lines = [moment.format(row.at), `Measured: ${usable(row) ? mw(row.actual_mw) : `no figure (${row.quality})`}`,
      `Operator's forecast: ${mw(row.operator_forecast_mw)}`, `Our forecast: ${mw(row.forecast_p50_mw)}`];
    if (typeof row.forecast_p10_mw === "number") lines.push(`  8 of 10 hours between ${mw(row.forecast_p10_mw)} and ${mw(row.forecast_p90_mw)}`);
    return lines.join("\n");
  };

  const draw = (rows) => {
    const text = color("--muted"), rule = color("--line"), ours = color("--ours"), operator = color("--operator");
    const byTime = new Map(rows.map((row) => [row.at, row]));
    const span = rows.length ? rows[rows.length - 1].at - rows[0].at : 0;
    const isNarrow = place.clientWidth < NARROW;
    chart.setOption({
      animation: false, textStyle: { color: text, fontFamily: "system-ui, sans-serif" },
      grid: { left: 8, right: 16, top: isNarrow ? 84 : 52, bottom: 64, containLabel: true },
      legend: { top: 0, left: 0, icon: "roundRect", itemHeight: 4, itemWidth: 22, itemGap: 18, textStyle: { color: text, fontSize: 13 },
        data: ["Measured", "Operator's forecast", "Our forecast"] },
      tooltip: { trigger: "axis", renderMode: "richText", formatter: tip(byTime), confine: true, backgroundColor: color("--panel"), borderColor: rule,
        textStyle: { color: color("--text"), fontSize: 13, lineHeight: 20 }, axisPointer: { lineStyle: { color: text } } },
      xAxis: { type: "time", axisLine: { lineStyle: { color: rule } }, axisTick: { show: false }, splitNumber: isNarrow ? 3 : 8,
        axisLabel: { color: text, hideOverlap: true, formatter: (at) => (span > 120 * 24 * HOUR ? month : day).format(at) } },
      yAxis: { type: "value", scale: true, name: "MW", nameTextStyle: { color: text, align: "left" },
        axisLabel: { color: text }, splitLine: { lineStyle: { color: rule, opacity: 0.6 } } },
      dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false }, { type: "slider", height: 20, bottom: 8, borderColor: rule, fillerColor: color("--veil"),
        dataBackground: { lineStyle: { color: rule }, areaStyle: { color: rule } }, selectedDataBackground: { lineStyle: { color: text }, areaStyle: { color: rule } },
        handleStyle: { color: color("--panel"), borderColor: text }, moveHandleStyle: { color: rule }, textStyle: { color: text }, labelFormatter: (at) => day.format(at) }],
      series: [
        ...band(rows, ours),
        line("Operator's forecast", operator, points(rows, (row) => row.operator_forecast_mw), { lineStyle: { width: 1.5, type: "dashed" } }),
        line("Our forecast", ours, points(rows, (row) => row.forecast_p50_mw), { lineStyle: { width: 1.5 } }),
        line("Measured", color("--actual"), points(rows, (row) => (usable(row) ? row.actual_mw : null)), { z: 5, lineStyle: { width: 2.5 },
          markArea: { silent: true, itemStyle: { color: color("--bad"), opacity: 0.16 }, label: { show: rows.length < 1000, color: color("--bad"), fontSize: 11 }, data: faultyAreas(rows) } }),
      ],
    }, true);
    place.dataset.ready = "true";
  };

  const cell = (tag, text, scope) => Object.assign(document.createElement(tag), { textContent: text, ...(scope ? { scope } : {}) });
  const rowOf = (cells) => { const row = document.createElement("tr"); row.append(...cells); return row; };
  const fill = (rows) => {
    const made = document.createElement("table"), head = document.createElement("thead"), body = document.createElement("tbody");
    head.append(rowOf(["Hour (Sarajevo)", "Measured", "Operator's forecast", "Our forecast", "Quality"].map((name) => cell("th", name, "col"))));
    body.append(...rows.slice(-LONGEST_TABLE).map((row) => rowOf([cell("th", moment.format(row.at), "row"), cell("td", mw(row.actual_mw)),
      cell("td", mw(row.operator_forecast_mw)), cell("td", mw(row.forecast_p50_mw)), cell("td", row.quality)])));
    made.append(head, body);
    table.querySelector("div").replaceChildren(made);
  };

  const tell = (rows) => {
    const faulty = rows.filter((row) => !usable(row)).length;
    const faults = faulty ? `${faulty.toLocaleString("en")} of them faulty, marked red and left out` : "all of them usable";
    said.textContent = rows.length ? `${rows.length.toLocaleString("en")} hours from ${moment.format(rows[0].at)}, ${faults}.` : "There is no hour in this range.";
    place.setAttribute("aria-label", `Line chart of the hourly load in megawatts. ${said.textContent} The same figures are in the table below.`);
  };

  const load = async () => {
    const answer = await fetch(`/grid/data${window.location.search}`, { headers: { accept: "application/json" } });
    const body = await answer.json();
    if (body.sign_in) { window.location.assign(`${body.sign_in}?then=${encodeURIComponent(window.location.pathname + window.location.search)}`); return; }
    if (!answer.ok) { said.textContent = body.detail || "The gateway refused this data."; place.hidden = true; table.hidden = true; return; }
    const rows = body.items.map((row) => ({ ...row, at: Date.parse(row.hour) }));
    draw(rows);
    tell(rows);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(rows));
    table.addEventListener("toggle", () => { if (table.open) fill(rows); }, { once: true });
    if (table.open) fill(rows);
  };
  new ResizeObserver(() => chart.resize()).observe(place);
  load().catch(() => { said.textContent = "The data could not be loaded. Reload the page."; });
})();
