//! What the stand-in is like: who may do what, how long things take, and how much is allowed. Durations are milliseconds.

/// Everything that can be chosen.
#[derive(Clone, Debug)]
pub struct Config {
    /// The tenant of all principals.
    pub tenant: String,
    /// Subscriptions that exist.
    pub subscriptions: Vec<Subscription>,
    /// Who can get tokens.
    pub principals: Vec<Principal>,
    /// Vaults that exist; each gets an address of its own.
    pub vaults: Vec<String>,
    /// How long things take.
    pub timing: Timing,
    /// How many requests are allowed.
    pub limits: Limits,
    /// How a reserved administrator login is refused.
    pub reserved_login: ReservedLogin,
    /// Names of servers that others have somewhere in Azure.
    pub names_of_others: Vec<String>,
    /// Every type has ETags, and not only those that are known to.
    pub etags: bool,
    /// Fields that are taken and shown otherwise than they were sent.
    pub shown: Vec<Shown>,
}

/// A field that is taken and never shown, or shown as something else. Azure has both: values that only an operation uses,
/// and old and new names of one tier.
#[derive(Clone, Debug)]
pub struct Shown {
    /// `Microsoft.Sql/servers/databases`
    pub type_: String,
    /// JSON pointer.
    pub pointer: String,
    /// What is shown in place of any value; none: nothing is.
    pub value: Option<serde_json::Value>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its id, a UUID.
    pub id: String,
    /// Resource groups that exist, with their region.
    pub resource_groups: Vec<(String, String)>,
    /// Resource providers that are registered: `Microsoft.Sql`.
    pub providers: Vec<String>,
}

/// Somebody who can get tokens.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Client id of the application.
    pub client_id: String,
    /// A client secret that is accepted.
    pub client_secret: Option<String>,
    /// Subject of a federated identity: `system:serviceaccount:NAMESPACE:NAME`.
    pub federated_subject: Option<String>,
    /// The metadata service hands out its tokens: it is a managed identity of this machine.
    pub managed: bool,
    /// Prefixes of ids that it may read and write: `/subscriptions/S`, `/subscriptions/S/resourceGroups/G`.
    pub scopes: Vec<String>,
    /// Vaults whose secrets it may read and write.
    pub vaults: Vec<String>,
}

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Creation of a server.
    pub create: u64,
    /// From the acceptance of a creation until the server can be seen. May be longer than the creation.
    pub invisible: u64,
    /// A change of a server.
    pub update: u64,
    /// Deletion of a server.
    pub delete: u64,
    /// Creation, change and deletion of a database or an elastic pool.
    pub child: u64,
    /// From the deletion of a vault's secret until it can be recovered, and from the recovery until it can be used.
    pub vault: u64,
    /// Life of a token.
    pub token: u64,
    /// `Retry-After` of operations, in seconds.
    pub retry_after: u64,
}

impl Default for Timing {
    /// As recorded where there is a recording: 46 s for a server, which is not found during most of them.
    fn default() -> Self {
        Timing {
            create: 46_000,
            invisible: 40_000,
            update: 8_000,
            delete: 12_000,
            child: 10_000,
            vault: 3_000,
            token: 3_600_000,
            retry_after: 1,
        }
    }
}

impl Timing {
    /// Everything happens at once.
    pub fn instant() -> Self {
        Timing { create: 0, invisible: 0, update: 0, delete: 0, child: 0, vault: 0, token: 3_600_000, retry_after: 0 }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Requests that it holds when it is full.
    pub burst: u64,
    /// Requests that flow in each minute.
    pub per_minute: u64,
}

/// How many requests are allowed, for each principal, subscription and region.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// GET and HEAD.
    pub reads: Bucket,
    /// PUT, PATCH and POST.
    pub writes: Bucket,
    /// DELETE.
    pub deletes: Bucket,
    /// All principals of a subscription together have this many times as much.
    pub subscription_factor: u64,
    /// A request that comes before its `Retry-After` starts the wait anew.
    pub early_restarts: bool,
}

impl Default for Limits {
    /// Azure's published limits.
    fn default() -> Self {
        Limits {
            reads: Bucket { burst: 250, per_minute: 25 * 60 },
            writes: Bucket { burst: 200, per_minute: 10 * 60 },
            deletes: Bucket { burst: 200, per_minute: 10 * 60 },
            subscription_factor: 15,
            early_restarts: true,
        }
    }
}

/// How a reserved administrator login (`admin`, `sa`, …) is refused. That it is refused is documented; code and way are
/// unverified, so that a client has to cope with both.
#[derive(Clone, Debug)]
pub struct ReservedLogin {
    /// `InvalidLoginName` by the list of error codes, `InvalidParameterValue` by what people report of other bad logins.
    pub code: String,
    /// By the operation, as it is recorded for other bad values, rather than by the PUT.
    pub late: bool,
}

/// The first subscription of the default.
pub const SUBSCRIPTION: &str = "00000000-0000-4000-8000-00000000a2e0";

impl Default for Config {
    /// One subscription with one group, one application that may do everything, and no vault.
    fn default() -> Self {
        let scopes = vec![format!("/subscriptions/{SUBSCRIPTION}")];
        Config {
            tenant: "00000000-0000-4000-8000-00000000da7e".into(),
            subscriptions: vec![Subscription {
                id: SUBSCRIPTION.into(),
                resource_groups: vec![("customers".into(), "eastus".into())],
                providers: vec!["Microsoft.Sql".into(), "Microsoft.Cache".into(), "Microsoft.Network".into()],
            }],
            principals: vec![Principal {
                client_id: "00000000-0000-4000-8000-0000000000c1".into(),
                client_secret: Some("a-client-secret".into()),
                federated_subject: Some("system:serviceaccount:windlass:windlass".into()),
                managed: true,
                scopes,
                vaults: vec!["*".into()],
            }],
            vaults: Vec::new(),
            timing: Timing::default(),
            limits: Limits::default(),
            reserved_login: ReservedLogin { code: "InvalidLoginName".into(), late: true },
            names_of_others: Vec::new(),
            etags: false,
            shown: Vec::new(),
        }
    }
}

impl Config {
    /// The same with other durations.
    #[must_use]
    pub fn timed(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The same with one more vault.
    #[must_use]
    pub fn with_vault(mut self, name: &str) -> Self {
        self.vaults.push(name.to_owned());
        self
    }

    pub(crate) fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|one| one.id.eq_ignore_ascii_case(id))
    }
}
