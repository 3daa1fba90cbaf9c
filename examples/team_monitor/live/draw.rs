//! Draws a view on a screen of any size.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Alignment, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table};

use super::changes::Tone;
use super::columns::{SPACING, fitting_columns};
use super::scroll::Scroll;
use super::units;
use super::view::{State, View};

/// The lines of the last changes and their title, if there is enough space.
const CHANGES: u16 = 5;

pub(crate) fn draw(frame: &mut Frame<'_>, view: &View, scroll: &mut Scroll, now: Instant) {
    let area = frame.area();
    let heights = Heights::of(area.height, view.ports.len());
    let [head, _, ports, _, changes, foot] = Layout::vertical(heights.0).areas(area);
    frame.render_widget(
        Paragraph::new(vec![title(view, now), details(view, inset(head).width)]),
        inset(head),
    );
    let shown = draw_ports(frame, view, scroll, now, inset(ports));
    draw_changes(frame, view, now, inset(changes));
    draw_foot(frame, shown.as_deref(), inset(foot));
}

/// The heights from top to bottom: the team, a blank line, the ports, a blank line, the last
/// changes, the keys.
struct Heights([u16; 6]);

impl Heights {
    /// The most important parts get their lines first.
    fn of(height: u16, ports: usize) -> Self {
        let mut left = height;
        let mut take = |wanted: u16| {
            let taken = wanted.min(left);
            left -= taken;
            (taken, left)
        };
        let (title, _) = take(1);
        let (first_port, _) = take(2);
        let (foot, _) = take(1);
        let (details, _) = take(1);
        let (gap, left) = take(1);
        // At most a third of the rest, and never the title alone.
        let (changes, _) = take(if left < 6 { 0 } else { 1 + CHANGES.min(left / 3) });
        let (other_ports, left) = take(u16::try_from(ports.saturating_sub(1)).unwrap_or(u16::MAX));
        let changes = changes + left;
        Self([
            title + details,
            gap,
            first_port + other_ports,
            changes.min(1),
            changes.saturating_sub(1),
            foot,
        ])
    }
}

/// A column of blanks at each side, where the screen is not too narrow for that.
fn inset(area: Rect) -> Rect {
    let blanks = u16::from(area.width > 40);
    Rect { x: area.x + blanks, width: area.width - 2 * blanks, ..area }
}

fn title(view: &View, now: Instant) -> Line<'_> {
    let state = match view.gone_since {
        Some(since) => {
            let age = now.saturating_duration_since(since);
            Span::styled(
                format!("gone for {}", units::age(age.max(Duration::from_secs(1)))),
                Style::new().red().bold(),
            )
        }
        None => Span::styled(view.state.text(), view.state.style()),
    };
    Line::from(vec![
        Span::raw(&*view.name).bold(),
        "  ".into(),
        Span::raw(&*view.mode).cyan(),
        "  ".into(),
        state,
    ])
}

/// Returns the details that fit.
fn details(view: &View, width: u16) -> Line<'_> {
    let is_up = |state: State| !matches!(state, State::NoCarrier | State::SetDown);
    let up = view.ports.iter().filter(|row| is_up(row.state)).count();
    let ports = match view.gone_since {
        Some(_) => format!("as last seen, with {} ports", view.ports.len()),
        None => format!("{up} of {} ports up", view.ports.len()),
    };
    let active = view.active.filter(|_| view.gone_since.is_none()).map(|active| {
        let row = view.ports.iter().find(|row| row.port == active);
        format!("active port {}", row.map_or_else(|| active.to_string(), |row| row.name.clone()))
    });
    let is_not_counted = view.counts_every == Some(Duration::ZERO) && view.gone_since.is_none();
    let details = [
        Some(ports),
        active,
        is_not_counted
            .then(|| "traffic is not counted (lb_stats_refresh_interval is 0)".to_owned()),
        Some(format!("MTU {}", view.mtu)),
        Some(view.hwaddr.clone()),
    ];
    let mut line = Line::default().fg(Color::DarkGray);
    for detail in details.into_iter().flatten() {
        let separator = if line.spans.is_empty() { "" } else { " · " };
        let detail = Span::from(format!("{separator}{detail}"));
        if line.width() + detail.width() <= usize::from(width) {
            line.push_span(detail);
        }
    }
    line
}

/// Returns which ports are visible, unless all are.
fn draw_ports(
    frame: &mut Frame<'_>,
    view: &View,
    scroll: &mut Scroll,
    now: Instant,
    area: Rect,
) -> Option<String> {
    let room = usize::from(area.height.saturating_sub(1));
    let shown = scroll.show(view.ports.len(), room);
    let columns = fitting_columns(view, area.width);
    let titles = Row::new(columns.iter().map(|(column, _)| column.title())).style(heading());
    let style = if view.gone_since.is_some() { Style::new().dim() } else { Style::new() };
    let rows = view.ports.get(shown.clone()).unwrap_or_default().iter();
    let rows = rows
        .map(|row| Row::new(columns.iter().map(|(column, _)| column.cell(row, now))).style(style));
    let widths = columns.iter().map(|(_, width)| *width);
    frame.render_widget(Table::new(rows, widths).header(titles).column_spacing(SPACING), area);
    if view.ports.is_empty() && room > 0 {
        frame.render_widget(
            Line::styled("no ports", Color::DarkGray),
            Rect { y: area.y + 1, height: 1, ..area },
        );
    }
    let is_all = shown.len() == view.ports.len();
    (!is_all && !shown.is_empty())
        .then(|| format!("ports {}-{} of {}", shown.start + 1, shown.end, view.ports.len()))
}

fn draw_changes(frame: &mut Frame<'_>, view: &View, now: Instant, area: Rect) {
    let items = view.last_changes.items().map(|item| {
        let age = units::age(now.saturating_duration_since(item.time));
        let text = Span::styled(&*item.text, color(item.tone));
        Line::from(vec![Span::styled(format!("{age:>7}  "), Color::DarkGray), text])
    });
    if area.height < 2 {
        return;
    }
    let title = Line::styled("LAST CHANGES", heading());
    // With a blank line below, if enough lines remain.
    let room = area.height - u16::from(area.height > 4);
    let lines = std::iter::once(title).chain(items).take(room.into());
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

fn draw_foot(frame: &mut Frame<'_>, shown: Option<&str>, area: Rect) {
    let key = |key: &'static str, does: &'static str| {
        [Span::raw(key).bold(), Span::styled(does, Color::DarkGray)]
    };
    let keys: Vec<_> = [key("q", " quit   "), key("↑↓", " scroll")].into_iter().flatten().collect();
    let room = area.width.saturating_sub(18);
    frame.render_widget(Paragraph::new(Line::from(keys)), area);
    if let Some(shown) = shown.filter(|shown| usize::from(room) >= shown.len()) {
        frame.render_widget(Paragraph::new(shown).alignment(Alignment::Right), area);
    }
}

fn heading() -> Style {
    Style::new().fg(Color::Blue).add_modifier(Modifier::BOLD)
}

fn color(tone: Tone) -> Color {
    match tone {
        Tone::Good => Color::Green,
        Tone::Bad => Color::Red,
        Tone::Odd => Color::Yellow,
        Tone::Plain => Color::Reset,
    }
}
