//! Draws a terminal's screen as an SVG picture whose text stays text.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// The size of a cell in pixels. Text is stretched to it in every font.
const CELL: (f64, f64) = (8.4, 19.0);
const FONT_SIZE: u16 = 14;
/// The distance from a line's top to its baseline.
const BASELINE: f64 = 14.5;
/// The margin around the text.
const MARGIN: f64 = 14.0;
/// The height of the title bar.
const BAR: f64 = 34.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d6d9df";
/// The terminal's eight basic colors, and then the bright ones.
const PALETTE: [&str; 16] = [
    "#16181d", "#ff6b6b", "#5fd38d", "#f2c55c", "#6cb2ff", "#d38cff", "#4fd6d6", "#d6d9df",
    "#858b98", "#ff8f8f", "#84e3a8", "#ffd97d", "#93c7ff", "#e0aeff", "#7ce6e6", "#ffffff",
];

/// Draws a screen in a window with a title.
pub(crate) fn svg(screen: &Screen, title: &str) -> String {
    let (rows, columns) = size(screen);
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL.1 + BAR + MARGIN;
    let mut svg = String::new();
    let middle = width / 2.0;
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.1} {height:.1}" font-family="ui-monospace, SFMono-Regular, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="{FONT_SIZE}" fill="{FOREGROUND}">
<title>{title}</title>
<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>
<circle cx="20" cy="17" r="5.5" fill="#ff5f57"/><circle cx="38" cy="17" r="5.5" fill="#febc2e"/><circle cx="56" cy="17" r="5.5" fill="#28c840"/>
<text x="{middle:.1}" y="21.5" text-anchor="middle" fill="#858b98">{title}</text>"##,
        title = escaped(title),
    )
    .unwrap();
    for row in 0..rows {
        for run in runs(screen, row) {
            run.draw(row, &mut svg);
        }
    }
    svg + "</svg>\n"
}

fn size(screen: &Screen) -> (u16, u16) {
    let (rows, columns) = screen.size();
    (rows.get(), columns.get())
}

/// Adjacent cells with the same look, without two spaces in a row.
struct Run<'a> {
    first: &'a Cell,
    column: u16,
    width: u16,
    text: String,
}

fn runs(screen: &Screen, row: u16) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut blanks = 0;
    for column in 0..size(screen).1 {
        let Some(cell) = screen.cell(row, column) else { continue };
        if !cell.has_contents() || cell.contents() == " " {
            blanks += 1;
            continue;
        }
        match runs.last_mut().filter(|run| blanks < 2 && look(run.first) == look(cell)) {
            Some(run) => {
                run.text.push_str(if blanks > 0 { " " } else { "" });
                run.text.push_str(cell.contents());
                run.width += blanks + 1;
            }
            None => {
                runs.push(Run { first: cell, column, width: 1, text: cell.contents().to_owned() });
            }
        }
        blanks = 0;
    }
    runs
}

/// Returns the properties of a cell that are drawn.
fn look(cell: &Cell) -> (Color, bool, bool) {
    (cell.fgcolor(), cell.bold(), cell.dim())
}

impl Run<'_> {
    fn draw(&self, row: u16, svg: &mut String) {
        let x = MARGIN + f64::from(self.column) * CELL.0;
        let y = BAR + f64::from(row) * CELL.1 + BASELINE;
        let length = f64::from(self.width) * CELL.0;
        let (color, is_bold, is_dim) = look(self.first);
        write!(svg, r#"<text x="{x:.1}" y="{y:.1}" textLength="{length:.1}" lengthAdjust="spacingAndGlyphs""#).unwrap();
        match color {
            Color::Default => {}
            Color::Idx(index) => {
                let color = PALETTE
                    .get(usize::from(index))
                    .expect("the program uses the first sixteen colors");
                write!(svg, r#" fill="{color}""#).unwrap();
            }
            Color::Rgb(red, green, blue) => {
                write!(svg, r##" fill="#{red:02x}{green:02x}{blue:02x}""##).unwrap();
            }
        }
        svg.push_str(if is_bold { r#" font-weight="bold""# } else { "" });
        svg.push_str(if is_dim { r#" opacity="0.6""# } else { "" });
        writeln!(svg, ">{}</text>", escaped(&self.text)).unwrap();
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
