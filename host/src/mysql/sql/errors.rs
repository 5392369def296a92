//! What goes wrong between the host and a server, as stable words. The client library's error in, the class out; its text,
//! which may hold a statement, stays here.

use mysql_async::{DriverError, Error, IoError};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody listens, or the connection broke.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// User or password is wrong, or the account may not.
    AccessDenied,
    /// No TLS, or a certificate that is not trusted.
    TlsFailed,
    /// All connections are taken.
    TooManyConnections,
    /// The host name means nothing.
    NotResolved,
}

impl NoAnswer {
    /// As plugins see it.
    pub fn word(self) -> &'static str {
        match self {
            NoAnswer::Refused => "Refused",
            NoAnswer::Timeout => "Timeout",
            NoAnswer::AccessDenied => "AccessDenied",
            NoAnswer::TlsFailed => "TlsFailed",
            NoAnswer::TooManyConnections => "TooManyConnections",
            NoAnswer::NotResolved => "NotResolved",
        }
    }

    /// The server lives, and refuses. How long it does so is counted apart from how long it does not answer at all.
    pub fn lives(self) -> bool {
        match self {
            NoAnswer::AccessDenied | NoAnswer::TlsFailed | NoAnswer::TooManyConnections => true,
            NoAnswer::Refused | NoAnswer::Timeout | NoAnswer::NotResolved => false,
        }
    }
}

/// What a statement or a connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection cannot be used any more, or there is none.
    NoAnswer(NoAnswer),
    /// The server refused a statement; the connection is fine.
    Refused {
        /// MySQL's error number.
        code: u16,
        /// SQLSTATE.
        state: String,
    },
    /// The answer was not one that this host understands.
    Unreadable,
}

impl Trouble {
    /// The number of the server's refusal; 0 for all else.
    pub fn code(&self) -> u16 {
        match self {
            Trouble::Refused { code, .. } => *code,
            Trouble::NoAnswer(_) | Trouble::Unreadable => 0,
        }
    }
}

/// Error numbers (`mysqld_error.h`, `errmsg.h`).
pub mod code {
    pub const CON_COUNT: u16 = 1040;
    pub const ACCESS_DENIED: [u16; 7] = [1044, 1045, 1130, 1227, 1524, 1820, 3118];
    pub const TLS_REQUIRED: u16 = 3159;
    pub const SHUTTING_DOWN: u16 = 1053;
    pub const NO_SUCH_THREAD: u16 = 1094;
    pub const NO_SUCH_TABLE: u16 = 1146;
    pub const UNKNOWN_VARIABLE: u16 = 1193;
    pub const LOCK_WAIT: u16 = 1205;
    pub const USER_CONNECTIONS: [u16; 2] = [1203, 1226];
    pub const RESTART_FAILED: u16 = 3707;
    pub const NO_PRIVILEGES: u16 = 1227;
}

/// Classifies an error of the client library.
pub fn classify(error: &Error) -> Trouble {
    match error {
        Error::Server(server) => match server.code {
            code::CON_COUNT => Trouble::NoAnswer(NoAnswer::TooManyConnections),
            number if code::USER_CONNECTIONS.contains(&number) => Trouble::NoAnswer(NoAnswer::TooManyConnections),
            code::TLS_REQUIRED => Trouble::NoAnswer(NoAnswer::TlsFailed),
            code::SHUTTING_DOWN => Trouble::NoAnswer(NoAnswer::Refused),
            number => Trouble::Refused { code: number, state: model::text::bounded(&server.state, 8) },
        },
        Error::Io(IoError::Tls(_)) => Trouble::NoAnswer(NoAnswer::TlsFailed),
        Error::Io(IoError::Io(error)) => Trouble::NoAnswer(match error.kind() {
            std::io::ErrorKind::TimedOut => NoAnswer::Timeout,
            // rustls speaks through errors of this kind.
            std::io::ErrorKind::InvalidData => NoAnswer::TlsFailed,
            _ if error.raw_os_error().is_none() && is_resolution(error) => NoAnswer::NotResolved,
            _ => NoAnswer::Refused,
        }),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Trouble::NoAnswer(NoAnswer::TlsFailed),
        Error::Driver(DriverError::ConnectionClosed | DriverError::PacketOutOfOrder) => {
            Trouble::NoAnswer(NoAnswer::Refused)
        }
        Error::Driver(DriverError::UnknownAuthPlugin { .. } | DriverError::CleartextPluginDisabled) => {
            Trouble::NoAnswer(NoAnswer::AccessDenied)
        }
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => Trouble::Unreadable,
    }
}

/// As [`classify`], of a connection that did not come about: a refusal is one of access.
pub fn classify_connect(error: &Error) -> Trouble {
    match classify(error) {
        Trouble::Refused { code, .. } if code::ACCESS_DENIED.contains(&code) => {
            Trouble::NoAnswer(NoAnswer::AccessDenied)
        }
        other => other,
    }
}

/// The standard library's resolver gives errors without a code of the system, and says so in their text.
fn is_resolution(error: &std::io::Error) -> bool {
    error.to_string().contains("lookup address")
}
