//! Draws views that no team has.

use std::time::{Duration, Instant};

use libteam::{Duplex, IfIndex};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Color;

use super::changes::Tone;
use super::draw::draw;
use super::meter::Meter;
use super::scroll::{By, Scroll};
use super::units;
use super::view::{Row, State, View};

fn at(seconds: u64) -> Instant {
    // One start for the whole test run.
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_secs(seconds)
}

/// Returns a meter that had these values, one per second, the last now.
fn meter(values: &[u64]) -> Meter {
    let mut meter = Meter::default();
    for (value, second) in values.iter().zip(100 - values.len() as u64 + 1..) {
        meter.record(*value, at(second));
    }
    meter
}

fn row(number: u32, name: &str, state: State) -> Row {
    let is_up = !matches!(state, State::NoCarrier | State::SetDown);
    Row {
        port: IfIndex::new(number).unwrap(),
        name: name.to_owned(),
        state,
        speed_mbps: is_up.then_some(10_000),
        duplex: Duplex::Full,
        link_changes: meter(&[2, 2, 4, 4, 5, 5]),
        sent: Some(meter(&[0, 0, 0, 0, 1_000_000, 6_000_000])),
    }
}

/// Returns a view at second 100.
fn view() -> View {
    let mut view = View {
        name: "team0".to_owned(),
        mode: "loadbalance".to_owned(),
        hwaddr: "02:00:00:00:00:01".to_owned(),
        mtu: 1500,
        state: State::Up,
        ports: vec![
            row(3, "eth1", State::Up),
            row(4, "eth2", State::NoCarrier),
            row(5, "uplink-number-3", State::Disabled),
        ],
        counts_every: Some(Duration::from_secs(1)),
        ..View::default()
    };
    view.last_changes.add(at(40), Tone::Good, "eth1 joined the team".to_owned());
    view.last_changes.add(at(98), Tone::Bad, "eth2 lost its link".to_owned());
    view
}

fn drawn(view: &View, scroll: &mut Scroll, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, scroll, at(100))).unwrap();
    terminal.backend().clone()
}

/// Returns the lines without trailing spaces.
fn lines(backend: &TestBackend) -> Vec<String> {
    let buffer = backend.buffer();
    let rows = buffer.content().chunks(buffer.area.width.into());
    rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

fn draw_lines(view: &View, width: u16, height: u16) -> Vec<String> {
    lines(&drawn(view, &mut Scroll::default(), width, height))
}

#[test]
fn default_size_shows_main_columns() {
    assert_eq!(
        draw_lines(&view(), 80, 14),
        [
            " team0  loadbalance  up",
            " 2 of 3 ports up · MTU 1500 · 02:00:00:00:00:01",
            "",
            " PORT               STATE           SPEED  CHANGES  CHG/S      SENT      SENT/S",
            " ● eth1             up            10 Gb/s        5    0.6      6 MB    1.2 MB/s",
            " ● eth2             no carrier          -        5    0.6      6 MB    1.2 MB/s",
            " ● uplink-number-3  disabled      10 Gb/s        5    0.6      6 MB    1.2 MB/s",
            "",
            " LAST CHANGES",
            "     2 s  eth2 lost its link",
            "    60 s  eth1 joined the team",
            "",
            "",
            " q quit   ↑↓ scroll",
        ]
    );
}

#[test]
fn wide_screen_shows_every_column() {
    let title = draw_lines(&view(), 120, 14).swap_remove(3);
    assert_eq!(
        title,
        " PORT               STATE           SPEED  DUPLEX  CHANGES  CHG/S      SENT      SENT/S"
    );
    let view = View { counts_every: None, ..view() };
    let title = draw_lines(&view, 120, 14).swap_remove(3);
    assert_eq!(title, " PORT               STATE           SPEED  DUPLEX  CHANGES  CHG/S");
}

#[test]
fn narrow_screen_keeps_names_and_states() {
    assert_eq!(
        draw_lines(&view(), 31, 8),
        [
            "team0  loadbalance  up",
            "2 of 3 ports up · MTU 1500",
            "",
            "PORT               STATE",
            "● eth1             up",
            "● eth2             no carrier",
            "● uplink-number-3  disabled",
            "q quit   ↑↓ scroll",
        ]
    );
}

#[test]
fn colors_follow_states() {
    let backend = drawn(&view(), &mut Scroll::default(), 80, 14);
    let color = |column, row| backend.buffer()[(column, row)].fg;
    for row in 0..3 {
        let wanted = [Color::Green, Color::Red, Color::Yellow][usize::from(row)];
        assert_eq!([color(1, 4 + row), color(20, 4 + row)], [wanted; 2]);
    }
    assert_eq!([color(10, 9), color(10, 10)], [Color::Red, Color::Green]);
}

#[test]
fn uncounted_traffic_is_mentioned() {
    let mut view = View { counts_every: Some(Duration::ZERO), ..view() };
    view.ports.iter_mut().for_each(|row| row.sent = None);
    let details = " 2 of 3 ports up · traffic is not counted (lb_stats_refresh_interval is 0)";
    let drawn = draw_lines(&view, 80, 14);
    assert_eq!(drawn[1], details);
    assert_eq!(
        drawn[4],
        " ● eth1             up            10 Gb/s        5    0.6         -           -"
    );
}

#[test]
fn deleted_team_is_shown_as_gone() {
    let mut view = view();
    view.vanish(at(90));
    let drawn = draw_lines(&view, 80, 14);
    assert_eq!(drawn[0], " team0  loadbalance  gone for 10 s");
    assert_eq!(drawn[1], " as last seen, with 3 ports · MTU 1500 · 02:00:00:00:00:01");
    assert_eq!(drawn[9], "    10 s  team0 is gone");
}

#[test]
fn more_ports_than_rows_scroll() {
    let ports = (1..=600).map(|number| row(number, &format!("port{number}"), State::Up)).collect();
    let view = View { ports, ..view() };
    let mut scroll = Scroll::default();
    let steps = [
        (None, 1, 13),
        (Some(By::Rows(-1)), 1, 13),
        (Some(By::Rows(1)), 2, 14),
        (Some(By::Pages(1)), 15, 27),
        (Some(By::ToEnd), 588, 600),
        (Some(By::Pages(3)), 588, 600),
        (Some(By::Rows(-1)), 587, 599),
        (Some(By::ToStart), 1, 13),
    ];
    for (by, first, last) in steps {
        if let Some(by) = by {
            scroll.by(by);
        }
        let drawn = lines(&drawn(&view, &mut scroll, 80, 24));
        assert!(drawn[4].starts_with(&format!(" ● port{first} ")), "{by:?}: {drawn:#?}");
        assert!(drawn[16].starts_with(&format!(" ● port{last} ")), "{by:?}: {drawn:#?}");
        assert!(drawn[23].ends_with(&format!("ports {first}-{last} of 600")), "{by:?}: {drawn:#?}");
    }
}

#[test]
fn every_size_is_drawn() {
    let mut many = view();
    many.ports.extend((10..100).map(|number| row(number, "a\u{1b}[31mb漢字", State::Active)));
    for view in [&View::default(), &many] {
        for width in [0, 1, 2, 5, 6, 7, 8, 20, 40, 41, 79, 120] {
            for height in (0..12).chain([30]) {
                let mut scroll = Scroll::default();
                scroll.by(By::ToEnd);
                drawn(view, &mut scroll, width, height);
            }
        }
    }
}

#[test]
fn rate_covers_last_seconds() {
    let mut meter = Meter::default();
    assert_eq!((meter.latest(), meter.thousandths_per_second(at(0))), (0, 0));
    for (second, value, rate) in
        [(0, 70, 0), (1, 75, 5000), (2, 75, 2500), (5, 80, 2000), (6, 80, 1000), (10, 80, 0)]
    {
        meter.record(value, at(second));
        assert_eq!(
            (meter.latest(), meter.thousandths_per_second(at(second))),
            (value, rate),
            "second {second}"
        );
    }
    // After a reset.
    meter.record(3, at(11));
    assert_eq!((meter.latest(), meter.thousandths_per_second(at(11))), (3, 0));
    meter.record(u64::MAX, at(12));
    assert_eq!(meter.thousandths_per_second(at(12)), u64::MAX);
}

#[test]
fn quantities_have_three_digits() {
    let bytes = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (12_345, "12.3 kB"),
        (999_999, "999 kB"),
    ];
    for (count, text) in bytes.into_iter().chain([(5_000_000, "5 MB"), (u64::MAX, "18.4 EB")]) {
        assert_eq!(units::bytes(count), text);
    }
    for (mbps, text) in
        [(10, "10 Mb/s"), (1000, "1 Gb/s"), (2500, "2.5 Gb/s"), (400_000, "400 Gb/s")]
    {
        assert_eq!(units::speed(mbps), text);
    }
    for (count, text) in [(0, "0.0"), (49, "0.0"), (150, "0.2"), (12_345, "12.3"), (19_950, "20.0")]
    {
        assert_eq!(units::thousandths(count), text);
    }
    for (seconds, text) in
        [(0, "now"), (1, "1 s"), (99, "99 s"), (100, "1 min"), (6000, "1 h"), (360_000, "4 d")]
    {
        assert_eq!(units::age(Duration::from_secs(seconds)), text);
    }
}
