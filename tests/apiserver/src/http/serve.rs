//! Connections: HTTP/1.1 and HTTP/2 with prior knowledge on one port.

use super::reply::{Body, Cut};
use super::route;
use crate::api::Api;
use crate::api_error::ApiError;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Accept connections until the server stops.
pub(crate) async fn accept(api: Arc<Api>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = api.stop.cancelled() => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // Answers are small and must not wait for more.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(api.clone(), stream));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    connections.shutdown().await;
}

async fn connection(api: Arc<Api>, stream: TcpStream) {
    let service = service_fn(|request| handle(api.clone(), request));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().half_close(false);
    builder.http2().max_concurrent_streams(10_000);
    // A connection that ends with an error has ended: there is nobody to tell.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = read(body, api.limits.body).await;
    route::answer(&api, parts, body).await
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(ApiError::too_large(format!("Request entity too large: limit is {limit}")))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
    }
}
