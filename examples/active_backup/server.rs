//! What answers those who ask, over a socket in the file system: each connection is answered once.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::Result;
use crate::status::Status;

/// So many are answered before the daemon looks after its team again.
const ANSWERS: usize = 16;

/// Where the daemon listens. The file goes with it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Released after the socket's file is removed, or when the process ends in any other way.
    _lock: Flock<File>,
}

impl Server {
    /// Listens. An error if another daemon does; what one left behind that was killed is replaced.
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

    /// Answers those who ask. Who does not listen gets nothing.
    pub(crate) fn answer(&self, status: impl Fn() -> Status) -> Result<()> {
        for _ in 0..ANSWERS {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let text = serde_json::to_vec(&status())?;
                    let _who_asked_may_be_gone = stream.write_all(&text);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // One that gave up while it waited is no trouble of the others.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _somebody_may_have_removed_it = fs::remove_file(&self.path);
    }
}

/// Locks the file beside the socket, which only one daemon can. The file stays: were it removed, a
/// daemon that has opened it and one that creates it again would both have a lock.
fn lock(socket: &Path) -> Result<Flock<File>> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        let why = if error == Errno::EWOULDBLOCK { "another one is running" } else { error.desc() };
        format!("{}: {why}", socket.display()).into()
    })
}
