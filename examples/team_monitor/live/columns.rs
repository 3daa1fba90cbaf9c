//! The columns of the table of ports, and which of them fit.

use std::time::Instant;

use libteam::Duplex;
use ratatui::layout::{Alignment, Constraint};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};

use super::meter::Meter;
use super::units;
use super::view::{Row, State, View};

/// The number of spaces between two columns.
pub(crate) const SPACING: u16 = 2;
/// A name of 15 bytes with its state marker.
const MAX_NAME: u16 = 17;
/// The title of the first column with the state marker.
const MIN_NAME: u16 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    State,
    Speed,
    Duplex,
    LinkChanges,
    LinkChangesPerSecond,
    Sent,
    SentPerSecond,
}

/// The columns from left to right.
const ALL: [Column; 8] = [
    Column::Name,
    Column::State,
    Column::Speed,
    Column::Duplex,
    Column::LinkChanges,
    Column::LinkChangesPerSecond,
    Column::Sent,
    Column::SentPerSecond,
];

/// The columns in the order in which they get space.
const BY_IMPORTANCE: [Column; 8] = [
    Column::Name,
    Column::State,
    Column::SentPerSecond,
    Column::Speed,
    Column::LinkChangesPerSecond,
    Column::LinkChanges,
    Column::Sent,
    Column::Duplex,
];

/// Returns the columns that fit, with their widths.
pub(crate) fn fitting_columns(view: &View, width: u16) -> Vec<(Column, Constraint)> {
    let longest =
        view.ports.iter().map(|row| Line::from(&*row.name).width() + 2).max().unwrap_or_default();
    let name = u16::try_from(longest).unwrap_or(u16::MAX).clamp(MIN_NAME, MAX_NAME);
    let mut space = (width + SPACING).max(name + SPACING);
    let mut fitting = Vec::new();
    for column in BY_IMPORTANCE.into_iter().filter(|column| column.has_values(view)) {
        let needed = column.width().unwrap_or(name) + SPACING;
        let Some(rest) = space.checked_sub(needed) else { break };
        space = rest;
        fitting.push(column);
    }
    let columns = ALL.into_iter().filter(|column| fitting.contains(column));
    columns.map(|column| (column, Constraint::Length(column.width().unwrap_or(name)))).collect()
}

impl Column {
    /// Returns the width, or `None` for names, whose width depends on the ports.
    fn width(self) -> Option<u16> {
        match self {
            Self::Name => None,
            Self::State | Self::SentPerSecond => Some(10),
            Self::Speed => Some(9),
            Self::Duplex => Some(6),
            Self::LinkChanges => Some(7),
            Self::LinkChangesPerSecond => Some(5),
            Self::Sent => Some(8),
        }
    }

    fn has_values(self, view: &View) -> bool {
        view.counts_every.is_some() || !matches!(self, Self::Sent | Self::SentPerSecond)
    }

    pub(crate) fn title(self) -> Line<'static> {
        let title = match self {
            Self::Name => "PORT",
            Self::State => "STATE",
            Self::Speed => "SPEED",
            Self::Duplex => "DUPLEX",
            Self::LinkChanges => "CHANGES",
            Self::LinkChangesPerSecond => "CHG/S",
            Self::Sent => "SENT",
            Self::SentPerSecond => "SENT/S",
        };
        Line::from(title).alignment(self.alignment())
    }

    fn alignment(self) -> Alignment {
        match self {
            Self::Name | Self::State | Self::Duplex => Alignment::Left,
            _ => Alignment::Right,
        }
    }

    pub(crate) fn cell(self, row: &Row, now: Instant) -> Line<'_> {
        let line = match self {
            Self::Name => Line::from(vec![state_marker(row.state), Span::raw(&*row.name)]),
            Self::State => Line::styled(row.state.text(), row.state.style()),
            Self::Speed => Line::from(row.speed_mbps.map_or_else(none, units::speed)),
            Self::Duplex => match row.duplex {
                Duplex::Full if row.speed_mbps.is_some() => Line::from("full"),
                Duplex::Half if row.speed_mbps.is_some() => Line::from("half").yellow(),
                _ => Line::from(none()),
            },
            Self::LinkChanges => Line::from(row.link_changes.latest().to_string()),
            Self::LinkChangesPerSecond => {
                let rate = row.link_changes.thousandths_per_second(now);
                let style = if rate == 0 { Style::new() } else { Style::new().yellow() };
                Line::styled(units::thousandths(rate), style)
            }
            Self::Sent => {
                Line::from(row.sent.as_ref().map_or_else(none, |sent| units::bytes(sent.latest())))
            }
            Self::SentPerSecond => {
                let rate =
                    |sent: &Meter| units::bytes(sent.thousandths_per_second(now) / 1000) + "/s";
                Line::from(row.sent.as_ref().map_or_else(none, rate))
            }
        };
        line.alignment(self.alignment())
    }
}

fn none() -> String {
    "-".to_owned()
}

fn state_marker(state: State) -> Span<'static> {
    Span::styled("● ", state.color())
}

impl State {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::ReceivesOnly => "rx only",
            Self::SendsOnly => "tx only",
            Self::NoCarrier => "no carrier",
            Self::SetDown => "set down",
        }
    }

    pub(crate) fn style(self) -> Style {
        let style = Style::new().fg(self.color());
        if self == Self::Active { style.bold() } else { style }
    }

    fn color(self) -> Color {
        match self {
            Self::Up | Self::Active => Color::Green,
            Self::Disabled | Self::ReceivesOnly | Self::SendsOnly | Self::SetDown => Color::Yellow,
            Self::NoCarrier => Color::Red,
        }
    }
}
