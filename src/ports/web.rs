//! Web services.

use std::time::Duration;

/// A call of a web service.
#[derive(Clone)]
pub struct WebRequest {
    /// What is called: `http://…` or `https://…`.
    pub url: String,
    /// How: `GET`, `POST`, …
    pub method: String,
    /// Headers. Some may be secret: they are never told.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Vec<u8>>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How many bytes of the answer are kept.
    pub body_max: usize,
    /// Whether to go where the service says that the answer is.
    pub follow: bool,
}

/// What a web service answered.
#[derive(Debug, Clone)]
pub struct WebResponse {
    /// The status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The answer.
    pub body: Vec<u8>,
    /// Whether it was longer than that.
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It took too long.
    #[error("no answer within the time allowed")]
    TimedOut,
    /// The call cannot be made as it is.
    #[error("this is no call that can be made: {0}")]
    Invalid(String),
    /// The service cannot be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
}

/// Calls web services.
pub trait Web: Send + Sync {
    /// Makes a call and waits for the whole answer, whatever its status.
    fn call(&self, request: &WebRequest) -> Result<WebResponse, WebError>;
}
