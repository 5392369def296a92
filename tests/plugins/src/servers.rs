//! HTTP servers that answer what a test says, byte by byte: sound ones, slow ones, and ones that lie.

use crate::identity::Identity;
use anyhow::Result;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a server answers to a path: the whole answer, head included; none: nothing, ever.
type Respond = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// A server on a port of its own. Ends when it is dropped.
pub struct Web {
    /// `127.0.0.1:PORT`
    pub authority: String,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    /// Answers every request so.
    pub async fn start(respond: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Result<Web> {
        Web::with(None, respond).await
    }

    /// Answers every request so, with TLS where there is an identity.
    pub async fn with(
        identity: Option<&Identity>,
        respond: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Result<Web> {
        let tls = identity.map(Identity::server).transpose()?.map(TlsAcceptor::from);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let authority = listener.local_addr()?.to_string();
        let respond: Arc<Respond> = Arc::new(respond);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (respond, tls) = (respond.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        // Who does not like the certificate goes away.
                        Some(tls) => drop(match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &*respond).await,
                            Err(_) => None,
                        }),
                        None => drop(serve(stream, &*respond).await),
                    }
                });
            }
        });
        Ok(Web { authority, task })
    }
}

/// Answers one request; none where the client broke off.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, respond: &Respond) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    match respond(head.split(' ').nth(1).unwrap_or_default()) {
        Some(answer) => {
            stream.write_all(&answer).await.ok()?;
            stream.shutdown().await.ok()
        }
        None => std::future::pending().await,
    }
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer that is cut short.
pub fn truncated(body: &[u8]) -> Vec<u8> {
    let mut whole = answer("200 OK", "", body);
    whole.truncate(whole.len() - body.len() / 2);
    whole
}

/// A redirect.
pub fn redirect(to: &str) -> Vec<u8> {
    answer("302 Found", &format!("Location: {to}\r\n"), b"")
}
