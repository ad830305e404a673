//! Working off a team's tasks.

use std::time::Duration;

use serde_json::Value;

use super::program::{Reply, call};
use super::tray::{Tray, own_words};
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

    /// Whether nothing is left to do: no task is open, and no run may still make one.
    fn all_done(&self) -> Result<bool, AgentError> {
        let team = &self.setting.team;
        let stats = self.must(&["task", "stats", team])?;
        let total = stats["total"].as_u64().unwrap_or(0);
        if stats["completed"].as_u64() != Some(total) {
            let tasks = self.must(&["task", "list", team])?;
            let settled = |task: &Value| {
                let about = &task["metadata"];
                task["status"] == "completed"
                    || about["failed"].is_object()
                    || about["closed"].is_object()
            };
            if !tasks.as_array().is_some_and(|tasks| tasks.iter().all(settled)) {
                return Ok(false);
            }
        }
        let live = self.must(&["workflow", "history", team, "--status", "live"])?;
        Ok(total > 0 && live.as_array().is_none_or(Vec::is_empty))
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
        if message["key"] == "approval" && message["status"] == "pending" {
            self.decide(message)?;
            return Ok(false);
        }
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

    /// Decides about an approval: as the script of the request or of the agent says, otherwise in
    /// favour.
    fn decide(&mut self, request: &Value) -> Result<(), AgentError> {
        let Setting { team, name, script, .. } = self.setting;
        let id = request["requestId"].as_str().unwrap_or_default();
        let text = request["content"].as_str().unwrap_or_default();
        let tray = Tray::new(text)?;
        let approves = match fence::block(own_words(text), "sh").or_else(|| script.clone()) {
            Some(script) => shell::run(&script, name, team, &tray.variables(request))? == 0,
            None => true,
        };
        let (verb, usual) = if approves {
            ("approve", "Good. Go ahead.")
        } else {
            ("reject", "This is not right yet.")
        };
        let comment = tray.result().unwrap_or_else(|| usual.to_owned());
        let told = self.call(&["approval", verb, team, id, "--comment", &comment])?;
        // Somebody else may have decided meanwhile.
        let how = if told.ok() { comment } else { told.error() };
        self.say(&format!("{verb} {id}: {how}"));
        Ok(())
    }

    /// Does a task that was claimed. Returns whether the agent was asked to end meanwhile.
    fn do_task(&mut self, task: &Value) -> Result<bool, AgentError> {
        let team = &self.setting.team;
        let id = task["id"].as_str().unwrap_or_default();
        let subject = task["subject"].as_str().unwrap_or_default();
        let description = task["description"].as_str().unwrap_or_default();
        let of_workflow = task["metadata"]["workflow"].is_object();
        self.say(&format!("claimed {id}: {subject}"));
        let tray = Tray::new(description)?;
        match self.carry_out(task, description, &tray)? {
            Outcome::Done => {
                let (result, artifacts) = (tray.result(), tray.artifacts());
                // A workflow waits for an answer.
                let result = result.or_else(|| of_workflow.then(|| format!("Done: {subject}")));
                let mut call = vec!["task", "update", team, id, "--status", "completed"];
                call.extend(result.iter().flat_map(|result| ["--result", result.as_str()]));
                call.extend(artifacts.iter().flat_map(|file| ["--artifact", file.as_str()]));
                self.hand_in(&call, id)?;
                self.say(&format!("completed {id}: {subject}"));
                let report = format!("Completed: {subject} [confidence: 0.9]");
                self.send(&self.leader, &report, "message")?;
                Ok(false)
            }
            Outcome::Stuck(why) => {
                let why = tray.result().filter(|_| of_workflow).unwrap_or(why);
                self.say(&format!("cannot do {id}: {why}"));
                if of_workflow {
                    self.hand_in(&["task", "fail", team, id, "--error", &why], id)?;
                } else {
                    // Not pending: somebody would claim it and fail at it again.
                    self.must(&["task", "update", team, id, "--status", "blocked"])?;
                }
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

    /// Hands in how a task ended. Whether it is still wanted is not the agent's business.
    fn hand_in(&mut self, call: &[&str], id: &str) -> Result<(), AgentError> {
        let mut told = self.call(call)?;
        if told.status == 75 {
            told = self.call(call)?;
        }
        if told.code() == "attempt_closed" {
            self.say(&format!("{id} is not wanted any more"));
            return Ok(());
        }
        if told.ok() {
            return Ok(());
        }
        Err(AgentError::Command { command: call[..2].join(" "), reason: told.error() })
    }

    fn carry_out(
        &mut self,
        task: &Value,
        description: &str,
        tray: &Tray,
    ) -> Result<Outcome, AgentError> {
        let Setting { team, name, script, .. } = self.setting;
        let own = own_words(description);
        if let Some(plan) = fence::block(own, "plan") {
            let outcome = self.ask_for_approval(&plan)?;
            if !matches!(outcome, Outcome::Done) {
                return Ok(outcome);
            }
        }
        if let Some(script) = fence::block(own, "sh").or_else(|| script.clone()) {
            let status = shell::run(&script, name, team, &tray.variables(task))?;
            if status != 0 {
                return Ok(Outcome::Stuck(format!("the script ended with status {status}")));
            }
        }
        let subject = task["subject"].as_str().unwrap_or_default();
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
