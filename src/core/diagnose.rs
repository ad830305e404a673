//! What every error of clawteam can say about itself besides its text.

use std::any::Any;
use std::error::Error;

use serde_json::{Map, Value};

/// The exit status of a failed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: the command could not do what was asked.
    Failure,
    /// 2: the command line itself is wrong.
    Usage,
    /// 3: what was named does not exist.
    NotFound,
    /// 4: a document does not pass its checks.
    Invalid,
    /// 5: this cannot happen in the present state.
    Illegal,
    /// 6: whoever asks may not do this.
    Forbidden,
    /// 7: a tool or a feature that this needs is missing.
    Missing,
    /// 9: somebody else changed it first.
    Conflict,
    /// 10: the approval was rejected.
    Rejected,
    /// 11: the approval expired or was cancelled.
    Expired,
    /// 12: what was waited for did not happen in time.
    TimedOut,
    /// 13: the run failed.
    RunFailed,
    /// 14: the run was stopped.
    RunStopped,
    /// 20: there is nothing to do now.
    Idle,
    /// 75 (`EX_TEMPFAIL`): a lock stayed busy past its deadline; trying again is safe.
    Busy,
}

impl Exit {
    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Invalid => 4,
            Self::Illegal => 5,
            Self::Forbidden => 6,
            Self::Missing => 7,
            Self::Conflict => 9,
            Self::Rejected => 10,
            Self::Expired => 11,
            Self::TimedOut => 12,
            Self::RunFailed => 13,
            Self::RunStopped => 14,
            Self::Idle => 20,
            Self::Busy => 75,
        }
    }
}

/// An error that can be told to a person and to a program.
///
/// The text (`Display`) says what is wrong and where, in one line, without its source.
/// Programs branch on [`code`](Diagnose::code), which never changes once released.
pub trait Diagnose: Error + Any + Send + Sync {
    /// The stable identifier of this kind of failure, in snake case.
    fn code(&self) -> &'static str;

    /// What to do next, as a sentence or a command that works when pasted.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The exit status.
    fn exit(&self) -> Exit {
        Exit::Failure
    }

    /// What a program should know besides: further fields of the error in JSON.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// Writes `error` and everything that caused it on one line, separated by `: `.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}

/// Any error that can tell about itself, on its way to the user.
#[derive(Debug)]
pub struct Failure(Box<dyn Diagnose>);

impl Failure {
    /// The error.
    pub fn inner(&self) -> &dyn Diagnose {
        &*self.0
    }

    /// The error, if it is one of this kind.
    pub fn downcast<E: Diagnose>(&self) -> Option<&E> {
        let error: &dyn Any = &*self.0;
        error.downcast_ref()
    }

    /// The error and its causes on one line.
    pub fn message(&self) -> String {
        let mut line = self.0.to_string();
        if let Some(cause) = self.0.source() {
            line.push_str(": ");
            line.push_str(&chain(cause));
        }
        line
    }
}

impl<E: Diagnose> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The result of a use case.
pub type Outcome<T> = Result<T, Failure>;
