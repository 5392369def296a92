//! The way to the stand-in: one listener on loopback for each service, since in Azure each has a host of its own.

use crate::cloud::Cloud;
use crate::faults::{Effect, Phase};
use crate::message::{Reply, Request, Site};
use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The largest body that is read, in bytes; ARM takes no more than 4 MiB.
const BODY_LIMIT: usize = 4 << 20;

/// A running stand-in. Dropping it stops it.
pub struct Server {
    cloud: Cloud,
    addresses: BTreeMap<Site, SocketAddr>,
    stop: CancellationToken,
}

/// The connection is cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Server {
    /// Starts listening for every service and vault of `cloud`, each on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(cloud: Cloud) -> anyhow::Result<Self> {
        let vaults: Vec<Site> = cloud.state().vaults.keys().cloned().map(Site::Vault).collect();
        let mut server = Server { cloud, addresses: BTreeMap::new(), stop: CancellationToken::new() };
        for site in [Site::Arm, Site::Login, Site::Imds].into_iter().chain(vaults) {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on loopback")?;
            let address = listener.local_addr().context("cannot read the address that is listened on")?;
            server.addresses.insert(site.clone(), address);
            let base = format!("http://{address}");
            if site == Site::Arm {
                server.cloud.state().arm.endpoint = base;
            } else if let Site::Vault(name) = &site
                && let Some(vault) = server.cloud.state().vaults.get_mut(name)
            {
                vault.endpoint = base;
            }
            tokio::spawn(accept(listener, server.cloud.clone(), site, server.stop.clone()));
        }
        let login = server.url(&Site::Login);
        server.cloud.state().arm.login_endpoint = login;
        Ok(server)
    }

    /// The stand-in behind it.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Where a service is: `http://127.0.0.1:PORT`. Empty for a vault that does not exist.
    pub fn url(&self, site: &Site) -> String {
        self.addresses.get(site).map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Where ARM is.
    pub fn arm(&self) -> String {
        self.url(&Site::Arm)
    }

    /// Where the token endpoint is, without the tenant.
    pub fn login(&self) -> String {
        self.url(&Site::Login)
    }

    /// Where the metadata service is.
    pub fn imds(&self) -> String {
        self.url(&Site::Imds)
    }

    /// Where a vault is.
    pub fn vault(&self, name: &str) -> String {
        self.url(&Site::Vault(name.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, cloud: Cloud, site: Site, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client is gone already, or there are too many files: neither ends the server.
                Err(_) => continue,
            },
        };
        let (cloud, site, stop) = (cloud.clone(), site.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (cloud, site) = (cloud.clone(), site.clone());
                async move { serve(cloud, site, request).await }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                // Ends with an error where it was cut, or where the client went away.
                _ = connection => {}
            }
        });
    }
}

async fn serve(
    cloud: Cloud,
    site: Site,
    incoming: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Cut> {
    let (parts, body) = incoming.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(parts.method.as_str(), target);
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        request.headers.insert(name.as_str().to_owned(), value);
    }
    request.body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    answer(&cloud, &site, &request).await.map(|reply| response(&reply))
}

/// The answer, with the faults that befall the request.
async fn answer(cloud: &Cloud, site: &Site, request: &Request) -> Result<Reply, Cut> {
    let effects = cloud.faults().admit(site, request);
    let watched = cloud.faults().observe(site, request);
    let mut outcome = None;
    let mut after = Vec::new();
    let mut cut = watched.cut(Phase::Before, site, request, None);
    let mut instead = None;
    for effect in effects {
        match effect {
            Effect::Delay(time) => tokio::time::sleep(time).await,
            Effect::CutBefore => cut = true,
            Effect::FailBefore(error) => instead = instead.or(Some(error)),
            Effect::Operation(ends) => outcome = Some(ends),
            Effect::CutAfter | Effect::FailAfter(_) => after.push(effect),
        }
    }
    if cut {
        cloud.note(site, request, None, false);
        return Err(Cut);
    }
    if let Some(error) = instead {
        let reply = error.reply().header("x-ms-request-id", "00000000-0000-4000-8000-00000000fa17");
        cloud.note(site, request, Some(&reply), false);
        return Ok(reply);
    }
    let mut reply = cloud.handle(site, request, outcome);
    let accepted = reply.accepted;
    cut = watched.cut(Phase::After, site, request, Some(reply.status));
    for effect in after {
        match effect {
            Effect::FailAfter(error) => {
                let id = reply.headers.remove("x-ms-request-id").unwrap_or_default();
                reply = error.reply().header("x-ms-request-id", &id);
            }
            _ => cut = true,
        }
    }
    cloud.note(site, request, if cut { None } else { Some(&reply) }, accepted);
    // A mark for the ledger, which no client is to see.
    reply.headers.remove("x-early");
    if cut { Err(Cut) } else { Ok(reply) }
}

fn response(reply: &Reply) -> http::Response<Full<Bytes>> {
    let body = reply.body.as_ref().map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let mut builder = http::Response::builder().status(reply.status);
    if reply.body.is_some() {
        builder = builder.header("content-type", "application/json; charset=utf-8");
    }
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    let fallback = |_: http::Error| -> Result<http::Response<Full<Bytes>>, Infallible> {
        let mut response = http::Response::new(Full::default());
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        Ok(response)
    };
    match builder.body(Full::new(body)).or_else(fallback) {
        Ok(response) => response,
    }
}
