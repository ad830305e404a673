//! As much of HTTP as the clients of model endpoints use: one request a connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What was asked.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: String,
}

/// No client of this endpoint is slower than that.
const PATIENCE: Duration = Duration::from_secs(60);

impl Request {
    pub(super) fn read(stream: &TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut from = BufReader::new(stream);
        let mut first = String::new();
        from.read_line(&mut first)?;
        let mut words = first.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (mut length, mut chunked) = (0, false);
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let body = if chunked { read_chunks(&mut from)? } else { read_exactly(&mut from, length)? };
        Ok(Self { method, path, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn read_exactly(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        body.extend(read_exactly(from, length)?);
        from.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// What is answered.
pub(super) struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    pub(super) fn json(value: &Value) -> Self {
        Self { status: "200 OK", kind: "application/json", body: value.to_string() }
    }

    pub(super) fn missing() -> Self {
        Self { status: "404 Not Found", ..Self::json(&serde_json::json!({"error": "not found"})) }
    }

    /// Server-sent events; each is named by its `type`.
    pub(super) fn events(events: &[Value]) -> Self {
        let text = |event: &Value| {
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
        };
        let body = events.iter().map(text).collect();
        Self { status: "200 OK", kind: "text/event-stream", body }
    }

    /// One server-sent event without a name.
    pub(super) fn data(event: &Value) -> Self {
        let body = format!("data: {event}\r\n\r\n");
        Self { status: "200 OK", kind: "text/event-stream", body }
    }

    pub(super) fn write(&self, mut to: &TcpStream) -> io::Result<()> {
        let Self { status, kind, body } = self;
        write!(
            to,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
