//! What every controller gets: the informers, the recorder, the clock, the tasks they run in.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service, ServiceAccount,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;

use crate::machinery::clock::Clock;
use crate::machinery::informer::Informer;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Recorder;
use crate::machinery::workers::Tasks;

/// In whose name the controllers write, as `managedFields` show it.
pub(crate) const MANAGER: &str = "kube-controller-manager";

macro_rules! informers {
    ($($field:ident: $kind:ty = $scope:ident,)*) => {
        /// The shared state of all controllers.
        pub(crate) struct Context {
            pub(crate) client: Client,
            pub(crate) clock: Clock,
            pub(crate) events: Recorder,
            pub(crate) tasks: Tasks,
            /// Workers per controller.
            pub(crate) workers: usize,
            $(pub(crate) $field: Arc<Informer<$kind>>,)*
        }

        impl Context {
            /// Builds the informers; they start with [`Context::run`], after every controller registered its interest.
            pub(crate) fn new(client: Client, clock: Clock, workers: usize) -> Arc<Self> {
                let tasks = Tasks::new();
                Arc::new(Self {
                    $($field: Informer::$scope(&client, MANAGER),)*
                    events: Recorder::start(client.clone(), clock.clone(), &tasks),
                    client, clock, tasks, workers,
                })
            }

            /// Starts every informer.
            pub(crate) fn run(&self) {
                $(self.$field.run(&self.tasks);)*
            }

            /// Breaks the circle between the informers and the controllers that listen to them.
            pub(crate) fn release(&self) {
                $(self.$field.forget_handlers();)*
            }

            async fn synced(self: Arc<Self>) {
                $(self.$field.synced().await;)*
            }
        }
    };
}

informers! {
    pods: Pod = namespaced,
    claims: PersistentVolumeClaim = namespaced,
    volumes: PersistentVolume = cluster,
    nodes: Node = cluster,
    services: Service = namespaced,
    endpoints: Endpoints = namespaced,
    slices: EndpointSlice = namespaced,
    namespaces: Namespace = cluster,
    accounts: ServiceAccount = namespaced,
    statefulsets: StatefulSet = namespaced,
    revisions: ControllerRevision = namespaced,
    deployments: Deployment = namespaced,
    replicasets: ReplicaSet = namespaced,
    jobs: Job = namespaced,
    cronjobs: CronJob = namespaced,
    budgets: PodDisruptionBudget = namespaced,
}

impl Context {
    /// Resolves once every informer has its first complete list; no controller acts on less.
    pub(crate) fn ready(self: &Arc<Self>) -> Shared<BoxFuture<'static, ()>> {
        self.clone().synced().boxed().shared()
    }
}

/// Adds the key of every object of `informer` that changes to `queue`.
pub(crate) fn follow<K: crate::machinery::informer::Kind>(informer: &Informer<K>, queue: &Queue<Key>) {
    let queue = queue.clone();
    informer.on_change(move |old, new| {
        if let Some(object) = new.or(old) {
            queue.add(Key::of(&**object));
        }
    });
}
