//! Where Azure is, and who the host is there: options of the command line in, the way to Azure out.

use crate::azure::{Azure, Endpoints, Identity, Wire};
use anyhow::{Context as _, bail};
use model::redact::Redacted;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The cloud that plugins may use, and the host's own identity there.
///
/// The variables are those that Azure's own tools and the webhook for workload identity set.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// Which Azure
    #[arg(long, value_enum, default_value_t = Cloud::Public)]
    azure_cloud: Cloud,
    /// File with other addresses of Azure: resourceManager, login, instead, and more
    #[arg(long, value_name = "FILE", conflicts_with = "azure_cloud")]
    azure_endpoints: Option<PathBuf>,
    /// Tenant of the host's application
    #[arg(long, env = "AZURE_TENANT_ID", value_name = "ID", hide_env_values = true)]
    azure_tenant_id: Option<String>,
    /// Client id of the host's application or managed identity
    #[arg(long, env = "AZURE_CLIENT_ID", value_name = "ID", hide_env_values = true)]
    azure_client_id: Option<String>,
    /// File with the service account's token, for workload identity
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", value_name = "FILE")]
    azure_federated_token_file: Option<PathBuf>,
    /// File with the application's client secret
    #[arg(long, env = "AZURE_CLIENT_SECRET_FILE", value_name = "FILE")]
    azure_client_secret_file: Option<PathBuf>,
    /// Use the managed identity of the machine
    #[arg(long)]
    azure_managed_identity: bool,
    /// How often what is as it should be in Azure is looked at, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    azure_look_every: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Cloud {
    Public,
    UsGovernment,
    China,
}

impl Arguments {
    pub(super) fn azure(self) -> anyhow::Result<Arc<Azure>> {
        let endpoints = match (&self.azure_endpoints, self.azure_cloud) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                serde_yaml::from_str(&text)
                    .with_context(|| format!("{} does not say where Azure is", file.display()))?
            }
            (None, Cloud::Public) => Endpoints::public(),
            (None, Cloud::UsGovernment) => Endpoints::us_government(),
            (None, Cloud::China) => Endpoints::china(),
        };
        let every = Duration::from_secs(self.azure_look_every);
        let identity = self.identity()?;
        let wire = Arc::new(Wire::new(endpoints.instead.clone()));
        Ok(Arc::new(Azure::new(endpoints, wire, identity).looking_every(every)))
    }

    fn identity(self) -> anyhow::Result<Option<Identity>> {
        if self.azure_managed_identity {
            return Ok(Some(Identity::Managed { client: self.azure_client_id }));
        }
        let (secret, token) = (self.azure_client_secret_file, self.azure_federated_token_file);
        if secret.is_none() && token.is_none() {
            return Ok(None);
        }
        let (Some(tenant), Some(client)) = (self.azure_tenant_id, self.azure_client_id) else {
            bail!(
                "the host's identity in Azure lacks its tenant or client id; set AZURE_TENANT_ID and AZURE_CLIENT_ID"
            );
        };
        if let Some(file) = secret {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let secret = Redacted::new(text.trim().to_owned());
            return Ok(Some(Identity::ClientSecret { tenant, client, secret }));
        }
        Ok(token.map(|file| Identity::Workload { tenant, client, file }))
    }
}
