//! A numbered packet every millisecond from the team to its peer, and a record of when and where
//! each arrived.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use libteam::IfIndex;

use crate::network::{self, FarEnd};
use crate::{Result, ensure};

const INTERVAL: Duration = Duration::from_millis(1);
/// A listener that hears nothing for so long after the last packet was sent has heard all.
const SILENCE: Duration = Duration::from_millis(200);
/// What at least has to arrive over a port to call it traffic: a tenth of what a second should
/// bring.
const MIN_PACKETS: usize = 100;
/// A failover that takes longer is none that anybody would want.
const MAX_TIME: Duration = Duration::from_secs(1);

/// Traffic on its way.
pub(crate) struct Traffic {
    sending: Arc<AtomicBool>,
    listening: Arc<AtomicBool>,
    sender: JoinHandle<Result<()>>,
    listeners: Vec<JoinHandle<Result<()>>>,
    record: Record,
    port_names: BTreeMap<IfIndex, String>,
}

/// What was sent, and what has reached the peer.
struct Record {
    departing: Receiver<Instant>,
    arriving: Receiver<Arrival>,
    /// When each packet was sent, the first one being number 0.
    departures: Vec<Instant>,
    /// In the order of their numbers.
    arrivals: Vec<Arrival>,
}

/// A packet that reached the peer.
#[derive(Clone, Copy)]
struct Arrival {
    sequence: usize,
    /// The port over which it came.
    port: IfIndex,
    at: Instant,
}

/// Packets that came over the same port one after the other.
struct Run {
    first: Arrival,
    last: Arrival,
    packets: usize,
}

/// The traffic's move from one port to another, as the peer saw it.
pub(crate) struct Failover {
    pub(crate) from: IfIndex,
    pub(crate) to: IfIndex,
    /// From when the last packet over the old port was sent to when the peer had the first one over
    /// the new port.
    pub(crate) time: Duration,
    /// The packets in between that never arrived.
    pub(crate) lost: usize,
}

/// All of the traffic, when it is over.
pub(crate) struct Delivery {
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    pub(crate) failovers: Vec<Failover>,
}

impl Traffic {
    /// Starts a thread that sends, and one for each far end that listens.
    pub(crate) fn start(far_ends: &[FarEnd]) -> Result<Self> {
        let (sending, listening) =
            (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let (departed, departing) = mpsc::channel();
        let (arrived, arriving) = mpsc::channel();
        let mut listeners = Vec::new();
        for far_end in far_ends {
            let (socket, port) = (far_end.listen()?, far_end.port());
            socket.set_read_timeout(Some(SILENCE))?;
            let (listening, arrived) = (Arc::clone(&listening), arrived.clone());
            listeners.push(thread::spawn(move || listen(&socket, port, &listening, &arrived)));
        }
        let socket = network::socket_to_peer()?;
        let is_on = Arc::clone(&sending);
        let sender = thread::spawn(move || send(&socket, &is_on, &departed));
        let record = Record { departing, arriving, departures: Vec::new(), arrivals: Vec::new() };
        let port_names = far_ends
            .iter()
            .map(|far_end| (far_end.port(), far_end.port_name().to_owned()))
            .collect();
        Ok(Self { sending, listening, sender, listeners, record, port_names })
    }

    /// How many packets have arrived over the port since traffic moved there: an error if it does
    /// not arrive there now.
    pub(crate) fn flow_over(&mut self, port: IfIndex) -> Result<usize> {
        let run = self.record.runs()?.pop().ok_or("no packet arrived at all")?;
        let name = |port| self.port_names.get(&port).map_or("an unknown port", String::as_str);
        let (found, wanted) = (name(run.last.port), name(port));
        ensure(run.last.port == port, || {
            format!("the traffic arrives over {found}, not over {wanted}")
        })?;
        ensure(run.packets >= MIN_PACKETS, || {
            format!("only {} packets arrived over {wanted}", run.packets)
        })?;
        Ok(run.packets)
    }

    /// The latest move from one port to another.
    pub(crate) fn last_failover(&mut self) -> Result<Failover> {
        let last = self.record.failovers()?.pop().ok_or("no packet arrived over another port")?;
        ensure(last.time <= MAX_TIME, || format!("no packet arrived for {:?}", last.time))?;
        Ok(last)
    }

    /// Stops to send, and waits for what is on its way.
    pub(crate) fn stop(mut self) -> Result<Delivery> {
        self.sending.store(false, Ordering::Relaxed);
        self.sender.join().map_err(|_| "the sender panicked")??;
        self.listening.store(false, Ordering::Relaxed);
        for listener in self.listeners {
            listener.join().map_err(|_| "a listener panicked")??;
        }
        let failovers = self.record.failovers()?;
        let (sent, arrived) = (self.record.departures.len(), self.record.arrivals.len());
        let lost = sent.checked_sub(arrived).ok_or("more packets arrived than were sent")?;
        Ok(Delivery { sent, lost, failovers })
    }
}

impl Record {
    /// The moves from one port to another.
    fn failovers(&mut self) -> Result<Vec<Failover>> {
        let runs = self.runs()?;
        runs.iter().zip(runs.iter().skip(1)).map(|(old, new)| self.failover(old, new)).collect()
    }

    /// What has arrived so far, cut where the port changes.
    fn runs(&mut self) -> Result<Vec<Run>> {
        // In this order: a packet departs before it arrives.
        self.arrivals.extend(self.arriving.try_iter());
        self.departures.extend(self.departing.try_iter());
        self.arrivals.sort_unstable_by_key(|arrival| arrival.sequence);
        let mut runs: Vec<Run> = Vec::new();
        for &arrival in &self.arrivals {
            match runs.last_mut() {
                Some(run) if run.last.sequence == arrival.sequence => {
                    return Err(format!("packet {} arrived twice", arrival.sequence).into());
                }
                Some(run) if run.last.port == arrival.port => {
                    run.last = arrival;
                    run.packets += 1;
                }
                _ => runs.push(Run { first: arrival, last: arrival, packets: 1 }),
            }
        }
        Ok(runs)
    }

    fn failover(&self, old: &Run, new: &Run) -> Result<Failover> {
        let (last, first) = (old.last, new.first);
        let departure =
            self.departures.get(last.sequence).ok_or("a packet arrived that was not sent")?;
        Ok(Failover {
            from: last.port,
            to: first.port,
            time: first.at.saturating_duration_since(*departure),
            lost: first.sequence - last.sequence - 1,
        })
    }
}

impl Delivery {
    /// An error unless the traffic moved so often, and arrived whole but for these moments.
    pub(crate) fn check(&self, moves: usize) -> Result<()> {
        let found = self.failovers.len();
        ensure(found == moves, || format!("the traffic moved {found} times, not {moves}"))?;
        let explained: usize = self.failovers.iter().map(|failover| failover.lost).sum();
        ensure(self.lost == explained, || {
            format!("{} packets were lost, {explained} of them in failovers", self.lost)
        })
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets sent, {} lost, none arrived twice", self.sent, self.lost)
    }
}

/// Sends until it is told to stop.
///
/// A packet that the kernel refuses to send counts: it is lost like any other that does not arrive.
fn send(socket: &UdpSocket, is_on: &AtomicBool, departed: &Sender<Instant>) -> Result<()> {
    let mut due = Instant::now();
    for sequence in 0_usize.. {
        if !is_on.load(Ordering::Relaxed) {
            break;
        }
        departed.send(Instant::now())?;
        let _arrival_will_tell = socket.send(&sequence.to_be_bytes());
        // Who is late does not make up for it: a burst could overrun the peer's socket.
        due = Instant::now().max(due + INTERVAL);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Notes what arrives until it is told to stop and nothing more comes.
fn listen(
    socket: &UdpSocket,
    port: IfIndex,
    is_on: &AtomicBool,
    arrived: &Sender<Arrival>,
) -> Result<()> {
    let mut packet = [0; size_of::<usize>()];
    loop {
        match socket.recv(&mut packet) {
            Ok(_) => arrived.send(Arrival {
                sequence: usize::from_be_bytes(packet),
                port,
                at: Instant::now(),
            })?,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                if !is_on.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            Err(error) => return Err(format!("the peer cannot receive: {error}").into()),
        }
    }
}
