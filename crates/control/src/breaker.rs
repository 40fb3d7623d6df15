//! A circuit breaker around what may not answer: the store.
//!
//! A store that hangs would have every request hang for as long as a call may take. So once nothing is answered any
//! more, calls are refused at once, and one after the other is let through to see whether it answers again. What does
//! not ask the store does not notice: running publishes, playback, tokens.
//!
//! [`Circuit`] decides, without clock or IO; [`Breaker`] asks it around a call.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::Error;

/// Calls in a row that failed because the store is away, at which it is taken to be away.
const OUTAGES_MAX: u32 = 5;
/// They must come within this long: a failure now and then over a quiet night is no outage.
const OUTAGES_WITHIN: Duration = Duration::from_secs(10);
/// Longest that a call may take.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(5);
/// How long calls are refused before one is let through.
const OPEN_FOR: Duration = Duration::from_secs(1);

/// Whether calls are let through.
#[derive(Debug)]
struct Circuit {
    state: State,
    /// Failures since the last answer, and when the first of them came.
    outages: u32,
    first_outage: Instant,
    /// When the store last answered.
    answered: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All are.
    Closed,
    /// None is, until then.
    Open { until: Instant },
    /// One is under way.
    Probing,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The store answered, if only with a refusal.
    Answered,
    /// It failed because the store is away.
    Outage,
    /// It took too long.
    Hung,
    /// Whoever asked went away.
    Abandoned,
}

impl Circuit {
    fn new(now: Instant) -> Self {
        Self { state: State::Closed, outages: 0, first_outage: now, answered: now }
    }

    /// Whether a call may begin.
    fn enter(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } if now >= until => {
                self.state = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => false,
        }
    }

    /// A call that began at `began` ended. Says whether calls are let through otherwise than before.
    fn ended(&mut self, began: Instant, ended: Ended, now: Instant) -> bool {
        let before = self.state;
        match ended {
            Ended::Answered => {
                self.answered = now;
                self.outages = 0;
                self.state = State::Closed;
            }
            Ended::Abandoned if self.state == State::Probing => self.state = State::Open { until: now },
            Ended::Abandoned => {}
            Ended::Outage | Ended::Hung => {
                if self.outages == 0 || now.duration_since(self.first_outage) > OUTAGES_WITHIN {
                    (self.outages, self.first_outage) = (0, now);
                }
                self.outages += 1;
                // One slow call beside others that are answered is a slow call.
                let silent = ended == Ended::Hung && self.answered <= began;
                if silent || self.outages >= OUTAGES_MAX || self.state == State::Probing {
                    self.state = State::Open { until: now + OPEN_FOR };
                }
            }
        }
        (before == State::Closed) != (self.state == State::Closed)
    }
}

/// Refuses calls while the store is away.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Which part of the store, in logs and metrics.
    what: &'static str,
    circuit: Mutex<Circuit>,
}

impl Breaker {
    /// For one part of a store that fails as a whole.
    pub(crate) fn new(what: &'static str) -> Self {
        metrics::gauge!("weir_store_circuit_open", "part" => what).set(0.0);
        Self { what, circuit: Mutex::new(Circuit::new(now())) }
    }

    /// Makes a call, for at most [`CALL_MAX`]. What it was to do may happen all the same when it took longer.
    ///
    /// # Errors
    /// [`Error::Busy`] at once while the store is away, and after [`CALL_MAX`]; otherwise what the call gives.
    pub(crate) fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        // Apart, because a future within a future is kept twice.
        let call = Box::pin(call);
        async move {
            let answer = self.watch(tokio::time::timeout(CALL_MAX, call), |answer| match answer {
                Ok(Err(Error::Busy | Error::Unreachable(_) | Error::Closed)) => Ended::Outage,
                Ok(_) => Ended::Answered,
                Err(_) => Ended::Hung,
            });
            answer.await?.unwrap_or(Err(Error::Busy))
        }
    }

    /// Makes a call that limits its time itself; `judge` says what its answer means.
    ///
    /// # Errors
    /// [`Error::Busy`] at once while the store is away.
    pub(crate) fn watch<A>(
        &self,
        call: impl Future<Output = A>,
        judge: impl FnOnce(&A) -> Ended,
    ) -> impl Future<Output = Result<A, Error>> {
        let call = Box::pin(call);
        async move {
            let pass = self.enter()?;
            let answer = call.await;
            pass.ended(judge(&answer));
            Ok(answer)
        }
    }

    fn enter(&self) -> Result<Pass<'_>, Error> {
        let began = now();
        if self.circuit.lock().enter(began) {
            return Ok(Pass { breaker: self, began, told: false });
        }
        metrics::counter!("weir_store_calls_refused_total", "part" => self.what).increment(1);
        Err(Error::Busy)
    }
}

/// A call under way.
struct Pass<'a> {
    breaker: &'a Breaker,
    began: Instant,
    told: bool,
}

impl Pass<'_> {
    fn ended(mut self, ended: Ended) {
        self.tell(ended);
    }

    fn tell(&mut self, ended: Ended) {
        self.told = true;
        let part = self.breaker.what;
        let (changed, open) = {
            let mut circuit = self.breaker.circuit.lock();
            (circuit.ended(self.began, ended, now()), circuit.state != State::Closed)
        };
        if !changed {
            return;
        }
        metrics::gauge!("weir_store_circuit_open", "part" => part).set(f64::from(u8::from(open)));
        if open {
            metrics::counter!("weir_store_circuit_opened_total", "part" => part).increment(1);
            tracing::warn!(part, "the store does not answer: what needs it is refused at once; streams go on");
        } else {
            tracing::info!(part, "the store answers again");
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Ended::Abandoned);
        }
    }
}

/// The runtime's time, so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_closes_it() {
        let start = Instant::now();
        let mut circuit = Circuit::new(start);
        for failed in 1..=u64::from(OUTAGES_MAX) {
            assert!(circuit.enter(at(start, failed)));
            circuit.ended(at(start, failed), Ended::Outage, at(start, failed));
        }
        assert!(!circuit.enter(at(start, 6)));
        assert!(circuit.enter(at(start, 1_006)), "one is let through");
        assert!(!circuit.enter(at(start, 1_007)), "and one only");
        circuit.ended(at(start, 1_006), Ended::Outage, at(start, 1_010));
        assert!(!circuit.enter(at(start, 1_020)), "it failed: closed to others for longer");
        assert!(circuit.enter(at(start, 2_010)));
        circuit.ended(at(start, 2_010), Ended::Abandoned, at(start, 2_020));
        assert!(circuit.enter(at(start, 2_020)), "whoever tried went away: the next tries");
        assert!(circuit.ended(at(start, 2_020), Ended::Answered, at(start, 2_030)));
        assert!(circuit.enter(at(start, 2_031)) && circuit.enter(at(start, 2_031)));
    }

    #[test]
    fn failures_between_answers_or_far_apart_leave_it_closed() {
        let start = Instant::now();
        let mut circuit = Circuit::new(start);
        for call in 0..100 {
            circuit.ended(at(start, call), Ended::Outage, at(start, call));
            circuit.ended(at(start, call), Ended::Outage, at(start, call));
            circuit.ended(at(start, call), Ended::Answered, at(start, call));
        }
        for night in 1..=20 {
            circuit.ended(at(start, night * 6_000), Ended::Outage, at(start, night * 6_000));
        }
        assert_eq!(circuit.state, State::Closed);
    }

    #[test]
    fn a_call_that_hangs_opens_it_unless_others_are_answered() {
        let start = Instant::now();
        let mut circuit = Circuit::new(start);
        circuit.ended(at(start, 3_000), Ended::Answered, at(start, 3_001));
        assert!(!circuit.ended(at(start, 10), Ended::Hung, at(start, 5_010)), "others were answered meanwhile");
        assert!(circuit.ended(at(start, 4_000), Ended::Hung, at(start, 9_000)));
        assert!(!circuit.enter(at(start, 9_001)));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_store_hangs_calls_are_refused_at_once() {
        let breaker = Breaker::new("test");
        let hang = || breaker.call(std::future::pending::<Result<(), Error>>());
        let asked = tokio::time::Instant::now();
        assert!(matches!(hang().await, Err(Error::Busy)));
        let waited = asked.elapsed();
        assert!(matches!(hang().await, Err(Error::Busy)));
        assert_eq!(asked.elapsed(), waited);
        tokio::time::advance(OPEN_FOR).await;
        breaker.call(async { Ok(()) }).await.unwrap();
        breaker.call(async { Err::<(), _>(Error::Exists) }).await.unwrap_err();
    }
}
