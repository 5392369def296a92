//! In whose name the host asks the API server: its own, or that of the ServiceAccount which a plugin's grants name, by
//! impersonation. And what the API server would not let that one do, for as long as it would not.

use super::Failure;
use super::failure::missing_right;
use http::request::Builder;
use model::grant::ServiceAccount;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A refusal that was not seen again for this long is over: what is refused is tried again twice a minute.
const REMEMBERED: Duration = Duration::from_secs(150);
/// Refusals that are remembered of one plugin.
const MOST: usize = 16;

/// In whose name requests are made.
#[derive(Clone, Debug)]
pub struct ActingAs {
    account: Option<Arc<ServiceAccount>>,
    denied: Arc<Denied>,
}

impl ActingAs {
    /// The host's own name.
    pub fn host() -> Self {
        ActingAs::new(None)
    }

    /// The name of an account; without one the host's own.
    pub fn new(account: Option<&ServiceAccount>) -> Self {
        ActingAs { account: account.cloned().map(Arc::new), denied: Arc::default() }
    }

    /// Whose; none: the host's own.
    pub fn account(&self) -> Option<&ServiceAccount> {
        self.account.as_deref()
    }

    /// What was refused lately.
    pub fn denied(&self) -> &Denied {
        &self.denied
    }

    /// Adds the name to a request. Without groups, the API server gives the account those that it has anyway, so that the
    /// host needs no right to impersonate groups.
    pub(super) fn sign(&self, request: Builder) -> Builder {
        match &self.account {
            // The names of an account are checked when it is made: nothing in them ends a header.
            Some(account) => request.header("Impersonate-User", account.user()),
            None => request,
        }
    }

    /// Takes in what an answer says about a right.
    pub(super) fn note(&self, verb: &'static str, resource: &str, failure: Option<&Failure>) {
        match failure {
            Some(Failure::Forbidden(message)) => match missing_right(message) {
                Some(message) => self.denied.refused(verb, resource, message, Instant::now()),
                // Admission says no to this one object, and comes after the question of rights.
                None => self.denied.allowed(verb, resource),
            },
            // Any other answer comes after the one about rights; no answer says nothing.
            Some(Failure::Unknown(_) | Failure::Unauthorized | Failure::Throttled(_)) => {}
            Some(_) | None => self.denied.allowed(verb, resource),
        }
    }
}

/// What the API server refused, by verb and resource, and what it said.
#[derive(Debug, Default)]
pub struct Denied(Mutex<Refusals>);

/// By verb and resource: what the API server said, and when.
type Refusals = BTreeMap<(&'static str, String), (String, Instant)>;

impl Denied {
    fn refused(&self, verb: &'static str, resource: &str, message: &str, now: Instant) {
        let mut denied = self.lock();
        denied.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
        let key = (verb, resource.to_owned());
        if denied.len() < MOST || denied.contains_key(&key) {
            denied.insert(key, (message.to_owned(), now));
        }
    }

    fn allowed(&self, verb: &'static str, resource: &str) {
        let mut denied = self.lock();
        // Nearly always there is nothing, and no text is made.
        if !denied.is_empty() {
            denied.remove(&(verb, resource.to_owned()));
        }
    }

    /// What is refused now: `patch services`, and what the API server said. In a fixed order.
    pub fn now(&self) -> Vec<(String, String)> {
        let now = Instant::now();
        let mut denied = self.lock();
        denied.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
        denied.iter().map(|((verb, resource), (message, _))| (format!("{verb} {resource}"), message.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const REFUSAL: &str =
        r#"services is forbidden: User "u" cannot patch resource "services" in API group "" in the namespace "n""#;

    fn refusal() -> Failure {
        Failure::Forbidden(REFUSAL.into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_over_when_the_same_is_allowed_or_long_not_tried() {
        let acting = ActingAs::host();
        acting.note("patch", "services", Some(&refusal()));
        acting.note("get", "services", None);
        acting.note("patch", "services", Some(&Failure::Unknown("cut".into())));
        assert_eq!(acting.denied().now(), [("patch services".into(), REFUSAL.into())]);
        acting.note("patch", "services", Some(&Failure::NotFound));
        assert_eq!(acting.denied().now(), []);
        acting.note("patch", "services", Some(&refusal()));
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(acting.denied().now(), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let acting = ActingAs::host();
        (0..1000).for_each(|at| acting.note("patch", &format!("kind-{at}"), Some(&refusal())));
        assert_eq!(acting.denied().now().len(), MOST);
    }

    #[test]
    fn only_an_account_is_named_to_the_api_server() {
        let header = |acting: ActingAs| {
            let request = acting.sign(http::Request::builder()).body(()).unwrap();
            request.headers().get("impersonate-user").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(ActingAs::host()), None);
        let account = ServiceAccount::new("shop", "mysql").unwrap();
        assert_eq!(header(ActingAs::new(Some(&account))).unwrap(), "system:serviceaccount:shop:mysql");
    }
}
