//! Through which ports the result of a node can leave it.

use super::model::SUCCESS;
use super::node::Kind;
use super::route::OnError;

/// The port of an attempt that failed.
pub const FAILURE: &str = "failure";
/// The port of an attempt that took too long.
pub const TIMEOUT: &str = "timeout";
/// The port of an attempt whose worker is gone.
pub const LOST: &str = "lost";
/// The port of an attempt whose result did not pass its checks.
pub const CHECK_FAILED: &str = "check_failed";
/// The port of an approval that was rejected.
pub const REJECTED: &str = "rejected";
/// The port of something that did not happen in time.
pub const EXPIRED: &str = "expired";
/// The port of a condition that holds.
pub const YES: &str = "yes";
/// The port of a condition that does not hold.
pub const NO: &str = "no";
/// The port of another round of a loop.
pub const BODY: &str = "body";
/// The port of a loop that has ended.
pub const DONE: &str = "done";

/// The ports of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports<'k> {
    /// Those where the run goes on as planned. Each must have an edge, unless it is the only one
    /// (then the branch ends there) or `open`.
    pub onward: Vec<&'k str>,
    /// Those of what went wrong.
    pub astray: &'static [&'static str],
    /// Whether there may be others: an expression says which.
    pub open: bool,
}

impl Ports<'_> {
    /// Whether an edge may leave through `port`, in its canonical spelling.
    pub fn has(&self, port: &str) -> bool {
        self.open || self.onward.contains(&port) || self.astray.contains(&port)
    }
}

/// The ports of a node of this kind.
pub fn ports(kind: &Kind) -> Ports<'_> {
    let plain = |astray| Ports { onward: vec![SUCCESS], astray, open: false };
    match kind {
        Kind::Task(_) => plain(&[FAILURE, TIMEOUT, LOST, CHECK_FAILED]),
        Kind::Command(_)
        | Kind::Plugin(_)
        | Kind::Http(_)
        | Kind::Merge(_)
        | Kind::Checkpoint(_)
        | Kind::Meeting(_) => plain(&[FAILURE, TIMEOUT, LOST]),
        Kind::Map(_) | Kind::Subworkflow(_) => plain(&[FAILURE, TIMEOUT]),
        Kind::Notify(_) | Kind::Set(_) | Kind::Delay(_) => plain(&[FAILURE]),
        Kind::Wait(_) => plain(&[EXPIRED, FAILURE]),
        Kind::Approval(_) => plain(&[REJECTED, EXPIRED, FAILURE]),
        Kind::Condition(condition) => {
            let mut onward = vec![YES, NO];
            onward.extend(branch_of(&condition.on_error));
            onward.dedup();
            Ports { onward, astray: &[FAILURE], open: false }
        }
        Kind::Switch(switch) => {
            let cases = switch.cases.iter().map(|case| case.branch.as_str());
            let mut onward: Vec<&str> = Vec::new();
            for branch in cases.chain(switch.default.as_deref()).chain(branch_of(&switch.on_error))
            {
                if !onward.contains(&branch) {
                    onward.push(branch);
                }
            }
            Ports { onward, astray: &[FAILURE], open: switch.expr.is_some() }
        }
        Kind::Loop(_) => Ports { onward: vec![BODY, DONE], astray: &[FAILURE], open: false },
        Kind::Parallel(parallel) if !parallel.branches.is_empty() => {
            let onward = parallel.branches.iter().map(String::as_str).collect();
            Ports { onward, astray: &[], open: false }
        }
        Kind::Parallel(_) | Kind::Join(_) => plain(&[]),
        Kind::End(_) => Ports { onward: Vec::new(), astray: &[], open: false },
    }
}

fn branch_of(on_error: &OnError) -> Option<&str> {
    match on_error {
        OnError::Branch(branch) => Some(branch),
        OnError::Fail | OnError::False => None,
    }
}

/// The proper name of a port: a condition's `true` and `false` are `yes` and `no`, an approval's
/// `approved` is `success`, and a loop's `success` is `done`.
pub fn canonical<'p>(kind: &Kind, port: &'p str) -> &'p str {
    match (kind, port) {
        (Kind::Condition(_), "true") => YES,
        (Kind::Condition(_), "false") => NO,
        (Kind::Approval(_), "approved") => SUCCESS,
        (Kind::Loop(_), SUCCESS) => DONE,
        (_, port) => port,
    }
}

/// Whether the run may leave such a node in different ways, so that a cycle through it can end.
pub fn decides(kind: &Kind) -> bool {
    matches!(kind, Kind::Condition(_) | Kind::Switch(_) | Kind::Loop(_) | Kind::Approval(_))
}
