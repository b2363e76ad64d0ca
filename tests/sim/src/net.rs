//! The network: pipes of bytes between clients and the ingress, each with a fate that the dice give it.
//!
//! A pipe keeps its order and loses nothing in its middle, as TCP does. What goes wrong is what goes wrong there: it
//! takes long, it ends in the middle of a frame, it goes silent without telling anybody, the answer never comes, or
//! something between repeats a request.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::dice::Dice;
use crate::faults::{Fault, Weather};
use crate::record::Record;

/// Bytes in a pipe: about what a socket's buffers hold on a slow line.
const PIPE_BYTES: usize = 16 * 1024;
/// Bytes a slow reader takes at a time.
const SIP_BYTES: usize = 200;
/// A connection attempt into the void ends after this.
const VOID: Duration = Duration::from_secs(12);
/// A silent connection ends at last after this: some middlebox forgets it.
const SILENCE: Duration = Duration::from_secs(180);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// One request and its answer.
    Call,
    /// One request that changes something, and its answer.
    Post,
    /// A WebSocket.
    Socket,
}

/// The network of one world.
#[derive(Clone, Debug)]
pub(crate) struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    record: Record,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    weather: Weather,
    /// The ingress's door, while it runs.
    door: Option<mpsc::Sender<DuplexStream>>,
    /// Rings when everything that is open ends at once.
    storm: Arc<Notify>,
}

/// What becomes of one connection.
#[derive(Clone, Debug, Default)]
struct Fate {
    latency_ms: u64,
    /// Cut once so many bytes passed, upward and downward.
    cut_up: Option<usize>,
    cut_down: Option<usize>,
    /// Goes silent once so many bytes passed downward.
    silent_after: Option<usize>,
    sips: bool,
    twin_after_ms: Option<u64>,
}

impl Network {
    /// A calm network without an ingress.
    #[must_use]
    pub(crate) fn new(dice: Dice, record: Record) -> Self {
        let state = State { dice, weather: Weather::calm(), door: None, storm: Arc::default() };
        Self(Arc::new(Inner { record, state: Mutex::new(state) }))
    }

    /// Where connections lead from now on; `None` = nobody answers.
    pub(crate) fn set_door(&self, door: Option<mpsc::Sender<DuplexStream>>) {
        self.state().door = door;
    }

    /// What may happen to connections that are made from now on.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Ends every connection, at once and in the middle of whatever it carries.
    pub(crate) fn cut_all(&self) {
        self.state().storm.notify_waiters();
    }

    /// Connects to the ingress.
    ///
    /// # Errors
    /// When nobody answers there.
    pub(crate) async fn connect(&self, purpose: Use) -> io::Result<DuplexStream> {
        let Some((fate, door, storm)) = self.draw_way(purpose) else {
            sleep(VOID).await;
            return Err(io::ErrorKind::TimedOut.into());
        };
        sleep(Duration::from_millis(fate.latency_ms)).await;
        let (client, near) = duplex(PIPE_BYTES);
        let (far, server) = duplex(PIPE_BYTES);
        let door = door.ok_or(io::ErrorKind::ConnectionRefused)?;
        door.try_send(server).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        tokio::spawn(carry(self.clone(), fate, near, far, storm));
        Ok(client)
    }

    /// Where the next connection leads and what becomes of it; `None` when it leads nowhere.
    fn draw_way(&self, purpose: Use) -> Option<(Fate, Option<mpsc::Sender<DuplexStream>>, OwnedNotified)> {
        let mut state = self.state();
        let weather = state.weather;
        if state.dice.hits(weather.drop) {
            self.0.record.count(Fault::Drop);
            return None;
        }
        let fate = self.draw(&mut state, purpose);
        Some((fate, state.door.clone(), Arc::clone(&state.storm).notified_owned()))
    }

    fn draw(&self, state: &mut State, purpose: Use) -> Fate {
        let (weather, dice, record) = (state.weather, &mut state.dice, &self.0.record);
        let mut hits = |per_mille: u64, fault: Fault| {
            let hit = dice.hits(per_mille);
            if hit {
                record.count(fault);
            }
            hit
        };
        let (delayed, overtaken) = (hits(weather.delay, Fault::Delay), hits(weather.reorder, Fault::Reorder));
        let is_call = purpose != Use::Socket;
        let answer_lost = is_call && hits(weather.lost_answer, Fault::LostAnswer);
        let cut = !answer_lost && hits(if is_call { weather.cut / 4 } else { weather.cut }, Fault::Cut);
        let silent = !cut && !is_call && hits(weather.half_open, Fault::HalfOpen);
        let sips = !is_call && hits(weather.slow, Fault::SlowReader);
        let twin = purpose == Use::Post && hits(weather.duplicate, Fault::DuplicatePost);
        let mut fate = Fate { latency_ms: dice.within(0..=15), sips, ..Fate::default() };
        if delayed {
            fate.latency_ms += dice.within(30..=250);
        }
        if overtaken {
            fate.latency_ms += dice.within(250..=3_000);
        }
        let mut bytes = |most: u64| usize::try_from(dice.within(1..=most)).ok();
        if answer_lost {
            fate.cut_down = Some(0);
        } else if cut && is_call {
            fate.cut_up = bytes(900);
        } else if cut {
            fate.cut_down = bytes(20_000);
        }
        if silent {
            fate.silent_after = bytes(12_000);
        }
        if twin {
            fate.twin_after_ms = Some(dice.within(1..=4_000));
        }
        fate
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries one connection to its end.
async fn carry(network: Network, fate: Fate, near: DuplexStream, far: DuplexStream, storm: OwnedNotified) {
    let (from_client, to_client) = split(near);
    let (from_server, to_server) = split(far);
    let mut repeated = fate.twin_after_ms.map(|_| Vec::new());
    let up = pump(&fate, fate.cut_up, None, from_client, to_server, repeated.as_mut());
    let down = pump(&fate, fate.cut_down, fate.silent_after, from_server, to_client, None);
    let up = async {
        // A client that stops speaking still listens.
        if up.await == Ended::Over {
            std::future::pending::<()>().await
        }
    };
    tokio::select! {
        biased;
        () = storm => return,
        () = up => {}
        _ = down => {}
    }
    if let (Some(after_ms), Some(request)) = (fate.twin_after_ms, repeated) {
        sleep(Duration::from_millis(after_ms)).await;
        repeat(&network, &request).await;
    }
}

/// Something on the way sends the same request again, and nobody reads the answer.
async fn repeat(network: &Network, request: &[u8]) {
    let door = network.state().door.clone();
    let (mut twin, server) = duplex(PIPE_BYTES);
    if door.is_some_and(|door| door.try_send(server).is_ok()) && twin.write_all(request).await.is_ok() {
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(VOID, twin.read_to_end(&mut answer)).await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The sender closed, or the receiver did.
    Over,
    /// Fate cut it.
    Cut,
}

/// Moves bytes one way.
async fn pump(
    fate: &Fate,
    cut_after: Option<usize>,
    silent_after: Option<usize>,
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    mut copy: Option<&mut Vec<u8>>,
) -> Ended {
    let (mut passed, mut buffer) = (0_usize, vec![0; if fate.sips { SIP_BYTES } else { PIPE_BYTES }]);
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { break };
        sleep(Duration::from_millis(fate.latency_ms.min(250))).await;
        if silent_after.is_some_and(|after| passed + read > after) {
            // Swallowed, like all that follows.
            let silence = async { while let Ok(1..) = from.read(&mut buffer).await {} };
            let _ = tokio::time::timeout(SILENCE, silence).await;
            sleep(SILENCE).await;
            return Ended::Cut;
        }
        let pass = cut_after.map_or(read, |after| read.min(after.saturating_sub(passed)));
        if let Some(copy) = &mut copy {
            copy.extend_from_slice(&buffer[..read]);
        }
        if to.write_all(&buffer[..pass]).await.is_err() {
            break;
        }
        passed += pass;
        if pass < read {
            return Ended::Cut;
        }
    }
    let _ = to.shutdown().await;
    Ended::Over
}
