//! What a finished call showed.

use std::fmt;

use serde_json::Value;

use super::scrub;

/// A finished call of the program. `Display` is the whole transcript.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) line: String,
    /// The exit status; 128 and the number of the signal that ended it.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, status, stdout, stderr } = self;
        write!(f, "$ {line}\n{stdout}[stderr]\n{stderr}[exit {status}]")
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(&self, status: i32) -> &Self {
        assert!(self.status == status, "expected status {status}\n{self}");
        self
    }

    /// It did what was asked, without complaint.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        self.exits(0);
        assert!(self.stderr.is_empty(), "complained\n{self}");
        self
    }

    /// It did what was asked and warned.
    #[track_caller]
    pub(crate) fn warns(&self, of: &str) -> &Self {
        self.exits(0);
        assert!(self.stderr.contains(of), "no warning of `{of}`\n{self}");
        self
    }

    /// It failed, and told people why, with nothing else.
    #[track_caller]
    pub(crate) fn refuses(&self, why: &str) -> &Self {
        self.exits(1);
        assert!(self.stdout.is_empty(), "wrote a result\n{self}");
        assert!(self.stderr.starts_with("Error: "), "no error\n{self}");
        assert!(self.stderr.contains(why), "not `{why}`\n{self}");
        self
    }

    /// It failed and told programs why, with nothing else on either stream.
    #[track_caller]
    pub(crate) fn refuses_with(&self, code: &str) -> Value {
        self.exits(1);
        let told = self.json();
        assert!(told["code"] == code, "not `{code}`\n{self}");
        assert!(told["error"].is_string(), "no error\n{self}");
        let keys: Vec<&str> = told.as_object().expect("an object").keys().map(|k| &**k).collect();
        assert!(
            keys == ["error", "code"] || keys == ["error", "code", "hint"],
            "not the keys of an error\n{self}"
        );
        told
    }

    /// It failed with this status and told programs why, with nothing else on either stream.
    #[track_caller]
    pub(crate) fn fails_with(&self, status: i32, code: &str) -> Value {
        self.exits(status);
        assert!(self.stderr.is_empty(), "complained\n{self}");
        let told = self.json();
        assert!(told["code"] == code, "not `{code}`\n{self}");
        told
    }

    /// The command line was wrong.
    #[track_caller]
    pub(crate) fn is_misused(&self) -> &Self {
        self.exits(2);
        assert!(self.stdout.is_empty() && !self.stderr.is_empty(), "not told on stderr\n{self}");
        self
    }

    /// The one document on standard output, written as Python writes it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one document: {error}\n{self}"));
        assert!(self.stdout.ends_with('\n') && !self.stdout.ends_with("\n\n"), "{self}");
        value
    }

    /// The lines of standard output, each a document.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// It succeeded and wrote exactly this, times and identifiers apart.
    #[track_caller]
    pub(crate) fn shows(&self, expected: &str) -> &Self {
        self.succeeds();
        let found = scrub(&self.stdout);
        let expected = expected.strip_prefix('\n').unwrap_or(expected);
        assert!(found.trim_end() == expected.trim_end(), "expected\n{expected}\nbut\n{found}");
        self
    }
}

/// The keys of an object, in order.
#[track_caller]
pub(crate) fn keys(value: &Value) -> String {
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}
