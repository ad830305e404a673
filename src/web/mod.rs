//! Web services through `ureq`.

use std::io::Read;

use ureq::http::Request;
use ureq::{Agent, Error};

use crate::ports::web::{Web, WebError, WebRequest, WebResponse};

/// How many times a call goes where a service says that the answer is.
const REDIRECTS_MAX: u32 = 5;

/// Calls services over the network. Nothing is kept between calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebClient;

impl Web for WebClient {
    fn call(&self, request: &WebRequest) -> Result<WebResponse, WebError> {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(request.timeout))
            .http_status_as_error(false)
            .max_redirects(if request.follow { REDIRECTS_MAX } else { 0 })
            .max_redirects_will_error(false)
            .user_agent(concat!("clawteam/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut made = Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in &request.headers {
            made = made.header(name, value);
        }
        let invalid = |error: ureq::http::Error| WebError::Invalid(error.to_string());
        let mut answer = match &request.body {
            Some(body) => agent.run(made.body(body.as_slice()).map_err(invalid)?),
            None => agent.run(made.body(()).map_err(invalid)?),
        }
        .map_err(|error| failed(&error))?;
        let shown = |value: &ureq::http::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), shown(value))).collect();
        let status = answer.status().as_u16();
        // One more than is kept tells whether there is more.
        let limit = u64::try_from(request.body_max).unwrap_or(u64::MAX).saturating_add(1);
        let mut body = Vec::new();
        let read = answer.body_mut().as_reader().take(limit).read_to_end(&mut body);
        read.map_err(|error| failed(&Error::from(error)))?;
        let truncated = body.len() > request.body_max;
        body.truncate(request.body_max);
        Ok(WebResponse { status, headers, body, truncated })
    }
}

fn failed(error: &Error) -> WebError {
    match error {
        Error::Timeout(_) => WebError::TimedOut,
        Error::BadUri(_) | Error::Http(_) => WebError::Invalid(error.to_string()),
        Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => WebError::TimedOut,
        other => WebError::Unreachable(other.to_string()),
    }
}
