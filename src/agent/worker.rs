//! Working off a team's tasks.

use std::time::Duration;

use serde_json::Value;

use super::program::{Reply, call};
use super::{AgentError, Pause, Setting, Show, shell};
use crate::domain::fence;

/// How long to wait at most before looking again, if nothing is heard.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a task ended with.
enum Outcome {
    /// It is done.
    Done,
    /// It cannot be done; why.
    Stuck(String),
    /// The agent was asked to end meanwhile.
    Shutdown,
}

/// An agent at work.
pub(super) struct Worker<'a, 'f> {
    setting: &'a Setting,
    leader: String,
    show: &'a mut Show<'f>,
    pause: &'a mut Pause<'f>,
    /// The plans that were decided about, and how.
    decided: Vec<(String, bool)>,
}

impl<'a, 'f> Worker<'a, 'f> {
    /// An agent that reports to `leader`, or to whoever leads the team.
    pub(super) fn new(
        setting: &'a Setting,
        leader: Option<String>,
        show: &'a mut Show<'f>,
        pause: &'a mut Pause<'f>,
    ) -> Result<Self, AgentError> {
        let mut worker = Self { setting, leader: String::new(), show, pause, decided: Vec::new() };
        worker.leader = match leader {
            Some(leader) => leader,
            None => worker.ask_leader()?,
        };
        Ok(worker)
    }

    fn ask_leader(&self) -> Result<String, AgentError> {
        let status = self.must(&["team", "status", &self.setting.team])?;
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let lead = &status["leadAgentId"];
        let found = members.iter().find(|member| &member["agentId"] == lead);
        Ok(found.and_then(|member| member["name"].as_str()).unwrap_or("leader").to_owned())
    }

    fn call(&self, arguments: &[&str]) -> Result<Reply, AgentError> {
        call(&self.setting.program, arguments)
    }

    /// Runs a command that has to work. One that met a busy lock is tried again.
    fn must(&self, arguments: &[&str]) -> Result<Value, AgentError> {
        let mut reply = self.call(arguments)?;
        if reply.status == 75 {
            reply = self.call(arguments)?;
        }
        if reply.ok() {
            return Ok(reply.value);
        }
        let command = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Err(AgentError::Command { command, reason: reply.error() })
    }

    fn say(&mut self, text: &str) {
        (self.show)(text);
    }

    /// Sends a message, unless it would go to the agent itself.
    fn send(&self, to: &str, text: &str, kind: &str) -> Result<(), AgentError> {
        if to != self.setting.name {
            self.must(&["inbox", "send", &self.setting.team, to, "--type", kind, "--", text])?;
        }
        Ok(())
    }

    /// Works until all tasks are done or somebody asks the agent to end.
    pub(super) fn work(mut self) -> Result<u8, AgentError> {
        let Setting { team, name, .. } = self.setting;
        self.say(&format!("{name} works for team {team}, led by {}", self.leader));
        let mut idle = false;
        loop {
            if self.read_mail()? {
                return Ok(0);
            }
            let claim = self.call(&["task", "claim", team, "next"])?;
            if claim.ok() {
                idle = false;
                if self.do_task(&claim.value)? {
                    return Ok(0);
                }
                continue;
            }
            if claim.status != 75 && claim.code() != "nothing_ready" {
                let reason = claim.error();
                let _ = self.send(&self.leader, &format!("Blocked: {reason}"), "message");
                return Err(AgentError::Command { command: "task claim".into(), reason });
            }
            if self.all_done()? {
                self.say("all tasks are completed");
                self.send(&self.leader, "All tasks completed. [confidence: 0.9]", "message")?;
                return Ok(0);
            }
            if !idle && claim.code() == "nothing_ready" {
                self.say("nothing to do at the moment");
                if self.leader != *name {
                    self.must(&["lifecycle", "idle", team])?;
                }
                idle = true;
            }
            (self.pause)(LOOK_AGAIN);
        }
    }

    fn all_done(&self) -> Result<bool, AgentError> {
        let stats = self.must(&["task", "stats", &self.setting.team])?;
        let total = stats["total"].as_u64().unwrap_or(0);
        Ok(total > 0 && stats["completed"].as_u64() == Some(total))
    }

    /// Reads and answers the mail. Returns whether the agent is asked to end.
    fn read_mail(&mut self) -> Result<bool, AgentError> {
        let team = &self.setting.team;
        let mail = self.must(&["inbox", "receive", team, "--agent", &self.setting.name])?;
        let mut shutdown = false;
        for message in mail.as_array().into_iter().flatten() {
            shutdown |= self.answer(message)?;
        }
        Ok(shutdown)
    }

    fn answer(&mut self, message: &Value) -> Result<bool, AgentError> {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let (from, kind, id) = (text("from"), text("type"), text("requestId"));
        let gist = [text("content"), text("summary"), text("feedback")];
        let gist = gist.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
        self.say(&format!("message from {from} ({kind}): {gist}"));
        match kind.as_str() {
            "shutdown_request" => {
                let answer = format!("{} shutting down.", self.setting.name);
                self.send(&from, &answer, "shutdown_approved")?;
                return Ok(true);
            }
            "plan_approval_request" => {
                let team = &self.setting.team;
                let feedback = "Good. Go ahead.";
                self.must(&["plan", "approve", team, &id, &from, "--feedback", feedback])?;
                self.say(&format!("approved the plan of {from}"));
            }
            "plan_approved" => self.decided.push((id, true)),
            "plan_rejected" => self.decided.push((id, false)),
            _ => {}
        }
        Ok(false)
    }

    /// Does a task that was claimed. Returns whether the agent was asked to end meanwhile.
    fn do_task(&mut self, task: &Value) -> Result<bool, AgentError> {
        let team = &self.setting.team;
        let id = task["id"].as_str().unwrap_or_default();
        let subject = task["subject"].as_str().unwrap_or_default();
        self.say(&format!("claimed {id}: {subject}"));
        match self.carry_out(subject, task["description"].as_str().unwrap_or_default())? {
            Outcome::Done => {
                self.must(&["task", "update", team, id, "--status", "completed"])?;
                self.say(&format!("completed {id}: {subject}"));
                let report = format!("Completed: {subject} [confidence: 0.9]");
                self.send(&self.leader, &report, "message")?;
                Ok(false)
            }
            Outcome::Stuck(why) => {
                self.say(&format!("cannot do {id}: {why}"));
                // Not pending: somebody would claim it and fail at it again.
                self.must(&["task", "update", team, id, "--status", "blocked"])?;
                let report = format!("Blocked: {subject}: {why} [confidence: 0.1]");
                self.send(&self.leader, &report, "message")?;
                Ok(false)
            }
            Outcome::Shutdown => {
                self.must(&["task", "update", team, id, "--status", "pending"])?;
                Ok(true)
            }
        }
    }

    fn carry_out(&mut self, subject: &str, description: &str) -> Result<Outcome, AgentError> {
        let Setting { team, name, .. } = self.setting;
        if let Some(plan) = fence::block(description, "plan") {
            let outcome = self.ask_for_approval(&plan)?;
            if !matches!(outcome, Outcome::Done) {
                return Ok(outcome);
            }
        }
        if let Some(script) = fence::block(description, "sh") {
            let status = shell::run(&script, name, team)?;
            if status != 0 {
                return Ok(Outcome::Stuck(format!("the script ended with status {status}")));
            }
        }
        if let Some(hash) = shell::commit(subject, name, team)? {
            self.say(&format!("committed {hash}"));
        }
        Ok(Outcome::Done)
    }

    /// Hands in a plan and waits for the decision.
    fn ask_for_approval(&mut self, plan: &str) -> Result<Outcome, AgentError> {
        let Setting { team, name, .. } = self.setting;
        let summary = plan.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let told =
            self.must(&["plan", "submit", team, name, "--summary", summary.trim(), "--", plan])?;
        let id = told["planId"].as_str().unwrap_or_default().to_owned();
        self.say(&format!("handed in plan {id}, waiting for the decision"));
        loop {
            if self.read_mail()? {
                return Ok(Outcome::Shutdown);
            }
            match self.decided.iter().find(|(plan, _)| *plan == id) {
                Some((_, true)) => return Ok(Outcome::Done),
                Some((_, false)) => return Ok(Outcome::Stuck("its plan was rejected".into())),
                None => (self.pause)(LOOK_AGAIN),
            }
        }
    }
}
