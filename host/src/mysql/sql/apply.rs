//! One change to one server: data in, statements sent. Each is run in a session whose facts were read just before.

use super::{
    accounts,
    connect::{LOCK_WAIT, SHORT_LOCK_WAIT, Session, text},
    errors::{Trouble, code},
    grants, read,
    statement::{self, Source, Statement},
};
use crate::mysql::{Failure, Wanted};
use model::{
    decision::{MysqlAccount, ReplicationSource, SecretKey, TlsMode},
    gtid::GtidSet,
    mysql::Change,
    snapshot::{IoState, MysqlFacts},
};

/// Connections of clients: of everyone but the server itself, its replicas, servers that clone it, and hosts of this
/// project, whatever account they use.
const CLIENTS: &str = "SELECT ID FROM performance_schema.processlist \
    WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID', 'Clone', 'Killed') \
    AND USER NOT IN ('system user', 'event_scheduler', 'mysql.session') AND ID <> CONNECTION_ID() \
    AND ID NOT IN (SELECT PROCESSLIST_ID FROM performance_schema.user_variables_by_thread \
    JOIN performance_schema.threads USING (THREAD_ID) WHERE VARIABLE_NAME = 'windlass_host')";

/// The thread that hands transactions of the default channel to workers, where there is one.
const COORDINATOR: &str = "SELECT PROCESSLIST_ID FROM performance_schema.replication_applier_status_by_coordinator \
    JOIN performance_schema.threads USING (THREAD_ID) WHERE CHANNEL_NAME = '' AND PROCESSLIST_ID IS NOT NULL";

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Something is different now.
    Changed,
    /// It was so already.
    Unchanged,
    /// The server did not become read-only, because its commits do not end.
    Hangs,
}

/// Makes a change. [`Change::Clone`] takes long, and is not made here.
pub async fn apply(
    session: &mut Session,
    change: &Change,
    wanted: &Wanted,
    facts: &MysqlFacts,
) -> Result<Applied, Failure> {
    let hand = Hand { wanted };
    match change {
        Change::KillClients => return hand.kill_clients(session).await,
        Change::SetReadOnly => return hand.set_read_only(session, facts).await,
        Change::Shutdown => hand.shut_down(session).await?,
        Change::StopReceiver => hand.run(session, "stop its receiver", "STOP REPLICA IO_THREAD").await?,
        Change::StopReplica => hand.stop_replica(session, facts).await?,
        Change::StartApplier => hand.run(session, "start its applier", "START REPLICA SQL_THREAD").await?,
        Change::ForgetSource => hand.run(session, "forget its source", "RESET REPLICA ALL").await?,
        Change::Follow(source) => hand.follow(session, source, facts).await?,
        Change::SetReplicaSemiSync(on) => hand.send(session, &statement::replica_semi_sync(*on)).await?,
        Change::StartReplica => hand.run(session, "start replicating", "START REPLICA").await?,
        Change::SetAcks(acks) => hand.send(session, &statement::acks(*acks)).await?,
        Change::OpenForWrites => hand.run(session, "open it for writes", "SET GLOBAL read_only = OFF").await?,
        Change::CreateAccount(account) => hand.create(session, account).await?,
        Change::ChangePassword { account, retain } => {
            let (user, password, fingerprint) = hand.login(account)?;
            hand.send(session, &statement::change_password(&user, &password, &fingerprint, *retain)).await?;
        }
        Change::DiscardOldPassword(account) => {
            hand.send(session, &statement::discard_old_password(&hand.text(&account.user)?)).await?;
        }
        Change::SetGrants(account) => hand.set_grants(session, account).await?,
        Change::Clone(_) => return Err(hand.unfit("a clone is not made in the session of a pass")),
    }
    Ok(Applied::Changed)
}

/// Makes changes to one server.
pub(super) struct Hand<'a> {
    pub wanted: &'a Wanted,
}

impl Hand<'_> {
    async fn run(&self, session: &mut Session, what: &'static str, text: &str) -> Result<(), Failure> {
        self.send(session, &Statement::fixed(what, text)).await
    }

    pub(super) async fn send(&self, session: &mut Session, statement: &Statement) -> Result<(), Failure> {
        session.run(statement).await.map_err(|trouble| self.failure(statement.what, trouble))
    }

    async fn kill_clients(&self, session: &mut Session) -> Result<Applied, Failure> {
        let what = "list the connections of clients";
        let rows = session.rows(CLIENTS).await.map_err(|trouble| self.failure(what, trouble))?;
        let mut killed = Applied::Unchanged;
        for row in rows {
            let Some(id) = read::cell::<u64>(&row, 0) else { continue };
            let statement = statement::kill(id);
            match session.run(&statement).await {
                Ok(()) => killed = Applied::Changed,
                // It went by itself.
                Err(trouble) if trouble.code() == code::NO_SUCH_THREAD => {}
                Err(trouble) => return Err(self.failure(statement.what, trouble)),
            }
        }
        Ok(killed)
    }

    /// A receiver that was stopped, or lost its source, in the middle of a transaction leaves the first part of it to the
    /// applier, which waits a minute for the rest before it obeys. What was received in full has been applied, so its
    /// coordinator may be ended first; InnoDB takes the part back, which nobody was told of.
    async fn stop_replica(&self, session: &mut Session, facts: &MysqlFacts) -> Result<(), Failure> {
        let applied = facts.source.as_ref().is_some_and(|source| {
            let sets = (source.received.parse::<GtidSet>(), facts.executed.parse::<GtidSet>());
            matches!(sets, (Ok(received), Ok(executed)) if source.io == IoState::Stopped && executed.contains(&received))
        });
        if applied {
            let what = "list the coordinator of its applier";
            let rows = session.rows(COORDINATOR).await.map_err(|trouble| self.failure(what, trouble))?;
            for row in rows {
                let Some(id) = read::cell::<u64>(&row, 0) else { continue };
                let statement = statement::end_coordinator(id);
                match session.run(&statement).await {
                    Err(trouble) if trouble.code() != code::NO_SUCH_THREAD => {
                        return Err(self.failure(statement.what, trouble));
                    }
                    _ => {}
                }
            }
        }
        self.run(session, "stop replicating", "STOP REPLICA").await
    }

    /// Waits for commits that run. Where they did not get on for a while it does not wait for long: clients of the whole
    /// cluster wait with it.
    async fn set_read_only(&self, session: &mut Session, facts: &MysqlFacts) -> Result<Applied, Failure> {
        let hurries = !facts.can_commit;
        if hurries {
            self.send(session, &statement::lock_wait(SHORT_LOCK_WAIT)).await?;
        }
        let statement = statement::super_read_only();
        let applied = match session.run(&statement).await {
            Ok(()) => Ok(Applied::Changed),
            Err(trouble) if trouble.code() == code::LOCK_WAIT => Ok(Applied::Hangs),
            Err(trouble) => Err(self.failure(statement.what, trouble)),
        };
        if hurries && applied.is_ok() {
            self.send(session, &statement::lock_wait(LOCK_WAIT)).await?;
        }
        applied
    }

    async fn shut_down(&self, session: &mut Session) -> Result<(), Failure> {
        let statement = Statement::fixed("shut it down", "SHUTDOWN");
        match session.run(&statement).await {
            // It may be gone before it answers.
            Ok(()) | Err(Trouble::NoAnswer(super::errors::NoAnswer::Refused)) => Ok(()),
            Err(trouble) => Err(self.failure(statement.what, trouble)),
        }
    }

    async fn follow(
        &self,
        session: &mut Session,
        source: &ReplicationSource,
        facts: &MysqlFacts,
    ) -> Result<(), Failure> {
        let ReplicationSource { host, port, user, password, tls, .. } = source;
        let (user, password) = (self.text(user)?, self.text(password)?);
        // The authority that a server trusts is a file of its own.
        let ca_file = match tls.mode {
            TlsMode::Disabled | TlsMode::Required => None,
            TlsMode::Verified => Some(self.authority(session).await?),
        };
        let auto_position = !facts.source.as_ref().is_some_and(|source| source.sql_running);
        let source = Source {
            host,
            port: *port,
            user: &user,
            password: &password,
            tls: tls.mode,
            ca_file: ca_file.as_deref(),
            auto_position,
        };
        self.send(session, &statement::follow(&source)).await
    }

    async fn authority(&self, session: &mut Session) -> Result<String, Failure> {
        let what = "tell its certificate authority";
        let rows = session.rows("SELECT @@GLOBAL.ssl_ca").await.map_err(|trouble| self.failure(what, trouble))?;
        let file: Option<String> = rows.first().and_then(|row| read::cell(row, 0));
        file.filter(|file| !file.is_empty()).ok_or_else(|| {
            self.unfit("it has no certificate authority to check its source with; set ssl_ca in its configuration")
        })
    }

    async fn create(&self, session: &mut Session, account: &MysqlAccount) -> Result<(), Failure> {
        let (user, password, fingerprint) = self.login(account)?;
        // Before the account, so that a wish that is none leaves nothing behind.
        self.wishes(account)?;
        self.send(session, &statement::create_account(&user, &password, &fingerprint)).await?;
        self.set_grants(session, account).await
    }

    async fn set_grants(&self, session: &mut Session, account: &MysqlAccount) -> Result<(), Failure> {
        let user = self.text(&account.user)?;
        let wants = self.wishes(account)?;
        let what = "list the privileges of an account";
        let wants =
            accounts::expanded(session, wants).await.map_err(|trouble| self.failure("list its privileges", trouble))?;
        let has = accounts::granted(session, &user).await.map_err(|trouble| self.failure(what, trouble))?;
        for statement in grants::difference(&user, &has, &wants) {
            self.send(session, &statement).await?;
        }
        Ok(())
    }

    fn wishes(&self, account: &MysqlAccount) -> Result<grants::Grants, Failure> {
        grants::wanted(&account.grants).map_err(|error| self.unfit(&error.to_string()))
    }

    /// Name, password and the password's fingerprint.
    fn login(&self, account: &MysqlAccount) -> Result<(String, String, String), Failure> {
        let fingerprint = self.wanted.secrets.fingerprint(&account.password).unwrap_or_default().to_owned();
        Ok((self.text(&account.user)?, self.text(&account.password)?, fingerprint))
    }

    pub(super) fn text(&self, key: &SecretKey) -> Result<String, Failure> {
        let SecretKey { secret, key: name } = key;
        text(&self.wanted.secrets, key).ok_or_else(|| Failure::NoSecret {
            server: self.wanted.address(),
            secret: secret.clone(),
            key: name.clone(),
        })
    }

    fn unfit(&self, why: &str) -> Failure {
        Failure::Unfit { server: self.wanted.address(), why: why.to_owned() }
    }

    /// What went wrong with a statement.
    pub(super) fn failure(&self, what: &'static str, trouble: Trouble) -> Failure {
        let server = self.wanted.address();
        match trouble {
            Trouble::NoAnswer(super::errors::NoAnswer::Timeout) => Failure::Deadline { server, what },
            Trouble::NoAnswer(why) => Failure::Unreachable { server, word: why.word() },
            Trouble::Refused { code: code::UNKNOWN_VARIABLE, .. } => Failure::Unfit {
                server,
                why: "the plugins for semi-synchronous replication are not loaded; add semisync_source.so and \
                      semisync_replica.so to plugin-load-add of its configuration"
                    .into(),
            },
            Trouble::Refused { code, state } => Failure::Refused { server, what, code, state },
            Trouble::Unreadable => Failure::Refused { server, what, code: 0, state: "HY000".into() },
        }
    }
}
