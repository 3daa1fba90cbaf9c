//! What the loop waits for: the team, the keyboard, and signals.

use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use libteam::TeamHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::scroll::By;

/// The signals that end or suspend the program after the terminal is restored.
const SIGNALS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];

/// The action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Quit,
    Suspend,
    Scroll(By),
    Other,
}

/// The reason why the wait ended.
#[derive(Debug)]
pub(crate) enum Wakeup {
    Timeout,
    Team,
    Key(Key),
    /// A signal that ends the program with this exit status.
    Signal(ExitCode),
}

/// Blocks the signals that end or suspend the program, and returns a descriptor to receive them.
pub(crate) fn block_signals() -> io::Result<SignalFd> {
    let signals: SigSet = SIGNALS.into_iter().collect();
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

#[derive(Debug)]
pub(crate) struct Sources {
    signals: SignalFd,
    keyboard: Keyboard,
}

impl Sources {
    /// Starts reading the keyboard; the signals must be blocked.
    pub(crate) fn new(signals: SignalFd) -> io::Result<Self> {
        Ok(Self { signals, keyboard: Keyboard::start()? })
    }

    /// Waits for the team, a key or a signal, up to a limit.
    pub(crate) fn wait(&self, team: Option<&TeamHandle>, limit: Duration) -> io::Result<Wakeup> {
        let mut sources = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.keyboard.wakeup.as_fd(), PollFlags::POLLIN),
        ];
        sources.extend(team.map(|team| PollFd::new(team.as_fd(), PollFlags::POLLIN)));
        match ppoll(&mut sources, Some(limit.into()), None) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Wakeup::Timeout),
            polled => polled?,
        };
        if let Some(signal) = self.signals.read_signal()? {
            return Ok(of_signal(signal.ssi_signo));
        }
        if let Some(key) = self.keyboard.key()? {
            return Ok(Wakeup::Key(key));
        }
        Ok(Wakeup::Team)
    }
}

/// Returns the effect of a signal: SIGTSTP suspends the program, SIGINT ends it with success, and
/// the others with the status that a shell reports for them.
fn of_signal(signal: u32) -> Wakeup {
    match u8::try_from(signal) {
        Ok(signal) if i32::from(signal) == Signal::SIGTSTP as i32 => Wakeup::Key(Key::Suspend),
        Ok(signal) if i32::from(signal) != Signal::SIGINT as i32 => {
            Wakeup::Signal(ExitCode::from(128 | signal))
        }
        _ => Wakeup::Signal(ExitCode::SUCCESS),
    }
}

/// Reads keys on a thread of its own, because reading blocks within an incomplete escape sequence.
#[derive(Debug)]
struct Keyboard {
    keys: Receiver<io::Result<Key>>,
    /// Receives a byte for each queued key.
    wakeup: UnixStream,
}

impl Keyboard {
    fn start() -> io::Result<Self> {
        let (sender, keys) = channel();
        let (wakeup, waker) = UnixStream::pair()?;
        wakeup.set_nonblocking(true)?;
        thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || read_keys(&sender, waker))?;
        Ok(Self { keys, wakeup })
    }

    fn key(&self) -> io::Result<Option<Key>> {
        match (&self.wakeup).read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            read => read?,
        };
        match self.keys.try_recv() {
            Ok(key) => key.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => {
                Err(io::Error::other("the keyboard thread has ended"))
            }
        }
    }
}

/// Sends each key until the receiver is dropped or reading fails.
fn read_keys(sender: &Sender<io::Result<Key>>, mut waker: UnixStream) {
    loop {
        let key = event::read().map(|event| meaning(&event));
        let ends = key.is_err();
        if sender.send(key).is_err() || waker.write_all(&[0]).is_err() || ends {
            return;
        }
    }
}

fn meaning(event: &Event) -> Key {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => meaning_of_key(*key),
        // A resized terminal is redrawn, as after a key.
        _ => Key::Other,
    }
}

fn meaning_of_key(key: KeyEvent) -> Key {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Key::Quit,
            KeyCode::Char('z') => Key::Suspend,
            _ => Key::Other,
        };
    }
    match key.code {
        KeyCode::Char('q' | 'Q') => Key::Quit,
        KeyCode::Up | KeyCode::Char('k') => Key::Scroll(By::Rows(-1)),
        KeyCode::Down | KeyCode::Char('j') => Key::Scroll(By::Rows(1)),
        KeyCode::PageUp => Key::Scroll(By::Pages(-1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Key::Scroll(By::Pages(1)),
        KeyCode::Home | KeyCode::Char('g') => Key::Scroll(By::ToStart),
        KeyCode::End | KeyCode::Char('G') => Key::Scroll(By::ToEnd),
        _ => Key::Other,
    }
}
