//! Sends a numbered packet every millisecond from the team to its peer, and records when and where
//! each arrives.

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
/// A listener that receives nothing for this long after the last packet was sent has received all.
const SILENCE: Duration = Duration::from_millis(200);
/// The least number of packets per port that counts as traffic: a tenth of those of a second.
const MIN_PACKETS: usize = 100;
/// The longest failover that is accepted.
const MAX_TIME: Duration = Duration::from_secs(1);

/// The traffic while it is sent.
pub(crate) struct Traffic {
    sending: Arc<AtomicBool>,
    listening: Arc<AtomicBool>,
    sender: JoinHandle<Result<()>>,
    listeners: Vec<JoinHandle<Result<()>>>,
    record: Record,
    port_names: BTreeMap<IfIndex, String>,
}

/// What was sent, and what arrived.
struct Record {
    departing: Receiver<Instant>,
    arriving: Receiver<Arrival>,
    /// When each packet was sent, starting with number 0.
    departures: Vec<Instant>,
    /// In the order of their numbers.
    arrivals: Vec<Arrival>,
}

/// A packet that reached the peer.
#[derive(Clone, Copy)]
struct Arrival {
    sequence: usize,
    /// The port that it came over.
    port: IfIndex,
    at: Instant,
}

/// Successive packets that came over the same port.
struct Run {
    first: Arrival,
    last: Arrival,
    packets: usize,
}

/// The traffic's move from one port to another, as the peer saw it.
pub(crate) struct Failover {
    pub(crate) from: IfIndex,
    pub(crate) to: IfIndex,
    /// From sending the last packet over the old port to the arrival of the first packet over the
    /// new port.
    pub(crate) time: Duration,
    /// The number of packets in between that did not arrive.
    pub(crate) lost: usize,
}

/// The totals, after the end of the traffic.
pub(crate) struct Delivery {
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    pub(crate) failovers: Vec<Failover>,
}

impl Traffic {
    /// Starts one thread that sends, and one per far end that receives.
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

    /// Returns how many packets have arrived over the port since the traffic moved there, or an
    /// error if the traffic arrives over another port now.
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

    /// Returns the latest move from one port to another.
    pub(crate) fn last_failover(&mut self) -> Result<Failover> {
        let last = self.record.failovers()?.pop().ok_or("no packet arrived over another port")?;
        ensure(last.time <= MAX_TIME, || format!("no packet arrived for {:?}", last.time))?;
        Ok(last)
    }

    /// Stops sending, and waits for the packets that are on their way.
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
    /// Returns the moves from one port to another.
    fn failovers(&mut self) -> Result<Vec<Failover>> {
        let runs = self.runs()?;
        runs.iter().zip(runs.iter().skip(1)).map(|(old, new)| self.failover(old, new)).collect()
    }

    /// Returns what has arrived so far, divided where the port changes.
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
    /// Returns an error unless the traffic moved this many times, and packets were lost only while
    /// it moved.
    pub(crate) fn check(&self, moves: usize) -> Result<()> {
        let found = self.failovers.len();
        ensure(found == moves, || format!("the traffic moved {found} times, not {moves}"))?;
        let explained: usize = self.failovers.iter().map(|failover| failover.lost).sum();
        ensure(self.lost == explained, || {
            format!("{} packets were lost, but only {explained} of them in failovers", self.lost)
        })
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets sent, {} lost, none arrived twice", self.sent, self.lost)
    }
}

/// Sends until it is asked to stop.
///
/// A packet that the kernel refuses to send counts as lost, like one that does not arrive.
fn send(socket: &UdpSocket, is_on: &AtomicBool, departed: &Sender<Instant>) -> Result<()> {
    let mut due = Instant::now();
    for sequence in 0_usize.. {
        if !is_on.load(Ordering::Relaxed) {
            break;
        }
        departed.send(Instant::now())?;
        let _counted_by_its_arrival = socket.send(&sequence.to_be_bytes());
        // No burst after a delay: it could overrun the peer's socket.
        due = Instant::now().max(due + INTERVAL);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Records what arrives until it is asked to stop and nothing more arrives.
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
            Err(error) => return Err(format!("receiving at the peer: {error}").into()),
        }
    }
}
