//! The one table of WebSocket close codes: what each means and what a client does about it.

/// Why a socket ended, as its close code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000, 1001: normal end, or the peer is going away.
    Normal,
    /// 1006: no close frame at all.
    Abnormal,
    /// 1009, 1011, 1012, 1013 and whatever is not in the table: an error, a restart, "later".
    Transient,
    /// 4001: the session is temporarily not there.
    SessionMissing,
    /// 4003: refused.
    Refused,
    /// 4004: the token expired.
    TokenExpired,
    /// 4008: too many requests.
    TooMany,
    /// 4010: the dialect is not supported.
    DialectUnsupported,
    /// 4011: the session is archived.
    Archived,
}

/// Normal closure.
pub const NORMAL: u16 = 1000;
/// No close frame at all: never sent, only concluded.
pub const ABNORMAL: u16 = 1006;
/// A frame above its limit.
pub const TOO_BIG: u16 = 1009;
/// The server failed.
pub const ERROR: u16 = 1011;
/// The server restarts.
pub const RESTART: u16 = 1012;
/// Try again later.
pub const LATER: u16 = 1013;
/// The session is temporarily not there.
pub const SESSION_MISSING: u16 = 4001;
/// Refused.
pub const REFUSED: u16 = 4003;
/// The token expired.
pub const TOKEN_EXPIRED: u16 = 4004;
/// Too many requests.
pub const TOO_MANY: u16 = 4008;
/// The dialect is not supported.
pub const DIALECT_UNSUPPORTED: u16 = 4010;
/// The session is archived.
pub const ARCHIVED: u16 = 4011;

impl CloseCode {
    /// Reads a numeric close code.
    #[must_use]
    pub fn from_u16(code: u16) -> Self {
        match code {
            NORMAL | 1001 => Self::Normal,
            ABNORMAL => Self::Abnormal,
            SESSION_MISSING => Self::SessionMissing,
            REFUSED => Self::Refused,
            TOKEN_EXPIRED => Self::TokenExpired,
            TOO_MANY => Self::TooMany,
            DIALECT_UNSUPPORTED => Self::DialectUnsupported,
            ARCHIVED => Self::Archived,
            _ => Self::Transient,
        }
    }
}
