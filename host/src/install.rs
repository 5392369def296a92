//! Install: definitions (CustomResourceDefinitions) of the kinds that plugins serve come in, established kinds go out.
//!
//! A definition that is equal already is not written. One that belongs to somebody else, or whose change would drop a
//! version that objects are stored in, is refused by name, and the kinds of other plugins go on.

pub mod definition;
pub mod narrowing;

use crate::client::DEADLINE;
use definition::{Definition, DefinitionError, Step};
use http::Request;
use model::names::FIELD_MANAGER;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long the API server may take to serve a new kind.
const ESTABLISH: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);
const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Why a kind is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The definition is wrong, or cannot take the place of the one that is there.
    #[error(transparent)]
    Refused(#[from] DefinitionError),
    /// The new definition takes less than the one that is there.
    #[error(
        "definition {name} would take less than it does now: {}; keep what is there, or consent with spec.allowNarrowing",
        .fields.join("; ")
    )]
    Narrowed {
        /// Name of the definition.
        name: String,
        /// What would be narrower, by path.
        fields: Vec<String>,
    },
    /// The host may not do it.
    #[error(
        "definition {name}: the API server does not let the host {verb} it: {message}; \
         grant the verbs get, create and patch on customresourcedefinitions, or install the definition by hand"
    )]
    Forbidden {
        /// Name of the definition.
        name: String,
        /// What was refused.
        verb: &'static str,
        /// What the API server said.
        message: String,
    },
    /// Another field manager owns a field.
    #[error("definition {name} belongs to somebody else in part: {message}; remove it from the other manager first")]
    Conflict {
        /// Name of the definition.
        name: String,
        /// What the API server said, with field and manager.
        message: String,
    },
    /// The API server takes no such definition.
    #[error("definition {name} was not accepted: {message}")]
    NotAccepted {
        /// Name of the definition.
        name: String,
        /// What the API server said.
        message: String,
    },
    /// Installed, but not served in time.
    #[error("definition {name} is not established after 30 s: {message}")]
    NotEstablished {
        /// Name of the definition.
        name: String,
        /// What its conditions say.
        message: String,
    },
    /// No answer, or one that means nothing.
    #[error("cannot {verb} definition {name}")]
    Unknown {
        /// Name of the definition.
        name: String,
        /// What was tried.
        verb: &'static str,
        /// What the client said; none for no answer in time.
        #[source]
        source: Option<kube::Error>,
    },
}

impl InstallError {
    /// Trying again may help though nobody changes anything.
    pub fn may_pass(&self) -> bool {
        match self {
            InstallError::Refused(_) | InstallError::Narrowed { .. } | InstallError::NotAccepted { .. } => false,
            InstallError::Forbidden { .. }
            | InstallError::Conflict { .. }
            | InstallError::NotEstablished { .. }
            | InstallError::Unknown { .. } => true,
        }
    }
}

/// What installing one definition would do, without doing it.
///
/// # Errors
/// When what is there must not be replaced; with `narrowing` it may take less than before.
pub async fn judge(client: &kube::Client, definition: &Definition, narrowing: bool) -> Result<Step, InstallError> {
    let live = get(client, definition).await?;
    let step = definition.compare(live.as_ref())?;
    if let (Step::Update, Some(live), false) = (step, &live, narrowing) {
        let fields = narrowing::narrowed(live, definition.manifest());
        if !fields.is_empty() {
            return Err(InstallError::Narrowed { name: definition.name().to_owned(), fields });
        }
    }
    Ok(step)
}

/// What came of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// Nothing was written.
    Unchanged,
    /// The definition was not there.
    Created,
    /// The definition was there and differed.
    Updated,
}

/// Installs one definition, and waits until the API server serves it.
///
/// # Errors
/// As [`InstallError`] tells; nothing was written then, but for [`InstallError::NotEstablished`] and an answer that was
/// lost.
pub async fn install(client: &kube::Client, definition: &Definition) -> Result<Installed, InstallError> {
    let live = get(client, definition).await?;
    let installed = match definition.compare(live.as_ref())? {
        Step::Nothing => Installed::Unchanged,
        Step::Create => Installed::Created,
        Step::Update => Installed::Updated,
    };
    let live = if installed == Installed::Unchanged { live } else { Some(apply(client, definition).await?) };
    establish(client, definition, live).await?;
    Ok(installed)
}

async fn get(client: &kube::Client, definition: &Definition) -> Result<Option<Value>, InstallError> {
    let request = Request::get(format!("{PATH}/{}", definition.name())).body(Vec::new());
    match send(client, definition, "get", request).await {
        Err(InstallError::Unknown { source: Some(kube::Error::Api(status)), .. }) if status.code == 404 => Ok(None),
        other => other.map(Some),
    }
}

async fn apply(client: &kube::Client, definition: &Definition) -> Result<Value, InstallError> {
    // Not forced: a conflict is for people to settle (D3).
    let path = format!("{PATH}/{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", definition.name());
    let body = definition.manifest().to_string().into_bytes();
    let request = Request::patch(path).header(http::header::CONTENT_TYPE, "application/apply-patch+yaml").body(body);
    send(client, definition, "patch", request).await
}

async fn establish(client: &kube::Client, definition: &Definition, live: Option<Value>) -> Result<(), InstallError> {
    let give_up = Instant::now() + ESTABLISH;
    let mut live = live;
    loop {
        let state = live.as_ref().map_or(Ok(false), definition::established);
        let name = || definition.name().to_owned();
        match state {
            Ok(true) => return Ok(()),
            Err(message) => return Err(InstallError::NotAccepted { name: name(), message }),
            Ok(false) if Instant::now() >= give_up => {
                let message = "the API server has not set the condition Established".into();
                return Err(InstallError::NotEstablished { name: name(), message });
            }
            Ok(false) => tokio::time::sleep(POLL).await,
        }
        live = get(client, definition).await?;
    }
}

async fn send(
    client: &kube::Client,
    definition: &Definition,
    verb: &'static str,
    request: http::Result<Request<Vec<u8>>>,
) -> Result<Value, InstallError> {
    let name = definition.name().to_owned();
    let request = match request {
        Ok(request) => request,
        Err(error) => return Err(InstallError::Unknown { name, verb, source: Some(kube::Error::HttpError(error)) }),
    };
    match tokio::time::timeout(DEADLINE, client.request::<Value>(request)).await {
        Err(_) => Err(InstallError::Unknown { name, verb, source: None }),
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) => {
            let message = status.message.clone();
            Err(match status.code {
                403 => InstallError::Forbidden { name, verb, message },
                409 => InstallError::Conflict { name, message },
                400 | 413 | 415 | 422 => InstallError::NotAccepted { name, message },
                _ => InstallError::Unknown { name, verb, source: Some(kube::Error::Api(status)) },
            })
        }
        Ok(Err(source)) => Err(InstallError::Unknown { name, verb, source: Some(source) }),
    }
}
