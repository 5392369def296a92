//! One container from its start to its end for good. In: its place, the wish that the pod ends. Out: reports of how it
//! does; restarts by the pod's policy, probes and hooks as a kubelet has them.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use tokio::sync::watch;
use tokio::time::Instant;

use super::access::Process;
use super::entry::Entry;
use super::image::Image;
use super::installation::Installation;
use super::place::Place;
use super::pod::{PodContext, Reporter};
use super::probe::{Count, Settings};
use super::slot::{self, Slot};
use super::{Machine, action, termination};

/// Until what a container needs is looked for again, if nothing said that it changed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What a container always gets to end, however late it is told.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// The time until which a pod has to be gone, once it is told to end.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// How often a container runs again after it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Always,
    OnFailure,
    Never,
}

impl Policy {
    /// As the API spells it; `Always` where it says nothing.
    pub(super) fn of(word: Option<&str>) -> Self {
        match word {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    pub(super) fn again(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

/// A container to run.
pub(super) struct Job {
    pub(super) machine: Arc<Machine>,
    pub(super) pod: Arc<PodContext>,
    pub(super) container: Container,
    pub(super) image: Image,
    pub(super) policy: Policy,
    pub(super) reporter: Reporter,
}

/// How one run ended.
struct Run {
    code: i32,
    started: Instant,
}

impl Job {
    /// Runs the container until it ended for good, or the pod does. Its last exit code; none if it never ran.
    pub(super) async fn supervise(&self, mut stop: Stop) -> Option<i32> {
        let mut wait = None;
        loop {
            let place = self.place(&mut stop).await?;
            let run = self.run(&place, stop.clone()).await;
            if stop.borrow().is_some() || !self.policy.again(run.code) {
                return Some(run.code);
            }
            let next = self.machine.options.backoff.next(run.started.elapsed(), wait);
            wait = Some(next);
            if !next.is_zero() {
                let name = &self.container.name;
                let message = format!("back-off {}s restarting failed container={name}", next.as_secs());
                self.reporter.waiting("CrashLoopBackOff", message);
                if ended_within(&mut stop, next).await {
                    return Some(run.code);
                }
            }
            self.reporter.restarting();
        }
    }

    /// Waits until all that the container needs is there. None when the pod ends first.
    async fn place(&self, stop: &mut Stop) -> Option<Place> {
        let mut changed = self.machine.changed.subscribe();
        loop {
            changed.borrow_and_update();
            match self.pod.place(&self.machine, &self.container, &self.image) {
                Ok(place) => return Some(place),
                Err(obstacle) => self.reporter.waiting(obstacle.reason(), obstacle.to_string()),
            }
            tokio::select! {
                () = told(stop) => return None,
                _ = changed.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn run(&self, place: &Place, stop: Stop) -> Run {
        let started = Instant::now();
        let note = Process {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            uid: self.pod.uid.clone(),
            container: self.container.name.clone(),
            pid: 0,
            began: 0,
            preparing: false,
            address: place.address,
            log: place.log.clone(),
            volumes: place.volumes.clone(),
            paths: place.paths.pairs().map(|(path, host)| (path.to_owned(), host.to_path_buf())).collect(),
        };
        let slot = Slot::new(self.machine.launcher.clone(), self.machine.access.clone(), note);
        if let Err(error) = termination::clear(&place.termination) {
            place.say(&format!("ERROR: there is no file for a termination message: {error}"));
        }
        self.reporter.running(Some(place.log.clone()));
        let main = self.main(place, &slot);
        let code = {
            let mut main = pin!(main);
            let mut ended = stop.clone();
            let guard = self.guard(place, &slot);
            let refresh = self.refresh();
            tokio::select! {
                code = &mut main => code,
                () = told(&mut ended) => self.terminate(place, &slot, main, stop, None).await,
                grace = guard => self.terminate(place, &slot, main, stop, Some(grace)).await,
                () = refresh => 1,
            }
        };
        self.reporter.ended(code, termination::message(&place.termination, &place.log, &self.container, code));
        Run { code, started }
    }

    /// The container's own process, up to its end.
    async fn main(&self, place: &Place, slot: &Slot) -> i32 {
        let words = |words: &Option<Vec<String>>| -> Vec<String> {
            words.iter().flatten().map(|word| place.word(word)).collect()
        };
        let (mut command, arguments) = (words(&self.container.command), words(&self.container.args));
        if let Image::Mysql(tag) = &self.image
            && let Some(installation) = Installation::best(&self.machine.options.mysql, tag)
        {
            let entry_point = command.first().is_none_or(|c| c.ends_with("docker-entrypoint.sh"));
            let server = command.first().is_some_and(|c| c == "mysqld" || c.ends_with("/mysqld"));
            if entry_point || server {
                if entry_point && !command.is_empty() {
                    command.remove(0);
                }
                command.extend(arguments);
                let unfinished = |data: &Path| -> PathBuf { self.machine.layout.unfinished(data) };
                return Entry { place, installation, slot, unfinished: &unfinished }.run(command).await;
            }
        }
        if self.image == Image::Windlass && command.is_empty() {
            command.push("windlass".to_owned());
        }
        command.extend(arguments);
        let Some((program, arguments)) = command.split_first() else { return 127 };
        let command = place.command(program, arguments);
        let ran = match place.logged(command) {
            Ok(command) => slot.run(command, false).await,
            Err(error) => Err(error),
        };
        match ran {
            Ok(status) => status.map_or(slot::TERMINATED, slot::code),
            Err(error) => {
                place.say(&format!("ERROR: failed to run {program}: {error}"));
                // What a shell answers where there is no such command.
                127
            }
        }
    }

    /// Ends the container: hook, SIGTERM, and SIGKILL when its time is over. `grace` is the time where a probe wants it
    /// ended and not the pod.
    async fn terminate(
        &self,
        place: &Place,
        slot: &Slot,
        mut main: std::pin::Pin<&mut impl Future<Output = i32>>,
        mut stop: Stop,
        grace: Option<Duration>,
    ) -> i32 {
        let given = grace.map(|grace| Instant::now() + grace);
        let hook = self.container.lifecycle.as_ref().and_then(|l| l.pre_stop.as_ref());
        if let Some(hook) = hook.filter(|_| !is_over(&stop, given)) {
            let hook = action::hook(hook, &self.container, place, &self.machine.launcher);
            tokio::select! {
                () = hook => {}
                code = &mut main => return code,
                () = until(&mut stop, given, Duration::ZERO) => {}
            }
        }
        let least = if hook.is_some() { LEAST_GRACE } else { Duration::ZERO };
        if hook.is_some() || !is_over(&stop, given) {
            slot.end();
            tokio::select! {
                code = &mut main => return code,
                () = until(&mut stop, given, least) => {}
            }
        }
        slot.kill();
        main.await
    }

    /// Probes the container for as long as it runs. Resolves when it is to be ended, with its time for that.
    async fn guard(&self, place: &Place, slot: &Slot) -> Duration {
        let container = &self.container;
        let settings = |probe: &Option<k8s_openapi::api::core::v1::Probe>| {
            probe.as_ref().map(|probe| Settings::of(probe, container, self.machine.options.longest_probe_period))
        };
        let grace = |settings: &Settings| settings.grace.unwrap_or(self.pod.grace);
        if let Some(startup) = settings(&container.startup_probe) {
            let mut count = Count::default();
            let mut started = false;
            self.ask(&startup, place, slot, |good, at| {
                let verdict = count.take(good, at, &startup);
                started = verdict == Some(true);
                verdict.is_some()
            })
            .await;
            if !started {
                place.say("the startup probe failed: the container will be restarted");
                return grace(&startup);
            }
        }
        self.reporter.started();
        let ready = async {
            let Some(readiness) = settings(&container.readiness_probe) else {
                self.reporter.ready(true);
                return std::future::pending().await;
            };
            let mut count = Count::default();
            self.ask(&readiness, place, slot, |good, at| {
                if let Some(ready) = count.take(good, at, &readiness) {
                    self.reporter.ready(ready);
                }
                false
            })
            .await;
        };
        let live = async {
            let Some(liveness) = settings(&container.liveness_probe) else { return std::future::pending().await };
            let mut count = Count::default();
            self.ask(&liveness, place, slot, |good, at| count.take(good, at, &liveness) == Some(false)).await;
            place.say("the liveness probe failed: the container will be restarted");
            grace(&liveness)
        };
        tokio::select! {
            () = ready => self.pod.grace,
            grace = live => grace,
        }
    }

    /// Asks again and again until `enough` says so.
    async fn ask(
        &self,
        settings: &Settings,
        place: &Place,
        slot: &Slot,
        mut enough: impl FnMut(bool, Duration) -> bool,
    ) {
        tokio::time::sleep(settings.delay).await;
        let mut times = tokio::time::interval(settings.period);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failed = false;
        let began = Instant::now();
        loop {
            times.tick().await;
            let answer = action::run(&settings.check, place, slot.launcher());
            let answer = match tokio::time::timeout(settings.timeout, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("timed out after {} s", settings.timeout.as_secs())),
            };
            if let Err(why) = &answer
                && !std::mem::replace(&mut failed, true)
            {
                tracing::debug!(pod = self.pod.name, container = self.container.name, why, "a probe failed");
            }
            if enough(answer.is_ok(), began.elapsed()) {
                return;
            }
        }
    }

    /// Keeps mounted configuration as its objects say. Never resolves.
    async fn refresh(&self) {
        let mut changed = self.machine.changed.subscribe();
        while changed.changed().await.is_ok() {
            if let Err(obstacle) = self.pod.place(&self.machine, &self.container, &self.image) {
                // As a kubelet does: what is mounted stays as it is until there is something else.
                tracing::debug!(pod = self.pod.name, %obstacle, "mounted configuration stays as it is");
            }
        }
        std::future::pending().await
    }
}

/// Resolves when the pod is told to end.
pub(super) async fn told(stop: &mut Stop) {
    // An error means that the node is gone, which ends the pod as well.
    let _ = stop.wait_for(Option::is_some).await;
}

/// Whether the time of a container is over.
fn is_over(stop: &Stop, given: Option<Instant>) -> bool {
    let told = *stop.borrow();
    told.or(given).is_some_and(|at| at <= Instant::now())
}

/// Waits; whether the pod was told to end within the time.
async fn ended_within(stop: &mut Stop, time: Duration) -> bool {
    tokio::time::timeout(time, told(stop)).await.is_ok()
}

/// Resolves when the time of a container is over: the pod's, which may be shortened meanwhile, or else the given one.
async fn until(stop: &mut Stop, given: Option<Instant>, least: Duration) {
    let earliest = Instant::now() + least;
    loop {
        let at = match (*stop.borrow_and_update(), given) {
            (Some(told), Some(given)) => Some(told.min(given)),
            (told, given) => told.or(given),
        };
        let sleep = async {
            match at {
                Some(at) => tokio::time::sleep_until(at.max(earliest)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => return,
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}
