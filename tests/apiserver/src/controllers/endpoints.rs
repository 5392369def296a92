//! Endpoints of Services. In: Services with a selector and the pods they select. Out: one EndpointSlice and one
//! Endpoints object each, with ready and unready addresses as kube-controller-manager sorts them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service, ServicePort, ServiceSpec,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort as SlicePort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::DeleteParams;
use kube::core::metadata::ObjectMeta;

use super::context::{Context, follow};
use super::ownership::controller_reference;
use super::pods;
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::reference;
use crate::machinery::selector;
use crate::machinery::workers::Pass;

const COMPONENT: &str = "endpointslice-controller";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.services, &queue);
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        if let (Some(old), Some(new)) = (old, new)
            && matters(old) == matters(new)
        {
            return;
        }
        let namespace = new.or(old).and_then(|p| p.metadata.namespace.as_deref()).unwrap_or_default();
        for service in held.services.in_namespace(namespace) {
            if [old, new].into_iter().flatten().any(|p| selects(&service, p)) {
                q.add(Key::of(&*service));
            }
        }
    });
    let q = queue.clone();
    ctx.slices.on_change(move |old, new| {
        let slice = new.or(old);
        let name = slice.and_then(|s| s.metadata.labels.as_ref()?.get(SERVICE_NAME).cloned());
        if let (Some(slice), Some(name)) = (slice, name) {
            q.add(Key::new(slice.metadata.namespace.clone().unwrap_or_default(), name));
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, 4, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

/// The parts of a pod that its endpoints show; other changes are no reason to look.
fn matters(pod: &Pod) -> impl PartialEq + '_ {
    let ip = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref());
    let labels = pod.metadata.labels.as_ref();
    (ip, pods::has_ready_condition(pod), pods::is_terminating(pod), pods::is_finished(pod), labels)
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let wanted = service.spec.as_ref().and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty());
    wanted.is_some_and(|wanted| selector::contains(wanted, pod.metadata.labels.as_ref()))
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    // What belongs to a Service that is gone is collected through its owner reference, or, for the Endpoints object
    // that has none, right here.
    let Some(service) = ctx.services.get(key) else {
        if let Some(held) = ctx.endpoints.get(key).filter(|e| is_ours(&e.metadata)) {
            ctx.endpoints.delete(&held, DeleteParams::default()).await?;
        }
        return Ok(None);
    };
    let spec = service.spec.clone().unwrap_or_default();
    let external = spec.type_.as_deref() == Some("ExternalName");
    if external
        || spec.selector.as_ref().is_none_or(BTreeMap::is_empty)
        || service.metadata.deletion_timestamp.is_some()
    {
        return Ok(None);
    }
    let mut members: Vec<_> =
        ctx.pods.in_namespace(&key.namespace).into_iter().filter(|p| selects(&service, p)).collect();
    members.retain(|p| address(p).is_some() && !pods::is_finished(p));
    members.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    write_slice(ctx, &service, &spec, &members).await?;
    write_endpoints(ctx, key, &service, &spec, &members).await?;
    Ok(None)
}

fn is_ours(meta: &ObjectMeta) -> bool {
    meta.labels
        .as_ref()
        .is_some_and(|l| l.get("endpoints.kubernetes.io/managed-by").is_some_and(|m| m == "endpoint-controller"))
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

fn is_headless(spec: &ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None")
}

/// The port number of a pod that a Service's port leads to.
fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = pod.spec.iter().flat_map(|s| &s.containers);
            let mut ports = containers.flat_map(|c| c.ports.iter().flatten());
            ports.find(|p| p.name.as_ref() == Some(name)).map(|p| p.container_port)
        }
    }
}

fn slice_ports(spec: &ServiceSpec, members: &[Arc<Pod>]) -> Vec<SlicePort> {
    let ports = spec.ports.iter().flatten().filter_map(|port| {
        let number = match (&port.target_port, members.first()) {
            (Some(IntOrString::String(_)), None) => None,
            (_, Some(pod)) => target(port, pod),
            (Some(IntOrString::Int(number)), None) => Some(*number),
            (None, None) => Some(port.port),
        };
        Some(SlicePort {
            app_protocol: port.app_protocol.clone(),
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(number?),
            protocol: port.protocol.clone().or_else(|| Some("TCP".to_owned())),
        })
    });
    ports.collect()
}

/// The hostname by which DNS finds the pod under the Service.
fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    (spec.subdomain == service.metadata.name).then(|| spec.hostname.clone())?
}

fn endpoint(service: &Service, spec: &ServiceSpec, pod: &Pod) -> Endpoint {
    let (ready, terminating) = (pods::has_ready_condition(pod), pods::is_terminating(pod));
    let published = spec.publish_not_ready_addresses == Some(true);
    let mut target = reference(pod);
    (target.api_version, target.resource_version) = (None, None);
    Endpoint {
        addresses: address(pod).map(str::to_owned).into_iter().collect(),
        conditions: Some(EndpointConditions {
            ready: Some(published || (ready && !terminating)),
            serving: Some(ready),
            terminating: Some(terminating),
        }),
        hostname: hostname(service, pod),
        node_name: pod.spec.as_ref().and_then(|s| s.node_name.clone()),
        target_ref: Some(target),
        ..Endpoint::default()
    }
}

async fn write_slice(ctx: &Context, service: &Service, spec: &ServiceSpec, members: &[Arc<Pod>]) -> Result<(), Error> {
    let uid = service.metadata.uid.as_deref().unwrap_or_default();
    let endpoints: Vec<_> = members.iter().map(|p| endpoint(service, spec, p)).collect();
    let ports = slice_ports(spec, members);
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), service.metadata.name.clone().unwrap_or_default());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if is_headless(spec) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let mut held = ctx.slices.owned_by(uid);
    held.retain(|s| s.metadata.deletion_timestamp.is_none());
    held.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    for surplus in held.iter().skip(1) {
        ctx.slices.delete(surplus, DeleteParams::default()).await?;
    }
    let Some(held) = held.first() else {
        let slice = EndpointSlice {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", service.metadata.name.as_deref().unwrap_or_default())),
                namespace: service.metadata.namespace.clone(),
                labels: Some(labels),
                owner_references: Some(vec![controller_reference(service)]),
                ..ObjectMeta::default()
            },
            address_type: "IPv4".to_owned(),
            endpoints: Some(endpoints),
            ports: Some(ports),
        };
        return match ctx.slices.create(&slice).await {
            Err(error) if error.is_namespace_terminating() => Ok(()),
            other => other.map(drop),
        };
    };
    let same = held.endpoints.clone().unwrap_or_default() == endpoints
        && held.ports.clone().unwrap_or_default() == ports
        && held.metadata.labels.as_ref() == Some(&labels);
    if !same {
        let patch = serde_json::json!({"endpoints": endpoints, "ports": ports, "metadata": {"labels": labels}});
        ctx.slices.patch(held, patch).await?;
    }
    Ok(())
}

/// The legacy object: one subset with the addresses that are ready and those that are not.
fn subsets(service: &Service, spec: &ServiceSpec, members: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let published = spec.publish_not_ready_addresses == Some(true);
    let addressed = |wanted: bool| -> Vec<EndpointAddress> {
        let chosen = members.iter().filter(|p| {
            (published || pods::has_ready_condition(p)) == wanted && (published || !pods::is_terminating(p))
        });
        let addresses = chosen.map(|pod| {
            let mut target = reference(&**pod);
            (target.api_version, target.resource_version) = (None, None);
            EndpointAddress {
                hostname: hostname(service, pod),
                ip: address(pod).unwrap_or_default().to_owned(),
                node_name: pod.spec.as_ref().and_then(|s| s.node_name.clone()),
                target_ref: Some(target),
            }
        });
        addresses.collect()
    };
    let (ready, unready) = (addressed(true), addressed(false));
    if ready.is_empty() && unready.is_empty() {
        return Vec::new();
    }
    let ports: Vec<_> = slice_ports(spec, members)
        .into_iter()
        .map(|p| EndpointPort {
            app_protocol: p.app_protocol,
            name: p.name.filter(|n| !n.is_empty()),
            port: p.port.unwrap_or_default(),
            protocol: p.protocol,
        })
        .collect();
    let some = |list: Vec<EndpointAddress>| (!list.is_empty()).then_some(list);
    let ports = (!ports.is_empty()).then_some(ports);
    vec![EndpointSubset { addresses: some(ready), not_ready_addresses: some(unready), ports }]
}

async fn write_endpoints(
    ctx: &Context,
    key: &Key,
    service: &Service,
    spec: &ServiceSpec,
    members: &[Arc<Pod>],
) -> Result<(), Error> {
    let subsets = subsets(service, spec, members);
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".to_owned(), "endpoint-controller".to_owned());
    if is_headless(spec) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let Some(held) = ctx.endpoints.get(key) else {
        let endpoints = Endpoints {
            metadata: ObjectMeta {
                name: Some(key.name.clone()),
                namespace: Some(key.namespace.clone()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            subsets: (!subsets.is_empty()).then_some(subsets),
        };
        return match ctx.endpoints.create(&endpoints).await {
            Err(error) if error.is_namespace_terminating() || error.is_already_exists() => Ok(()),
            other => other.map(drop),
        };
    };
    let same = held.subsets.clone().unwrap_or_default() == subsets && held.metadata.labels.as_ref() == Some(&labels);
    if !same {
        let subsets = (!subsets.is_empty()).then_some(subsets);
        let patch = serde_json::json!({"subsets": subsets, "metadata": {"labels": labels}});
        ctx.endpoints.patch(&held, patch).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unready_pods_are_listed_apart_and_named_ports_resolved() {
        let service: Service = serde_json::from_value(serde_json::json!({"metadata": {"name": "w"}, "spec": {
            "selector": {"app": "w"}, "ports": [{"name": "sql", "port": 3306, "targetPort": "mysql"}]}}))
        .unwrap();
        let pod = |name: &str, ready: &str| {
            let json = serde_json::json!({"metadata": {"name": name, "labels": {"app": "w"}},
                "spec": {"hostname": name, "subdomain": "w",
                    "containers": [{"name": "m", "ports": [{"name": "mysql", "containerPort": 3307}]}]},
                "status": {"podIP": "127.0.0.9", "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}});
            Arc::new(serde_json::from_value::<Pod>(json).unwrap())
        };
        let members = [pod("w-0", "True"), pod("w-1", "False")];
        let spec = service.spec.clone().unwrap();
        let subset = subsets(&service, &spec, &members).pop().unwrap();
        assert_eq!(subset.addresses.unwrap()[0].hostname.as_deref(), Some("w-0"));
        assert_eq!(subset.not_ready_addresses.unwrap()[0].hostname.as_deref(), Some("w-1"));
        assert_eq!(subset.ports.unwrap()[0].port, 3307);
        assert_eq!(endpoint(&service, &spec, &members[1]).conditions.unwrap().ready, Some(false));
    }
}
