//! What kind of request it is: each kind has its own budget.

use axum::http::Method;

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Makes an account.
    Register,
    /// Logs in, with a password or through a provider, or renews a login.
    Login,
    /// Reports a message of a room.
    Report,
    /// Changes something.
    Write,
    /// Asks for something.
    Read,
}

impl Class {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Register, Self::Login, Self::Report, Self::Write, Self::Read];

    /// The class of a request by its path below the server's root.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Self {
        if path.starts_with("/api/v1/auth/") {
            return match path {
                "/api/v1/auth/register" => Self::Register,
                // Every page that logs in asks for it.
                "/api/v1/auth/providers" => Self::Read,
                _ => Self::Login,
            };
        }
        if *method == Method::POST && path.starts_with("/api/v1/channels/") && path.ends_with("/reports") {
            return Self::Report;
        }
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            _ => Self::Write,
        }
    }

    /// Its name in metrics and in a shared ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::Report => "report",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// Whether it is counted by address even where an account is known.
    pub(super) fn by_address(self) -> bool {
        matches!(self, Self::Register | Self::Login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, class: Class) {
        assert_eq!(Class::of(&method, path), class, "{method} {path}");
    }

    #[test]
    fn every_request_is_of_one_class() {
        check(Method::POST, "/api/v1/auth/register", Class::Register);
        check(Method::POST, "/api/v1/auth/login", Class::Login);
        check(Method::GET, "/api/v1/auth/oidc/keycloak", Class::Login);
        check(Method::GET, "/api/v1/auth/providers", Class::Read);
        check(Method::GET, "/api/v1/channels", Class::Read);
        check(Method::HEAD, "/api/v1/channels", Class::Read);
        check(Method::POST, "/api/v1/channels/anna/reports", Class::Report);
        check(Method::GET, "/api/v1/channels/anna/reports", Class::Read);
        check(Method::POST, "/api/v1/me/keys", Class::Write);
        check(Method::DELETE, "/api/v1/me", Class::Write);
    }
}
