//! Calling web services.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::command::{capture, program};
use super::{Answer, Job, limit};
use crate::core::{Diagnose, Digest, Outcome};
use crate::domain::queue::breaker::{self, Admission, Breaker};
use crate::domain::queue::payload::{self, Auth, Secret};
use crate::domain::queue::{QueueError, Report};
use crate::ports::web::{WebError, WebRequest, WebResponse};
use crate::store::{Dir, Doc, Key, Locked, Scope};

/// How often a call is looked at for being cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the secret {place} is not there: {reason}")]
struct NoSecret {
    place: String,
    reason: String,
}

impl Diagnose for NoSecret {
    fn code(&self) -> &'static str {
        "secret_missing"
    }
}

/// Calls a web service, unless it has failed too often of late.
pub(super) fn http(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Http = payload::read("http", &job.item.payload)?;
    let request = match request(job, &wanted) {
        Ok(request) => request,
        Err(missing) => return Ok(Answer::failed(job, missing.code(), missing.to_string())),
    };
    let host = host(&wanted.url);
    match admit(job, &host) {
        Ok(Admission::Open(until)) => {
            let until = until.format("%H:%M:%S UTC");
            let why = format!("{host} failed too often of late and is left alone until {until}");
            return Ok(Answer::failed(job, "circuit_open", why));
        }
        Ok(_) => {}
        Err(failure) => {
            job.app.warn(format!("the circuit breaker of {host}: {}", failure.message()));
        }
    }
    let Some(called) = call(job, request) else {
        let mut answer =
            Answer::failed(job, "cancelled", "the call was given up because that was wanted");
        answer.was_cut = true;
        return Ok(answer);
    };
    let broken = match &called {
        Ok(response) => response.status >= 500 || response.status == 429,
        Err(WebError::Invalid(_)) => false,
        Err(_) => true,
    };
    if let Err(failure) = note(job, &host, broken) {
        job.app.warn(format!("the circuit breaker of {host}: {}", failure.message()));
    }
    Ok(match called {
        Ok(response) => answer(job, response, &wanted.ok_status),
        Err(error @ WebError::Invalid(_)) => {
            Answer::hopeless(job, "invalid_request", error.to_string())
        }
        Err(error) => {
            let code = if matches!(error, WebError::TimedOut) { "timeout" } else { "unreachable" };
            Answer::failed(job, code, format!("{host}: {error}"))
        }
    })
}

fn request(job: &Job<'_>, wanted: &payload::Http) -> Result<WebRequest, NoSecret> {
    let mut headers: Vec<(String, String)> =
        wanted.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let has = |headers: &[(String, String)], wanted: &str| {
        headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    let body = match &wanted.body {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        Some(value) => {
            if !has(&headers, "content-type") {
                headers.push(("content-type".into(), "application/json".into()));
            }
            Some(value.to_string().into_bytes())
        }
    };
    match &wanted.auth {
        None => {}
        Some(Auth::Bearer(place)) => {
            headers.push(("authorization".into(), format!("Bearer {}", secret(job, place)?)));
        }
        Some(Auth::Header { secret: place, header, prefix }) => {
            headers.push((header.clone(), format!("{prefix}{}", secret(job, place)?)));
        }
    }
    if let (Some(of), false) = (&job.item.key, has(&headers, "idempotency-key")) {
        // A call that is made again after a crash can be told from a second one.
        headers.push(("idempotency-key".into(), Digest::of(of.as_bytes()).start(32).to_owned()));
    }
    Ok(WebRequest {
        url: wanted.url.clone(),
        method: wanted.method.to_ascii_uppercase(),
        headers,
        body,
        timeout: limit(job, wanted.timeout).duration(),
        body_max: wanted.output_max,
        // A secret is for the service that was named.
        follow: wanted.auth.is_none(),
    })
}

/// Looks a secret up. It is in no message and no document.
fn secret(job: &Job<'_>, place: &Secret) -> Result<String, NoSecret> {
    let missing =
        |reason: &str| NoSecret { place: String::from(place.clone()), reason: reason.to_owned() };
    let text = match place {
        Secret::Env(name) => {
            let found = job.app.env.get(name);
            found.ok_or_else(|| missing("there is no such variable"))?.to_owned()
        }
        Secret::Cmd(line) => {
            let argv = ["/bin/sh", "-c", line].map(str::to_owned).into();
            let home = job.app.env.home().unwrap_or_else(|| job.app.data_dir.clone());
            let ran = capture(job, &program(job, argv, home));
            let ran = ran.map_err(|_| missing("the command cannot be started"))?;
            if ran.exit_code != 0 {
                return Err(missing(&format!("the command ended with {}", ran.exit_code)));
            }
            String::from_utf8(ran.stdout).map_err(|_| missing("it is no text"))?
        }
    };
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err(missing("it is empty")) } else { Ok(text.to_owned()) }
}

/// The service of an address: its host and port, without a user and a password.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase()
}

/// Makes the call in a thread of its own, so that it can be given up. `None` if it was.
fn call(job: &Job<'_>, request: WebRequest) -> Option<Result<WebResponse, WebError>> {
    let (sender, receiver) = mpsc::channel();
    let web = std::sync::Arc::clone(&job.app.web);
    std::thread::spawn(move || {
        // Nobody listens any more if it was given up.
        let _ = sender.send(web.call(&request));
    });
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(called) => return Some(called),
            Err(mpsc::RecvTimeoutError::Timeout) if (job.cancelled)() => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Some(Err(WebError::Unreachable("the call broke off".into())));
            }
        }
    }
}

fn answer(job: &Job<'_>, response: WebResponse, ok_status: &[u16]) -> Answer {
    let ok = if ok_status.is_empty() {
        (200..300).contains(&response.status)
    } else {
        ok_status.contains(&response.status)
    };
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let is_json = response.headers.iter().any(|(name, value)| {
        name == "content-type" && value.split(';').next().is_some_and(|kind| kind.ends_with("json"))
    });
    let body = serde_json::from_str(&text).ok().filter(|_| is_json && !response.truncated);
    // What a service wants to be remembered for its caller alone is not written down.
    let headers: Map<String, Value> = response
        .headers
        .into_iter()
        .filter(|(name, _)| name != "set-cookie")
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let output = json!({
        "status": response.status,
        "headers": headers,
        "body": body.unwrap_or_else(|| json!(text)),
    });
    let mut answer = if ok {
        Answer::done(output, String::new())
    } else {
        let mut answer = Answer::failed(
            job,
            "http_status",
            format!("the answer has status {}", response.status),
        );
        answer.report.output = output;
        answer
    };
    answer.report = Report { text, truncated: response.truncated, ..answer.report };
    answer
}

fn key(host: &str) -> Key {
    Dir::breakers().entry(&format!("{}.json", Digest::of(host.as_bytes()).start(16)))
}

fn load(job: &Job<'_>, host: &str) -> Outcome<Option<Doc<Breaker>>> {
    Ok(job.app.store.load(&key(host))?)
}

fn lock<'a>(job: &'a Job<'_>) -> Outcome<Locked<'a>> {
    Ok(job.app.store.lock(&Scope::Breakers)?)
}

fn admit(job: &Job<'_>, host: &str) -> Outcome<Admission> {
    let ask = |known: Option<&Doc<Breaker>>| {
        breaker::admit(known.map(|doc| &doc.value), limit(job, None), job.app.now())
    };
    // A service that works has no breaker, and needs no lock.
    match ask(load(job, host)?.as_ref()) {
        Admission::Probe(_) => {}
        other => return Ok(other),
    }
    let mut locked = lock(job)?;
    let known = load(job, host)?;
    let admission = ask(known.as_ref());
    if let Admission::Probe(breaker) = &admission {
        locked.put(key(host), &**breaker, known.map(|doc| doc.revision))?;
    }
    Ok(admission)
}

fn note(job: &Job<'_>, host: &str, broken: bool) -> Outcome<()> {
    if !broken && load(job, host)?.is_none() {
        return Ok(());
    }
    let mut locked = lock(job)?;
    let known = load(job, host)?;
    if broken {
        let next = breaker::failed(known.as_ref().map(|doc| &doc.value), host, job.app.now());
        locked.put(key(host), &next, known.map(|doc| doc.revision))?;
    } else {
        locked.delete(key(host))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_service_is_named_without_its_password() {
        assert_eq!(host("https://Example.org/a@b?c"), "example.org");
        assert_eq!(host("http://me:secret@localhost:8080"), "localhost:8080");
    }
}
