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

/// Those that end the program or stop it, with the terminal given back before.
const SIGNALS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Quit,
    Suspend,
    Scroll(By),
    Other,
}

/// Why the wait ended.
#[derive(Debug)]
pub(crate) enum Woken {
    Not,
    ByTeam,
    By(Key),
    /// With what the program ends.
    BySignal(ExitCode),
}

/// Keeps the signals that end or stop the program from doing so at once. They wait in a descriptor.
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
    /// From signals that are blocked.
    pub(crate) fn new(signals: SignalFd) -> io::Result<Self> {
        Ok(Self { signals, keyboard: Keyboard::start()? })
    }

    /// Waits for one of them as long as this.
    pub(crate) fn wait(&self, team: Option<&TeamHandle>, limit: Duration) -> io::Result<Woken> {
        let mut sources = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.keyboard.bell.as_fd(), PollFlags::POLLIN),
        ];
        sources.extend(team.map(|team| PollFd::new(team.as_fd(), PollFlags::POLLIN)));
        match ppoll(&mut sources, Some(limit.into()), None) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Woken::Not),
            polled => polled?,
        };
        if let Some(signal) = self.signals.read_signal()? {
            return Ok(of_signal(signal.ssi_signo));
        }
        if let Some(key) = self.keyboard.key()? {
            return Ok(Woken::By(key));
        }
        Ok(Woken::ByTeam)
    }
}

/// An interrupt ends it, and SIGTSTP stops it, as a key does; of another signal the status tells as
/// a shell would.
fn of_signal(signal: u32) -> Woken {
    match u8::try_from(signal) {
        Ok(signal) if i32::from(signal) == Signal::SIGTSTP as i32 => Woken::By(Key::Suspend),
        Ok(signal) if i32::from(signal) != Signal::SIGINT as i32 => {
            Woken::BySignal(ExitCode::from(128 | signal))
        }
        _ => Woken::BySignal(ExitCode::SUCCESS),
    }
}

/// Keys, read on a thread of its own: what reads them waits when a key's sequence breaks off.
#[derive(Debug)]
struct Keyboard {
    keys: Receiver<io::Result<Key>>,
    /// A byte for each key that waits.
    bell: UnixStream,
}

impl Keyboard {
    fn start() -> io::Result<Self> {
        let (tell, keys) = channel();
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        thread::Builder::new().name("keyboard".to_owned()).spawn(move || read_keys(&tell, ring))?;
        Ok(Self { keys, bell })
    }

    fn key(&self) -> io::Result<Option<Key>> {
        match (&self.bell).read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            read => read?,
        };
        match self.keys.try_recv() {
            Ok(key) => key.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => {
                Err(io::Error::other("the keyboard is not read any more"))
            }
        }
    }
}

/// Tells of each key until nobody listens, or none can be read.
fn read_keys(tell: &Sender<io::Result<Key>>, mut ring: UnixStream) {
    loop {
        let key = event::read().map(|event| meaning(&event));
        let ends = key.is_err();
        if tell.send(key).is_err() || ring.write_all(&[0]).is_err() || ends {
            return;
        }
    }
}

fn meaning(event: &Event) -> Key {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => meaning_of_key(*key),
        // A terminal of another size is drawn anew, as after any key.
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
