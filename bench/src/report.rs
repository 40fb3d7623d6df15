//! Results as a table for the terminal, and as a page of plots.

mod plot;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use self::plot::{Plot, Series};
use crate::{Failure, api, chat, hls, publish, whep};

/// What to report.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder with the results
    folder: PathBuf,
    /// Where to write the page; `index.html` in the folder if not given
    #[arg(long)]
    page: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (mut viewers, mut realtime, mut publishers, mut callers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut rooms = Vec::new();
    for entry in fs::read_dir(&arguments.folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read(&path)?;
        if let Ok(outcome) = serde_json::from_slice::<hls::Outcome>(&text) {
            viewers.push(outcome);
        } else if let Ok(outcome) = serde_json::from_slice::<publish::Outcome>(&text) {
            publishers.push(outcome);
        } else if let Ok(outcome) = serde_json::from_slice::<whep::Outcome>(&text) {
            realtime.push(outcome);
        } else if let Ok(outcome) = serde_json::from_slice::<api::Outcome>(&text) {
            callers.push(outcome);
        } else if let Ok(outcome) = serde_json::from_slice::<chat::Outcome>(&text) {
            rooms.push(outcome);
        } else {
            eprintln!("not a result: {}", path.display());
        }
    }
    viewers.sort_by(|a, b| (&a.label, a.viewers).cmp(&(&b.label, b.viewers)));
    realtime.sort_by(|a, b| (&a.label, a.viewers).cmp(&(&b.label, b.viewers)));
    publishers.sort_by(|a, b| (&a.label, a.publishers).cmp(&(&b.label, b.publishers)));

    callers.sort_by(|a, b| a.label.cmp(&b.label));
    rooms.sort_by(|a, b| (&a.label, a.connections).cmp(&(&b.label, b.connections)).then(a.rate.total_cmp(&b.rate)));

    let tables = [
        viewer_table(&viewers),
        realtime_table(&realtime),
        publisher_table(&publishers),
        route_table(&callers),
        token_table(&callers),
        chat_table(&rooms),
    ];
    for table in tables.iter().filter(|table| table.len() > 1) {
        println!("{}", in_columns(table));
    }
    let page = arguments.page.clone().unwrap_or_else(|| arguments.folder.join("index.html"));
    fs::write(&page, html(&tables, &plots(&viewers, &realtime, &publishers, &rooms)))?;
    println!("plots: {}", page.display());
    Ok(())
}

/// A row of cells each; the first is the heading.
type Table = Vec<Vec<String>>;

fn viewer_table(outcomes: &[hls::Outcome]) -> Table {
    let heading = [
        "viewers of",
        "viewers",
        "Gbit/s",
        "requests/s",
        "server core",
        "MiB",
        "CPU-s/Gbit",
        "viewers/core",
        "newest p50",
        "p95",
        "p99 ms",
        "missed",
        "behind",
        "stalls",
        "errors",
        "keeps up",
        "load core",
        "others",
    ];
    let row = |outcome: &hls::Outcome| {
        vec![
            outcome.label.clone(),
            outcome.viewers.to_string(),
            format!("{:.3}", outcome.gbit_per_second),
            format!("{:.0}", outcome.requests_per_second),
            or_dash(outcome.server.map(|cost| format!("{:.1} %", cost.cores * 100.0))),
            or_dash(outcome.server.map(|cost| format!("{:.0}", cost.memory_mib))),
            or_dash(outcome.cpu_seconds_per_gbit.map(|cost| format!("{cost:.3}"))),
            or_dash(outcome.viewers_a_core.map(|viewers| format!("{viewers:.0}"))),
            format!("{:.0}", outcome.newest_ms.p50),
            format!("{:.0}", outcome.newest_ms.p95),
            format!("{:.0}", outcome.newest_ms.p99),
            outcome.pictures_missed.to_string(),
            outcome.fell_behind.to_string(),
            outcome.stalls.to_string(),
            outcome.errors.values().sum::<u64>().to_string(),
            if outcome.keeps_up { "yes" } else { "no" }.to_owned(),
            format!("{:.0} %", outcome.load_cores * 100.0),
            format!("{:.0} %", outcome.other_cores * 100.0),
        ]
    };
    table(&heading, outcomes.iter().map(row))
}

fn realtime_table(outcomes: &[whep::Outcome]) -> Table {
    let heading = [
        "WebRTC viewers of",
        "viewers",
        "Gbit/s",
        "packets/s",
        "server core",
        "MiB/viewer",
        "CPU-s/Gbit",
        "viewers/core",
        "age p50",
        "p95",
        "p99 ms",
        "start p50",
        "p99 ms",
        "lost",
        "stalls",
        "errors",
        "keeps up",
        "load core",
        "others",
    ];
    let row = |outcome: &whep::Outcome| {
        vec![
            outcome.label.clone(),
            outcome.viewers.to_string(),
            format!("{:.3}", outcome.gbit_per_second),
            format!("{:.0}", outcome.packets_per_second),
            or_dash(outcome.server.map(|cost| format!("{:.1} %", cost.cores * 100.0))),
            or_dash(outcome.mib_a_viewer.map(|mib| format!("{mib:.2}"))),
            or_dash(outcome.cpu_seconds_per_gbit.map(|cost| format!("{cost:.3}"))),
            or_dash(outcome.viewers_a_core.map(|viewers| format!("{viewers:.0}"))),
            format!("{:.0}", outcome.age_ms.p50),
            format!("{:.0}", outcome.age_ms.p95),
            format!("{:.0}", outcome.age_ms.p99),
            format!("{:.0}", outcome.start_ms.p50),
            format!("{:.0}", outcome.start_ms.p99),
            outcome.packets_lost.to_string(),
            outcome.stalls.to_string(),
            outcome.errors.values().sum::<u64>().to_string(),
            if outcome.keeps_up { "yes" } else { "no" }.to_owned(),
            format!("{:.0} %", outcome.load_cores * 100.0),
            format!("{:.0} %", outcome.other_cores * 100.0),
        ]
    };
    table(&heading, outcomes.iter().map(row))
}

fn publisher_table(outcomes: &[publish::Outcome]) -> Table {
    let heading = [
        "publishers to",
        "publishers",
        "Mbit/s",
        "server core",
        "core/publisher",
        "MiB/publisher",
        "of it anonymous",
        "refused",
        "lost",
        "late p99 ms",
        "load core",
        "others",
    ];
    let row = |outcome: &publish::Outcome| {
        vec![
            outcome.label.clone(),
            outcome.publishers.to_string(),
            format!("{:.1}", outcome.mbit_per_second),
            or_dash(outcome.server.map(|cost| format!("{:.1} %", cost.cores * 100.0))),
            or_dash(outcome.core_percent_a_publisher.map(|percent| format!("{percent:.3} %"))),
            or_dash(outcome.mib_a_publisher.map(|mib| format!("{mib:.2}"))),
            or_dash(outcome.anonymous_mib_a_publisher.map(|mib| format!("{mib:.2}"))),
            outcome.refused.to_string(),
            outcome.lost.to_string(),
            format!("{:.1}", outcome.late_p99_ms),
            format!("{:.0} %", outcome.load_cores * 100.0),
            format!("{:.0} %", outcome.other_cores * 100.0),
        ]
    };
    table(&heading, outcomes.iter().map(row))
}

fn route_table(outcomes: &[api::Outcome]) -> Table {
    let heading = [
        "API of",
        "route",
        "connections",
        "requests/s",
        "requests/core",
        "core-µs/request",
        "p50",
        "p99 ms",
        "errors",
        "load core",
        "others",
    ];
    let row = |label: &str, route: &api::Route| {
        vec![
            label.to_owned(),
            route.name.clone(),
            route.connections.to_string(),
            format!("{:.0}", route.requests_per_second),
            or_dash(route.requests_a_core.map(|requests| format!("{requests:.0}"))),
            or_dash(route.cpu_us.map(|cost| format!("{cost:.1}"))),
            format!("{:.2}", route.latency_ms.p50),
            format!("{:.2}", route.latency_ms.p99),
            route.errors.values().sum::<u64>().to_string(),
            format!("{:.0} %", route.load_cores * 100.0),
            format!("{:.0} %", route.other_cores * 100.0),
        ]
    };
    let rows = outcomes.iter().flat_map(|outcome| outcome.routes.iter().map(|route| row(&outcome.label, route)));
    table(&heading, rows)
}

fn chat_table(outcomes: &[chat::Outcome]) -> Table {
    let heading = [
        "chat of",
        "connections",
        "messages/s",
        "deliveries/s",
        "bytes",
        "in a frame",
        "server core",
        "deliveries/core",
        "age p50",
        "p95",
        "p99 ms",
        "KiB/connection",
        "kernel's",
        "missing",
        "holes",
        "doubles",
        "errors",
        "keeps up",
        "load core",
        "others",
    ];
    let row = |outcome: &chat::Outcome| {
        vec![
            outcome.label.clone(),
            outcome.connections.to_string(),
            format!("{:.0}", outcome.rate),
            format!("{:.0}", outcome.deliveries_per_second),
            format!("{:.0}", outcome.bytes_a_delivery),
            format!("{:.1}", outcome.messages_a_frame),
            or_dash(outcome.server.map(|cost| format!("{:.1} %", cost.cores * 100.0))),
            or_dash(outcome.deliveries_a_core.map(|deliveries| format!("{deliveries:.0}"))),
            format!("{:.1}", outcome.age_ms.p50),
            format!("{:.1}", outcome.age_ms.p95),
            format!("{:.1}", outcome.age_ms.p99),
            or_dash(outcome.kib_a_connection.map(|kib| format!("{kib:.1}"))),
            format!("{:.1}", outcome.kernel_kib_a_connection),
            outcome.missing.to_string(),
            outcome.holes.to_string(),
            outcome.doubles.to_string(),
            outcome.errors.values().sum::<u64>().to_string(),
            if outcome.keeps_up { "yes" } else { "no" }.to_owned(),
            format!("{:.0} %", outcome.load_cores * 100.0),
            format!("{:.0} %", outcome.other_cores * 100.0),
        ]
    };
    table(&heading, outcomes.iter().map(row))
}

fn token_table(outcomes: &[api::Outcome]) -> Table {
    let row = |outcome: &api::Outcome| {
        let share = or_dash(outcome.token_percent.map(|percent| format!("{percent:.1} %")));
        vec![outcome.label.clone(), share, format!("{:.1}", outcome.first_check_us)]
    };
    table(&["token check of", "of a channel read", "signature, µs"], outcomes.iter().map(row))
}

fn table(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    std::iter::once(heading.iter().map(ToString::to_string).collect()).chain(rows).collect()
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// The first column to the left, the others to the right.
fn in_columns(table: &Table) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(text, "{cell:width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.push('\n');
    }
    text
}

fn plots(
    viewers: &[hls::Outcome],
    realtime: &[whep::Outcome],
    publishers: &[publish::Outcome],
    rooms: &[chat::Outcome],
) -> Vec<Plot> {
    let of_viewers = |title: &'static str, unit, value: &dyn Fn(&hls::Outcome) -> Option<f64>| Plot {
        title,
        x: "viewers",
        y: unit,
        series: series(viewers.iter().filter_map(|it| Some((&it.label, f64::from(it.viewers), value(it)?)))),
    };
    let of_realtime = |title: &'static str, unit, value: &dyn Fn(&whep::Outcome) -> Option<f64>| Plot {
        title,
        x: "viewers",
        y: unit,
        series: series(realtime.iter().filter_map(|it| Some((&it.label, f64::from(it.viewers), value(it)?)))),
    };
    let of_publishers = |title: &'static str, unit, value: &dyn Fn(&publish::Outcome) -> Option<f64>| Plot {
        title,
        x: "publishers",
        y: unit,
        series: series(publishers.iter().filter_map(|it| Some((&it.label, f64::from(it.publishers), value(it)?)))),
    };
    let of_rooms = |title: &'static str, unit, value: &dyn Fn(&chat::Outcome) -> Option<f64>| Plot {
        title,
        x: "deliveries/s",
        y: unit,
        series: series(rooms.iter().filter_map(|it| Some((&it.label, it.deliveries_per_second, value(it)?)))),
    };
    vec![
        of_viewers("What viewers cost the server", "% of a core", &|it| Some(it.server?.cores * 100.0)),
        of_viewers("Work for each Gbit", "CPU seconds", &|it| it.cpu_seconds_per_gbit),
        of_viewers("Age of the newest picture on arrival, p50", "ms", &|it| measured(it, it.newest_ms.p50)),
        of_viewers("Age of the newest picture on arrival, p99", "ms", &|it| measured(it, it.newest_ms.p99)),
        of_realtime("What WebRTC viewers cost the server", "% of a core", &|it| Some(it.server?.cores * 100.0)),
        of_realtime("From publisher to WebRTC viewer, p99", "ms", &|it| Some(it.age_ms.p99)),
        of_publishers("What a publisher costs the server", "% of a core", &|it| it.core_percent_a_publisher),
        of_publishers("Memory for a publisher", "MiB", &|it| it.mib_a_publisher),
        of_rooms("What chat costs the server", "% of a core", &|it| Some(it.server?.cores * 100.0)),
        of_rooms("From speaker to listener, p99", "ms", &|it| Some(it.age_ms.p99)),
    ]
}

fn measured(outcome: &hls::Outcome, value: f64) -> Option<f64> {
    (outcome.newest_ms.count > 0).then_some(value)
}

fn series<'a>(points: impl Iterator<Item = (&'a String, f64, f64)>) -> Vec<Series> {
    let mut by_label: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (label, x, y) in points {
        by_label.entry(label).or_default().push((x, y));
    }
    by_label.into_iter().map(|(label, points)| Series { label: label.to_owned(), points }).collect()
}

fn html(tables: &[Table], plots: &[Plot]) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><title>weir-bench</title><style>\
         body{font:14px system-ui,sans-serif;margin:2rem;color:#222;background:#fff}\
         table{display:block;overflow-x:auto;border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}\
         th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}\
         th:first-child,td:first-child{text-align:left}svg{margin:0 1rem 1rem 0}</style><h1>weir-bench</h1>",
    );
    for table in tables.iter().filter(|table| table.len() > 1) {
        page.push_str("<table>");
        for (at, row) in table.iter().enumerate() {
            let cell = if at == 0 { "th" } else { "td" };
            page.push_str("<tr>");
            row.iter().for_each(|text| {
                let _ = write!(page, "<{cell}>{}</{cell}>", plot::escape(text));
            });
            page.push_str("</tr>");
        }
        page.push_str("</table>");
    }
    plots.iter().filter(|plot| !plot.series.is_empty()).for_each(|plot| page.push_str(&plot.svg()));
    page
}
