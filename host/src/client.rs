//! The one way to the API server: a configuration or a client comes in, a client that keeps to the host's rules goes
//! out. Nothing is retried behind the caller's back, a throttling answer holds back everyone (D4), the rate of requests
//! has a cap, and once the gate is shut no request leaves any more.

use http::header::{HeaderValue, RETRY_AFTER, USER_AGENT};
use kube::client::{Body, ClientBuilder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// No answer of the API server makes us pause longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Reads and writes of single objects and pages that take longer have an unknown outcome.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A request did not leave: the host has stopped.
#[derive(Debug, thiserror::Error)]
#[error("the host is stopping and sends nothing any more")]
pub struct Shut;

/// What all requests of one host go through.
#[derive(Debug)]
pub struct Gate {
    shut: AtomicBool,
    pace: Mutex<Pace>,
    interval: Duration,
    burst: Duration,
}

#[derive(Debug, Default)]
struct Pace {
    /// The moment up to which the rate is used up.
    next: Option<Instant>,
    /// What the API server asked for.
    not_before: Option<Instant>,
}

impl Gate {
    /// Lets `per_second` requests through, and twice as many at once after a quiet time.
    pub fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Gate { shut: false.into(), pace: Mutex::default(), interval, burst: Duration::from_secs(2) }
    }

    /// Lets nothing through any more.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    async fn pass(&self) -> Result<(), Shut> {
        let at = self.reserve(Instant::now());
        tokio::time::sleep_until(at).await;
        if self.shut.load(Ordering::SeqCst) { Err(Shut) } else { Ok(()) }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        // The budget of a quiet time is kept, up to the burst.
        let earliest = now.checked_sub(self.burst).unwrap_or(now);
        let slot = pace.next.map_or(earliest, |next| next.max(earliest)) + self.interval;
        pace.next = Some(slot);
        let not_before = pace.not_before.unwrap_or(now);
        slot.max(not_before).max(now)
    }

    fn throttle(&self, pause: Duration, now: Instant) {
        let until = now + pause.min(LONGEST_PAUSE);
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.not_before = Some(pace.not_before.map_or(until, |before| before.max(until)));
    }
}

/// Shuts the gate when it is dropped: with the future that holds it, all requests end.
#[derive(Debug)]
pub struct ShutOnDrop(pub Arc<Gate>);

impl Drop for ShutOnDrop {
    fn drop(&mut self) {
        self.0.shut();
    }
}

/// A client for a configuration. Retries of the library are switched off: they cover POST, and may last for minutes.
///
/// # Errors
/// When the configuration's certificates or credentials cannot be used.
pub fn connect(mut config: kube::Config) -> Result<kube::Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.write_timeout = Some(DEADLINE);
    // No read timeout: it would cut quiet watches. Each call has a deadline of its own instead.
    config.read_timeout = None;
    kube::Client::try_from(config)
}

/// The same client, through a gate, under the name of the host.
pub fn guarded(client: kube::Client, gate: Arc<Gate>, user_agent: &HeaderValue) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    let user_agent = user_agent.clone();
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        let (client, gate, user_agent) = (client.clone(), gate.clone(), user_agent.clone());
        async move {
            gate.pass().await?;
            request.headers_mut().insert(USER_AGENT, user_agent);
            let response = client.send(request).await?;
            if response.status() == http::StatusCode::TOO_MANY_REQUESTS {
                let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                gate.throttle(Duration::from_secs(pause.unwrap_or(1)), Instant::now());
            }
            Ok::<_, tower::BoxError>(response)
        }
    });
    ClientBuilder::new(service, namespace).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn d4_the_rate_of_requests_has_a_cap() {
        let gate = Gate::new(10);
        let start = Instant::now();
        for _ in 0..50 {
            assert!(gate.pass().await.is_ok());
        }
        // Twenty at once, then ten a second.
        assert_eq!(start.elapsed().as_millis() / 100, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn d4_a_throttling_answer_holds_back_every_request() {
        let gate = Gate::new(1000);
        let start = Instant::now();
        gate.throttle(Duration::from_secs(7), start);
        gate.throttle(Duration::from_secs(3), start);
        assert!(gate.pass().await.is_ok());
        assert_eq!(start.elapsed().as_secs(), 7);
        gate.throttle(Duration::from_secs(86_400), Instant::now());
        assert!(gate.pass().await.is_ok());
        assert_eq!(start.elapsed().as_secs(), 67, "a pause has an end");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_leaves_once_the_gate_is_shut_even_if_it_waited_before() {
        let gate = Arc::new(Gate::new(1000));
        gate.throttle(Duration::from_secs(1), Instant::now());
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass().await.is_err() }
        });
        tokio::task::yield_now().await;
        drop(ShutOnDrop(gate));
        assert!(waiting.await.is_ok_and(|refused| refused));
    }
}
