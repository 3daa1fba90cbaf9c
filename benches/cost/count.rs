//! Counts what the library sends and receives, from its own log.

use std::sync::atomic::{AtomicUsize, Ordering};

use libteam::LinkScope;
use log::{LevelFilter, Log, Metadata, Record};

use crate::scene::Scene;

/// What went over the sockets for commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) sends: usize,
    pub(crate) received_bytes: usize,
    pub(crate) messages: usize,
}

static COUNTER: Counter = Counter {
    sends: AtomicUsize::new(0),
    bytes: AtomicUsize::new(0),
    messages: AtomicUsize::new(0),
};

struct Counter {
    sends: AtomicUsize,
    bytes: AtomicUsize,
    messages: AtomicUsize,
}

impl Log for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == libteam::log_target::COMMAND
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["sending", _, "bytes"] => {
                self.sends.fetch_add(1, Ordering::Relaxed);
            }
            ["received", bytes, "bytes", "in", messages, "messages"] => {
                self.bytes.fetch_add(bytes.parse().unwrap(), Ordering::Relaxed);
                self.messages.fetch_add(messages.parse().unwrap(), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn flush(&self) {}
}

/// Counting costs nothing until [`traffic_of`] begins.
pub(crate) fn install() {
    log::set_logger(&COUNTER).unwrap();
}

/// What the library sends and receives meanwhile.
pub(crate) fn traffic_of<T>(work: impl FnOnce() -> T) -> Traffic {
    let Counter { sends, bytes, messages } = &COUNTER;
    log::set_max_level(LevelFilter::Trace);
    drop(work());
    log::set_max_level(LevelFilter::Off);
    let take = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
    Traffic { sends: take(sends), received_bytes: take(bytes), messages: take(messages) }
}

/// What opening a handle that follows only its team costs.
pub(crate) fn received_by_open(scene: &Scene) -> Traffic {
    traffic_of(|| scene.open(LinkScope::Team))
}
