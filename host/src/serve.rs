//! Serve: scrapes and probes come in over HTTP, metrics and health go out. Nothing here touches the API server, so that
//! it answers while the API server does not (M2).

pub mod metrics;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::get;
pub use metrics::Metrics;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What the probes ask.
pub trait Health: Send + Sync + 'static {
    /// Why the host is not ready to do its work; none when it is.
    fn unready(&self) -> Option<String>;
}

#[derive(Clone)]
struct Served {
    metrics: Arc<Metrics>,
    health: Arc<dyn Health>,
}

/// The routes `/metrics`, `/healthz` and `/readyz`.
pub fn router(metrics: Arc<Metrics>, health: Arc<dyn Health>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        // Alive means that the runtime still answers: a restart would mend nothing that lies outside.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Served { metrics, health })
}

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<dyn Health>) -> std::io::Result<()> {
    axum::serve(listener, router(metrics, health)).await
}

async fn scrape(State(served): State<Served>) -> ([(header::HeaderName, &'static str); 1], String) {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], served.metrics.encode())
}

async fn ready(State(served): State<Served>) -> (StatusCode, String) {
    match served.health.unready() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    struct Reason(Option<String>);

    impl Health for Reason {
        fn unready(&self) -> Option<String> {
            self.0.clone()
        }
    }

    async fn get(path: &str, unready: Option<&str>) -> (u16, String) {
        let health = Arc::new(Reason(unready.map(str::to_owned)));
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let response = router(Arc::new(Metrics::new()), health).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn m2_the_host_is_alive_though_it_is_not_ready() {
        let waiting = Some("waiting for the first list of Widget.example.com");
        assert_eq!(get("/healthz", waiting).await, (200, "ok\n".into()));
        let not_ready = "not ready: waiting for the first list of Widget.example.com\n";
        assert_eq!(get("/readyz", waiting).await, (503, not_ready.into()));
        assert_eq!(get("/readyz", None).await, (200, "ok\n".into()));
    }

    #[tokio::test]
    async fn metrics_are_served_as_text_with_the_build() {
        let (status, text) = get("/metrics", None).await;
        assert_eq!(status, 200);
        assert!(text.contains("windlass_build_info{") && text.ends_with("# EOF\n"), "{text}");
    }
}
