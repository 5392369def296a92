//! Probes. In: a probe's settings, and one answer after the other. Out: whether what it guards counts as good. Pure; the
//! rules are the kubelet's.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a probe, or a hook, does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Runs a command; exit code 0 is good.
    Exec(Vec<String>),
    /// Opens a connection.
    Tcp(u16),
    /// Asks for a page; a status from 200 to 399 is good.
    Http { port: u16, path: String },
    /// Something that this node cannot do: it never is good, and the text says why.
    Never(String),
}

/// When a probe asks, and how its answers count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) check: Check,
    pub(super) delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// How long failures must go on at least, where the probe asks more often than the pod says.
    pub(super) patience: Duration,
    /// Seconds that the container has to end when the probe fails for good; none: what the pod says.
    pub(super) grace: Option<Duration>,
}

impl Settings {
    /// Settings with the API's defaults. A period longer than `longest` is made as short, and failures must go on for as
    /// long as the pod's own period would take, so that the time until a verdict stays.
    pub(super) fn of(probe: &Probe, container: &Container, longest: Option<Duration>) -> Self {
        let seconds = |value: Option<i32>, default: u64| {
            Duration::from_secs(value.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default))
        };
        let count = |value: Option<i32>, default: u32| {
            value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
        };
        let asked = seconds(probe.period_seconds, 10);
        let period = longest.filter(|l| !l.is_zero()).map_or(asked, |longest| asked.min(longest));
        let failures = count(probe.failure_threshold, 3);
        let patience = if period < asked { asked.saturating_mul(failures - 1) } else { Duration::ZERO };
        let http = probe.http_get.as_ref();
        let tcp = probe.tcp_socket.as_ref();
        let check = if let Some(exec) = &probe.exec {
            Check::Exec(exec.command.clone().unwrap_or_default())
        } else if let Some(tcp) = tcp {
            port(&tcp.port, container).map_or_else(Check::Never, Check::Tcp)
        } else if let Some(http) = http.filter(|http| http.scheme.as_deref().is_none_or(|s| s == "HTTP")) {
            let path = http.path.clone().unwrap_or_else(|| "/".to_owned());
            port(&http.port, container).map_or_else(Check::Never, |port| Check::Http { port, path })
        } else {
            Check::Never("this node has probes by command, by TCP and by plain HTTP alone".to_owned())
        };
        Self {
            check,
            delay: seconds(probe.initial_delay_seconds, 0),
            period,
            timeout: seconds(probe.timeout_seconds, 1),
            successes: count(probe.success_threshold, 1),
            failures,
            patience,
            grace: probe.termination_grace_period_seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs),
        }
    }
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            ports.find(|p| p.name.as_ref() == Some(name)).map(|p| p.container_port)
        }
    };
    number.and_then(|n| u16::try_from(n).ok()).ok_or_else(|| format!("the container has no port {port:?}"))
}

/// Answers in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    good: bool,
    row: u32,
    since: Duration,
}

impl Count {
    /// Takes an answer in, with its time by any clock. Some once enough of a kind came in a row to count.
    pub(super) fn take(&mut self, good: bool, at: Duration, settings: &Settings) -> Option<bool> {
        if self.good == good && self.row > 0 {
            self.row = self.row.saturating_add(1);
        } else {
            *self = Self { good, row: 1, since: at };
        }
        let enough = match good {
            true => self.row >= settings.successes,
            false => self.row >= settings.failures && at.saturating_sub(self.since) >= settings.patience,
        };
        enough.then_some(good)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn settings(probe: Value, longest: Option<Duration>) -> Settings {
        let container = json!({"name": "c", "ports": [{"name": "sql", "containerPort": 3306}]});
        Settings::of(&serde_json::from_value(probe).unwrap(), &serde_json::from_value(container).unwrap(), longest)
    }

    #[test]
    fn settings_that_are_not_given_are_those_of_the_api() {
        let held = settings(json!({"tcpSocket": {"port": "sql"}}), None);
        assert_eq!(
            (held.check, held.period, held.timeout),
            (Check::Tcp(3306), Duration::from_secs(10), Duration::from_secs(1))
        );
        assert_eq!((held.successes, held.failures, held.delay), (1, 3, Duration::ZERO));
        let http = settings(json!({"httpGet": {"port": 80, "path": "/live"}}), None).check;
        assert_eq!(http, Check::Http { port: 80, path: "/live".to_owned() });
        assert!(matches!(settings(json!({"tcpSocket": {"port": "none"}}), None).check, Check::Never(_)));
        assert!(matches!(settings(json!({"grpc": {"port": 80}}), None).check, Check::Never(_)));
    }

    #[test]
    fn asking_more_often_leaves_the_time_until_a_verdict_as_it_is() {
        let probe = json!({"exec": {"command": ["true"]}, "periodSeconds": 10, "failureThreshold": 6});
        let held = settings(probe, Some(Duration::from_millis(500)));
        assert_eq!((held.period, held.failures), (Duration::from_millis(500), 6));
        let mut count = Count::default();
        let mut verdict = |half_seconds: u32| count.take(false, half_seconds * held.period, &held);
        assert!((0..100).all(|at| verdict(at).is_none()));
        assert_eq!(verdict(100), Some(false));
    }

    #[test]
    fn only_enough_answers_in_a_row_count() {
        let probe = json!({"exec": {"command": ["true"]}, "successThreshold": 2, "failureThreshold": 3});
        let settings = settings(probe, None);
        let mut count = Count::default();
        let answers = [true, false, true, true, false, false, false, false];
        let verdicts: Vec<_> = answers.iter().map(|good| count.take(*good, Duration::ZERO, &settings)).collect();
        let none = None;
        assert_eq!(verdicts, [none, none, none, Some(true), none, none, Some(false), Some(false)]);
    }
}
