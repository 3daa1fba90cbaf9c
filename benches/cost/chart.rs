//! A picture of the times against the number of links, as SVG: one panel for each thing, with
//! logarithmic axes.

use std::fmt::Write as _;

use crate::sample::Samples;
use crate::table::Compared;

const PANELS: [&str; 3] = ["open", "refresh", "resync"];
/// The width and height of the lines' part of a panel, and what is around it.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 52.0;
const GAP: f64 = 24.0;
/// The decades of both axes: links, and seconds.
const LINKS: [f64; 2] = [1.0, 4.0];
const SECONDS: [f64; 2] = [-4.0, 1.0];

/// The lines, in the order of the legend, with their colours and dashes.
const LINES: [(&str, &str, &str); 5] = [
    ("C library", "#b3261e", "none"),
    ("this crate, All", "#1f5fbf", "none"),
    ("the limit, All", "#1f5fbf", "5 4"),
    ("this crate, Team", "#1b7f4b", "none"),
    ("the limit, Team", "#1b7f4b", "5 4"),
];

/// The points of the lines.
#[derive(Default)]
pub(crate) struct Chart(Vec<Point>);

struct Point {
    panel: String,
    line: String,
    links: u32,
    seconds: f64,
}

impl Chart {
    /// Adds what a thing took with so many links.
    pub(crate) fn add(&mut self, panel: &str, scope: &str, links: u32, times: &Compared) {
        let mut add = |line: String, samples: &Samples| {
            self.0.push(Point { panel: panel.to_owned(), line, links, seconds: samples.seconds() });
        };
        add(format!("this crate, {scope}"), &times.ours);
        add(format!("the limit, {scope}"), &times.limit);
        // The C library has no scope: it is measured once with each.
        if scope == "All" {
            add("C library".to_owned(), &times.c_library);
        }
    }

    /// Draws the picture.
    pub(crate) fn svg(&self) -> String {
        let columns = 3.0;
        let width = columns * (LEFT + WIDTH) + GAP;
        let height = TOP + HEIGHT + BOTTOM;
        let mut svg = String::new();
        let mut put = |text: String| writeln!(svg, "{text}").expect("a string takes any text");
        put(format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">"#
        ));
        put("<title>Time to open, refresh and resync against the number of links</title>"
            .to_owned());
        put(format!(r#"<rect width="{width}" height="{height}" fill="white"/>"#));
        for ((name, colour, dash), column) in LINES.into_iter().zip(0_u8..) {
            let x = LEFT + 165.0 * f64::from(column);
            put(format!(
                r#"<path d="M{x} 18h26" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#
            ));
            put(format!(r#"<text x="{}" y="22">{name}</text>"#, x + 32.0));
        }
        for (panel, column) in PANELS.into_iter().zip(0_u8..) {
            let left = LEFT + f64::from(column) * (LEFT + WIDTH);
            put(format!(r#"<text x="{left}" y="{}" font-weight="bold">{panel}</text>"#, TOP - 8.0));
            axes(left).into_iter().for_each(&mut put);
            for (line, colour, dash) in LINES {
                let points = self.line(panel, line, left);
                if let Some(points) = points {
                    put(format!(
                        r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#
                    ));
                }
            }
        }
        put("</svg>".to_owned());
        svg
    }

    /// The points of one line, unless there is none.
    fn line(&self, panel: &str, line: &str, left: f64) -> Option<String> {
        let points: Vec<String> = self
            .0
            .iter()
            .filter(|point| point.panel == panel && point.line == line)
            .map(|point| format!("{:.1},{:.1}", x(left, point.links.into()), y(point.seconds)))
            .collect();
        (!points.is_empty()).then(|| points.join(" "))
    }
}

fn axes(left: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let bottom = TOP + HEIGHT;
    for (links, label) in [(10.0, "10"), (100.0, "100"), (1_000.0, "1,000"), (10_000.0, "10,000")] {
        let x = x(left, links);
        lines.push(format!(r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="#ddd"/>"##));
        lines.push(format!(
            r#"<text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"#,
            bottom + 18.0
        ));
    }
    for (seconds, label) in [
        (1e-4, "100 µs"),
        (1e-3, "1 ms"),
        (1e-2, "10 ms"),
        (1e-1, "100 ms"),
        (1.0, "1 s"),
        (10.0, "10 s"),
    ] {
        let y = y(seconds);
        lines.push(format!(r##"<path d="M{left} {y:.1}h{WIDTH}" stroke="#ddd"/>"##));
        lines.push(format!(
            r#"<text x="{}" y="{:.1}" text-anchor="end">{label}</text>"#,
            left - 6.0,
            y + 4.0
        ));
    }
    let middle = left + WIDTH / 2.0;
    lines.push(format!(
        r#"<text x="{middle}" y="{}" text-anchor="middle">links in the namespace</text>"#,
        bottom + 40.0
    ));
    lines
}

fn x(left: f64, links: f64) -> f64 {
    left + WIDTH * share(links, LINKS)
}

fn y(seconds: f64) -> f64 {
    TOP + HEIGHT * (1.0 - share(seconds, SECONDS))
}

/// Where a value is on a logarithmic axis, from 0 to 1.
fn share(value: f64, [first, last]: [f64; 2]) -> f64 {
    ((value.log10() - first) / (last - first)).clamp(0.0, 1.0)
}
