//! A plot of lines as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 34.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 62.0;
const COLORS: [&str; 6] = ["#0b6bcb", "#d9480f", "#2b8a3e", "#862e9c", "#c2255c", "#5c5f66"];

/// Lines over a common axis.
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) series: Vec<Series>,
}

/// One line.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Plot {
    pub(super) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_step = nice_step(points().map(|point| point.0).fold(0.0, f64::max));
        let y_step = nice_step(points().map(|point| point.1).fold(0.0, f64::max));
        let x_max = ceiling(points().map(|point| point.0).fold(0.0, f64::max), x_step);
        let y_max = ceiling(points().map(|point| point.1).fold(0.0, f64::max), y_step);
        let x = |value: f64| LEFT + value / x_max * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / y_max * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg width='{WIDTH}' height='{HEIGHT}' font-family='system-ui,sans-serif' font-size='11' role='img'>\
             <text x='{LEFT}' y='16' font-size='13' font-weight='600'>{}</text>",
            escape(self.title)
        );
        let mut line = 0.0;
        while line <= y_max + y_step / 2.0 {
            let (at, edge, label) = (y(line), WIDTH - RIGHT, tidy(line));
            let _ = write!(
                svg,
                "<path d='M{LEFT} {at:.1}H{edge}' stroke='#ddd'/><text x='{:.1}' y='{:.1}' text-anchor='end'>{label}</text>",
                LEFT - 6.0,
                at + 4.0
            );
            line += y_step;
        }
        let mut line = 0.0;
        while line <= x_max + x_step / 2.0 {
            let (at, below, label) = (x(line), HEIGHT - BOTTOM + 15.0, tidy(line));
            let _ = write!(svg, "<text x='{at:.1}' y='{below}' text-anchor='middle'>{label}</text>");
            line += x_step;
        }
        let _ = write!(
            svg,
            "<text x='{LEFT}' y='{:.1}' fill='#666'>{}</text><text x='{:.1}' y='{:.1}' text-anchor='end' fill='#666'>{}</text>",
            TOP - 6.0,
            escape(self.y),
            WIDTH - RIGHT,
            HEIGHT - BOTTOM + 30.0,
            escape(self.x)
        );
        for (number, series) in self.series.iter().enumerate() {
            let color = COLORS[number % COLORS.len()];
            let path: Vec<String> = series.points.iter().map(|&(a, b)| format!("{:.1} {:.1}", x(a), y(b))).collect();
            let _ = write!(svg, "<path d='M{}' fill='none' stroke='{color}' stroke-width='2'/>", path.join("L"));
            for &(a, b) in &series.points {
                let _ = write!(
                    svg,
                    "<circle cx='{:.1}' cy='{:.1}' r='3' fill='{color}'><title>{}: {}</title></circle>",
                    x(a),
                    y(b),
                    tidy(a),
                    tidy(b)
                );
            }
            let (left, low) = (LEFT + 130.0 * number as f64, HEIGHT - 12.0);
            let _ = write!(
                svg,
                "<circle cx='{left:.1}' cy='{:.1}' r='4' fill='{color}'/><text x='{:.1}' y='{low:.1}'>{}</text>",
                low - 4.0,
                left + 8.0,
                escape(&series.label)
            );
        }
        svg.push_str("</svg>");
        svg
    }
}

/// 1, 2 or 5 times a power of ten, so that an axis up to `max` has three to six marks.
fn nice_step(max: f64) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf((max / 4.0).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power * 5.0 >= max).unwrap_or(10.0);
    factor * power
}

fn ceiling(max: f64, step: f64) -> f64 {
    (max / step).ceil().max(1.0) * step
}

fn tidy(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
