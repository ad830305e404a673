//! How a run ends.

use super::Change;
use crate::domain::workflow::run::effect::{Effect, Note, Op};
use crate::domain::workflow::run::state::{ActState, Ending, Fault, Status};

impl Change<'_> {
    /// The run ends, or begins to clean up.
    pub(super) fn finish(&mut self, status: Status, fault: Option<Fault>) {
        if self.run.status.is_terminal() {
            return;
        }
        let live: Vec<String> = self.run.live().map(|(id, _)| id.to_owned()).collect();
        for id in live {
            self.call_off(&id, "the run has ended");
            if let Some(act) = self.run.acts.get_mut(&id) {
                act.state = ActState::Cancelled;
                act.ended_at = Some(self.run.now);
            }
        }
        let clean_up = match status {
            Status::Failed => self.graph.definition.on_run_failure.as_deref(),
            Status::Stopped => self.graph.definition.on_run_stop.as_deref(),
            _ => None,
        };
        if self.run.ending.is_none()
            && let Some(node) = clean_up.and_then(|node| self.graph.find(node))
        {
            self.run.status = Status::Running;
            self.run.paused_at = None;
            let fault = fault.unwrap_or_default();
            let places = std::mem::take(&mut self.run.places);
            let open = self.run.acts.iter().filter(|(_, act)| act.is_open());
            let open = open.map(|(id, _)| id.clone()).collect();
            self.run.ending = Some(Ending { status, fault, visits: 0, places, open });
            self.visit(node, Vec::new(), Vec::new(), Vec::new());
            return;
        }
        let (status, fault) = match &mut self.run.ending {
            Some(ending) => {
                // A retry finds everything as it was before the clean-up.
                self.run.places = std::mem::take(&mut ending.places);
                (ending.status, Some(ending.fault.clone()))
            }
            None => (status, fault),
        };
        if status == Status::Completed {
            self.run.places.clear();
        }
        self.run.status = status;
        self.run.fault = fault;
        self.run.paused_at = None;
        self.run.ended_at = Some(self.run.now);
        self.announce();
    }

    fn announce(&mut self) {
        let body = self.run.fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
        let (kind, severity, word) = match self.run.status {
            Status::Completed => ("run_completed", "info", "is completed"),
            Status::Failed => ("run_failed", "critical", "has failed"),
            _ => return,
        };
        self.tell(kind, severity, format!("{} {word}", self.name()), body);
    }

    pub(super) fn name(&self) -> String {
        format!("workflow '{}'", self.graph.definition.name)
    }

    pub(super) fn tell(&mut self, kind: &str, severity: &str, title: String, body: String) {
        let note =
            Note { to: "human".into(), kind: kind.into(), severity: severity.into(), title, body };
        self.push(format!("notify:{}:{kind}", self.run.rev), Op::Notify(Box::new(note)));
    }

    pub(super) fn push(&mut self, key: String, op: Op) {
        self.run.outbox.push(Effect { key, op });
    }
}
