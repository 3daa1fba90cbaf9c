//! Answers status requests over a Unix socket: each connection receives one answer.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::Result;
use crate::status::Status;

/// The number of requests that are answered before the daemon handles its team again.
const ANSWERS: usize = 16;

/// The listening socket. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Released after the socket's file is removed, or when the process ends in any other way.
    _lock: Flock<File>,
}

impl Server {
    /// Listens on a path, replacing the socket file of a daemon that was killed. Returns an error
    /// if another daemon is running.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let lock = lock(path)?;
        if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        let listener =
            UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// Answers the waiting requests. A client that does not read receives nothing.
    pub(crate) fn answer(&self, status: impl Fn() -> Status) -> Result<()> {
        for _ in 0..ANSWERS {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let text = serde_json::to_vec(&status())?;
                    let _client_may_have_closed = stream.write_all(&text);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // A client that closed its connection does not affect the others.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _may_be_removed_already = fs::remove_file(&self.path);
    }
}

/// Locks a file next to the socket, so that only one daemon runs. The file is never removed:
/// otherwise a daemon that has it open and another that creates it again could both hold a lock.
fn lock(socket: &Path) -> Result<Flock<File>> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        let why =
            if error == Errno::EWOULDBLOCK { "another daemon is running" } else { error.desc() };
        format!("{}: {why}", socket.display()).into()
    })
}
